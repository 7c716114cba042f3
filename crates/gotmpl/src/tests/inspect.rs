//! The formats that are used with `inspect`, `ps` and their like.

use super::{check, json, run};
use crate::json::to_string;
use crate::{Map, MissingKey, Object, Record, Value};

/// A container as the engine's API shows it.
const CONTAINER: &str = r#"{
    "Id": "cb0ac29e2b87f5c342025ba9c02603644ad1d748972122f31504b7391cb20024",
    "Name": "/web",
    "RestartCount": 2,
    "Path": "sh",
    "Args": ["-c", "echo <a> & b"],
    "State": {
        "Status": "exited", "Running": false, "OOMKilled": false, "ExitCode": 137,
        "FinishedAt": "2026-11-23T21:42:20.133675045Z",
        "Health": {"Status": "healthy", "FailingStreak": 0, "Log": [{"ExitCode": 0, "Output": ""}]}
    },
    "HostConfig": {
        "Memory": 134217728, "NanoCpus": 700000000, "Binds": null, "PidsLimit": null,
        "RestartPolicy": {"Name": "no", "MaximumRetryCount": 0}
    },
    "Config": {
        "Labels": {"tier": "front"}, "Env": ["A=1", "B=2"], "Cmd": null,
        "ExposedPorts": {"80/tcp": {}}
    },
    "ExecIDs": ["86bd", "ea94"],
    "NetworkSettings": {
        "Ports": {"443/tcp": null, "80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "18080"}]},
        "Networks": {"bridge": {"IPAddress": "172.17.0.2", "MacAddress": "d2:ab:5e:13:25:fa"}}
    },
    "RepoTags": ["a:1", "b:2"],
    "RepoDigests": ["reg/app@sha256:6043"]
}"#;

