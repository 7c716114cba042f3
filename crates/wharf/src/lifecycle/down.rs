//! `wharf down`.

use std::time::Duration;

use super::{Place, process};
use crate::api;
use crate::failure::{Failure, Outcome};

/// Longest time that an engine may take to end before it is killed. It has nothing to save by
/// then that a start could not find again.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// Stops the engine; with `containers` all running containers first.
pub fn down(place: &Place, containers: bool) -> Outcome {
    let Some(running) = process::find(place) else {
        if api::answers(&place.host) {
            return Err(Failure::new(format!(
                "an engine answers on {}, but it was not started by 'wharf up'\n\n\
                 Stop it where it was started.",
                place.host
            )));
        }
        println!("The engine is not running.");
        return Ok(0);
    };
    let mut code = 0;
    if containers {
        match api::stop_all(&place.host) {
            Ok(count) => println!("Stopped {count} containers."),
            Err(failure) => {
                eprintln!("{failure}");
                code = 1;
            }
        }
    }
    process::stop(&running, PATIENCE)?;
    let _ = std::fs::remove_file(place.pid_file());
    match containers {
        true => println!("The engine is down."),
        false => println!(
            "The engine is down. Containers keep running; 'wharf up' finds them again.\n\
             To stop them too: wharf down --containers"
        ),
    }
    Ok(code)
}
