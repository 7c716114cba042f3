//! `wharf status`.

use super::{Place, process};
use crate::api;
use crate::failure::{Failure, Outcome};

/// Exit code when no engine runs, as service managers have it.
const NOT_RUNNING: i32 = 3;

/// Tells whether the engine runs, and what it holds.
pub fn status(place: &Place) -> Outcome {
    let process = process::find(place);
    if !api::answers(&place.host) {
        return match process {
            Some(process) => Err(Failure::with_code(
                NOT_RUNNING,
                format!(
                    "the engine (process {}) runs, but does not answer on {}\n\nIts log is {}",
                    process.pid,
                    place.host,
                    place.log_file().display()
                ),
            )),
            None => {
                println!("The engine is not running.");
                Ok(NOT_RUNNING)
            }
        };
    }
    let info = api::info(&place.host)?;
    match process {
        Some(process) => println!("The engine is up (process {}).", process.pid),
        None => println!("The engine is up."),
    }
    println!("Version:     {}", info.server_version);
    println!("Socket:      {}", place.host);
    println!("Root:        {}", info.docker_root_dir);
    println!(
        "Containers:  {} ({} running, {} paused, {} stopped)",
        info.containers, info.containers_running, info.containers_paused, info.containers_stopped
    );
    println!("Images:      {}", info.images);
    Ok(0)
}
