use super::*;

fn drawn(width: Option<u16>, messages: &[JsonMessage]) -> String {
    let mut progress = Progress::default();
    messages.iter().map(|message| progress.draw(message, width).unwrap()).collect()
}

fn titled(id: &str, status: &str) -> JsonMessage {
    JsonMessage { id: id.to_owned(), ..JsonMessage::of_status(status) }
}

fn pull() -> Vec<JsonMessage> {
    vec![
        titled("v1", "Pulling from a/b"),
        JsonMessage::of_step("1", "Pulling fs layer"),
        JsonMessage::of_step("2", "Pulling fs layer"),
        JsonMessage::of_bytes("1", "Downloading", 500, 1000),
        JsonMessage::of_step("1", "Pull complete"),
        JsonMessage::of_status("Digest: sha256:00"),
        JsonMessage::of_step("1", "Already exists"),
    ]
}

#[test]
fn a_pipe_gets_lines() {
    assert_eq!(
        drawn(None, &pull()),
        "v1: Pulling from a/b\n1: Pulling fs layer\n2: Pulling fs layer\n1: Pull complete\n\
         Digest: sha256:00\n1: Already exists\n"
    );
}

/// As Docker's command line drew the same lines.
#[test]
fn a_terminal_is_drawn_on() {
    assert_eq!(
        drawn(Some(80), &pull()),
        "v1: Pulling from a/b\n\
         \n\x1b[1A\x1b[2K\r1: Pulling fs layer \r\x1b[1B\
         \n\x1b[1A\x1b[2K\r2: Pulling fs layer \r\x1b[1B\
         \x1b[2A\x1b[2K\r1: Downloading     500B/1kB\r\x1b[2B\
         \x1b[2A\x1b[2K\r1: Pull complete \r\x1b[2B\
         Digest: sha256:00\n\
         \n\x1b[1A\x1b[2K\r1: Already exists \r\x1b[1B"
    );
}

#[test]
fn text_is_printed_as_it_is() {
    let messages = [JsonMessage::of_stream("Step 1\n"), JsonMessage::of_stream("\u{1b}[91mx")];
    assert_eq!(drawn(None, &messages), "Step 1\n\u{1b}[91mx");
    assert_eq!(drawn(Some(80), &messages), "Step 1\n\u{1b}[91mx");
}

#[test]
fn errors_end_it_and_results_are_not_shown() {
    let aux = JsonMessage {
        progress_detail: Some(docker_api::ProgressDetail::default()),
        aux: Some(serde_json::json!({"Tag": "v1"})),
        ..JsonMessage::default()
    };
    assert_eq!(drawn(Some(80), std::slice::from_ref(&aux)), "");
    let error = Progress::default().draw(&JsonMessage::of_error("denied"), None).unwrap_err();
    assert_eq!(error.to_string(), "denied");
}
