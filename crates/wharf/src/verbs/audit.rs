//! `audit`: what a container could do, what it used, and options that take the rest away.

use client::Client;
use docker_api::{AuditFinding, AuditProposal, ContainerAudit};

use crate::failure::{Failure, Outcome};
use crate::flags::number::quote;
use crate::flags::parse::Parsed;
use crate::show::indent::indent;
use crate::show::table::{LIST_WIDTH_MIN, align};

/// What stands in the flags where the profile belongs.
const PLACEHOLDER: &str = "PROFILE";

/// A word is cut here: paths may be long.
const WORD_CHARS_MAX: usize = 60;

/// `audit`.
pub async fn audit(client: &Client, flags: &Parsed) -> Outcome {
    let json = match (flags.switch("json"), flags.text("format")) {
        (true, _) | (false, "json") => true,
        (false, "" | "table") => false,
        (false, other) => {
            let known = "\"table\" or \"json\"";
            return Err(Failure::new(format!("invalid format {}: expected {known}", quote(other))));
        }
    };
    let watch_ms = flags.int("watch") / 1_000_000;
    if flags.is_set("watch") && watch_ms <= 0 {
        return Err(Failure::new("invalid --watch: expected a time of at least 1ms"));
    }
    let audit = client.container_audit(&flags.args[0], watch_ms).await?;
    let file = flags.text("profile");
    if !file.is_empty() {
        write_profile(&audit, file)?;
    }
    match json {
        true => {
            let text = serde_json::to_string(&audit).expect("the report has string keys only");
            println!("{}", indent(&text, "", 4));
        }
        false => print!("{}", text(&audit, file)),
    }
    Ok(0)
}

fn write_profile(audit: &ContainerAudit, file: &str) -> Result<(), Failure> {
    let profile = audit.proposal.as_ref().and_then(|proposal| proposal.seccomp_profile.as_ref());
    let Some(profile) = profile else {
        return Err(Failure::new(format!(
            "failed to write `{file}`: no system calls of this container were observed\n\nStart \
             it with --security-opt audit=record, or watch it with --watch"
        )));
    };
    let text = format!("{profile:#}\n");
    std::fs::write(file, text).map_err(|error| {
        let reason = runtime::failure::plain(&error);
        Failure::new(format!("failed to write `{file}`: {reason}"))
    })
}

/// The report for people. Severity is a word; nothing depends on color.
fn text(audit: &ContainerAudit, file: &str) -> String {
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
