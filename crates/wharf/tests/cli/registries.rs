//! Verbs about registries: output, exit codes, requests, the accounts that come with them, and what
//! is left in the file of accounts.

use std::path::Path;

use serde_json::{Value, json};

use crate::docker::{Ran, docker, require, wharf};
use crate::fake::{FakeEngine, Heard};

/// A file of accounts before, then command lines in turn with their standard input.
const CASES: &[(&str, &[(&str, &str)])] = &[
    (
        "",
        &[
            ("pull x", ""),
            ("pull -q x", ""),
            ("pull -a localhost:5000/x", ""),
            ("pull -a x:y", ""),
            ("pull --platform linux/ARM64 x:y", ""),
            (
                "pull x:y@sha256:00000000000000000000000000000000000000000000000000000000000000aa",
                "",
            ),
            ("pull Upper", ""),
            ("image pull failing:1", ""),
            ("pull missing:1", ""),
            ("push x", ""),
            ("push -q x:1", ""),
            ("push -a localhost:5000/x", ""),
            ("push -a x:y", ""),
            ("push --platform linux/amd64 x:y", ""),
            ("push x@sha256:00000000000000000000000000000000000000000000000000000000000000aa", ""),
            ("push Upper", ""),
            ("image push failing:1", ""),
            ("run --pull always x", ""),
            ("run -q --pull always x", ""),
            ("create --pull always --platform linux/amd64 failing:1", ""),
            ("search nginx", ""),
            ("search --limit 5 --filter stars=3 --filter is-official=true localhost/nginx", ""),
            ("search --filter is-automated=true nginx", ""),
            ("search --no-trunc --format json nginx", ""),
            ("search --format {{.Name}};{{.IsOfficial}};{{.StarCount}} nginx", ""),
            ("search --format {{.Nope}} nginx", ""),
            ("search --filter nope nginx", ""),
            ("search failing", ""),
            ("load", "archive"),
        ],
    ),
    (
        "",
        &[
            ("login a.example", ""),
            ("login -u alice a.example", ""),
            ("login -u alice --password-stdin a.example", "secret\n"),
            ("login a.example", ""),
            ("login https://a.example/v1/", ""),
            ("pull a.example/x:1", ""),
            ("push a.example/x:1", ""),
            ("search a.example/x", ""),
            ("pull b.example/x:1", ""),
            ("login -u alice -p wrong a.example", ""),
            ("login -u bob -p token http://b.example", ""),
            ("login b.example", ""),
            ("pull b.example/x:1", ""),
            ("logout a.example", ""),
            ("logout a.example", ""),
            ("logout", ""),
            ("logout http://b.example", ""),
            ("login -p x --password-stdin a.example", ""),
            ("login --password-stdin a.example", ""),
            ("login -u alice --password-stdin a.example", ""),
            ("login -u alice --password-stdin docker.io", "secret"),
            ("pull x:1", ""),
            ("search x", ""),
        ],
    ),
    (
        r#"{"auths": {"a.example": {"auth": "YWxpY2U6d3Jvbmc="}}, "psFormat": "{{.ID}}"}"#,
        &[
            ("login a.example", ""),
            ("login -u alice --password-stdin a.example", "secret\r\n"),
            ("logout a.example", ""),
        ],
    ),
    (
        r#"{"credHelpers": {"a.example": "missing"}}"#,
        &[
            ("pull a.example/x:1", ""),
            ("login -u alice --password-stdin a.example", "secret"),
            ("logout a.example", ""),
        ],
    ),
];

/// The fake engine's answers.
pub fn answer(method: &str, parts: &[&str], request: &Heard) -> Option<(u16, String)> {
    let fail = |status, text: &str| Some((status, json!({ "message": text }).to_string()));
    match (method, parts) {
        ("POST", ["auth"]) => {
            let password = request.body["password"].as_str().unwrap_or_default();
            match password {
                "wrong" => fail(500, "login attempt to https://a.example/v2/ failed"),
                _ => {
                    let token = if password == "token" { "refresh" } else { "" };
                    let answer = json!({"IdentityToken": token, "Status": "Login Succeeded"});
                    Some((200, answer.to_string()))
                }
            }
        }
        ("POST", ["images", "create"]) if request.path.contains("fromImage") => {
            let has = |name: &str| request.path.contains(name);
            match () {
                () if has("missing") => fail(404, "manifest for missing:1 not found"),
                () if has("nowhere") => None,
                () => Some((200, pulled(has("failing")))),
            }
        }
        ("POST", ["images", .., "push"]) => Some((200, pushed(parts.contains(&"failing")))),
        ("GET", ["images", "search"]) => match request.path.contains("failing") {
            true => fail(400, "invalid registry endpoint"),
            false => Some((200, found().to_string())),
        },
        _ => None,
    }
}

