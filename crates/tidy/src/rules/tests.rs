use super::RULES;
use crate::{Tree, exceptions};

/// What a rule and its exceptions leave of a tree: `place: message`, one line each.
fn check(rule: &str, files: &[(&str, &str)], expect: &[&str]) {
    let tree = Tree::of_files(files);
    let rule = RULES.iter().find(|r| r.name == rule).expect("the rule is in the table");
    let findings = exceptions::apply(rule.name, (rule.find)(&tree), &tree);
    let found: Vec<_> = findings.iter().map(|f| format!("{}: {}", f.place, f.message)).collect();
    assert_eq!(found, expect, "{}", rule.name);
}

fn manifest(name: &str, layer: &str, rest: &str) -> String {
    format!(
        "[package]\nname = \"{name}\"\n[package.metadata.wharf]\n{layer}\n\
         [lints]\nworkspace = true\n{rest}"
    )
}

#[test]
fn layers() {
    let low = manifest("low", "layer = 1", "[dependencies]\nserde.workspace = true\n");
    let high = manifest(
        "high",
        "layer = 2",
        "[dependencies]\nlow.workspace = true\n[dev-dependencies]\npeer = { workspace = true }\n",
    );
    let peer = manifest("peer", "layer = 2", "");
    let none = manifest("none", "", "");
    check(
        "layers",
        &[
            ("crates/low/Cargo.toml", &low),
            ("crates/high/Cargo.toml", &high),
            ("crates/peer/Cargo.toml", &peer),
            ("crates/none/Cargo.toml", &none),
        ],
        &[
            "crates/high/Cargo.toml peer: line 10: layer 2 depends on `peer`, whose layer is 2",
            "crates/none/Cargo.toml: no `layer = N` under `[package.metadata.wharf]`",
        ],
    );
}

#[test]
fn manifests() {
    let good = manifest("good", "layer = 1", "[dependencies]\na.workspace = true\n");
    let bad = "[package]\nname = \"other\"\n[target.x.dependencies]\nb = \"1\"\n\
               [dev-dependencies.c]\nversion = \"2\"\n";
    check(
        "manifests",
        &[("crates/good/Cargo.toml", &good), ("crates/bad/Cargo.toml", bad)],
        &[
            "crates/bad/Cargo.toml: the package is not called `bad`",
            "crates/bad/Cargo.toml: no `workspace = true` under `[lints]`",
            "crates/bad/Cargo.toml: line 4: `b` is not inherited from the workspace",
            "crates/bad/Cargo.toml: line 5: `c` is not inherited from the workspace",
        ],
    );
}

#[test]
fn lengths() {
    let lines = "\n".repeat(501);
    let files = [("a.rs", lines.as_str()), ("tests.rs", ""), ("x/tests.rs", lines.as_str())];
    check("file-length", &files, &["a.rs: 501 lines"]);
    check("file-length-hard", &files, &[]);
    let lines = "\n".repeat(801);
    check("file-length-hard", &[("x/tests.rs", &lines)], &["x/tests.rs: 801 lines"]);
    check("crate-length", &[("crates/a/b.rs", &"\n".repeat(12_001))], &["crates/a: 12001 lines"]);
    check("crate-length", &[("crates/a/tests/b.rs", &"\n".repeat(12_001))], &[]);

    let body = "\n".repeat(70);
    let long = format!("fn f() {{{body}}}\n#[cfg(test)]\nmod tests {{\nfn g() {{{body}}}\n}}\n");
    check("function-length", &[("a.rs", &long)], &["a.rs f: line 1: `f` has 71 lines"]);

    let wide = "ü".repeat(101);
    let text = format!("// {}\n{wide}\nx\n{wide}\n", "ü".repeat(97));
    check(
        "line-length",
        &[("a.rs", &text), ("a.md", &text)],
        &["a.rs: line 2: more than 100 columns (and 1 more: 4)"],
    );
}

