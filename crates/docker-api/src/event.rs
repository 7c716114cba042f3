//! Lines of `GET /events`.

use std::collections::BTreeMap;

use crate::wire::{is_zero, objects};

objects! { "PascalCase";
    /// Something happened to an object.
    pub struct Event {
        /// Same as `action`, for containers and images; deprecated.
        #[serde(rename = "status", skip_serializing_if = "is_zero")]
        pub status: String,
        /// Same as the actor's id, for containers and images; deprecated.
        #[serde(rename = "id", skip_serializing_if = "is_zero")]
        pub id: String,
        /// The container's image; deprecated.
        #[serde(rename = "from", skip_serializing_if = "is_zero")]
        pub from: String,
        /// `container`, `image`, `network`, `volume`, `daemon`, `builder`, ...
        #[serde(rename = "Type")]
        pub kind: String,
        /// `create`, `start`, `exec_create: sh `, ...
        pub action: String,
        /// To whom.
        pub actor: Actor,
        /// `local`.
        #[serde(rename = "scope", skip_serializing_if = "is_zero")]
        pub scope: String,
        /// Seconds since 1970.
        #[serde(rename = "time", skip_serializing_if = "is_zero")]
        pub time: i64,
        /// Nanoseconds since 1970.
        #[serde(rename = "timeNano", skip_serializing_if = "is_zero")]
        pub time_nano: i64,
        /// Who asked for it; absent when nobody did, and from Docker. Its clients leave keys alone
        /// that they do not know, but print every attribute: it is none.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub caller: Option<EventCaller>,
    }

    /// Who asked, by the credentials of the connection.
    pub struct EventCaller {
        /// User id.
        pub uid: u32,
        /// Group id.
        pub gid: u32,
        /// Process id when the connection was made.
        pub pid: i32,
    }

    /// An object that something happened to.
    pub struct Actor {
        /// Id, or name where objects have no id.
        #[serde(rename = "ID")]
        pub id: String,
        /// Name, image, labels, exit code, ...
        pub attributes: BTreeMap<String, String>,
    }
}
