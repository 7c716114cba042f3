//! What templates print, checked against Go.

mod inspect;
mod limits;
mod objects;

use crate::{Functions, MissingKey, Record, Template, Value};

/// Parses and executes; an error is its text after `error:`.
fn run(template: &str, dot: &Value, missing_key: MissingKey) -> String {
    let template = match Template::parse("", template, &Functions::docker()) {
        Ok(template) => template.missing_key(missing_key),
        Err(error) => return format!("error:{error}"),
    };
    match template.execute(dot) {
        Ok(text) => text,
        Err(error) => format!("error:{error}"),
    }
}

#[track_caller]
fn check(template: &str, dot: &Value, expect: &str) {
    assert_eq!(run(template, dot, MissingKey::Default), expect, "{template}");
}

fn json(text: &str) -> Value {
    serde_json::from_str::<serde_json::Value>(text).expect("the test's JSON is good").into()
}

/// The value that the rows of `go.jsonl` were made with.
fn go_data() -> Value {
    let context = Record::new("context.DockerContext")
        .with("Description", "d<e>")
        .with("AdditionalFields", json(include_str!("tests/go-data.json")));
    let metadata =
        Record::new("store.Metadata").with("Name", "t").with("Metadata", Value::from(context));
    Record::new("context.contextWithTLSListing")
        .with("Name", "t")
        .with("Metadata", Value::from(metadata))
        .into()
}

/// Each row is a template and what the Docker command line 28.2.2, built with Go 1.24.3, made of it
/// in `docker context inspect -f TEMPLATE` with a context that has the members of `go-data.json`.
#[test]
fn prints_what_go_prints() {
    let data = go_data();
    let mut rows = 0;
    for line in include_str!("tests/go.jsonl").lines() {
        let (template, expect): (String, String) =
            serde_json::from_str(line).expect("a row is a pair of texts");
        let expect = expect.strip_prefix("ok:").unwrap_or(&expect);
        check(&template, &data, expect);
        rows += 1;
    }
    assert!(rows > 700, "only {rows} rows");
}

