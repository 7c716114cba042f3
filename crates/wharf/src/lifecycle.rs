//! The engine's own life: `up`, `down`, `status`, `restart` without arguments.

use std::path::PathBuf;

use rootless::Home;

use crate::failure::Failure;
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
    /// From `--root`, `--run` and `--host`; by default the machine's directories for root and a
    /// user's own for others, and the socket in the run directory.
    pub fn of(flags: &Parsed, host: Option<&str>) -> Result<Place, Failure> {
        let home = match flags.is_set("root") && flags.is_set("run") {
            true => None,
            false => Home::of_caller().map_err(|error| Failure::new(error.to_string()))?,
        };
        let choose = |flag: &str, own: fn(Home) -> PathBuf| match home.clone() {
            Some(home) if !flags.is_set(flag) => own(home),
            _ => PathBuf::from(flags.text(flag)),
        };
        let (root, run) = (choose("root", |home| home.root), choose("run", |home| home.run));
        let host = match host {
            Some(host) => host.to_owned(),
            None => format!("unix://{}", run.join("wharf.sock").display()),
        };
        Ok(Place { root, run, host })
    }

    fn pid_file(&self) -> PathBuf {
        self.run.join("engine.pid")
    }

    fn log_file(&self) -> PathBuf {
        self.root.join("engine.log")
    }
}
