//! Lists of what is excused, one file a rule: `PLACE = AMOUNT # reason`, one line each.

use crate::{File, Finding, Tree};

/// Where the lists lie.
pub const FOLDER: &str = "crates/tidy/exceptions/";

struct Exception {
    line: usize,
    place: String,
    amount: usize,
}

/// What is left of `findings` when the list `RULE.txt` is applied: what it does not excuse, and
/// what is wrong with the list itself.
pub fn apply(rule: &str, findings: Vec<Finding>, tree: &Tree) -> Vec<Finding> {
    let Some(list) = tree.file(&format!("{FOLDER}{rule}.txt")) else { return findings };
    let (exceptions, mut left) = parse(list);
    for exception in &exceptions {
        let found = findings.iter().find(|finding| finding.place == exception.place);
        let amount = found.map_or(0, |finding| finding.amount);
        if amount < exception.amount {
            let now = if amount == 0 { "take the line out" } else { "lower the number" };
            let message = format!(
                "line {}: {amount} found at `{}`, {} excused: {now}",
                exception.line, exception.place, exception.amount
            );
            left.push(Finding::new(&list.path, 1, message));
        }
    }
    let is_excused = |finding: &Finding| {
        exceptions.iter().any(|e| e.place == finding.place && finding.amount <= e.amount)
    };
    left.extend(findings.into_iter().filter(|finding| !is_excused(finding)));
    left
}

/// The exceptions of a list, and the lines that are none.
fn parse(list: &File) -> (Vec<Exception>, Vec<Finding>) {
    let mut exceptions = Vec::new();
    let mut wrong = Vec::new();
    for (index, text) in list.text.lines().enumerate() {
        let line = index + 1;
        if text.trim().is_empty() || text.starts_with('#') {
            continue;
        }
        let parts = text.split_once(" # ").and_then(|(excuse, reason)| {
            let (place, amount) = excuse.rsplit_once('=')?;
            let amount = amount.trim().parse().ok().filter(|amount| *amount > 0)?;
            (!reason.trim().is_empty()).then(|| (place.trim().to_owned(), amount))
        });
        match parts {
            Some((place, amount)) => exceptions.push(Exception { line, place, amount }),
            None => wrong.push(Finding::new(
                &list.path,
                1,
                format!("line {line}: an exception reads `PLACE = AMOUNT # reason`"),
            )),
        }
    }
    (exceptions, wrong)
}
