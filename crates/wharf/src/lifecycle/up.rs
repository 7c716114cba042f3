//! `wharf up` and `wharf restart`.

use std::fs::{DirBuilder, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::down::PATIENCE;
use super::{Place, process};
use crate::api;
use crate::body::env::plain;
use crate::failure::{Failure, Outcome};

/// Longest time that an engine may take until its socket answers: a first start makes its
/// database and reads what lies on disk.
const START_TIME_MAX: Duration = Duration::from_secs(30);

/// Starts the engine unless it runs, and shows that it works.
pub fn up(place: &Place) -> Outcome {
    if api::answers(&place.host) {
        println!("The engine is up already.\n");
        explain(place);
        return Ok(0);
    }
    let words = ["engine".into(), "--root".into(), text(&place.root), "--run".into()];
    let words = words.into_iter().chain([text(&place.run), "--host".into(), place.host.clone()]);
    start(place, words.collect())?;
    greet(place)
}

/// Stops the engine and starts it again with the arguments that it had; containers keep running.
pub fn restart(place: &Place) -> Outcome {
    let Some(running) = process::find(place) else { return up(place) };
    let words = running.words[1..].to_vec();
    process::stop(&running, PATIENCE)?;
    start(place, words)?;
    println!("The engine was restarted; containers kept running.");
    Ok(0)
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

fn start(place: &Place, words: Vec<String>) -> Result<(), Failure> {
    make_directory(&place.root, 0o700)?;
    make_directory(&place.run, 0o711)?;
    let log_path = place.log_file();
    let log = OpenOptions::new().create(true).append(true).mode(0o600).open(&log_path);
    let log = log.map_err(|error| failed("open", &log_path, &error))?;
    let log_start = log.metadata().map_or(0, |metadata| metadata.len());
    let errors = log.try_clone()?;
    let program = std::env::current_exe()?;
    let mut child = Command::new(program)
        .args(words)
        .env(crate::engine::OWN_SESSION, "1")
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(errors)
        .current_dir("/")
        .spawn()?;
    wait_until_it_answers(place, &mut child, log_start)
}

fn make_directory(path: &Path, mode: u32) -> Result<(), Failure> {
    let made = DirBuilder::new().recursive(true).mode(mode).create(path);
    made.map_err(|error| failed("make", path, &error))
}

fn failed(verb: &str, path: &Path, error: &std::io::Error) -> Failure {
    let hint = match error.kind() {
        std::io::ErrorKind::PermissionDenied => {
            "\n\nTry 'sudo wharf up', or give --root and --run directories of your own."
        }
        _ => "",
    };
    Failure::new(format!("failed to {verb} `{}`: {}{hint}", path.display(), plain(error)))
}

fn wait_until_it_answers(place: &Place, child: &mut Child, log_start: u64) -> Result<(), Failure> {
    let deadline = Instant::now() + START_TIME_MAX;
    let mut pause = Duration::from_millis(2);
    loop {
        if api::answers(&place.host) {
            return Ok(());
        }
        let ended = child.try_wait()?;
        if ended.is_some() || Instant::now() > deadline {
            let what = match ended {
                Some(status) => format!("the engine ended while it started ({status})"),
                None => format!("the engine did not answer within {START_TIME_MAX:?}"),
            };
            return Err(Failure::new(format!("{what}\n\n{}", log_end(place, log_start))));
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}

/// The last lines that this start wrote.
fn log_end(place: &Place, start: u64) -> String {
    const LINES_MAX: usize = 15;
    let path = place.log_file();
    let bytes = std::fs::read(&path).unwrap_or_default();
    let own = bytes.get(usize::try_from(start).unwrap_or(0)..).unwrap_or_default();
    let own = String::from_utf8_lossy(own);
    let lines: Vec<&str> = own.lines().collect();
    let last = &lines[lines.len().saturating_sub(LINES_MAX)..];
    format!("{}\n\nIts log is {}", last.join("\n"), path.display())
}

fn greet(place: &Place) -> Outcome {
    let program = std::env::current_exe()?;
    let words = ["--host", &place.host, "run", "--rm", "wharf/hello"];
    let status = Command::new(program).args(words).stdin(Stdio::null()).status()?;
    println!();
    explain(place);
    match status.success() {
        true => Ok(0),
        false => Err(Failure::new(format!(
            "\nThe engine is up, but the first container did not run ({status}).\n\
             Its log is {}",
            place.log_file().display()
        ))),
    }
}

fn explain(place: &Place) {
    let host = &place.host;
    println!("The engine listens on {host}");
    println!("Point docker at it:   export DOCKER_HOST={host}");
    println!("Stop it:              wharf down   (containers keep running)");
}