#[test]
fn missing_keys() {
    let data = json(r#"{"m":{"a":1}}"#);
    let template = "{{.x}}";
    assert_eq!(run(template, &data, MissingKey::Default), "<no value>");
    assert_eq!(run(template, &data, MissingKey::Zero), "<no value>");
    assert_eq!(
        run(template, &data, MissingKey::Error),
        r#"error:template: :1:2: executing "" at <.x>: map has no entry for key "x""#
    );
    assert_eq!(
        run("{{(index .m \"z\").y}}", &data, MissingKey::Error),
        "error:template: :1:12: executing \"\" at <\"z\">: \
         nil data; no entry for key \"y\""
    );
    let labels = Value::string_map([("a", "b")]);
    assert_eq!(run("[{{.x}}]", &labels, MissingKey::Zero), "[]");
    assert_eq!(run("[{{.x}}]", &labels, MissingKey::Default), "[<no value>]");
    assert_eq!(run(r#"[{{index . "x"}}]"#, &labels, MissingKey::Error), "[]");
}

#[test]
fn numbers_of_json_are_integers_where_they_can_be() {
    let data = json(r#"{"i":134217728,"u":18446744073709551615,"f":1.5,"w":1e3,"b":1e300}"#);
    check(
        "{{.i}} {{.u}} {{.f}} {{.w}} {{.b}}",
        &data,
        "134217728 18446744073709551615 1.5 1000 1e+300",
    );
    check(
        "{{json .}}",
        &data,
        r#"{"b":1e+300,"f":1.5,"i":134217728,"u":18446744073709551615,"w":1000}"#,
    );
    check(
        "{{eq .i 134217728}} {{lt .f 2.0}} {{gt .u .i}} {{eq .w 1000}}",
        &data,
        "true true true true",
    );
    check(
        "{{printf \"%T %T %T %x %d\" .i .u .f .u .u}}",
        &data,
        "int uint64 float64 ffffffffffffffff 18446744073709551615",
    );
    check(
        "{{range $i, $e := .i}}{{end}}",
        &data,
        "error:template: :1:18: executing \"\" at <.i>: \
        can't use 134217728 to iterate over more than one variable",
    );
    check("{{.f | printf \"%#v\"}} {{printf \"%#v\" .u}}", &data, "1.5 0xffffffffffffffff");
}

#[test]
fn join_takes_any_list() {
    let data = json(r#"{"l":["a","b"],"i":[1,null],"m":{"k":"v","j":"a"},"n":null}"#);
    check(
        r#"{{join .l ","}}|{{join .i "-"}}|{{join .m ","}}|{{join .n ","}}"#,
        &data,
        "a,b|1-<nil>|a,v|",
    );
    check(
        r#"{{join 3 ","}}"#,
        &data,
        "error:template: :1:7: executing \"\" at <3>: can't handle 3 for arg of type []string",
    );
    check(
        r#"{{join (index .l 0) ","}}"#,
        &data,
        "error:template: :1:17: executing \"\" at \
        <0>: wrong type for value; expected []string; got string",
    );
}

#[test]
fn own_functions() {
    use crate::{CallError, Param, Signature};
    let mut functions = Functions::builtin();
    let greeting = "hello".to_owned();
    functions.add("greet", Signature::fixed([Param::String]), move |arguments| {
        match &arguments[0] {
            Value::String(name) => Ok(Value::from(format!("{greeting} {name}"))),
            _ => Err(CallError::from("no name")),
        }
    });
    functions.add("fail", Signature::fixed([]), |_| Err(CallError::from("out of order")));
    let run = |text: &str| match Template::parse("t", text, &functions) {
        Ok(template) => template.execute(&Value::Null).unwrap_or_else(|error| error.to_string()),
        Err(error) => error.to_string(),
    };
    assert_eq!(run(r#"{{greet "you"}} {{"me" | greet | len}}"#), "hello you 8");
    assert_eq!(
        run("{{fail}}"),
        "template: t:1:2: executing \"t\" at <fail>: error calling fail: out of order"
    );
    assert_eq!(run("{{json 1}}"), "template: t:1: function \"json\" not defined");
    assert_eq!(
        run("\n{{greet 1}}"),
        "template: t:2:8: executing \"t\" at <1>: expected string; found 1"
    );
}

#[test]
fn sets_of_templates() {
    let mut set = Template::parse("base", r#"{{define "a"}}old{{end}}"#, &Functions::builtin())
        .expect("the template is good");
    set.add("user", r#"{{define "a"}}new {{.}}{{end}}<{{template "a" .}}>"#).expect("also good");
    assert_eq!(set.execute_named("user", &Value::from("x")), Ok("<new x>".to_owned()));
    assert_eq!(set.execute_named("a", &Value::from("y")), Ok("new y".to_owned()));
    assert_eq!(set.execute(&Value::Null), Ok(String::new()));
    let error = set.execute_named("none", &Value::Null).expect_err("it is not there");
    assert!(error.to_string().contains("incomplete or empty template"), "{error}");
    set.add("third", "{{.x}").expect_err("no template");
    set.add("third", "\n{{.x.y}}").expect("good");
    let error = set.execute_named("third", &json(r#"{"x":null}"#)).expect_err("x is nil");
    assert_eq!(
        error.to_string(),
        "template: third:2:4: executing \"third\" at <.x.y>: \
         nil pointer evaluating interface {}.y"
    );
}

#[test]
fn headings_are_left_alone() {
    let functions = Functions::docker_headings();
    let text = r#"{{upper .Name}} {{truncate .Name 2}} {{join .Name ","}}{{pad .Name 1 1}}"#;
    let template = Template::parse("", text, &functions).expect("the template is good");
    let headings = Record::new("headings").with("Name", "Names").into();
    assert_eq!(template.execute(&headings), Ok("Names Names Names Names ".to_owned()));
}
