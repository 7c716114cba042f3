//! Rules on pages in `docs/`.

use crate::{Finding, Tree};

/// A version that stands further down is not seen before the bytes are.
const HEAD_LINES: usize = 5;

pub fn formats(tree: &Tree) -> Vec<Finding> {
    tree.files()
        .filter(|file| file.path.starts_with("docs/formats/") && file.path.ends_with(".md"))
        .filter(|file| !file.text.lines().take(HEAD_LINES).any(states_version))
        .map(|file| {
            let message = format!("no `Version N` within {HEAD_LINES} lines");
            Finding::new(&file.path, 1, message)
        })
        .collect()
}

fn states_version(line: &str) -> bool {
    let lower = line.to_lowercase();
    lower
        .match_indices("version ")
        .any(|(at, word)| lower[at + word.len()..].starts_with(|c: char| c.is_ascii_digit()))
}

pub fn decisions(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut names: Vec<_> = tree
        .files()
        .filter_map(|file| Some((file, file.path.strip_prefix("docs/adr/")?)))
        .collect();
    names.sort_unstable_by_key(|(_, name)| *name);
    for (index, (file, name)) in names.into_iter().enumerate() {
        let title = name.strip_prefix(&format!("{:04}-", index + 1));
        let is_title = |text: &str| {
            let letter = |c: char| c == '-' || c.is_ascii_lowercase() || c.is_ascii_digit();
            text.strip_suffix(".md").is_some_and(|t| !t.is_empty() && t.chars().all(letter))
        };
        if !title.is_some_and(is_title) {
            let message = format!("is not called `{:04}-title.md`", index + 1);
            found.push(Finding::new(&file.path, 1, message));
        }
        if !file.text.starts_with("# ") {
            found.push(Finding::new(&file.path, 1, "does not begin with `# `"));
        }
    }
    found
}
