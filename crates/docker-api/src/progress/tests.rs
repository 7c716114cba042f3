use super::*;

fn check(current: i64, total: i64, width: u16, expect: &str) {
    let detail = ProgressDetail { current, total, ..ProgressDetail::default() };
    assert_eq!(detail.text(width, Timestamp::ZERO), expect);
}

#[test]
fn bars_are_docker_s() {
    let bar = |done: usize| format!("[{}>{}]", "=".repeat(done), " ".repeat(50 - done));
    check(0, 0, 200, "");
    check(-1, 0, 200, "");
    check(1_234_567, 0, 200, " 1.235MB");
    check(36_445, 1_080_007, 200, &format!("{}  36.45kB/1.08MB", bar(1)));
    check(1_080_007, 1_080_007, 111, &format!("{}   1.08MB/1.08MB", bar(50)));
    check(36_445, 1_080_007, 110, " 36.45kB/1.08MB");
    check(2_000, 1_000, 200, &format!("{}      2kB", bar(50)));
    check(0, 1_000, 80, "      0B/1kB");
}

#[test]
fn units_and_the_time_left() {
    let detail = ProgressDetail {
        current: 1,
        total: 4,
        start: 1000,
        units: "layers".to_owned(),
        ..ProgressDetail::default()
    };
    let at = |seconds| detail.text(80, Timestamp::from_seconds(seconds));
    assert_eq!(at(1010), "1/4 layers 30s");
    assert_eq!(at(1100), "1/4 layers 5m0s");
    assert_eq!(at(3000), "1/4 layers 1h40m0s");
    assert_eq!(detail.text(50, Timestamp::from_seconds(1010)), "1/4 layers");
    let without = ProgressDetail { total: 0, ..detail.clone() };
    assert_eq!(without.text(80, Timestamp::ZERO), "1 layers");
    let hidden = ProgressDetail { hide_counts: true, start: 0, ..detail };
    assert_eq!(hidden.text(80, Timestamp::ZERO), "");
}

#[test]
fn lines_are_docker_s() {
    let json = |message: &JsonMessage| serde_json::to_string(message).unwrap();
    assert_eq!(
        json(&JsonMessage::of_step("c1aa9526b970", "Preparing")),
        r#"{"status":"Preparing","progressDetail":{},"id":"c1aa9526b970"}"#
    );
    let bar = format!("[=>{}]", " ".repeat(49));
    assert_eq!(
        json(&JsonMessage::of_bytes("09937c5ba750", "Downloading", 36_445, 1_080_007)),
        format!(
            "{{\"status\":\"Downloading\",\
             \"progressDetail\":{{\"current\":36445,\"total\":1080007}},\
             \"progress\":\"{bar}  36.45kB/1.08MB\",\"id\":\"09937c5ba750\"}}"
        )
    );
}
