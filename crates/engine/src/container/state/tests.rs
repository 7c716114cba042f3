use super::*;

const STATES: [State; 7] = [
    State::Created,
    State::Running,
    State::Paused,
    State::Restarting,
    State::Exited,
    State::Dead,
    State::Removing,
];

const REQUESTS: [Request; 14] = [
    Request::Start,
    Request::Stop,
    Request::Restart,
    Request::Kill,
    Request::Pause,
    Request::Unpause,
    Request::Remove { force: false },
    Request::Remove { force: true },
    Request::Rename,
    Request::Update,
    Request::Exec,
    Request::Attach,
    Request::Resize,
    Request::Top,
];

fn cell(state: State, request: Request) -> String {
    match transition(state, request) {
        Ok(action) => format!("{action:?}"),
        Err(refusal) => {
            let error = refusal.into_error("ID", "web");
            format!("{:?}: {error}", error.kind())
        }
    }
}

#[test]
fn the_whole_table_is_as_docker_has_it() {
    let mut table = String::new();
    for request in REQUESTS {
        table.push_str(&format!("{request:?}\n"));
        for state in STATES {
            table.push_str(&format!("  {:<10} {}\n", state.name(), cell(state, request)));
        }
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/container/state/table.txt");
    if std::env::var_os("WHARF_WRITE_GOLDEN").is_some() {
        std::fs::write(path, &table).unwrap();
    }
    let golden = std::fs::read_to_string(path).unwrap();
    assert_eq!(table, golden, "\n{table}");
}

#[test]
fn texts_that_clients_read() {
    let check = |state, request, text: &str| {
        let error = transition(state, request).unwrap_err().into_error("ec54", "slow");
        assert_eq!(error.client_text(), text);
    };
    check(
        State::Paused,
        Request::Exec,
        "Container slow is paused, unpause the container before exec",
    );
    check(State::Exited, Request::Exec, "container ec54 is not running");
    check(State::Running, Request::Unpause, "Container ec54 is not paused");
    check(
        State::Running,
        Request::Remove { force: false },
        "cannot remove container \"slow\": container is running: stop the container before \
         removing or force remove",
    );
}
