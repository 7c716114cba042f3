//! `inspect`, `container inspect`, `image inspect`.

use client::{Client, ClientError};
use gotmpl::{MissingKey, Template, Value};
use oci::Platform;
use serde::Serialize;

use crate::failure::{Failure, Outcome};
use crate::flags::number::quote;
use crate::flags::parse::Parsed;
use show::indent::indent;
use show::list;

/// One object as JSON, its keys in the order of the API.
type Found = Result<String, ClientError>;

/// `inspect`.
pub async fn any(client: &Client, flags: &Parsed) -> Outcome {
    const KINDS: [&str; 10] = [
        "config",
        "container",
        "image",
        "network",
        "node",
        "plugin",
        "secret",
        "service",
        "task",
        "volume",
    ];
    let (kind, size) = (flags.text("type"), flags.switch("size"));
    if flags.is_set("type") && !KINDS.contains(&kind) {
        let kinds = KINDS.map(quote).join(", ");
        return Err(Failure::new(format!("unknown type: {}: must be one of {kinds}", quote(kind))));
    }
    let style = Style::parse(flags.text("format"))?;
    let mut objects = Vec::new();
    let mut errors = Vec::new();
    for name in &flags.args {
        match one_of_any(client, name, kind, size).await {
            Ok(json) => objects.push(json),
            Err(failure) => errors.push(failure.text),
        }
    }
    show(&style, objects, errors)
}

async fn one_of_any(
    client: &Client,
    name: &str,
    kind: &str,
    size: bool,
) -> Result<String, Failure> {
    for candidate in ["container", "image", "network", "volume"] {
        if !kind.is_empty() && kind != candidate {
            continue;
        }
        let found = match candidate {
            "container" => json(client.container_inspect(name, size).await),
            "image" => json(client.image_inspect(name).await),
            "network" => json(client.network_inspect(name).await),
            _ => json(client.volume_inspect(name).await),
        };
        match found {
            Err(error) if kind.is_empty() && (error.is_not_found() || is_unsupported(&error)) => {}
            found => return Ok(found?),
        }
    }
    Err(Failure::new(match kind {
        "" => format!("Error: No such object: {name}"),
        kind => format!("Error: No such {kind}: {name}"),
    }))
}

/// Whether the engine does not have this kind of object at all.
fn is_unsupported(error: &ClientError) -> bool {
    error.kind() == stdx::Kind::Unsupported
}

/// `container inspect`.
pub async fn containers(client: &Client, flags: &Parsed) -> Outcome {
    let style = Style::parse(flags.text("format"))?;
    let (mut objects, mut errors) = (Vec::new(), Vec::new());
    for name in &flags.args {
        match json(client.container_inspect(name, flags.switch("size")).await) {
            Ok(json) => objects.push(json),
            Err(error) => errors.push(Failure::from(error).text),
        }
    }
    show(&style, objects, errors)
}

/// `image inspect`.
pub async fn images(client: &Client, flags: &Parsed) -> Outcome {
    let platform = flags.text("platform");
    if !platform.is_empty() {
        Platform::parse(platform).map_err(|error| Failure::new(error.to_string()))?;
    }
    let style = Style::parse(flags.text("format"))?;
    let (mut objects, mut errors) = (Vec::new(), Vec::new());
    for name in &flags.args {
        match json(client.image_inspect_platform(name, platform).await) {
            Ok(json) => objects.push(json),
            Err(error) => errors.push(Failure::from(error).text),
        }
    }
    show(&style, objects, errors)
}

fn json(answer: Result<impl Serialize, ClientError>) -> Found {
    let answer = answer?;
    Ok(serde_json::to_string(&answer).expect("API types have string keys only"))
}

/// How objects are shown.
enum Style {
    /// As JSON in lines.
    Lines,
    /// As JSON in one line.
    Compact,
    /// By a template.
    Template(Template),
}

impl Style {
    fn parse(format: &str) -> Result<Style, Failure> {
        Ok(match format {
            "" => Style::Lines,
            "json" => Style::Compact,
            text => Style::Template(list::parse("", &list::resolve(text, "", false).0)?),
        })
    }
}

/// Prints what was found, then fails with what was not.
fn show(style: &Style, objects: Vec<String>, errors: Vec<String>) -> Outcome {
    match style {
        Style::Lines => println!("{}", indent(&format!("[{}]", objects.join(",")), "", 4)),
        Style::Compact => println!("[{}]", objects.join(",")),
        Style::Template(template) => {
            if objects.is_empty() {
                println!();
            }
            for object in objects {
                let text = by_template(template, &object).inspect_err(|_| println!())?;
                println!("{text}");
            }
        }
    }
    super::all_or(errors)
}

/// First on the typed view, then on the bare one, as Docker does: the error is that of the
/// second attempt.
fn by_template(template: &Template, json: &str) -> Result<String, Failure> {
    let template = template.clone().missing_key(MissingKey::Error);
    let typed: Result<Value, _> = serde_json::from_str(json);
    if let Ok(typed) = typed
        && let Ok(text) = template.execute(&typed)
    {
        return Ok(text);
    }
    let raw: serde_json::Value =
        serde_json::from_str(json).map_err(|error| Failure::new(error.to_string()))?;
    Ok(list::execute(&template, &Value::from(raw))?)
}
