//! `--since` and `--until`: instants, or how long ago.

use docker_api::{Timestamp, query};

/// The value as the engine takes it: seconds since 1970, with nanoseconds where they were given.
pub fn instant(value: &str) -> Result<String, String> {
    if value.is_empty() || value.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return Ok(value.to_owned());
    }
    let instant = query::instant(value, Timestamp::now(), 0).map_err(|error| error.to_string())?;
    let nanos = instant.nanos().unwrap_or(0);
    let (seconds, rest) = (nanos.div_euclid(1_000_000_000), nanos.rem_euclid(1_000_000_000));
    Ok(format!("{seconds}.{rest:09}"))
}
