//! Completion scripts from the table: verbs, groups, flags, and the names that an engine knows.

use super::verbs::{GLOBAL, GROUPS, VERBS};
use super::{Action, Flag, Kind, Section, Verb};

/// The script for a shell, if it is one that we know.
pub fn script(shell: &str) -> Option<String> {
    match shell {
        "bash" => Some(bash()),
        "zsh" => Some(format!(
            "#compdef wharf\nautoload -U +X compinit && compinit\nautoload -U +X bashcompinit && \
             bashcompinit\n{}",
            bash()
        )),
        "fish" => Some(fish()),
        _ => None,
    }
}

/// What a verb's arguments are: the words of a command that lists them.
fn names(verb: &Verb) -> &'static [&'static str] {
    const ALL: &str = "ps -a --format {{.Names}}";
    const RUNNING: &str = "ps --format {{.Names}}";
    const IMAGES: &str = "images --format {{.Repository}}:{{.Tag}}";
    match verb.action {
        Action::Attach | Action::Exec | Action::Stop | Action::Kill | Action::Top => &[RUNNING],
        Action::Pause => &["ps --filter status=running --format {{.Names}}"],
        Action::Unpause => &["ps --filter status=paused --format {{.Names}}"],
        Action::Start => {
            &["ps -a --filter status=created --filter status=exited --format {{.Names}}"]
        }
        Action::Run | Action::Create | Action::Rmi | Action::Tag | Action::InspectImage => {
            &[IMAGES]
        }
        Action::Inspect => &[ALL, IMAGES],
        _ if verb.usage.contains("CONTAINER") => &[ALL],
        _ if verb.usage.contains("IMAGE") => &[IMAGES],
        _ => &[],
    }
}

/// The values that a flag takes, where they are few.
fn values(flag: &str) -> &'static str {
    match flag {
        "restart" => "always no on-failure unless-stopped",
        "pull" => "always missing never",
        "network" | "net" => "none host container:",
        "signal" | "stop-signal" => "SIGHUP SIGINT SIGKILL SIGQUIT SIGTERM SIGUSR1 SIGUSR2",
        "log-level" => "debug info warn error fatal",
        "cgroupns" => "host private",
        "userns" | "uts" => "host",
        "pid" => "host container:",
        "ipc" => "host none private shareable container:",
        "type" => "container image network volume",
        "format" => "json table",
        "log-driver" => "json-file local none",
        _ => "",
    }
}

fn shown() -> impl Iterator<Item = &'static Verb> {
    VERBS.iter().filter(|verb| verb.section != Section::Hidden)
}

fn is_switch(flag: &Flag) -> bool {
    matches!(flag.kind, Kind::Bool)
}

/// `--long` and `-s` of flags.
fn spellings<'a>(flags: impl Iterator<Item = &'a Flag>) -> Vec<String> {
    let mut words = Vec::new();
    for flag in flags.filter(|flag| !flag.hidden) {
        words.push(format!("--{}", flag.long));
        words.extend(flag.short.map(|short| format!("-{short}")));
    }
    words
}

fn words(flags: impl Iterator<Item = &'static Flag>) -> String {
    let mut words = vec!["--help".to_owned()];
    words.extend(spellings(flags));
    words.join(" ")
}

fn top_names() -> String {
    let verbs = shown().filter_map(|verb| verb.top);
    verbs.chain(GROUPS.iter().map(|(group, _)| *group)).collect::<Vec<_>>().join(" ")
}

fn group_names(group: &str) -> String {
    let names = shown().filter_map(|verb| verb.group.filter(|(of, _)| *of == group));
    names.map(|(_, names)| names[0]).collect::<Vec<_>>().join(" ")
}

/// What the bash script does; the table is put in where the words in capitals are.
const BASH: &str = include_str!("complete.bash");

