//! `search`.

use client::{Client, SearchOptions};
use show::{list, search as shown};

use super::{accounts, filters};
use crate::failure::Outcome;
use crate::flags::parse::Parsed;

/// `search`.
pub async fn search(client: &Client, flags: &Parsed) -> Outcome {
    let term = flags.args[0].as_str();
    let filters = filters(flags.list("filter"));
    if filters.contains("is-automated") {
        eprintln!(
            "WARNING: the \"is-automated\" filter is deprecated, and searching for \
             \"is-automated=true\" will not yield any results in future."
        );
    }
    let account = accounts::of_server(server_of(term))?;
    let options = SearchOptions { term: term.to_owned(), limit: flags.int("limit"), filters };
    let found = client.image_search(&options, &account).await?;
    let short = !flags.switch("no-trunc");
    let rows = found.iter().map(|result| shown::row(result, short)).collect();
    print!("{}", list::render(&shown::SHAPE, flags.text("format"), false, rows)?);
    Ok(0)
}

/// Which registry a term is for: its first part, if that is a host.
fn server_of(term: &str) -> &str {
    match term.split_once('/') {
        Some((first, _)) if first.contains(['.', ':']) || first == "localhost" => {
            credentials::of_domain(first)
        }
        _ => credentials::INDEX_SERVER,
    }
}
