//! Files of containers.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use docker_api::PathStat;
use engine::{EngineError, PutSpec};
use hyper::StatusCode;
use hyper::header::{HeaderName, HeaderValue};

use super::Outcome;
use crate::body;
use crate::call::Call;
use crate::reply::Reply;

const PATH_STAT: HeaderName = HeaderName::from_static("x-docker-container-path-stat");

fn path(call: &Call) -> Result<String, Reply> {
    match call.text("path") {
        // Docker's very words.
        "" => Err(EngineError::invalid("bad parameter: pathcannot be empty").into()),
        path => Ok(path.to_owned()),
    }
}

/// The header in base 64, as all of Docker's that hold JSON.
fn header(stat: &PathStat) -> HeaderValue {
    let json = serde_json::to_vec(stat).unwrap_or_default();
    HeaderValue::from_str(&BASE64.encode(&json)).expect("base 64 is ASCII")
}

pub(super) async fn stat(call: Call) -> Outcome {
    let stat = call.engine.archive_stat(call.caller, call.target(), &path(&call)?).await?;
    Ok(Reply::empty(StatusCode::OK).with(PATH_STAT, header(&stat)))
}

pub(super) async fn get(call: Call) -> Outcome {
    let path = path(&call)?;
    let (stat, content) = call.engine.archive_get(call.caller, call.target(), &path).await?;
    Ok(Reply::archive(body::content(content)).with(PATH_STAT, header(&stat)))
}

pub(super) async fn put(call: Call) -> Outcome {
    let is_set = |name: &str| matches!(call.text(name), "1" | "true" | "True" | "t" | "TRUE");
    let spec = PutSpec {
        path: path(&call)?,
        keeps_kinds: is_set("noOverwriteDirNonDir"),
        copies_ids: is_set("copyUIDGID"),
    };
    let (engine, caller, target) = (call.engine.clone(), call.caller, call.target().to_owned());
    let archive = Box::new(body::reader(call.request.into_body()));
    engine.archive_put(caller, &target, spec, archive).await?;
    Ok(Reply::empty(StatusCode::OK))
}

pub(super) async fn export(call: Call) -> Outcome {
    let content = call.engine.export(call.caller, call.target()).await?;
    Ok(Reply::stream(HeaderValue::from_static("application/octet-stream"), body::content(content)))
}

pub(super) async fn changes(call: Call) -> Outcome {
    let changes = call.engine.changes(call.caller, call.target()).await?;
    Ok(Reply::json(StatusCode::OK, &changes))
}
