//! Rules on words that may not occur.

use crate::{Finding, Tree};

/// Where unsafe code may stand.
const UNSAFE_FOLDERS: [&str; 2] = ["crates/sys/", "crates/guest/programs/"];

/// Files that others make, and whose words are theirs.
const NOT_OURS: [&str; 2] = ["Cargo.lock", "LICENSE"];

/// In halves, so that this file passes its own rule. Lower case; found in any case, and only
/// where no letter or digit continues the word.
const FOREIGN: [(&str, &str); 39] = [
    // Folders of one machine, and files beside the project.
    ("/wo", "rk/"),
    ("shared", "/data"),
    ("shared", "/reference"),
    ("shared", "/bench"),
    ("refer", "ence/baseline"),
    ("refer", "ence/capture"),
    ("refer", "ence/conformance"),
    ("refer", "ence/crates"),
    ("refer", "ence/engine"),
    ("refer", "ence/hub"),
    ("refer", "ence/monitoring"),
    ("refer", "ence/security"),
    ("design", ".md"),
    ("mission", ".md"),
    ("style", ".md"),
    ("hard co", "rner"),
    // Package hosts: a machine has its own mirrors.
    ("crates", ".io"),
    ("pypi", ".org"),
    ("python", "hosted.org"),
    ("deb.deb", "ian.org"),
    ("security.deb", "ian.org"),
    ("snapshot.deb", "ian.org"),
    ("ftp.deb", "ian.org"),
    ("archive.ub", "untu.com"),
    ("npm", "js.org"),
    ("proxy.go", "lang.org"),
    // How text comes about is not what it is about.
    ("clau", "de"),
    ("anth", "ropic"),
    ("open", "ai"),
    ("chat", "gpt"),
    ("cop", "ilot"),
    ("language", " model"),
    ("l", "lm"),
    ("sub", "agent"),
    ("sub", "-agent"),
    ("coding", " agent"),
    ("ai", " assistant"),
    ("ai-", "generated"),
    ("brief", "/common"),
];

const NOTES: [&str; 2] = [concat!("TO", "DO"), concat!("FIX", "ME")];
const NOTE_MACROS: [&str; 2] = [concat!("todo", "!"), concat!("unimplemented", "!")];

pub fn unsafe_code(tree: &Tree) -> Vec<Finding> {
    tree.rust()
        .filter(|(file, _)| !UNSAFE_FOLDERS.iter().any(|folder| file.path.starts_with(folder)))
        .filter_map(|(file, source)| {
            let lines = source.lines_with_word("unsafe");
            Finding::of_lines(&file.path, &lines, "`unsafe`")
        })
        .collect()
}

pub fn unwraps(tree: &Tree) -> Vec<Finding> {
    tree.rust()
        .filter_map(|(file, source)| {
            let lines = source.lines().filter(|(_, line)| line.contains(".unwrap()"));
            let lines: Vec<_> =
                lines.map(|(number, _)| number).filter(|line| !source.is_test(*line)).collect();
            Finding::of_lines(&file.path, &lines, "`unwrap`")
        })
        .collect()
}

pub fn unfinished(tree: &Tree) -> Vec<Finding> {
    let ours = tree.files().filter(|file| !NOT_OURS.contains(&file.path.as_str()));
    let notes = ours.flat_map(|file| {
        NOTES.iter().filter_map(move |note| {
            let lines = lines_with(&file.text, note);
            Finding::of_lines(&file.path, &lines, &format!("`{note}`"))
        })
    });
    let macros = tree.rust().filter_map(|(file, source)| {
        let is_note = |line: &str| NOTE_MACROS.iter().any(|name| line.contains(name));
        let lines = source.lines().filter(|(_, line)| is_note(line));
        let lines: Vec<_> = lines.map(|(number, _)| number).collect();
        Finding::of_lines(&file.path, &lines, "a macro for unfinished code")
    });
    notes.chain(macros).collect()
}

pub fn ignored_tests(tree: &Tree) -> Vec<Finding> {
    tree.rust()
        .filter_map(|(file, source)| {
            let lines = source.lines().filter(|(_, line)| line.contains("#[ignore"));
            let lines: Vec<_> = lines.map(|(number, _)| number).collect();
            Finding::of_lines(&file.path, &lines, "an ignored test")
        })
        .collect()
}

pub fn foreign(tree: &Tree) -> Vec<Finding> {
    let ours = tree.files().filter(|file| !NOT_OURS.contains(&file.path.as_str()));
    ours.flat_map(|file| {
        let lower = file.text.to_lowercase();
        FOREIGN.iter().filter_map(move |(start, end)| {
            let word = format!("{start}{end}");
            let lines = lines_with(&lower, &word);
            Finding::of_lines(&file.path, &lines, &format!("`{word}`"))
        })
    })
    .collect()
}

/// Lines, from 1, that hold a word with no letter or digit right before or behind it.
fn lines_with(text: &str, word: &str) -> Vec<usize> {
    let is_inside = |letter: Option<char>| letter.is_some_and(char::is_alphanumeric);
    let ends_open = word.ends_with('/');
    let starts_open = word.starts_with('/');
    let has = |line: &str| {
        line.match_indices(word).any(|(at, _)| {
            let before = line[..at].chars().next_back();
            let behind = line[at + word.len()..].chars().next();
            // A path inside a longer path, like a directory of the same name in an image, is
            // not the one at the top of the machine.
            let inside_before = if starts_open {
                before.is_some_and(|c| c.is_alphanumeric() || ".-_}".contains(c))
            } else {
                is_inside(before)
            };
            !inside_before && (ends_open || !is_inside(behind))
        })
    };
    text.lines().enumerate().filter(|(_, line)| has(line)).map(|(index, _)| index + 1).collect()
}
