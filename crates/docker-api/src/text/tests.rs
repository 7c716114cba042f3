use super::*;
use crate::container::Health;

#[test]
fn durations() {
    const MINUTE: u64 = 60;
    const HOUR: u64 = 60 * MINUTE;
    const DAY: u64 = 24 * HOUR;
    for (seconds, expect) in [
        (0, "Less than a second"),
        (1, "1 second"),
        (46, "46 seconds"),
        (59, "59 seconds"),
        (MINUTE, "About a minute"),
        (119, "About a minute"),
        (10 * MINUTE, "10 minutes"),
        (59 * MINUTE + 59, "59 minutes"),
        (HOUR, "About an hour"),
        (89 * MINUTE, "About an hour"),
        (90 * MINUTE, "2 hours"),
        (47 * HOUR, "47 hours"),
        (48 * HOUR, "2 days"),
        (13 * DAY, "13 days"),
        (14 * DAY, "2 weeks"),
        (59 * DAY, "8 weeks"),
        (60 * DAY, "2 months"),
        (729 * DAY, "24 months"),
        (730 * DAY, "2 years"),
    ] {
        assert_eq!(human_duration(Duration::from_secs(seconds)), expect);
    }
    assert_eq!(human_duration(Duration::from_millis(999)), "Less than a second");
}

#[test]
fn statuses() {
    let now = Timestamp::from_seconds(1_000_000);
    let at = |ago: i64| Timestamp::from_seconds(1_000_000 - ago);
    let base = ContainerState::default;
    let running = || ContainerState { running: true, started_at: at(46), ..base() };
    let health = |status: &str| Some(Health { status: status.to_owned(), ..Health::default() });
    for (state, expect) in [
        (base(), "Created"),
        (running(), "Up 46 seconds"),
        (ContainerState { paused: true, ..running() }, "Up 46 seconds (Paused)"),
        (ContainerState { health: health("healthy"), ..running() }, "Up 46 seconds (healthy)"),
        (
            ContainerState { health: health("starting"), ..running() },
            "Up 46 seconds (health: starting)",
        ),
        (ContainerState { health: health("none"), ..running() }, "Up 46 seconds"),
        (
            ContainerState { restarting: true, exit_code: 1, finished_at: at(0), ..running() },
            "Restarting (1) Less than a second ago",
        ),
        (
            ContainerState { exit_code: 3, started_at: at(900), finished_at: at(600), ..base() },
            "Exited (3) 10 minutes ago",
        ),
        (ContainerState { dead: true, ..base() }, "Dead"),
        (ContainerState { status: "removing".to_owned(), ..base() }, "Removal In Progress"),
    ] {
        assert_eq!(status_string(&state, now), expect);
    }
}

#[test]
fn exit_codes_of_start_errors() {
    for (message, expect) in [
        ("exec: \"x\": executable file not found in $PATH", 127),
        ("exec: \"/x\": stat /x: no such file or directory", 127),
        ("exec: \"/etc\": is a directory: permission denied", 126),
        ("No such image: x", 125),
    ] {
        assert_eq!(start_error_exit_code(message), expect, "{message}");
    }
}
