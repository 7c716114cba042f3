//! Containers.

use bytes::Bytes;
use docker_api::query::{self, Grace};
use docker_api::{ApiVersion, UpdateRequest, WaitError, WaitResponse, messages};
use engine::{AttachWish, ConsoleSize, CreateSpec, ListSpec, RemoveSpec, StopSpec, WaitCondition};
use futures_util::stream;
use hyper::StatusCode;

use super::Outcome;
use crate::call::{Call, bad_value};
use crate::hijack;
use crate::reply::Reply;
use crate::websocket::Handshake;

pub(super) async fn list(call: Call) -> Outcome {
    let limit = match call.optional("limit") {
        None => None,
        Some(text) => usize::try_from(query::integer(text).map_err(bad_value)?).ok(),
    };
    let spec = ListSpec {
        all: call.flag("all"),
        limit: limit.filter(|limit| *limit > 0),
        size: call.flag("size"),
        filters: call.filters()?,
    };
    Ok(Reply::json(StatusCode::OK, &call.engine.list(call.caller, spec).await?))
}

pub(super) async fn create(mut call: Call) -> Outcome {
    let spec = CreateSpec {
        name: call.optional("name").map(str::to_owned),
        platform: call.optional("platform").map(str::to_owned),
        request: call.json_given().await?,
    };
    let created = call.engine.create(call.caller, spec).await?;
    Ok(Reply::json(StatusCode::CREATED, &created))
}

pub(super) async fn inspect(call: Call) -> Outcome {
    let size = call.flag("size");
    let answer = call.engine.inspect(call.caller, call.target(), size).await?;
    Ok(Reply::json(StatusCode::OK, &answer))
}

pub(super) async fn audit(call: Call) -> Outcome {
    let watch = match call.optional("watch_ms") {
        None => None,
        Some(text) => u64::try_from(query::integer(text).map_err(bad_value)?)
            .ok()
            .map(std::time::Duration::from_millis),
    };
    let answer = call.engine.audit(call.caller, call.target(), watch).await?;
    Ok(Reply::json(StatusCode::OK, &answer))
}

pub(super) async fn top(call: Call) -> Outcome {
    let answer = call.engine.top(call.caller, call.target(), call.text("ps_args")).await?;
    Ok(Reply::json(StatusCode::OK, &answer))
}

pub(super) async fn start(call: Call) -> Outcome {
    call.engine.start(call.caller, call.target()).await?;
    Ok(Reply::empty(StatusCode::NO_CONTENT))
}

fn stop_spec(call: &Call) -> Result<StopSpec, Reply> {
    Ok(StopSpec {
        grace: Grace::parse(call.text("t")).map_err(bad_value)?,
        signal: call.optional("signal").map(str::to_owned),
    })
}

pub(super) async fn stop(call: Call) -> Outcome {
    call.engine.stop(call.caller, call.target(), stop_spec(&call)?).await?;
    Ok(Reply::empty(StatusCode::NO_CONTENT))
}

pub(super) async fn restart(call: Call) -> Outcome {
    call.engine.restart(call.caller, call.target(), stop_spec(&call)?).await?;
    Ok(Reply::empty(StatusCode::NO_CONTENT))
}

pub(super) async fn kill(call: Call) -> Outcome {
    call.engine.kill(call.caller, call.target(), call.optional("signal")).await?;
    Ok(Reply::empty(StatusCode::NO_CONTENT))
}

pub(super) async fn pause(call: Call) -> Outcome {
    call.engine.pause(call.caller, call.target()).await?;
    Ok(Reply::empty(StatusCode::NO_CONTENT))
}

pub(super) async fn unpause(call: Call) -> Outcome {
    call.engine.unpause(call.caller, call.target()).await?;
    Ok(Reply::empty(StatusCode::NO_CONTENT))
}

pub(super) async fn rename(call: Call) -> Outcome {
    call.engine.rename(call.caller, call.target(), call.text("name")).await?;
    Ok(Reply::empty(StatusCode::NO_CONTENT))
}

