//! The engine's own life: `up`, `down`, `status`, `restart` without arguments.

use std::path::PathBuf;

use crate::flags::parse::Parsed;

mod down;
mod process;
mod status;
mod up;

pub use down::down;
pub use status::status;
pub use up::{restart, up};

/// Where an engine lives.
#[derive(Clone, Debug)]
pub struct Place {
    /// Images, containers, volumes, its log.
    pub root: PathBuf,
    /// Sockets and process ids.
    pub run: PathBuf,
    /// Its socket, as `unix://PATH`.
    pub host: String,
}

impl Place {
    /// From `--root`, `--run` and `--host`; by default the socket lies in the run directory.
    pub fn of(flags: &Parsed, host: Option<&str>) -> Place {
        let run = PathBuf::from(flags.text("run"));
        let host = match host {
            Some(host) => host.to_owned(),
            None => format!("unix://{}", run.join("wharf.sock").display()),
        };
        Place { root: PathBuf::from(flags.text("root")), run, host }
    }

    fn pid_file(&self) -> PathBuf {
        self.run.join("engine.pid")
    }

    fn log_file(&self) -> PathBuf {
        self.root.join("engine.log")
    }
}
