//! `ps`.

use std::sync::Arc;

use client::{Client, ListOptions};
use docker_api::ContainerSummary;
use gotmpl::{Functions, Template, Value};

use super::filters;
use crate::failure::{Failure, Outcome};
use crate::flags::parse::Parsed;
use show::{containers, list};

/// `ps`.
pub async fn ps(client: &Client, flags: &Parsed) -> Outcome {
    let (format, quiet) = (flags.text("format"), flags.switch("quiet"));
    let shape = if flags.switch("size") { &containers::SIZED } else { &containers::SHAPE };
    let (template, _) = list::resolve(format, shape.table, quiet);
    check(&template)?;
    let (latest, last) = (flags.switch("latest"), flags.int("last"));
    let limit = if latest && last == -1 { 1 } else { last };
    let options = ListOptions {
        all: flags.switch("all"),
        size: flags.switch("size") || needs_size(format, &template),
        limit: (limit > 0).then_some(limit),
        filters: filters(flags.list("filter")),
    };
    let all = client.container_list(&options).await?;
    let short = !flags.switch("no-trunc");
    let rows = all.iter().map(|container| containers::row(container, short)).collect();
    print!("{}", list::render(shape, format, quiet, rows)?);
    Ok(0)
}

/// Whether a template shows sizes: by name, or with everything else.
fn needs_size(format: &str, template: &str) -> bool {
    template.contains(".Size") || format != "json" && template.contains("{{json .}}")
}

/// Refuses a template before the engine is asked for anything.
fn check(template: &str) -> Result<(), Failure> {
    let fail = |what: &str, error: &dyn std::fmt::Display| {
        Failure::new(format!("failed to {what} template: {error}"))
    };
    let template = Template::parse("", template, &Functions::docker())
        .map_err(|error| fail("parse", &error))?;
    let row = containers::row(&ContainerSummary::default(), true);
    let dry = template.execute(&Value::Struct(Arc::new(row)));
    dry.map(drop).map_err(|error| fail("execute", &error))
}
