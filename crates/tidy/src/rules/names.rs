//! Rules on the names and the first lines of modules.

use crate::{Finding, Tree};

/// Names that would fit any module.
const EMPTY_NAMES: [&str; 13] = [
    "common", "data", "handler", "handlers", "helper", "helpers", "info", "manager", "managers",
    "misc", "mod", "util", "utils",
];

pub fn modules(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for (file, source) in tree.rust() {
        let path = file.path.strip_suffix(".rs").unwrap_or(&file.path);
        for part in path.split('/').filter(|part| EMPTY_NAMES.contains(part)) {
            found.push(Finding::new(&file.path, 1, format!("a module called `{part}`")));
        }
        for (number, line) in source.lines() {
            let Some((_, rest)) = line.split_once("mod ") else { continue };
            let Some((name, _)) = rest.split_once('{') else { continue };
            if EMPTY_NAMES.contains(&name.trim()) {
                let message = format!("line {number}: a module called `{}`", name.trim());
                found.push(Finding::new(&file.path, 1, message));
            }
        }
    }
    found
}

pub fn docs(tree: &Tree) -> Vec<Finding> {
    let is_root = |path: &str| path.ends_with("/src/lib.rs") || path.ends_with("/src/main.rs");
    tree.files()
        .filter(|file| is_root(&file.path) && !file.text.starts_with("//! "))
        .map(|file| Finding::new(&file.path, 1, "does not begin with `//! `"))
        .collect()
}
