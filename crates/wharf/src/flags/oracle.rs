//! Comparison with the real Docker CLI, where one is on this machine (`WHARF_TEST_DOCKER`, or
//! `docker` in `PATH`): the same command lines, the same words and exit codes.

use std::collections::BTreeSet;
use std::process::Command;

use super::verbs::VERBS;
use super::{Flag, Section};

/// The real CLI, if there is one and it is of version 28.
pub fn docker() -> Option<Command> {
    let program = std::env::var("WHARF_TEST_DOCKER").unwrap_or_else(|_| "docker".into());
    let version = Command::new(&program).arg("--version").output().ok()?;
    let version = String::from_utf8_lossy(&version.stdout).into_owned();
    if !version.starts_with("Docker version 28.") {
        eprintln!("no Docker CLI 28 here, nothing compared");
        return None;
    }
    let mut command = Command::new(program);
    command.env_remove("DOCKER_HOST").env_remove("DOCKER_CONTEXT");
    Some(command)
}

/// `  -m, --memory bytes   Memory limit` as (`m`, `memory`, `bytes`).
fn flag_of_line(line: &str) -> Option<(Option<char>, String, String)> {
    let line = line.strip_prefix("  ")?;
    let (short, rest) = match line.strip_prefix('-').filter(|rest| !rest.starts_with('-')) {
        Some(rest) => (rest.chars().next(), rest.get(3..)?),
        None => (None, line.trim_start()),
    };
    let rest = rest.strip_prefix("--")?;
    let columns = rest.split("   ").next()?;
    let mut words = columns.split(' ');
    let name = words.next()?.to_owned();
    Some((short, name, words.next().unwrap_or_default().to_owned()))
}

fn ours(flag: &Flag) -> (Option<char>, String, String) {
    (flag.short, flag.long.to_owned(), flag.word().to_owned())
}

#[test]
fn has_the_flags_that_docker_has() {
    const OWN: [&str; 6] = ["audit", "up", "down", "status", "engine", "completion"];
    const OWN_FLAGS: [(&str, &str); 1] = [("stats", "interval")];
    for verb in VERBS.iter().filter(|verb| verb.section != Section::Hidden) {
        let path = verb.path(verb.top.is_none());
        if OWN.contains(&path.as_str()) {
            continue;
        }
        let Some(mut docker) = docker() else { return };
        let help = docker.args(path.split(' ')).arg("--help").output().unwrap();
        let help = String::from_utf8(help.stdout).unwrap();
        let theirs: BTreeSet<_> =
            help.lines().filter_map(flag_of_line).filter(|(_, name, _)| name != "help").collect();
        let is_own = |flag: &Flag| OWN_FLAGS.contains(&(path.as_str(), flag.long));
        let ours = verb.flags().filter(|flag| !flag.hidden && !is_own(flag)).map(ours);
        let ours: BTreeSet<_> = ours.collect();
        assert_eq!(ours, theirs, "{path}");
        let usage = format!("Usage:  docker {path} {}", verb.usage);
        assert!(help.starts_with(usage.trim_end()), "{path}: {help}");
        let aliases = help.split("Aliases:\n").nth(1).and_then(|text| text.lines().next());
        let names: Vec<_> = verb.names().iter().map(|name| format!("docker {name}")).collect();
        let names = if names.len() > 1 { names.join(", ") } else { String::new() };
        assert_eq!(aliases.unwrap_or_default().trim(), names, "{path}");
    }
}
