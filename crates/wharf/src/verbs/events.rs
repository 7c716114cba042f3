//! `events`.

use std::io::Write;

use client::{Client, EventsOptions};
use docker_api::{Event, Timestamp};
use gotmpl::{Functions, Template, Value};

use super::filters;
use super::time::instant;
use crate::failure::{Failure, Outcome};
use crate::flags::parse::Parsed;
use show::list;

/// `events`.
pub async fn events(client: &Client, flags: &Parsed) -> Outcome {
    let format = match flags.text("format") {
        "" => None,
        format => Some(parse(&list::resolve(format, "", false).0)?),
    };
    let time = |name: &str| instant(flags.text(name)).map_err(Failure::new);
    let (since, until) = (time("since")?, time("until")?);
    let options = EventsOptions { since, until, filters: filters(flags.list("filter")) };
    let mut events = client.events(&options).await?;
    let mut out = std::io::stdout();
    while let Some(event) = events.next().await? {
        match &format {
            None => writeln!(out, "{}", line(&event))?,
            Some(template) => {
                let value = Value::from_serialize(&event);
                let value = value.map_err(|error| Failure::new(error.to_string()))?;
                writeln!(out, "{}", list::execute(template, &value)?)?;
            }
        }
    }
    Ok(0)
}

fn parse(format: &str) -> Result<Template, Failure> {
    Template::parse("", format, &Functions::docker())
        .map_err(|error| Failure::with_code(64, format!("Error parsing format: {error}")))
}

/// `2026-11-23T21:42:15.913798473Z container start ID (image=bb, name=web)`.
fn line(event: &Event) -> String {
    let time = match event.time_nano {
        0 => Timestamp::from_seconds(event.time),
        nanos => Timestamp::from_nanos(nanos),
    };
    let (kind, action, id) = (&event.kind, &event.action, &event.actor.id);
    let mut line = format!("{} {kind} {action} {id}", time.fixed());
    let attributes: Vec<String> =
        event.actor.attributes.iter().map(|(key, value)| format!("{key}={value}")).collect();
    if !attributes.is_empty() {
        line.push_str(&format!(" ({})", attributes.join(", ")));
    }
    line
}
