//! Further processes in containers.

use docker_api::{ExecConfig, ExecStart, IdResponse};
use engine::{ConsoleSize, ExecStartWish};
use hyper::StatusCode;

use super::Outcome;
use super::containers::console_size;
use crate::call::Call;
use crate::hijack;
use crate::reply::Reply;

pub(super) async fn create(mut call: Call) -> Outcome {
    let wish: ExecConfig = call.json().await?;
    let id = call.engine.exec_create(call.caller, call.target(), wish).await?;
    Ok(Reply::json(StatusCode::CREATED, &IdResponse { id }))
}

pub(super) async fn start(mut call: Call) -> Outcome {
    let body: ExecStart = call.json().await?;
    let [height, width] = body.console_size.map(|side| u16::try_from(side).unwrap_or(0));
    let size = (height > 0 && width > 0).then_some(ConsoleSize { height, width });
    let wish = ExecStartWish { detach: body.detach, raw: body.tty, size };
    let ticket = call.engine.exec_start(call.caller, call.target(), wish).await?;
    if body.detach {
        ticket.run_detached().await?;
        return Ok(Reply::empty(StatusCode::OK));
    }
    hijack::hijack(call, ticket).await
}

pub(super) async fn resize(call: Call) -> Outcome {
    let size = console_size(&call)?;
    call.engine.exec_resize(call.caller, call.target(), size).await?;
    Ok(Reply::empty(StatusCode::OK))
}

pub(super) async fn inspect(call: Call) -> Outcome {
    let answer = call.engine.exec_inspect(call.caller, call.target()).await?;
    Ok(Reply::json(StatusCode::OK, &answer))
}