fn bash() -> String {
    let (mut verbs, mut flag_values) = (String::new(), String::new());
    for verb in shown() {
        let quoted: Vec<String> = verb.names().iter().map(|name| format!("'{name}'")).collect();
        let with_value = verb.flags().filter(|flag| !is_switch(flag));
        let lists: Vec<String> =
            names(verb).iter().map(|list| format!("_wharf_list {list}; ")).collect();
        verbs.push_str(&format!(
            "    {})\n      flags='{}'\n      takes=' {} '\n      _wharf_names() {{ {}:; }} ;;\n",
            quoted.join("|"),
            words(verb.flags()),
            spellings(with_value).join(" "),
            lists.concat(),
        ));
    }
    for (group, _) in GROUPS {
        verbs.push_str(&format!("    '{group}') flags='--help {}' ;;\n", group_names(group)));
    }
    let all: std::collections::BTreeSet<&str> = shown()
        .flat_map(Verb::flags)
        .chain(GLOBAL)
        .map(|flag| flag.long)
        .filter(|long| !values(long).is_empty())
        .collect();
    for long in all {
        flag_values.push_str(&format!("    --{long}) echo '{}' ;;\n", values(long)));
    }
    BASH.replace("GROUPS", &GROUPS.iter().map(|(group, _)| *group).collect::<Vec<_>>().join("|"))
        .replace("TOP_WORDS", &format!("{} {}", top_names(), words(GLOBAL.iter())))
        .replace("    VERB_CASES\n", &verbs)
        .replace("    VALUE_CASES\n", &flag_values)
}

fn quoted(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\'', "\\'")
}

fn fish() -> String {
    let mut out = String::from(
        "complete -c wharf -f\nfunction __wharf_list\n  set -l host\n  set -l words (commandline \
         -opc)\n  for at in (seq 2 (count $words))\n    if contains -- $words[$at] -H --host; and \
         test $at -lt (count $words)\n      set host -H $words[(math $at + 1)]\n    end\n  end\n  \
         command wharf $host $argv 2>/dev/null\nend\n",
    );
    let groups = GROUPS.iter().map(|(group, _)| *group).collect::<Vec<_>>().join(" ");
    for (group, about) in GROUPS {
        out.push_str(&format!(
            "complete -c wharf -n __fish_use_subcommand -a {group} -d '{}'\n",
            quoted(about)
        ));
    }
    for verb in shown() {
        let about = quoted(verb.about);
        if let Some(top) = verb.top {
            out.push_str(&format!(
                "complete -c wharf -n __fish_use_subcommand -a {top} -d '{about}'\n"
            ));
            let when = format!(
                "not __fish_seen_subcommand_from {groups}; and __fish_seen_subcommand_from {top}"
            );
            fish_verb(verb, &when, &mut out);
        }
        if let Some((group, names)) = verb.group {
            let all = group_names(group);
            out.push_str(&format!(
                "complete -c wharf -n '__fish_seen_subcommand_from {group}; and not \
                 __fish_seen_subcommand_from {all}' -a {} -d '{about}'\n",
                names[0]
            ));
            let when = format!(
                "__fish_seen_subcommand_from {group}; and __fish_seen_subcommand_from {}",
                names.join(" ")
            );
            fish_verb(verb, &when, &mut out);
        }
    }
    out
}

fn fish_verb(verb: &Verb, when: &str, out: &mut String) {
    for list in names(verb) {
        let list = list.replace("{{", "\"{{").replace("}}", "}}\"").replace("}}\":\"{{", "}}:{{");
        out.push_str(&format!("complete -c wharf -n '{when}' -a '(__wharf_list {list})'\n"));
    }
    for flag in verb.flags().filter(|flag| !flag.hidden) {
        let short = flag.short.map(|short| format!(" -s {short}")).unwrap_or_default();
        let takes = match (is_switch(flag), values(flag.long)) {
            (true, _) => String::new(),
            (false, "") => " -r -F".to_owned(),
            (false, values) => format!(" -x -a '{values}'"),
        };
        let help = quoted(flag.help.lines().next().unwrap_or_default());
        out.push_str(&format!(
            "complete -c wharf -n '{when}' -l {}{short}{takes} -d '{help}'\n",
            flag.long
        ));
    }
}

#[cfg(test)]
mod tests;
