//! Texts that the engine makes for people: durations and states of containers.

use std::time::Duration;

use crate::container::ContainerState;
use crate::time::Timestamp;

/// About how long, as in `Up 46 seconds` and `10 minutes ago`.
pub fn human_duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let minutes = seconds / 60;
    // Hours are rounded to the nearest, the rest is cut off.
    let hours = (seconds + 1800) / 3600;
    match (seconds, minutes, hours) {
        (0, ..) => "Less than a second".to_owned(),
        (1, ..) => "1 second".to_owned(),
        (..60, ..) => format!("{seconds} seconds"),
        (_, 1, _) => "About a minute".to_owned(),
        (_, ..60, _) => format!("{minutes} minutes"),
        (.., 1) => "About an hour".to_owned(),
        (.., ..48) => format!("{hours} hours"),
        (.., ..336) => format!("{} days", hours / 24),
        (.., ..1440) => format!("{} weeks", hours / 24 / 7),
        (.., ..17520) => format!("{} months", hours / 24 / 30),
        _ => format!("{} years", seconds / 3600 / 24 / 365),
    }
}

/// The status of a container as lists show it: `Up 3 seconds (healthy)`, `Exited (0) 2 days ago`.
pub fn status_string(state: &ContainerState, now: Timestamp) -> String {
    let up = || human_duration(now.since(state.started_at));
    let ago = || human_duration(now.since(state.finished_at));
    if state.running || state.restarting {
        return match &state.health {
            _ if state.paused => format!("Up {} (Paused)", up()),
            _ if state.restarting => format!("Restarting ({}) {} ago", state.exit_code, ago()),
            Some(health) if health.status == "starting" => {
                format!("Up {} (health: starting)", up())
            }
            Some(health) if !matches!(health.status.as_str(), "" | "none") => {
                format!("Up {} ({})", up(), health.status)
            }
            _ => format!("Up {}", up()),
        };
    }
    match state.status.as_str() {
        "removing" => "Removal In Progress".to_owned(),
        _ if state.dead => "Dead".to_owned(),
        _ if state.started_at.is_zero() => "Created".to_owned(),
        _ if state.finished_at.is_zero() => String::new(),
        _ => format!("Exited ({}) {} ago", state.exit_code, ago()),
    }
}

/// Which exit code a client of Docker gives for an error of `start`, by its text.
pub fn start_error_exit_code(message: &str) -> i32 {
    let has = |part: &str| message.contains(part);
    match () {
        () if has("executable file not found") || has("no such file or directory") => 127,
        () if has("permission denied") || has("is a directory") => 126,
        () => 125,
    }
}

/// A text in quotes, as Go's `strconv.Quote` writes it.
pub fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{b}' => out.push_str("\\v"),
            '\u{c}' => out.push_str("\\f"),
            c if (c as u32) < 0x20 || c as u32 == 0x7f => {
                out.push_str(&format!("\\x{:02x}", c as u32));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests;