fn lines(messages: &[Value]) -> String {
    messages.iter().map(|message| format!("{message}\r\n")).collect()
}

fn pulled(fails: bool) -> String {
    let step = |id: &str, status: &str| json!({"status": status, "progressDetail": {}, "id": id});
    let mut messages = vec![
        json!({"status": "Pulling from library/x", "id": "1"}),
        step("0a", "Pulling fs layer"),
        json!({"status": "Downloading", "progressDetail": {"current": 5, "total": 10},
               "progress": "[==>  ] 5B/10B", "id": "0a"}),
        step("0a", "Pull complete"),
    ];
    messages.extend(match fails {
        true => {
            vec![json!({"errorDetail": {"message": "unexpected EOF"}, "error": "unexpected EOF"})]
        }
        false => vec![
            json!({"status": "Digest: sha256:aa"}),
            json!({"status": "Status: Downloaded newer image for x:1"}),
        ],
    });
    lines(&messages)
}

fn pushed(fails: bool) -> String {
    let first = json!({"status": "The push refers to repository [docker.io/library/x]"});
    let rest = match fails {
        true => vec![json!({"errorDetail": {"message": "denied"}, "error": "denied"})],
        false => vec![
            json!({"status": "Preparing", "progressDetail": {}, "id": "0a"}),
            json!({"status": "1: digest: sha256:aa size: 5"}),
            json!({"progressDetail": {}, "aux": {"Tag": "1", "Digest": "sha256:aa", "Size": 5}}),
        ],
    };
    lines(&[vec![first], rest].concat())
}

fn found() -> Value {
    json!([
        {"star_count": 19000, "is_official": true, "name": "nginx", "is_automated": false,
         "description": "Official build of Nginx."},
        {"star_count": 3, "is_official": false, "name": "bob/nginx", "is_automated": false,
         "description": format!("a\nb{}", "c".repeat(60))},
    ])
}

/// What is left of one case: what each line printed, what was asked, and the file of accounts.
#[derive(Debug, PartialEq)]
struct Observed {
    ran: Vec<Ran>,
    heard: Vec<Vec<Heard>>,
    accounts: Value,
}

type Program = fn(&[String], &str, &Path, &str) -> Ran;

fn observe(program: Program, accounts: &str, lines: &[(&str, &str)]) -> Observed {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("config.json");
    if !accounts.is_empty() {
        std::fs::write(&file, accounts).unwrap();
    }
    let engine = FakeEngine::start(directory.path());
    let mut observed = Observed { ran: Vec::new(), heard: Vec::new(), accounts: Value::Null };
    for (line, stdin) in lines {
        let words: Vec<String> = line.split(' ').map(|word| word.replace(';', " ")).collect();
        let mut ran = program(&words, &engine.host, directory.path(), stdin);
        let place = directory.path().display().to_string();
        ran.stderr = ran.stderr.replace(&place, "DIRECTORY");
        observed.ran.push(ran);
        let heard = engine.heard().into_iter();
        // Docker asks for the default registry; and when input ends is up to the other end.
        let heard = heard.filter(|request| request.path != "/info" && request.method != "INPUT");
        observed.heard.push(heard.collect());
    }
    if let Ok(text) = std::fs::read_to_string(&file) {
        observed.accounts = serde_json::from_str(&text).unwrap();
    }
    observed
}

#[test]
fn do_what_docker_does() {
    require();
    let mut different = Vec::new();
    for (accounts, lines) in CASES {
        let (ours, theirs) = (observe(wharf, accounts, lines), observe(docker, accounts, lines));
        for (at, (line, _)) in lines.iter().enumerate() {
            if ours.ran[at] != theirs.ran[at] {
                let (ours, theirs) = (&ours.ran[at], &theirs.ran[at]);
                different.push(format!("{line}\nours:   {ours:?}\ntheirs: {theirs:?}\n"));
            }
            if ours.heard[at] != theirs.heard[at] {
                let (ours, theirs) = (&ours.heard[at], &theirs.heard[at]);
                different.push(format!("{line}\nours:   {ours:?}\ntheirs: {theirs:?}\n"));
            }
        }
        if ours.accounts != theirs.accounts {
            different.push(format!("{accounts}: {:?} and {:?}", ours.accounts, theirs.accounts));
        }
    }
    assert!(different.is_empty(), "{} differ:\n{}", different.len(), different.join("\n"));
}