#[test]
fn words() {
    let text = "fn f() { unsafe { g() } } // unsafe\n";
    check("unsafe", &[("crates/a/b.rs", text)], &["crates/a/b.rs: line 1: `unsafe`"]);
    check("unsafe", &[("crates/sys/b.rs", text)], &[]);

    let text = "a.unwrap();\n#[cfg(test)]\nmod tests { fn f() { a.unwrap() } }\n";
    check("unwrap", &[("a.rs", text)], &["a.rs: line 1: `unwrap`"]);
    check("unwrap", &[("lib.rs", "#[cfg(test)]\nmod kit;\n"), ("kit/a.rs", text)], &[]);
    check("unwrap", &[("b.rs", "#[cfg(test)]\nmod kit;\n"), ("b/kit.rs", text)], &[]);

    let note = concat!("x\n// TO", "DO: y\n");
    let expect = concat!("a.md: line 2: `TO", "DO`");
    check("unfinished", &[("a.md", note), ("b.md", "todos")], &[expect]);
    let code = concat!("fn f() { todo", "!() }\n\"todo", "!()\"");
    check("unfinished", &[("a.rs", code)], &["a.rs: line 1: a macro for unfinished code"]);

    check("ignored-tests", &[("a.rs", "#[ignore = \"x\"]\n")], &["a.rs: line 1: an ignored test"]);
}

#[test]
fn foreign_words() {
    let word = concat!("Open", "AI");
    let expect = concat!("a.md: line 1: `open", "ai`");
    check("foreign-words", &[("a.md", word)], &[expect]);
    let parts = [concat!("reOpen", "AImed"), concat!("x/home/wo", "rk/")];
    check("foreign-words", &[("a.md", parts[0]), ("b.md", parts[1])], &[]);
    let path = concat!("see /wo", "rk/x");
    check("foreign-words", &[("a.md", path)], &[concat!("a.md: line 1: `/wo", "rk/`")]);
    check("foreign-words", &[("Cargo.lock", path)], &[]);
}

#[test]
fn names() {
    check(
        "module-names",
        &[
            ("crates/a/src/util.rs", ""),
            ("crates/a/src/misc/b.rs", ""),
            ("crates/a/src/c/mod.rs", ""),
            ("crates/a/src/engine_info.rs", "pub(crate) mod helper {\n}\n"),
        ],
        &[
            "crates/a/src/util.rs: a module called `util`",
            "crates/a/src/misc/b.rs: a module called `misc`",
            "crates/a/src/c/mod.rs: a module called `mod`",
            "crates/a/src/engine_info.rs: line 1: a module called `helper`",
        ],
    );
    check(
        "module-docs",
        &[("crates/a/src/lib.rs", "//! A.\n"), ("crates/b/src/lib.rs", "mod a;\n")],
        &["crates/b/src/lib.rs: does not begin with `//! `"],
    );
}

#[test]
fn pages() {
    check(
        "format-versions",
        &[
            ("docs/formats/a.md", "# A\n\nVersion 1. Text\n"),
            ("docs/formats/b.md", "# B (`b`, version 12)\n"),
            ("docs/formats/c.md", "# C\n\nThis version is new.\n"),
        ],
        &["docs/formats/c.md: no `Version N` within 5 lines"],
    );
    check(
        "decision-names",
        &[
            ("docs/adr/0001-own-flags.md", "# Own flags\n"),
            ("docs/adr/0003-gap.md", "# Gap\n"),
            ("docs/adr/0004_Title.md", "Title\n"),
        ],
        &[
            "docs/adr/0003-gap.md: is not called `0002-title.md`",
            "docs/adr/0004_Title.md: is not called `0003-title.md`",
            "docs/adr/0004_Title.md: does not begin with `# `",
        ],
    );
}

#[test]
fn exceptions_only_shrink() {
    let list = "crates/tidy/exceptions/unwrap.txt";
    let code = ("a.rs", "a.unwrap();\nb.unwrap();\n");
    check("unwrap", &[code, (list, "# heading\n\na.rs = 2 # because\n")], &[]);
    check(
        "unwrap",
        &[code, (list, "a.rs = 1 # because\n")],
        &["a.rs: line 1: `unwrap` (and 1 more: 2)"],
    );
    check(
        "unwrap",
        &[code, (list, "a.rs = 3 # because\n")],
        &[&format!("{list}: line 1: 2 found at `a.rs`, 3 excused: lower the number")],
    );
    check(
        "unwrap",
        &[(list, "a.rs = 3 # because\na.rs = 1\n")],
        &[
            &format!("{list}: line 2: an exception reads `PLACE = AMOUNT # reason`"),
            &format!("{list}: line 1: 0 found at `a.rs`, 3 excused: take the line out"),
        ],
    );
}
