//! `system df`.

use std::sync::Arc;

use client::Client;
use docker_api::SystemDf;
use gotmpl::{Record, Value};

use crate::failure::Outcome;
use crate::flags::parse::Parsed;
use show::list::Row;
use show::{disk, list};

/// `system df`.
pub async fn df(client: &Client, flags: &Parsed) -> Outcome {
    let usage = client.system_df().await?;
    let format = flags.text("format");
    if !flags.switch("verbose") {
        print!("{}", list::render(&disk::SUMMARY, format, false, disk::summary(&usage))?);
        return Ok(0);
    }
    match format {
        "" | "table" => print_tables(&usage)?,
        text => {
            let template = list::parse("", &list::resolve(text, "", false).0)?;
            print!("{}", list::execute(&template, &everything(&usage))?);
        }
    }
    Ok(0)
}

fn print_tables(usage: &SystemDf) -> Result<(), crate::failure::Failure> {
    let table = |shape, rows| list::render(shape, "", false, rows);
    println!("Images space usage:\n");
    print!("{}", table(&disk::IMAGES, disk::images(usage, true))?);
    println!("\nContainers space usage:\n");
    print!("{}", table(&disk::CONTAINERS, disk::containers(usage, true))?);
    println!("\nLocal Volumes space usage:\n");
    print!("{}", table(&disk::VOLUMES, disk::volumes(usage))?);
    println!("\nBuild cache usage: {}\n", disk::build_cache_size(usage));
    print!("{}", table(&disk::BUILD_CACHE, disk::build_cache(usage, true))?);
    Ok(())
}

/// The four lists for a template.
fn everything(usage: &SystemDf) -> Value {
    let list = |rows: Vec<Row>| -> Value {
        rows.into_iter().map(|row| Value::Struct(Arc::new(row))).collect()
    };
    Record::new("formatter.diskUsageContext")
        .with("Images", list(disk::images(usage, false)))
        .with("Containers", list(disk::containers(usage, false)))
        .with("Volumes", list(disk::volumes(usage)))
        .with("BuildCache", list(disk::build_cache(usage, false)))
        .into()
}
