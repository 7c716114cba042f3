//! What containers use. `docs/api.md` has what is not Docker's: `interval`, `fields`, and one
//! stream for many.

use std::time::Duration;

use bytes::Bytes;
use docker_api::query::duration;
use docker_api::{ApiVersion, StatsParts};
use engine::{Interval, ListSpec, StatsOfManySpec, StatsSpec, StatsStream};
use futures_util::stream;

use super::Outcome;
use crate::call::{Call, bad_value};
use crate::reply::Reply;

mod line;

/// Docker knows `one-shot` since then, and ignores it before.
const ONE_SHOT_SINCE: ApiVersion = ApiVersion::new(1, 41);

pub(super) async fn one(call: Call) -> Outcome {
    let spec = StatsSpec {
        stream: call.flag_or("stream", true),
        one_shot: call.head.version >= ONE_SHOT_SINCE && call.flag("one-shot"),
        interval: interval(&call)?,
    };
    let parts = StatsParts::parse(call.text("fields")).map_err(bad_value)?;
    let stats = call.engine.stats(call.caller, call.target(), spec).await?;
    Ok(lines(stats, parts))
}

pub(super) async fn many(call: Call) -> Outcome {
    let spec = StatsOfManySpec {
        containers: call.all("container"),
        list: ListSpec { all: call.flag("all"), filters: call.filters()?, ..ListSpec::default() },
        stream: call.flag_or("stream", true),
        interval: interval(&call)?,
    };
    let parts = StatsParts::parse(call.text("fields")).map_err(bad_value)?;
    let stats = call.engine.stats_of_many(call.caller, spec).await?;
    Ok(lines(stats, parts))
}

fn interval(call: &Call) -> Result<Interval, Reply> {
    let Some(text) = call.optional("interval") else { return Ok(Interval::SECOND) };
    let nanos = duration::parse(text).map_err(bad_value)?;
    let duration = u64::try_from(nanos).map(Duration::from_nanos).unwrap_or_default();
    Interval::new(duration).ok_or_else(|| {
        bad_value(format!("invalid interval {text:?}: it must be between 100ms and 1h"))
    })
}

/// A line is made when the client has taken the one before, so that nothing piles up.
fn lines(stats: StatsStream, parts: StatsParts) -> Reply {
    let lines = stream::unfold((stats, parts), |(mut stats, parts)| async move {
        let response = line::of(&stats.next().await?);
        let mut line = serde_json::to_vec(&parts.of(&response)).ok()?;
        line.push(b'\n');
        Some((Ok(Bytes::from(line)), (stats, parts)))
    });
    Reply::json_stream(lines)
}
