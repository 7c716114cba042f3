use std::process::Command;

use super::{Flag, Globals, HELP, Order, Parsed, Verb, print};
use crate::cli::error::CliError;
use crate::cli::state::Container;

pub(super) const VERB: Verb = Verb {
    name: "ps",
    words: "ID [PS-OPTIONS]",
    about: "show the processes of a container",
    flags: FLAGS,
    order: Order::FlagsFirst,
    run: ps,
};

const FLAGS: &[Flag] = &[Flag::value("format", 'f', "table or json"), HELP];

fn ps(globals: &Globals, parsed: &Parsed) -> Result<i32, CliError> {
    let Some((id, options)) = parsed.words.split_first() else {
        return Err(CliError::usage("an id is required"));
    };
    let record = Container::named(&globals.root, id)?.read()?;
    let pids = match record.cgroup()? {
        Some(cgroup) => cgroup.pids().map_err(CliError::cgroup("list the processes"))?,
        None => Vec::new(),
    };
    if parsed.text("format")? == Some("json") {
        print(&format!("{}\n", serde_json::json!(pids)));
        return Ok(0);
    }
    let mut command = Command::new("ps");
    match options {
        [] => command.arg("-ef"),
        options => command.args(options),
    };
    let output = command.output().map_err(CliError::at("run `ps`"))?;
    if !output.status.success() {
        return Err(CliError::usage(String::from_utf8_lossy(&output.stderr).trim()));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let mut lines = text.lines();
    let heading = lines.next().unwrap_or_default();
    let column = heading.split_ascii_whitespace().position(|word| word == "PID");
    let column = column.ok_or_else(|| CliError::usage("couldn't find PID field in ps output"))?;
    print(&format!("{heading}\n"));
    for line in lines {
        let pid = line.split_ascii_whitespace().nth(column).and_then(|word| word.parse().ok());
        if pid.is_some_and(|pid: u32| pids.contains(&pid)) {
            print(&format!("{line}\n"));
        }
    }
    Ok(0)
}
