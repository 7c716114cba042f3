//! The engine itself: `/_ping`, `/version`, `/info`, `/events`, `/system/df`.

use bytes::Bytes;
use docker_api::ApiVersion;
use engine::{DiskUsageSpec, EventsSpec};
use futures_util::stream;
use hyper::StatusCode;
use hyper::header::{CACHE_CONTROL, CONTENT_LENGTH, HeaderValue, PRAGMA};

use super::{Outcome, older};
use crate::call::{Call, bad_value};
use crate::reply::Reply;

pub(super) async fn ping(call: Call) -> Outcome {
    let reply = match call.head.method {
        hyper::Method::HEAD => {
            Reply::text(StatusCode::OK, "").with(CONTENT_LENGTH, HeaderValue::from_static("0"))
        }
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
    let mut info = call.engine.info().await?;
    if call.head.version < DEVICES_SINCE {
        info.discovered_devices = None;
    }
    Ok(older::info(call.head.version, &info))
}

pub(super) async fn events(call: Call) -> Outcome {
    let (since, until) = (call.instant("since")?, call.instant("until")?);
    if matches!((since, until), (Some(since), Some(until)) if since > until) {
        let (since, until) = (call.text("since"), call.text("until"));
        let text = format!("`since` time ({since}) cannot be after `until` time ({until})");
        return Err(bad_value(text));
    }
    let spec = EventsSpec { since, until, filters: call.filters()? };
    let events = call.engine.events(call.caller, spec)?;
    let lines = stream::unfold(events, |mut events| async move {
        let event = events.next().await?;
        let mut line = serde_json::to_vec(&event).ok()?;
        line.push(b'\n');
        Some((Ok(Bytes::from(line)), events))
    });
    Ok(Reply::json_stream(lines))
}

/// Devices that can be requested are told since this version.
const DEVICES_SINCE: ApiVersion = ApiVersion::new(1, 50);

/// Clients may ask for kinds of objects since this version.
const KINDS_SINCE: ApiVersion = ApiVersion::new(1, 42);

/// Up to this version, images have their size twice.
const VIRTUAL_SIZE_UNTIL: ApiVersion = ApiVersion::new(1, 43);

pub(super) async fn disk_usage(call: Call) -> Outcome {
    let kinds = match call.head.version >= KINDS_SINCE {
        true => call.all("type"),
        false => Vec::new(),
    };
    let known = ["container", "image", "volume", "build-cache"];
    if let Some(kind) = kinds.iter().find(|kind| !known.contains(&kind.as_str())) {
        return Err(bad_value(format!("unknown object type: {kind}")));
    }
    let of = |kind: &str| kinds.is_empty() || kinds.iter().any(|wished| wished == kind);
    let spec = DiskUsageSpec {
        images: of("image"),
        containers: of("container"),
        volumes: of("volume"),
        build_cache: of("build-cache"),
    };
    let mut answer = call.engine.disk_usage(call.caller, spec).await?;
    if call.head.version <= VIRTUAL_SIZE_UNTIL {
        for image in answer.images.iter_mut().flatten() {
            image.virtual_size = image.size;
        }
    }
    Ok(Reply::json(StatusCode::OK, &answer))
}

pub(super) async fn build_prune(call: Call) -> Outcome {
    let answer = call.engine.build_prune(call.caller, &call.filters()?)?;
    Ok(Reply::json(StatusCode::OK, &answer))
}
