//! `html js urlquery`: texts made safe for other languages.

use super::{Functions, Param, Result, Signature, builtin};
use crate::format::{self, is_printable};
use crate::value::Value;

pub(super) fn register(functions: &mut Functions) {
    let any = || Signature::variadic([], Param::Any);
    functions.add("html", any(), |a| shown(a, html));
    functions.add("js", any(), |a| shown(a, js));
    functions.add("urlquery", any(), |a| shown(a, url));
}

/// Escapes the arguments as they print.
fn shown(arguments: &[Value], escape: fn(&str) -> String) -> Result {
    if let [Value::String(text)] = arguments {
        return builtin::printed(escape(text));
    }
    let arguments: Vec<Value> = arguments
        .iter()
        .map(|value| if value.is_invalid() { Value::from("<no value>") } else { value.clone() })
        .collect();
    builtin::printed(escape(&format::sprint(&arguments)))
}

fn html(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&#34;"),
            '\'' => out.push_str("&#39;"),
            '\0' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

fn js(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' => out.push_str(r"\\"),
            '\'' => out.push_str(r"\'"),
            '"' => out.push_str("\\\""),
            '<' | '>' | '&' | '=' | '\0'..'\x20' => {
                out.push_str(&format!("\\u{:04X}", u32::from(c)));
            }
            c if c.is_ascii() || is_printable(c) => out.push(c),
            c => out.push_str(&format!("\\u{:04X}", u32::from(c))),
        }
    }
    out
}

fn url(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b' ' => out.push('+'),
            b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
            byte if byte.is_ascii_alphanumeric() => out.push(char::from(byte)),
            byte => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}
