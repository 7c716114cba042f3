//! `exec`.

use std::sync::Arc;

use client::Client;
use docker_api::{ExecConfig, ExecStart};

use crate::attach::{self, End, Session};
use crate::body::env;
use crate::failure::{Failure, Outcome};
use crate::flags::parse::Parsed;
use crate::terminal;

/// `exec`.
pub async fn exec(client: &Arc<Client>, flags: &Parsed) -> Outcome {
    let config = config(flags)?;
    let name = flags.args[0].as_str();
    // Asked first for the sake of its error: it is that of a container, not of an exec.
    client.container_inspect(name, false).await?;
    if !config.detach {
        attach::check_terminal(config.attach_stdin, config.tty)?;
    }
    let exec = client.exec_create(name, &config).await?;
    if exec.id.is_empty() {
        return Err(Failure::new("exec ID empty"));
    }
    let start =
        ExecStart { detach: config.detach, tty: config.tty, console_size: config.console_size };
    if config.detach {
        client.exec_start_detached(&exec.id, &start).await?;
        return Ok(0);
    }
    let connection = client.exec_start(&exec.id, &start).await?;
    if config.tty && terminal::stdout_is_terminal() {
        let (client, id) = (Arc::clone(client), exec.id.clone());
        attach::follow_size(move |height, width| {
            let (client, id) = (Arc::clone(&client), id.clone());
            async move { client.exec_resize(&id, height, width).await }
        })
        .await;
    }
    let session = Session {
        tty: config.tty,
        stdin: config.attach_stdin,
        detach_keys: attach::detach_keys(&config.detach_keys),
    };
    if attach::join(connection, session).await? == End::Detached {
        return Err(Failure::new("read escape sequence"));
    }
    let ended = client.exec_inspect(&exec.id).await?;
    Ok(ended.exit_code.and_then(|code| i32::try_from(code).ok()).unwrap_or(0))
}

fn config(flags: &Parsed) -> Result<ExecConfig, Failure> {
    let (detach, tty) = (flags.switch("detach"), flags.switch("tty"));
    let variables = env::variables(flags.list("env-file"), flags.list("env"));
    let variables = variables.map_err(Failure::new)?;
    let size = if tty { terminal::size() } else { None };
    Ok(ExecConfig {
        user: flags.text("user").to_owned(),
        privileged: flags.switch("privileged"),
        tty,
        attach_stdin: !detach && flags.switch("interactive"),
        attach_stderr: !detach,
        attach_stdout: !detach,
        detach,
        detach_keys: flags.text("detach-keys").to_owned(),
        env: Some(variables).filter(|list| !list.is_empty()),
        working_dir: flags.text("workdir").to_owned(),
        console_size: size.map_or([0, 0], |(height, width)| [height.into(), width.into()]),
        cmd: Some(flags.args[1..].to_vec()),
    })
}
