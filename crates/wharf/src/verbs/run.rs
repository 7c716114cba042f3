//! `run`.

use std::sync::Arc;

use client::{AttachOptions, Client, ClientError, Hijacked, PendingWait, WaitCondition};
use docker_api::{CreateRequest, text};

use super::create;
use crate::attach::{self, End, Session};
use crate::failure::{Failure, Outcome};
use crate::flags::parse::Parsed;
use crate::terminal;

/// Exit code when the engine, and not the container, failed.
const ENGINE_FAILED: i32 = 125;

/// `run`.
pub async fn run(client: &Arc<Client>, flags: &Parsed) -> Outcome {
    let path = "run";
    create::check_flags(flags)?;
    let mut request = create::request(client, flags).map_err(|failure| failure.with_help(path))?;
    let detached = flags.switch("detach");
    if detached {
        detach(flags, &mut request)?;
    } else {
        attach::check_terminal(request.config.attach_stdin, request.config.tty)?;
    }
    if let Some((height, width)) = terminal::size() {
        request.host_config.console_size = [height.into(), width.into()];
    }
    let id = create::make(client, flags, &request).await;
    let id = id.map_err(|failure| failure.with_help(path))?;
    if detached {
        start(client, &id, flags).await.map_err(|failure| failure.with_help_and_code(path))?;
        println!("{id}");
        return Ok(0);
    }
    foreground(client, flags, &request, &id).await
}

fn detach(flags: &Parsed, request: &mut CreateRequest) -> Result<(), Failure> {
    if !flags.list("attach").is_empty() {
        return Err(Failure::new("conflicting options: cannot specify both --attach and --detach"));
    }
    let config = &mut request.config;
    (config.attach_stdin, config.attach_stdout, config.attach_stderr) = (false, false, false);
    config.stdin_once = false;
    Ok(())
}

/// Starts it; a failure carries the exit code that its text means.
async fn start(client: &Client, id: &str, flags: &Parsed) -> Result<(), Failure> {
    let started = client.container_start(id, flags.text("detach-keys")).await;
    started.map(drop).map_err(start_failure)
}

fn start_failure(error: ClientError) -> Failure {
    let code = text::start_error_exit_code(&error.to_string());
    Failure { code, ..Failure::from(error) }
}

async fn foreground(
    client: &Arc<Client>,
    flags: &Parsed,
    request: &CreateRequest,
    id: &str,
) -> Outcome {
    let path = "run";
    let (config, keys) = (&request.config, flags.text("detach-keys"));
    if flags.switch("sig-proxy") {
        attach::forward_signals(client, id);
    }
    let options = AttachOptions {
        stdin: config.attach_stdin,
        stdout: config.attach_stdout,
        stderr: config.attach_stderr,
        logs: false,
        stream: true,
        detach_keys: keys.to_owned(),
    };
    let attached = config.attach_stdin || config.attach_stdout || config.attach_stderr;
    let help = |failure: Failure| failure.with_help(path);
    let connection: Option<Hijacked> = match attached {
        true => {
            let connection = client.container_attach(id, &options).await;
            Some(connection.map_err(|error| help(error.into()))?)
        }
        false => None,
    };
    let removed = request.host_config.auto_remove;
    let condition = if removed { WaitCondition::Removed } else { WaitCondition::NextExit };
    // Taken up by the engine before the start, so that no exit is missed.
    let waiting = client.container_wait(id, condition).await;
    let mut waiting = waiting.map_err(|error| help(error.into()))?;
    if let Err(failure) = start(client, id, flags).await {
        if removed {
            let _ = waiting.result().await;
        }
        return Err(failure.with_help_and_code(path));
    }
    if config.tty && terminal::stdout_is_terminal() {
        follow_size(client, id).await;
    }
    if let Some(connection) = connection {
        let (tty, stdin) = (config.tty, config.attach_stdin);
        let session = Session { tty, stdin, detach_keys: attach::detach_keys(keys) };
        if attach::join(connection, session).await? == End::Detached {
            return Ok(0);
        }
    }
    exit_code(&mut waiting).await
}

/// Keeps the size of the container's terminal that of ours.
pub async fn follow_size(client: &Arc<Client>, id: &str) {
    let (client, id) = (Arc::clone(client), id.to_owned());
    attach::follow_size(move |height, width| {
        let (client, id) = (Arc::clone(&client), id.clone());
        async move { client.container_resize(&id, height, width).await }
    })
    .await;
}

/// The exit code of the container; the engine's own when it could not tell.
pub async fn exit_code(waiting: &mut PendingWait) -> Outcome {
    let failed = |text: String| Failure::with_code(ENGINE_FAILED, text);
    let answer = waiting.result().await.map_err(|error| failed(Failure::from(error).text))?;
    match answer.error.filter(|error| !error.message.is_empty()) {
        Some(error) => Err(failed(format!("Error waiting for container: {}", error.message))),
        None => Ok(i32::try_from(answer.status_code).unwrap_or(ENGINE_FAILED)),
    }
}
