use std::os::unix::fs::PermissionsExt;
use std::process::Command;

/// What bash offers for a command line, with an engine that knows some names.
fn offered(line: &str) -> Vec<String> {
    let dir = tempfile::tempdir().unwrap();
    let wharf = dir.path().join("wharf");
    let fake = "#!/bin/sh\ncase \"$*\" in\n\
                '-H unix:///other ps'*) echo elsewhere ;;\n\
                *status=paused*) echo frozen ;;\n\
                'ps -a '*) echo web; echo old ;;\n\
                'ps --format'*) echo web ;;\n\
                images*) echo busybox:latest; echo busybox:1.36; echo '<none>:<none>' ;;\n\
                esac\n";
    std::fs::write(&wharf, fake).unwrap();
    std::fs::set_permissions(&wharf, PermissionsExt::from_mode(0o755)).unwrap();
    std::fs::write(dir.path().join("a-file"), "").unwrap();
    let script = dir.path().join("script");
    std::fs::write(&script, super::script("bash").unwrap()).unwrap();
    let run = format!(
        "set -u; . '{}'; COMP_LINE='{line}'; COMP_POINT=${{#COMP_LINE}}; _wharf; \
         printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        script.display()
    );
    let path = format!("{}:{}", dir.path().display(), std::env::var("PATH").unwrap());
    let output = Command::new("bash")
        .args(["--norc", "-c", &run])
        .env("PATH", path)
        .current_dir(dir.path())
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{line}");
    let out = String::from_utf8(output.stdout).unwrap();
    let mut words: Vec<String> =
        out.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect();
    words.sort_unstable();
    words
}

#[test]
fn bash_offers_what_fits() {
    let check = |line: &str, expect: &[&str]| assert_eq!(offered(line), expect, "{line}");
    check("wharf unp", &["unpause"]);
    check("wharf container pru", &["prune"]);
    check("wharf system ", &["--help", "df", "events", "info", "prune"]);
    check("wharf stop ", &["web"]);
    check("wharf container rm ", &["old", "web"]);
    check("wharf rm -f o", &["old"]);
    check("wharf unpause ", &["frozen"]);
    // Also behind flags with values, and for the engine that the line names.
    check("wharf -H unix:///other exec -u root -i ", &["elsewhere"]);
    check("wharf rmi busy", &["busybox:1.36", "busybox:latest"]);
    // Bash puts back what stands before the colon.
    check("wharf run -it busybox:", &["1.36", "latest"]);
    check("wharf update --restart a", &["always"]);
    check("wharf run --network ", &["container:", "host", "none"]);
    check("wharf load -i a-", &["a-file"]);
    check("wharf rm --vol", &["--volumes"]);
    check("wharf --de", &["--debug"]);
    check("wharf ps --format ", &["json", "table"]);
}

#[test]
fn every_shell_knows_every_verb() {
    for shell in ["bash", "zsh", "fish"] {
        let script = super::script(shell).unwrap();
        for verb in super::shown() {
            for name in verb.names() {
                let last = name.rsplit(' ').next().unwrap();
                assert!(script.contains(last), "{shell} does not know {name}");
            }
            for flag in verb.flags().filter(|flag| !flag.hidden) {
                assert!(script.contains(flag.long), "{shell} does not know --{}", flag.long);
            }
        }
    }
    assert_eq!(super::script("csh"), None);
}
