//! Structs, methods and values made from Rust's types.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::check;
use crate::json::to_string;
use crate::{CallError, Map, NilKind, Object, Record, Value};

/// A point in time with a method, as alert texts use it.
#[derive(Debug)]
struct Time;

impl Object for Time {
    fn type_name(&self) -> &str {
        "time.Time"
    }

    fn field(&self, name: &str) -> Option<Value> {
        (name == "Unix").then_some(Value::Int(7))
    }

    fn fields(&self) -> Vec<(String, Value)> {
        Vec::new()
    }

    fn call(&self, name: &str, arguments: &[Value]) -> Option<Result<Value, CallError>> {
        match (name, arguments) {
            ("Format", [Value::String(layout)]) => Some(Ok(format!("as {layout}").into())),
            ("Format", _) => Some(Err("wants a layout".into())),
            _ => None,
        }
    }

    fn display(&self) -> Option<String> {
        Some("noon".to_owned())
    }
}

fn alert() -> Value {
    Record::new("template.Alert")
        .with("Status", "firing")
        .with("Labels", Value::string_map([("b", "2"), ("a", "1")]))
        .with("StartsAt", Value::Struct(Arc::new(Time)))
        .with("EndsAt", Value::Nil(NilKind::Pointer("*time.Time")))
        .with("Tags", Value::strings(["x", "y"]))
        .with("None", Value::Nil(NilKind::List))
        .with("Empty", Value::Nil(NilKind::Map))
        .into()
}