/// Formats that print the same whichever way the JSON is seen.
const BOTH_VIEWS: &[(&str, &str)] = &[
    ("{{.State.OOMKilled}} {{.State.ExitCode}} {{.State.Status}}", "false 137 exited"),
    ("{{.RestartCount}} {{.State.ExitCode}} {{json .State.Nothing}}", "2 137 null"),
    ("{{.ExecIDs}}", "[86bd ea94]"),
    ("{{.State.ExitCode}} {{.State.FinishedAt}}", "137 2026-11-23T21:42:20.133675045Z"),
    (
        "{{.HostConfig.Memory}} {{.HostConfig.NanoCpus}} {{.HostConfig.RestartPolicy.Name}}",
        "134217728 700000000 no",
    ),
    (
        "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{.MacAddress}}{{end}}",
        "172.17.0.2 d2:ab:5e:13:25:fa",
    ),
    ("{{.Name}}", "/web"),
    (r#"{{(index (index .NetworkSettings.Ports "80/tcp") 0).HostPort}}"#, "18080"),
    (r#"{{(index .NetworkSettings.Ports "80/tcp" 0).HostPort}}"#, "18080"),
    ("{{index .RepoDigests 0}}", "reg/app@sha256:6043"),
    ("{{.RepoTags}}", "[a:1 b:2]"),
    ("{{json .RepoTags}}", r#"["a:1","b:2"]"#),
    (r#"{{join .RepoTags ", "}}"#, "a:1, b:2"),
    ("{{range .Config.Env}}{{println .}}{{end}}", "A=1\nB=2\n"),
    ("{{range $i, $e := .Config.Env}}{{if $i}},{{end}}{{$e}}{{end}}", "A=1,B=2"),
    ("{{range $k, $v := .Config.Labels}}{{$k}}={{$v}}{{end}}", "tier=front"),
    (r#"{{index .Config.Labels "tier"}}"#, "front"),
    ("{{.Config.Labels.tier}}", "front"),
    (r#"{{if eq .State.Status "exited"}}gone{{else}}there{{end}}"#, "gone"),
    (r#"{{if ne .State.ExitCode 0}}failed{{end}}"#, "failed"),
    (r#"{{if eq .State.ExitCode 1 137 143}}killed{{end}}"#, "killed"),
    ("{{with .State.Health}}{{.Status}}{{else}}none{{end}}", "healthy"),
    ("{{with .State.Nothing}}{{.Status}}{{else}}none{{end}}", "none"),
    ("{{if .State.Health}}{{.State.Health.Status}}{{end}}", "healthy"),
    ("{{(index .State.Health.Log 0).ExitCode}}", "0"),
    ("{{slice .Id 0 12}}", "cb0ac29e2b87"),
    (r#"{{printf "%.12s" .Id}}"#, "cb0ac29e2b87"),
    ("{{truncate .Id 12}}", "cb0ac29e2b87"),
    (r#"{{printf "%-8s|%5d|%q" .Name .State.ExitCode .Name}}"#, "/web    |  137|\"/web\""),
    ("{{json .Args}}", r#"["-c","echo <a> & b"]"#),
    ("{{.Args | json | html}}", "[&#34;-c&#34;,&#34;echo &lt;a&gt; &amp; b&#34;]"),
    ("{{.Path}} {{join .Args \" \"}}", "sh -c echo <a> & b"),
    ("{{upper .Name}} {{title .State.Status}}", "/WEB Exited"),
    ("{{len .RepoTags}} {{len .Config.Labels}} {{len .Id}}", "2 1 64"),
    (
        "{{range $p, $c := .NetworkSettings.Ports}}{{$p}}{{range $c}} {{.HostPort}}{{end}};{{end}}",
        "443/tcp;80/tcp 18080;",
    ),
    ("{{range .HostConfig.Binds}}{{.}}{{else}}no binds{{end}}", "no binds"),
    ("{{json .Config.ExposedPorts}}", r#"{"80/tcp":{}}"#),
    ("{{json .Config.Cmd}}", "null"),
    ("{{range $p, $_ := .Config.ExposedPorts}}{{$p}}{{end}}", "80/tcp"),
    ("{{.Config.Labels}}", "map[tier:front]"),
    (r#"{{$n := .Name}}{{range .RepoTags}}{{$n}}:{{.}} {{end}}"#, "/web:a:1 /web:b:2 "),
    (r#"{{split .Id "0" | len}}"#, "8"),
    ("{{- .Name -}}\n", "/web"),
    (r#"{{.Name | printf "%s %d" "x" | len}}"#, "18"),
    ("{{/* nothing */}}", ""),
];

#[test]
fn formats_on_both_views() {
    let typed: Value = serde_json::from_str(CONTAINER).expect("the test's JSON is good");
    for (template, expect) in BOTH_VIEWS {
        check(template, &json(CONTAINER), expect);
        check(template, &typed, expect);
    }
}

#[test]
fn unknown_names_on_raw_json() {
    for (template, error) in [
        ("{{.NoSuch}}", r#":1:2: executing "" at <.NoSuch>: map has no entry for key "NoSuch""#),
        (
            "{{.State.NoSuch}}",
            r#":1:8: executing "" at <.State.NoSuch>: map has no entry for key "NoSuch""#,
        ),
        (
            "{{.Name.X}}",
            r#":1:7: executing "" at <.Name.X>: can't evaluate field X in type interface {}"#,
        ),
        (
            "{{.Config.Cmd.X}}",
            r#":1:9: executing "" at <.Config.Cmd.X>: nil pointer evaluating interface {}.X"#,
        ),
        (
            r#"{{(index (index .NetworkSettings.Ports "81/tcp") 0).HostPort}}"#,
            ":1:3: executing \"\" at <index (index .NetworkSettings.Ports \"81/tcp\") 0>: \
             error calling index: index of untyped nil",
        ),
        (
            "{{index .RepoTags 2}}",
            ":1:2: executing \"\" at <index .RepoTags 2>: \
             error calling index: reflect: slice index out of range",
        ),
    ] {
        let text = run(template, &json(CONTAINER), MissingKey::Error);
        assert_eq!(text, format!("error:template: {error}"), "{template}");
    }
}

#[test]
fn the_typed_view_keeps_order_and_knows_zeros() {
    let typed: Value = serde_json::from_str(CONTAINER).expect("the test's JSON is good");
    let health = r#"{"Status":"healthy","FailingStreak":0,"Log":[{"ExitCode":0,"Output":""}]}"#;
    check("{{json .State.Health}}", &typed, health);
    check("{{range $k, $v := .State.Health}}{{$k}} {{end}}", &typed, "FailingStreak Log Status ");
    check(r#"[{{index .Config.Labels "nosuch"}}]"#, &typed, "[]");
    check(r#"[{{index .Config.Labels "nosuch"}}]"#, &json(CONTAINER), "[<no value>]");
    check("{{.HostConfig.Binds}} {{.HostConfig.PidsLimit}}", &typed, "<no value> <no value>");
    let typed = typed.with_nils(&|key| match key {
        "Binds" | "Cmd" => Some(crate::NilKind::List),
        "PidsLimit" => Some(crate::NilKind::Pointer("*int64")),
        _ => None,
    });
    check("{{.HostConfig.Binds}} {{.HostConfig.PidsLimit}}", &typed, "[] <nil>");
    check("{{json .HostConfig.Binds}} {{len .Config.Cmd}}", &typed, "null 0");
    check("{{json .State.Health}}", &typed, health);
}

/// A row of a list, which escapes its own JSON.
#[derive(Debug)]
struct Row;

impl Object for Row {
    fn type_name(&self) -> &str {
        "*formatter.ContainerContext"
    }

    fn field(&self, name: &str) -> Option<Value> {
        let fields = self.fields();
        fields.into_iter().find(|(field, _)| field == name).map(|(_, value)| value)
    }

    fn fields(&self) -> Vec<(String, Value)> {
        let texts =
            [("Names", "web"), ("Ports", "0.0.0.0:18080->80/tcp"), ("Status", "Up 3 seconds")];
        texts.map(|(name, text)| (name.to_owned(), text.into())).into()
    }

    fn json(&self) -> Option<String> {
        to_string(&Map::new(self.fields()).into()).ok()
    }
}

#[test]
fn rows_of_lists() {
    let row = Value::Struct(std::sync::Arc::new(Row));
    check("{{.Names}} {{.Status}}", &row, "web Up 3 seconds");
    check("{{.Names}}\t{{.Ports}}", &row, "web\t0.0.0.0:18080->80/tcp");
    let escaped = "{\"Names\":\"web\",\"Ports\":\"0.0.0.0:18080-\\u003e80/tcp\",\
                   \"Status\":\"Up 3 seconds\"}";
    check("{{json .}}", &row, escaped);
    check("{{json .Ports}}", &row, r#""0.0.0.0:18080->80/tcp""#);
    check(
        "{{.NoSuch}}",
        &row,
        "error:template: :1:2: executing \"\" at <.NoSuch>: \
         can't evaluate field NoSuch in type *formatter.ContainerContext",
    );
}

#[test]
fn log_tags() {
    let tag = Record::new("loggerutils.Info").with("ID", "cb0ac29e2b87").with("Name", "web");
    check("{{.Name}}/{{.ID}}", &tag.into(), "web/cb0ac29e2b87");
}
