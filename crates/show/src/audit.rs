//! The report of `audit`, for people.

use docker_api::{AuditFinding, AuditProposal, ContainerAudit};

use crate::table::{LIST_WIDTH_MIN, align};

/// What stands in the flags where the profile belongs.
const PLACEHOLDER: &str = "PROFILE";

/// A word is cut here: paths may be long.
const WORD_CHARS_MAX: usize = 60;

/// The report; `file` is where the profile was written, or empty. Severity is a word; nothing
/// depends on color.
pub fn text(audit: &ContainerAudit, file: &str) -> String {
    let mut lines = vec![
        format!(
            "{} ({}), image {}, {}",
            word(audit.name.trim_start_matches('/')),
            audit.id.get(..12).unwrap_or(&audit.id),
            word(&audit.image),
            audit.state
        ),
        observed(audit),
    ];
    lines.extend(audit.observation.notes.iter().map(|note| format!("note: {note}")));
    lines.push(String::new());
    let mut table = "SEVERITY\tAREA\tWHAT\tUSED\tIT COULD".to_owned();
    for row in &audit.findings {
        let AuditFinding { severity, area, subject, allows, used } = row;
        let cells = [severity, area, &word(subject), used, &word(allows)];
        table.push('\n');
        table.push_str(&cells.map(String::as_str).join("\t"));
    }
    lines.push(align(&table, LIST_WIDTH_MIN));
    lines.push(String::new());
    match &audit.proposal {
        Some(proposal) => lines.extend(proposed(proposal, file)),
        None => lines.push("Nothing is proposed: nothing was observed.".to_owned()),
    }
    lines.join("\n") + "\n"
}

fn observed(audit: &ContainerAudit) -> String {
    let seen = &audit.observation;
    if seen.runs == 0 {
        return "observed: nothing".to_owned();
    }
    let what: Vec<&str> = [(seen.syscalls, "system calls"), (seen.capabilities, "capabilities")]
        .into_iter()
        .filter_map(|(seen, what)| seen.then_some(what))
        .collect();
    let runs = if seen.runs == 1 { "1 run".to_owned() } else { format!("{} runs", seen.runs) };
    let start = if seen.from_start { "from the start" } else { "in part" };
    let (since, until) = (seen.since, seen.until);
    format!("observed: {}, {runs} {start}, {since} to {until}", what.join(" and "))
}

fn proposed(proposal: &AuditProposal, file: &str) -> Vec<String> {
    let file = if file.is_empty() { PLACEHOLDER } else { file };
    let flags: Vec<String> = proposal
        .flags
        .iter()
        .map(|flag| match flag.strip_suffix(PLACEHOLDER) {
            Some(option) => shell_word(&format!("{option}{file}")),
            None => shell_word(flag),
        })
        .collect();
    let mut lines = vec!["Proposed options for run and create:".to_owned(), flags.join(" ")];
    lines.extend(proposal.notes.iter().map(|note| format!("note: {note}")));
    if proposal.seccomp_profile.is_some() && file == PLACEHOLDER {
        lines.push("note: --profile FILE writes the seccomp profile".to_owned());
    }
    lines
}

/// What comes from outside must not steer the terminal.
fn word(text: &str) -> String {
    let clean = text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c });
    let mut word: String = clean.clone().take(WORD_CHARS_MAX).collect();
    if clean.count() > WORD_CHARS_MAX {
        word.pop();
        word.push('…');
    }
    word
}

fn shell_word(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_=./:,+@".contains(c);
    match text.chars().all(is_plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', "'\\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_cut_and_steer_no_terminal() {
        assert_eq!(word("a\u{1b}[31mb\n"), "a\u{fffd}[31mb\u{fffd}");
        assert_eq!(word(&"x".repeat(61)), format!("{}…", "x".repeat(59)));
        assert_eq!(word(&"x".repeat(60)), "x".repeat(60));
        assert_eq!(shell_word("seccomp=/a b"), "'seccomp=/a b'");
    }
}
