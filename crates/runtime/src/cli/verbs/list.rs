use super::{Flag, Globals, HELP, Order, Parsed, Verb, print};
use crate::cli::error::CliError;
use crate::cli::state::{Container, Shown};

pub(super) const VERB: Verb = Verb {
    name: "list",
    words: "",
    about: "show all containers",
    flags: FLAGS,
    order: Order::Anywhere,
    run: list,
};

const FLAGS: &[Flag] =
    &[Flag::value("format", 'f', "table or json"), Flag::switch("quiet", 'q', "ids only"), HELP];

fn list(globals: &Globals, parsed: &Parsed) -> Result<i32, CliError> {
    if globals.root_is_given && !globals.root.exists() {
        let root = globals.root.display();
        return Err(CliError::usage(format!("there is no directory of containers `{root}`")));
    }
    let mut records = Vec::new();
    for container in Container::all(&globals.root)? {
        match container.read() {
            Ok(record) => records.push((container, record)),
            // It is being made or was just removed.
            Err(CliError::Absent) => {}
            Err(error) => return Err(error),
        }
    }
    let all: Vec<Shown<'_>> = records
        .iter()
        .map(|(container, record)| container.shown(record, container.status_or_paused(record)))
        .collect();
    if parsed.is_set("quiet") {
        all.iter().for_each(|one| print(&format!("{}\n", one.id)));
        return Ok(0);
    }
    match parsed.text("format")? {
        Some("json") => {
            print(&serde_json::to_string(&all).map_err(|cause| CliError::at("show")(cause))?);
        }
        None | Some("table") => print(&table(&all)),
        Some(other) => return Err(CliError::usage(format!("invalid format option {other:?}"))),
    }
    Ok(0)
}

const COLUMNS: [&str; 6] = ["id", "pid", "status", "bundle", "created", "owner"];

fn table(all: &[Shown<'_>]) -> String {
    let heading = COLUMNS.map(str::to_ascii_uppercase);
    let rows: Vec<[String; 6]> =
        std::iter::once(heading).chain(all.iter().map(Shown::cells)).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0).max(8);
    let widths: Vec<usize> = (0..COLUMNS.len()).map(width).collect();
    let line = |row: &[String; 6]| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        format!("{}\n", cells.collect::<Vec<_>>().join("    ").trim_end())
    };
    rows.iter().map(line).collect()
}
