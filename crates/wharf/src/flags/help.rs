//! `--help`, in Docker's layout.

use super::verbs::{self, GLOBAL, GROUPS, VERBS};
use super::wrap::flag_usages;
use super::{Section, Verb};

const COLUMNS: usize = 80;

/// Help of one verb, called as `path`.
pub fn of_verb(verb: &Verb, path: &str) -> String {
    let line = format!("wharf {path} {}", verb.usage);
    let mut out = format!("Usage:  {}\n\n{}\n", line.trim_end(), verb.about);
    let names = verb.names();
    if names.len() > 1 {
        let names: Vec<String> = names.iter().map(|name| format!("wharf {name}")).collect();
        out.push_str(&format!("\nAliases:\n  {}\n", names.join(", ")));
    }
    let flags = flag_usages(verb.flags(), COLUMNS);
    if !flags.is_empty() {
        out.push_str(&format!("\nOptions:\n{flags}"));
    }
    out
}

/// Help of a group of verbs.
pub fn of_group(group: &str, about: &str) -> String {
    let mut members: Vec<(&str, &str)> = VERBS
        .iter()
        .filter(|verb| verb.section != Section::Hidden)
        .filter_map(|verb| {
            let (of, names) = verb.group?;
            (of == group).then_some((names[0], verb.about))
        })
        .collect();
    members.sort_unstable();
    let list = commands(&members);
    format!(
        "Usage:  wharf {group} COMMAND\n\n{about}\n\nCommands:\n{list}\n\
         Run 'wharf {group} COMMAND --help' for more information on a command.\n"
    )
}

/// Help of the whole program.
pub fn of_program() -> String {
    let section = |section: Section| {
        let of = VERBS.iter().filter(|verb| verb.section == section);
        let of: Vec<_> = of.filter_map(|verb| Some((verb.top?, verb.about))).collect();
        commands(&of)
    };
    let (common, engine) = (section(Section::Common), section(Section::Engine));
    let (groups, plain) = (commands(GROUPS), section(Section::Plain));
    let global = flag_usages(GLOBAL.iter(), COLUMNS);
    format!(
        "Usage:  wharf [OPTIONS] COMMAND\n\nContainers for Linux, safe by default\n\n\
         Common Commands:\n{common}\nEngine Commands:\n{engine}\n\
         Management Commands:\n{groups}\nCommands:\n{plain}\nGlobal Options:\n{global}\n\
         Run 'wharf COMMAND --help' for more information on a command.\n"
    )
}

fn commands(list: &[(&str, &str)]) -> String {
    let widest = VERBS.iter().filter_map(|verb| verb.top).map(str::len).max().unwrap_or(0).max(11);
    list.iter().map(|(name, about)| format!("  {name:widest$} {about}\n")).collect()
}

/// Help of what these words name: a verb, a group, or nothing.
pub fn of_words(words: &[String]) -> Option<String> {
    match words {
        [] => Some(of_program()),
        [name] => match verbs::by_name(name) {
            Some(verb) => Some(of_verb(verb, name)),
            None => {
                let group = GROUPS.iter().find(|(group, _)| group == name)?;
                Some(of_group(group.0, group.1))
            }
        },
        [group, name, ..] => {
            let verb = verbs::in_group(group, name)?;
            Some(of_verb(verb, &verb.path(true)))
        }
    }
}
