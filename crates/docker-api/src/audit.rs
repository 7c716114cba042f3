//! `GET /containers/{id}/audit`: an addition of our own.
//!
//! What a container could still do, what of that it was seen to use, and options that take the
//! rest away.

use crate::time::Timestamp;
use crate::wire::objects;

objects! { "PascalCase";
    /// The whole report.
    pub struct ContainerAudit {
        /// The container's full id.
        #[serde(rename = "ID")]
        pub id: String,
        /// With a leading slash.
        pub name: String,
        /// As the user wrote it.
        pub image: String,
        /// `running`, `exited`, ...
        pub state: String,
        /// What the words "used" and "never used" rest on.
        pub observation: AuditObservation,
        /// What it could do, the gravest first.
        pub findings: Vec<AuditFinding>,
        /// Its system calls.
        pub syscalls: AuditSyscalls,
        /// What would leave it less; `null` when nothing was observed.
        pub proposal: Option<AuditProposal>,
    }

    /// What was watched, and for how long.
    pub struct AuditObservation {
        /// `none`, `running` or `ended`.
        pub status: String,
        /// Every run was watched from its program's first instruction on.
        pub from_start: bool,
        /// How many runs were watched.
        pub runs: u32,
        /// When the watching began.
        pub since: Timestamp,
        /// Up to when it is told here.
        pub until: Timestamp,
        /// System calls were watched.
        pub syscalls: bool,
        /// Capabilities were watched.
        pub capabilities: bool,
        /// What could not be watched, and how to watch.
        pub notes: Vec<String>,
    }

    /// One thing that the container could do.
    pub struct AuditFinding {
        /// `high`: leads to the host, or out of what containers are; `medium`: more than a default
        /// container has, or no bound where one belongs; `low`: as a default container; `info`.
        pub severity: String,
        /// `identity`, `capability`, `syscalls`, `namespace`, `mount`, `device` or `limit`.
        pub area: String,
        /// Its name: a capability, a path, a limit.
        pub subject: String,
        /// What it allows.
        pub allows: String,
        /// `used`, `never used` or `not observed`.
        pub used: String,
    }

    /// System calls of the machine's own architecture, by name.
    pub struct AuditSyscalls {
        /// `default`, `custom` or `unconfined`.
        pub filter: String,
        /// Those that run whatever their arguments are.
        pub allowed: Vec<String>,
        /// Those that depend on their arguments.
        pub conditional: Vec<String>,
        /// Those that never run.
        pub refused: Vec<String>,
        /// Those that were seen to run.
        pub used: Vec<String>,
    }

    /// Options for `run` and `create`.
    pub struct AuditProposal {
        /// One word each; where the profile belongs stands `seccomp=PROFILE`.
        pub flags: Vec<String>,
        /// What `--security-opt seccomp=FILE` takes; `null` when calls were not observed.
        pub seccomp_profile: Option<serde_json::Value>,
        /// What was left as it is, and why.
        pub notes: Vec<String>,
    }
}