#[test]
fn structs_and_methods() {
    for (template, expect) in [
        ("{{.}}", "{firing map[a:1 b:2] noon <nil> [x y] [] map[]}"),
        (
            r#"{{printf "%+v" .}}"#,
            "{Status:firing Labels:map[a:1 b:2] StartsAt:noon EndsAt:<nil> \
             Tags:[x y] None:[] Empty:map[]}",
        ),
        (r#"{{.StartsAt.Format "15:04"}}"#, "as 15:04"),
        (r#"{{"15" | .StartsAt.Format | upper}}"#, "AS 15"),
        (r#"{{(.StartsAt.Format "15") | len}}"#, "5"),
        ("{{.StartsAt.Unix}} {{.StartsAt}}", "7 noon"),
        (r#"{{printf "%s %q %5s|" .StartsAt .StartsAt .StartsAt}}"#, "noon \"noon\"  noon|"),
        ("{{with .StartsAt}}{{.Unix}}{{end}}", "7"),
        ("{{if .EndsAt}}a{{else}}b{{end}}", "b"),
        ("{{len .None}}{{len .Empty}}{{range .None}}x{{else}}y{{end}}", "00y"),
        (r#"{{index .Empty "x"}}|{{.Empty.x}}|{{slice .None 0 0}}"#, "<no value>|<no value>|[]"),
        ("{{json .None}}{{json .Empty}}{{json .EndsAt}}", "nullnullnull"),
        (r#"{{printf "%#v" .Labels}}"#, r#"map[string]string{"a":"1", "b":"2"}"#),
        (r#"{{index .Labels "zz"}}."#, "."),
        (
            "{{json .}}",
            "{\"Status\":\"firing\",\"Labels\":{\"a\":\"1\",\"b\":\"2\"},\"StartsAt\":{},\
             \"EndsAt\":null,\"Tags\":[\"x\",\"y\"],\"None\":null,\"Empty\":null}",
        ),
        (
            "{{.NoSuch}}",
            "error:template: :1:2: executing \"\" at <.NoSuch>: \
             can't evaluate field NoSuch in type template.Alert",
        ),
        (
            "{{.StartsAt.Format 3}}",
            "error:template: :1:11: executing \"\" at <.StartsAt.Format>: \
             error calling Format: wants a layout",
        ),
        (
            "{{.EndsAt.Unix}}",
            "error:template: :1:9: executing \"\" at <.EndsAt.Unix>: \
             nil pointer evaluating *time.Time.Unix",
        ),
        (
            "{{.Status 1}}",
            "error:template: :1:2: executing \"\" at <.Status>: \
             Status has arguments but cannot be invoked as function",
        ),
        (
            "{{range .Labels}}{{.x}}{{end}}",
            "error:template: :1:19: executing \"\" at <.x>: can't evaluate field x in type string",
        ),
    ] {
        check(template, &alert(), expect);
    }
}

#[derive(serde::Serialize)]
struct Health {
    #[serde(rename = "Status")]
    status: &'static str,
    #[serde(rename = "Streak")]
    streak: u64,
    #[serde(rename = "Binds")]
    binds: Option<Vec<String>>,
    #[serde(rename = "Limit")]
    limit: Option<i64>,
    #[serde(rename = "Labels")]
    labels: BTreeMap<String, String>,
    #[serde(rename = "Kind")]
    kind: Kind,
    #[serde(rename = "Raw")]
    raw: Box<serde_json::value::RawValue>,
}

#[derive(serde::Serialize)]
enum Kind {
    Bind { path: &'static str },
}

fn health() -> Health {
    let raw = r#"{"z":1,"a":{"y":"<","b":null}}"#.to_owned();
    Health {
        status: "ok",
        streak: 3,
        binds: None,
        limit: None,
        labels: BTreeMap::new(),
        kind: Kind::Bind { path: "/x" },
        raw: serde_json::value::RawValue::from_string(raw).expect("the JSON is good"),
    }
}

#[test]
fn values_from_rust_types() {
    let value =
        Value::from_serialize_with(&health(), &|name| (name == "Binds").then_some(NilKind::List))
            .expect("everything here can be serialized");
    check("{{.Binds}} {{.Limit}} {{.Labels}}", &value, "[] <nil> map[]");
    check("{{.Status}} {{.Streak}} {{.Kind.Bind.path}} {{.Raw.z}}", &value, "ok 3 /x 1");
    check(r#"[{{index .Labels "none"}}]"#, &value, "[]");
    check(
        "{{json .}}",
        &value,
        "{\"Status\":\"ok\",\"Streak\":3,\"Binds\":null,\"Limit\":null,\"Labels\":{},\
         \"Kind\":{\"Bind\":{\"path\":\"/x\"}},\"Raw\":{\"z\":1,\"a\":{\"y\":\"<\",\"b\":null}}}",
    );
    check(
        "{{.status}}",
        &value,
        "error:template: :1:2: executing \"\" at <.status>: \
         can't evaluate field status in type Health",
    );
    let keys = BTreeMap::from([(2, true), (1, false)]);
    check("{{.}}", &Value::from_serialize(&keys).expect("numbers are keys"), "map[1:false 2:true]");
    let keys = BTreeMap::from([((1, 2), true)]);
    let error = Value::from_serialize(&keys).expect_err("a pair is no key");
    assert!(error.to_string().contains("a key is a"), "{error}");
}

#[test]
fn json_as_go_writes_it() {
    let text = |value: Value| to_string(&value).expect("it can be encoded");
    assert_eq!(
        text(Value::from("<&>\u{2028}\"\\\n\t\u{1}é")),
        r#""\u003c\u0026\u003e\u2028\"\\\n\t\u0001é""#
    );
    assert_eq!(text(Value::Float(1e-7)), "1e-7");
    assert_eq!(text(Value::Float(1e21)), "1e+21");
    assert_eq!(text(Value::Float(-123456789.5)), "-123456789.5");
    assert_eq!(text(Value::Float(0.0)), "0");
    let ordered = Map::in_order([("b".to_owned(), Value::Int(1)), ("a".to_owned(), Value::Null)]);
    assert_eq!(text(ordered.into()), r#"{"b":1,"a":null}"#);
    assert_eq!(
        text(Map::new([("b", Value::Int(1)), ("a", Value::Null)]).into()),
        r#"{"a":null,"b":1}"#
    );
    assert!(to_string(&Value::Float(f64::NAN)).is_err());
}
