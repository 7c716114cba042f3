//! Manual pages from the table.

use std::path::Path;

use super::verbs::{GLOBAL, VERBS};
use super::{Flag, Section, Verb};

/// Writes `wharf.1` and one page for each verb into a directory.
pub fn write_pages(directory: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(directory)?;
    std::fs::write(directory.join("wharf.1"), main_page())?;
    for verb in VERBS.iter().filter(|verb| verb.section != Section::Hidden) {
        let in_group = verb.top.is_none();
        let name = verb.path(in_group).replace(' ', "-");
        std::fs::write(directory.join(format!("wharf-{name}.1")), page(verb, in_group))?;
    }
    Ok(())
}

fn main_page() -> String {
    let mut out = title("wharf", "containers for Linux");
    out.push_str(".SH SYNOPSIS\n.B wharf\n[OPTIONS] COMMAND\n.SH OPTIONS\n");
    out.push_str(&options(GLOBAL.iter()));
    out.push_str(".SH COMMANDS\n");
    for verb in VERBS.iter().filter(|verb| verb.section != Section::Hidden) {
        let name = verb.path(verb.top.is_none());
        out.push_str(&format!(".TP\n.B {}\n{}\n", escape(&name), escape(verb.about)));
    }
    out.push_str(".SH ENVIRONMENT\n");
    for (name, about) in [
        ("WHARF_HOST", "Socket of the engine when no \\-\\-host is given."),
        ("DOCKER_HOST", "The same, when WHARF_HOST is not set."),
        ("NO_COLOR", "Never color output."),
    ] {
        out.push_str(&format!(".TP\n.B {name}\n{about}\n"));
    }
    out
}

fn page(verb: &Verb, in_group: bool) -> String {
    let path = verb.path(in_group);
    let mut out = title(&format!("wharf-{}", path.replace(' ', "-")), verb.about);
    let (path, usage) = (escape(&path), escape(verb.usage));
    out.push_str(&format!(".SH SYNOPSIS\n.B wharf {path}\n{usage}\n"));
    let names = verb.names();
    if names.len() > 1 {
        out.push_str(&format!(".SH ALIASES\n{}\n", escape(&names.join(", "))));
    }
    let flags = options(verb.flags());
    if !flags.is_empty() {
        out.push_str(&format!(".SH OPTIONS\n{flags}"));
    }
    out.push_str(".SH SEE ALSO\n.BR wharf (1)\n");
    out
}

fn title(name: &str, about: &str) -> String {
    let upper = escape(&name.to_uppercase());
    format!(".TH \"{upper}\" 1 \"\" \"Wharf\"\n.SH NAME\n{} \\- {}\n", escape(name), escape(about))
}

fn options<'a>(flags: impl Iterator<Item = &'a Flag>) -> String {
    let mut out = String::new();
    for flag in flags.filter(|flag| !flag.hidden) {
        let short = flag.short.map(|short| format!("-{short}, ")).unwrap_or_default();
        let names = escape(&format!("{short}--{}", flag.long));
        let mut help = escape(flag.help).replace('\n', "\n.br\n");
        if !flag.default.is_empty() {
            help.push_str(&format!(" Default: {}.", escape(flag.default)));
        }
        out.push_str(&format!(".TP\n.BR \"{names}\" \" {}\"\n{help}\n", flag.word()));
    }
    out
}

/// Text that troff takes as it is; a line may not begin with a dot or a quote.
fn escape(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-").replace('"', "\\(dq");
    let safe = |line: &str| match line.starts_with(['.', '\'']) {
        true => format!("\\&{line}"),
        false => line.to_owned(),
    };
    text.lines().map(safe).collect::<Vec<_>>().join("\n")
}