pub(super) fn console_size(call: &Call) -> Result<ConsoleSize, Reply> {
    let side = |key: &str, name: &str| {
        let text = call.text(key);
        let bad = |cause| bad_value(format!("invalid resize {name} {text:?}: {cause}"));
        query::dimension(text).map_err(bad)
    };
    Ok(ConsoleSize { height: side("h", "height")?, width: side("w", "width")? })
}

pub(super) async fn resize(call: Call) -> Outcome {
    let size = console_size(&call)?;
    call.engine.resize(call.caller, call.target(), size).await?;
    Ok(Reply::empty(StatusCode::OK))
}

/// Clients may choose among the streams since this version; before, they got all.
const WEBSOCKET_CHOICE_SINCE: ApiVersion = ApiVersion::new(1, 42);

pub(super) async fn attach_websocket(call: Call) -> Outcome {
    let handshake = match Handshake::read(call.request.headers(), call.head.version) {
        Ok(handshake) => handshake,
        Err(refusal) => {
            // As in Docker, what is not there is told first.
            call.engine.inspect(call.caller, call.target(), false).await?;
            return Err(refusal);
        }
    };
    let all = call.head.version < WEBSOCKET_CHOICE_SINCE;
    let wish = AttachWish {
        stdin: all || call.flag("stdin"),
        stdout: all || call.flag("stdout"),
        stderr: all || call.flag("stderr"),
        stream: call.flag("stream"),
        logs: call.flag("logs"),
        detach_keys: call.optional("detachKeys").map(str::to_owned),
        raw: true,
    };
    let ticket = call.engine.attach(call.caller, call.target(), wish).await?;
    handshake.accept(call.request, ticket)
}

pub(super) async fn attach(call: Call) -> Outcome {
    let wish = AttachWish {
        raw: false,
        stdin: call.flag("stdin"),
        stdout: call.flag("stdout"),
        stderr: call.flag("stderr"),
        stream: call.flag("stream"),
        logs: call.flag("logs"),
        detach_keys: call.optional("detachKeys").map(str::to_owned),
    };
    let ticket = call.engine.attach(call.caller, call.target(), wish).await?;
    hijack::hijack(call, ticket).await
}

pub(super) async fn wait(call: Call) -> Outcome {
    let condition = match call.text("condition") {
        "" | "not-running" => WaitCondition::NotRunning,
        "next-exit" => WaitCondition::NextExit,
        "removed" => WaitCondition::Removed,
        other => return Err(bad_value(messages::invalid_wait_condition(other))),
    };
    let wait = call.engine.wait(call.caller, call.target(), condition)?;
    // The head of the answer goes out now: clients start the container when they have it.
    let line = stream::unfold(Some(wait), |wait| async move {
        let outcome = wait?.outcome().await;
        let answer = WaitResponse {
            error: outcome.error.map(|message| WaitError { message }),
            status_code: outcome.code,
        };
        let mut line = serde_json::to_vec(&answer).ok()?;
        line.push(b'\n');
        Some((Ok(Bytes::from(line)), None))
    });
    Ok(Reply::json_stream(line))
}

pub(super) async fn remove(call: Call) -> Outcome {
    let spec = RemoveSpec { force: call.flag("force"), volumes: call.flag("v") };
    call.engine.remove(call.caller, call.target(), spec).await?;
    Ok(Reply::empty(StatusCode::NO_CONTENT))
}

pub(super) async fn update(mut call: Call) -> Outcome {
    let wish: UpdateRequest = call.json().await?;
    let answer = call.engine.update(call.caller, call.target(), wish).await?;
    Ok(Reply::json(StatusCode::OK, &answer))
}

pub(super) async fn prune(call: Call) -> Outcome {
    let answer = call.engine.container_prune(call.caller, call.filters()?).await?;
    Ok(Reply::json(StatusCode::OK, &answer))
}
