//! The engine itself: `/_ping`, `/version`, `/info`, `/events`.

use bytes::Bytes;
use engine::EventsSpec;
use futures_util::stream;
use hyper::StatusCode;
use hyper::header::{CACHE_CONTROL, HeaderValue, PRAGMA};

use super::Outcome;
use crate::call::Call;
use crate::reply::Reply;

pub(super) async fn ping(call: Call) -> Outcome {
    let reply = match call.head.method {
        hyper::Method::HEAD => Reply::text(StatusCode::OK, ""),
        _ => Reply::text(StatusCode::OK, "OK"),
    };
    let no_cache = HeaderValue::from_static("no-cache, no-store, must-revalidate");
    let mut reply =
        reply.with(CACHE_CONTROL, no_cache).with(PRAGMA, HeaderValue::from_static("no-cache"));
    let headers = reply.response_mut().headers_mut();
    headers.insert("builder-version", HeaderValue::from_static("1"));
    headers.insert("swarm", HeaderValue::from_static("inactive"));
    Ok(reply)
}

pub(super) async fn version(call: Call) -> Outcome {
    Ok(Reply::json(StatusCode::OK, &call.engine.version()))
}

pub(super) async fn info(call: Call) -> Outcome {
    Ok(Reply::json(StatusCode::OK, &call.engine.info().await?))
}

pub(super) async fn events(call: Call) -> Outcome {
    let spec = EventsSpec {
        since: call.instant("since")?,
        until: call.instant("until")?,
        filters: call.filters()?,
    };
    let events = call.engine.events(call.caller, spec)?;
    let lines = stream::unfold(events, |mut events| async move {
        let event = events.next().await?;
        let mut line = serde_json::to_vec(&event).ok()?;
        line.push(b'\n');
        Some((Ok(Bytes::from(line)), events))
    });
    Ok(Reply::json_stream(lines))
}
