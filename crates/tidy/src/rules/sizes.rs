//! Rules on lengths.

use crate::{File, Finding, Tree};

const FILE_LINES_SOFT: usize = 500;
const FILE_LINES_HARD: usize = 800;
const FUNCTION_LINES_MAX: usize = 70;
const LINE_COLUMNS_MAX: usize = 100;

/// Files that somebody wrote to be executed; tables of numbers and prose are as long as they are.
fn is_code(file: &File) -> bool {
    file.path.ends_with(".rs") || file.path.ends_with(".sh") || file.path == "Makefile"
}

pub fn files(tree: &Tree) -> Vec<Finding> {
    let is_test = |file: &File| file.source.as_ref().is_some_and(|source| source.is_test(1));
    longer_than(FILE_LINES_SOFT, tree.files().filter(|file| is_code(file) && !is_test(file)))
}

pub fn files_hard(tree: &Tree) -> Vec<Finding> {
    longer_than(FILE_LINES_HARD, tree.files().filter(|file| is_code(file)))
}

fn longer_than<'a>(limit: usize, files: impl Iterator<Item = &'a File>) -> Vec<Finding> {
    files
        .map(|file| (file, file.text.lines().count()))
        .filter(|(_, lines)| *lines > limit)
        .map(|(file, lines)| Finding::new(&file.path, lines, format!("{lines} lines")))
        .collect()
}

pub fn functions(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for (file, source) in tree.rust() {
        for function in source.functions() {
            let (name, line, lines) = (&function.name, function.line, function.lines);
            if lines > FUNCTION_LINES_MAX && !source.is_test(line) {
                let message = format!("line {line}: `{name}` has {lines} lines");
                found.push(Finding::new(format!("{} {name}", file.path), lines, message));
            }
        }
    }
    found
}

pub fn lines(tree: &Tree) -> Vec<Finding> {
    let long = |file: &File| -> Vec<usize> {
        let lines = file.text.lines().enumerate();
        lines
            .filter(|(_, line)| line.chars().count() > LINE_COLUMNS_MAX)
            .map(|(index, _)| index + 1)
            .collect()
    };
    tree.files()
        .filter(|file| is_code(file))
        .filter_map(|file| Finding::of_lines(&file.path, &long(file), "more than 100 columns"))
        .collect()
}
