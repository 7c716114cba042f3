//! All rules, as one table.

mod crates;
mod names;
mod pages;
mod sizes;
mod words;

#[cfg(test)]
mod tests;

use crate::{Finding, Tree};

/// One rule of the house.
pub struct Rule {
    /// Also the name of its list of exceptions.
    pub name: &'static str,
    /// Why a person should care; printed with what breaks it.
    pub reason: &'static str,
    /// What breaks it, exceptions not considered.
    pub find: fn(&Tree) -> Vec<Finding>,
}

/// Every rule.
pub const RULES: [Rule; 16] = [
    Rule {
        name: "layers",
        reason: "a crate depends only on crates of a smaller layer",
        find: crates::layers,
    },
    Rule {
        name: "manifests",
        reason: "folder and package have one name, versions stand in the root manifest only",
        find: crates::manifests,
    },
    Rule {
        name: "crate-length",
        reason: "a crate of more than 12000 lines is two crates",
        find: crates::lengths,
    },
    Rule {
        name: "file-length",
        reason: "a file of more than 500 lines is two files",
        find: sizes::files,
    },
    Rule {
        name: "file-length-hard",
        reason: "no file, test or not, has more than 800 lines; there are no exceptions",
        find: sizes::files_hard,
    },
    Rule {
        name: "function-length",
        reason: "a function of more than 70 lines is two functions",
        find: sizes::functions,
    },
    Rule { name: "line-length", reason: "a line has at most 100 columns", find: sizes::lines },
    Rule {
        name: "unsafe",
        reason: "unsafe code stands in `sys` and in the guest programs only",
        find: words::unsafe_code,
    },
    Rule {
        name: "unwrap",
        reason: "`expect` says why it cannot happen; `unwrap` says nothing",
        find: words::unwraps,
    },
    Rule {
        name: "unfinished",
        reason: "what is not done is an issue, not a comment",
        find: words::unfinished,
    },
    Rule {
        name: "ignored-tests",
        reason: "a test that does not run is no test",
        find: words::ignored_tests,
    },
    Rule {
        name: "foreign-words",
        reason: "a file tells of the product, not of where or how it was made; it must be true \
                 on every machine",
        find: words::foreign,
    },
    Rule {
        name: "module-names",
        reason: "a name says what is inside; `foo.rs` and `foo/`, never `mod.rs`",
        find: names::modules,
    },
    Rule {
        name: "module-docs",
        reason: "a library begins by saying what it is for",
        find: names::docs,
    },
    Rule {
        name: "format-versions",
        reason: "a page on bytes on disk states the version of the format in its first lines",
        find: pages::formats,
    },
    Rule {
        name: "decision-names",
        reason: "decisions are numbered from 0001 without gaps: `docs/adr/NNNN-title.md`",
        find: pages::decisions,
    },
];
