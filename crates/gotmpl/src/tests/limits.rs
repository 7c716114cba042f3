//! Templates that mean harm, or nothing at all.

use proptest::prelude::*;

use super::{go_data, run};
use crate::limits::{OUTPUT_BYTES_MAX, TEMPLATE_BYTES_MAX};
use crate::{ExecError, Functions, MissingKey, Template, Value};

fn error(template: &str) -> String {
    let text = run(template, &go_data(), MissingKey::Default);
    match text.strip_prefix("error:") {
        Some(error) => error.to_owned(),
        None => format!("no error but {} bytes", text.len()),
    }
}

#[test]
fn long_templates() {
    let longest = "x".repeat(TEMPLATE_BYTES_MAX);
    assert!(Template::parse("", &longest, &Functions::docker()).is_ok());
    assert_eq!(
        error(&format!("{longest}x")),
        format!("template: :1: template is larger than {TEMPLATE_BYTES_MAX} bytes")
    );
}

#[test]
fn deep_templates() {
    let nested = |open: &str, middle: &str, close: &str, depth: usize| {
        format!("{}{middle}{}", open.repeat(depth), close.repeat(depth))
    };
    let data = go_data();
    let run = |template: &str| run(template, &data, MissingKey::Default);
    assert_eq!(run(&nested("{{if 1}}", "x", "{{end}}", 60)), "x");
    assert_eq!(run(&format!("{{{{{}}}}}", nested("(", "1", ")", 60))), "1");
    assert_eq!(run(&format!("{{{{if 0}}}}{}{{{{end}}}}", "{{else if 0}}".repeat(60))), "");
    let too_deep = "template: :1: nested deeper than 100 levels";
    assert_eq!(error(&nested("{{if 1}}", "x", "{{end}}", 60_000)), too_deep);
    assert_eq!(error(&format!("{{{{{}}}}}", nested("(", "1", ")", 400_000))), too_deep);
    assert_eq!(error(&"{{block \"x\" .}}".repeat(50_000)), too_deep);
    assert_eq!(error(&format!("{{{{if 0}}}}{}", "{{else if 0}}".repeat(50_000))), too_deep);
}

#[test]
fn templates_that_call_themselves() {
    let reason = "exceeded maximum template depth (150)";
    let call = r#"{{define "r"}}{{template "r" .}}{{end}}{{template "r" .}}"#;
    assert_eq!(
        error(call),
        format!("template: :1:25: executing \"r\" at <{{{{template \"r\" .}}}}>: {reason}")
    );
    let twice = r#"{{define "r"}}{{range 9}}{{with (((1)))}}{{template "r"}}{{end}}{{end}}{{end}}
        {{template "r"}}"#;
    assert!(error(twice).ends_with(reason), "{}", error(twice));
    let counted = r#"{{define "r"}}{{if .}}{{len .}} {{template "r" (slice . 1)}}{{end}}{{end}}
        {{- template "r" "abcdef"}}"#;
    assert_eq!(run(counted, &Value::Null, MissingKey::Default), "6 5 4 3 2 1 ");
}

#[test]
fn endless_templates() {
    let too_many = "template: : execution takes more than 5000000 steps";
    assert_eq!(error("{{range 1000000000000}}{{end}}"), too_many);
    let nested = r#"{{range 10000}}{{range 10000}}{{if eq . 1 2 3}}{{end}}{{end}}{{end}}"#;
    assert_eq!(error(nested), too_many);
}

