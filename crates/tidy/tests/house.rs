//! The rules, applied to this project.

use std::fmt::Write;
use std::path::Path;

use tidy::rules::RULES;
use tidy::{Tree, exceptions};

fn project() -> Tree {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2);
    Tree::of_project(top.expect("the crate lies two folders below the top"))
}

#[test]
fn project_keeps_the_rules() {
    let tree = project();
    assert!(
        tree.file("crates/tidy/src/lib.rs").is_some(),
        "the list of files is not the project's"
    );
    let mut report = String::new();
    for rule in &RULES {
        let findings = exceptions::apply(rule.name, (rule.find)(&tree), &tree);
        if !findings.is_empty() {
            writeln!(report, "\n{}: {}", rule.name, rule.reason).unwrap();
        }
        for finding in findings {
            writeln!(report, "  {}: {}", finding.place, finding.message).unwrap();
        }
    }
    assert!(report.is_empty(), "\n{report}");
}

#[test]
fn lists_of_exceptions_belong_to_rules() {
    let tree = project();
    for file in tree.files() {
        let Some(list) = file.path.strip_prefix(exceptions::FOLDER) else { continue };
        let rule = list.strip_suffix(".txt").unwrap_or(list);
        assert!(RULES.iter().any(|r| r.name == rule), "{} excuses from no rule", file.path);
        assert_ne!(rule, "file-length-hard", "this rule has no exceptions");
    }
}
