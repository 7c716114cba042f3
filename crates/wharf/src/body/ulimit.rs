//! `--ulimit nofile=1024:2048`.

use std::collections::BTreeMap;

use docker_api::{Ulimit, query};

/// The flag's check.
pub fn check(value: &str) -> Result<String, String> {
    parse(value).map(|_| value.to_owned())
}

/// All of them; a later one of a name replaces an earlier one.
pub fn all(values: &[String]) -> Result<Vec<Ulimit>, String> {
    let mut by_name = BTreeMap::new();
    for value in values {
        let ulimit = parse(value)?;
        by_name.insert(ulimit.name.clone(), ulimit);
    }
    Ok(by_name.into_values().collect())
}

fn parse(value: &str) -> Result<Ulimit, String> {
    query::ulimit(value).map_err(|error| error.to_string())
}
