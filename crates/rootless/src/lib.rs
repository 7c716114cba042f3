//! An engine that an ordinary user starts: where its things are, the user namespace that it lives
//! in, and how containers differ there.
//!
//! Glossary:
//! - *outside*: the user namespace of the user's session, where nobody is root.
//! - *inside*: the engine's own user namespace, in which the user is root and the user's
//!   subordinate ids (`/etc/subuid`, `/etc/subgid`) are everybody else.
//!
//! What this crate does not know: containers' lives, images, requests. `docs/rootless.md` tells
//! users what they get, `docs/adr/0007-rootless-by-one-namespace.md` why it is so.

mod home;
mod limits;
mod namespace;
mod plan;
mod processes;
mod subordinate;

pub use home::{Home, HomeError};
pub use limits::refusal;
pub use namespace::{EnterError, enter, ids_inside};
pub use plan::adapt;
pub use processes::pids_with;

/// What `info` warns of when the user is the only one inside.
pub const SINGLE_ID: &str = "WARNING: The user has no subordinate ids: images and containers can \
                             have files and users of id 0 only. See docs/rootless.md";

/// What `info` warns of when there are no cgroups; Docker's words for the same.
pub const WITHOUT_CGROUPS: &str = "WARNING: Running in rootless-mode without cgroups. Limits are \
                                   refused, the default limit of processes is not in force, and \
                                   pause and stats are not supported: see docs/rootless.md";
