//! Completion scripts from the table: verbs, groups and flags.

use super::verbs::{GLOBAL, GROUPS, VERBS};
use super::{Flag, Section, Verb};

/// The script for a shell, if it is one that we know.
pub fn script(shell: &str) -> Option<String> {
    match shell {
        "bash" => Some(bash()),
        "zsh" => {
            Some(format!("#compdef wharf\nautoload -U +X bashcompinit && bashcompinit\n{}", bash()))
        }
        "fish" => Some(fish()),
        _ => None,
    }
}

fn shown() -> impl Iterator<Item = &'static Verb> {
    VERBS.iter().filter(|verb| verb.section != Section::Hidden)
}

fn words(flags: impl Iterator<Item = &'static Flag>) -> String {
    let mut words: Vec<String> = vec!["--help".into()];
    for flag in flags.filter(|flag| !flag.hidden) {
        words.push(format!("--{}", flag.long));
        words.extend(flag.short.map(|short| format!("-{short}")));
    }
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

fn bash() -> String {
    let mut cases = String::new();
    for verb in shown() {
        let names: Vec<String> = verb.names().iter().map(|name| format!("'{name}'")).collect();
        cases.push_str(&format!("    {}) words='{}' ;;\n", names.join("|"), words(verb.flags())));
    }
    for (group, _) in GROUPS {
        cases.push_str(&format!("    '{group}') words='{}' ;;\n", group_names(group)));
    }
    let groups = GROUPS.iter().map(|(group, _)| *group).collect::<Vec<_>>().join("|");
    format!(
        "_wharf() {{\n  local current=${{COMP_WORDS[COMP_CWORD]}} verb='' words='' word at\n  \
         for ((at = 1; at < COMP_CWORD; at++)); do\n    word=${{COMP_WORDS[at]}}\n    \
         case $word in -*) continue ;; esac\n    case $verb in\n      '') verb=$word ;;\n      \
         {groups}) verb=\"$verb $word\" ;;\n    esac\n  done\n  case $verb in\n    \
         '') words='{} {}' ;;\n{cases}  esac\n  \
         COMPREPLY=($(compgen -W \"$words\" -- \"$current\"))\n  \
         [ -n \"$verb\" ] && [ ${{#COMPREPLY[@]}} -eq 0 ] && COMPREPLY=($(compgen -f -- \
         \"$current\"))\n}}\ncomplete -F _wharf wharf\n",
        top_names(),
        words(GLOBAL.iter()),
    )
}

fn fish() -> String {
    let mut out = String::from("complete -c wharf -f\n");
    let quoted = |text: &str| text.replace('\\', "\\\\").replace('\'', "\\'");
    for verb in shown() {
        let about = quoted(verb.about);
        if let Some(top) = verb.top {
            out.push_str(&format!(
                "complete -c wharf -n __fish_use_subcommand -a {top} -d '{about}'\n"
            ));
        }
        let name = verb.top.unwrap_or_else(|| verb.group.map_or("", |(group, _)| group));
        for flag in verb.flags().filter(|flag| !flag.hidden) {
            let short = flag.short.map(|short| format!(" -s {short}")).unwrap_or_default();
            let help = quoted(flag.help.lines().next().unwrap_or_default());
            out.push_str(&format!(
                "complete -c wharf -n '__fish_seen_subcommand_from {name}' -l {}{short} \
                 -d '{help}'\n",
                flag.long
            ));
        }
    }
    for (group, about) in GROUPS {
        out.push_str(&format!(
            "complete -c wharf -n __fish_use_subcommand -a {group} -d '{}'\n\
             complete -c wharf -n '__fish_seen_subcommand_from {group}' -a '{}'\n",
            quoted(about),
            group_names(group)
        ));
    }
    out
}