#[test]
fn huge_texts() {
    let too_long = format!("template: : output is larger than {OUTPUT_BYTES_MAX} bytes");
    assert_eq!(error(r#"{{range 1000}}{{printf "%1000000d" 1}}{{end}}"#), too_long);
    let doubling = r#"{{$x := "xxxxxxxxxxxxxxxx"}}{{range 60}}{{$x = print $x $x}}{{end}}"#;
    assert!(error(doubling).ends_with("text is larger than 16777216 bytes"), "{}", error(doubling));
    for template in [
        r#"{{pad "x" 9000000000000000000 9000000000000000000}}"#,
        r#"{{pad "x" 100000000 1}}"#,
        r#"{{printf "%9000000d%9000000d" 1 2}}"#,
        r#"{{split (printf "%1000000d" 1) ""}}"#,
        r#"{{join (split (printf "%99000s" "") "") (printf "%1000000s" "")}}"#,
    ] {
        let error = error(template);
        assert!(
            error.contains("larger than") || error.contains("more than"),
            "{template}: {error}"
        );
    }
    let text = run(
        r#"{{printf "%.2000f" 0.1 | len}} {{printf "%1000000.1000000e" 1.0 | len}}"#,
        &Value::Null,
        MissingKey::Default,
    );
    assert_eq!(text, "2002 1000006");
}

#[test]
fn deep_values() {
    let mut value = Value::from("core");
    for _ in 0..1000 {
        value = Value::from(vec![value]);
    }
    let printed = run("{{.}}", &value, MissingKey::Default);
    assert!(printed.contains("...") && !printed.contains("core"), "{printed}");
    let encoded = run("{{json .}}", &value, MissingKey::Default);
    assert!(encoded.ends_with("json: unsupported value: nested too deep"), "{encoded}");
}

#[test]
fn kinds_of_errors() {
    let kind = |text: &str| {
        let template = Template::parse("", text, &Functions::docker())?;
        Ok(template.execute(&Value::Null).map_err(|error: ExecError| error.kind()))
    };
    let parsed = |text: &str| kind(text).map_err(|error: crate::ParseError| error.kind());
    assert_eq!(parsed("{{"), Err(stdx::Kind::Invalid));
    assert_eq!(parsed("{{nil}}"), Ok(Err(stdx::Kind::Invalid)));
    assert_eq!(parsed("{{range 1000000000}}{{end}}"), Ok(Err(stdx::Kind::Exhausted)));
}

/// Texts that have broken other engines, and pieces that break lexers.
const SEEDS: &[&str] = &[
    "",
    "{",
    "{{",
    "{{{",
    "{{{{",
    "}}",
    "{{}}",
    "{{-",
    "{{- ",
    "{{--}}",
    "{{ -}}",
    "{{- -}}",
    "{{-}}",
    "{{- }}",
    "{{/*",
    "{{/**/",
    "{{/**/}}",
    "{{- /**/ -}}",
    "{{/*/}}",
    "{{\"",
    "{{`",
    "{{'",
    "{{'\\",
    "{{\"\\",
    "{{$",
    "{{$}}",
    "{{.",
    "{{..",
    "{{...}}",
    "{{.é}}",
    "{{é.é}}",
    "{{0x}}",
    "{{0b}}",
    "{{0_}}",
    "{{_}}",
    "{{1e}}",
    "{{1e999}}",
    "{{-}}",
    "{{+}}",
    "{{-1-1i}}",
    "{{1i}}",
    "{{'\\U00110000'}}",
    "{{\"\\ud800\"}}",
    "{{(",
    "{{)",
    "{{()}}",
    "{{(.).(.)}}",
    "{{|}}",
    "{{.|}}",
    "{{|.}}",
    "{{$x:=}}",
    "{{$x,$y:=1}}",
    "{{range $x,}}",
    "{{range}}",
    "{{if}}{{end}}",
    "{{else}}",
    "{{end}}",
    "{{define}}",
    "{{define \"x\"}}",
    "{{block \"x\"}}",
    "{{template}}",
    "{{template \"x\" . .}}",
    "{{break}}",
    "{{nil.x}}",
    "{{nil}}",
    "{{true.x}}",
    "{{printf \"%\"}}",
    "{{printf \"%[\"}}",
    "{{printf \"%[]d\" 1}}",
    "{{printf \"%[-1]d\" 1}}",
    "{{printf \"%*\" 1}}",
    "{{printf \"%.*\" 1}}",
    "{{printf \"%é\" 1}}",
    "{{printf \"%#\"}}",
    "{{printf \"%[9999999999999999999]d\" 1}}",
    "{{printf \"%99999999999999999999d\" 1}}",
    "{{printf \"%+#-0 9.9v\" .}}",
    "{{slice \"é\" 1}}",
    "{{truncate \"é\" 1}}",
    "{{index \"é\" 1}}",
    "{{slice . 1}}",
    "{{index . .}}",
    "{{call .}}",
    "{{html .}}{{js .}}{{urlquery .}}",
    "\u{feff}{{.}}",
    "{{\u{a0}}}",
    "{{\0}}",
    "a\r\n{{- 1 -}}\r\n",
    "{{9223372036854775808}}",
    "{{-9223372036854775808}}",
    "{{printf \"%d\" -9223372036854775808}}",
    "{{0x8000000000000000p}}",
];

#[test]
fn seeds_do_no_harm() {
    let data = go_data();
    for seed in SEEDS {
        run(seed, &data, MissingKey::Error);
        // Every prefix and every text around a seed is a seed too.
        for (end, _) in seed.char_indices() {
            run(&seed[..end], &data, MissingKey::Default);
            run(&format!("{{{{range 2}}}}{}", &seed[end..]), &data, MissingKey::Default);
        }
    }
}

proptest! {
    #[test]
    fn any_text_is_parsed_or_refused(text in ".{0,80}") {
        run(&text, &Value::Null, MissingKey::Default);
        run(&format!("{{{{{text}}}}}"), &Value::Null, MissingKey::Default);
    }

    #[test]
    fn any_tokens_are_parsed_or_refused(
        tokens in prop::collection::vec(
            prop::sample::select(vec![
                "{{", "}}", "{{- ", " -}}", "(", ")", "|", ".", ".a", "$", "$x", ":=", "=", ",",
                " ",
                "if", "else", "end", "range", "with", "define", "template", "block", "break",
                "continue", "nil", "true", "1", "-1.5", "0x1F", "\"s\"", "`r`", "'c'", "print",
                "printf \"%5.2v\"", "index", "slice", "len", "eq", "and", "text", "\n", "/*", "*/",
            ]),
            0..40,
        )
    ) {
        let data = go_data();
        run(&tokens.concat(), &data, MissingKey::Default);
        run(&format!("{{{{{}}}}}", tokens.join(" ")), &data, MissingKey::Error);
    }

    #[test]
    fn any_format_prints(
        format in "[%a-zA-Z0-9.*#+ \\[\\]-]{0,24}",
        n in -1000_i64..1000,
        f in any::<f64>(),
    ) {
        // Widths and precisions of a million are allowed, but not useful here.
        let bytes = format.as_bytes();
        prop_assume!(!bytes.windows(5).any(|five| five.iter().all(u8::is_ascii_digit)));
        let text = Value::from("é\u{0}x");
        let arguments = [Value::Int(n), Value::Float(f), text, Value::Null, go_data()];
        crate::sprintf(&format, &arguments);
    }

    #[test]
    fn floats_survive_printing(f in any::<f64>()) {
        prop_assume!(f.is_finite());
        for format in ["%v", "%g", "%.17g", "%.17e", "%.1074f"] {
            let text = crate::sprintf(format, &[Value::Float(f)]);
            prop_assert_eq!(text.parse::<f64>().expect("digits"), f, "{} {}", format, text);
        }
    }
}
