//! `start`.

use std::sync::Arc;

use client::{AttachOptions, Client, WaitCondition};

use super::run::{exit_code, follow_size};
use crate::attach::{self, End, Session};
use crate::failure::{Failure, Outcome};
use crate::flags::parse::Parsed;
use crate::terminal;

/// `start`.
pub async fn start(client: &Arc<Client>, flags: &Parsed) -> Outcome {
    if !flags.text("checkpoint").is_empty() {
        return Err(Failure::new("failed to start from a checkpoint: not supported"));
    }
    if flags.switch("attach") || flags.switch("interactive") {
        if flags.args.len() > 1 {
            return Err(Failure::new("you cannot start and attach multiple containers at once"));
        }
        return attached(client, flags).await;
    }
    let mut failed = Vec::new();
    for name in &flags.args {
        match client.container_start(name, "").await {
            Ok(_) => println!("{name}"),
            Err(error) => {
                eprintln!("{}", Failure::from(error));
                failed.push(name.as_str());
            }
        }
    }
    match failed.is_empty() {
        true => Ok(0),
        false => {
            Err(Failure::new(format!("Error: failed to start containers: {}", failed.join(", "))))
        }
    }
}

async fn attached(client: &Arc<Client>, flags: &Parsed) -> Outcome {
    let container = client.container_inspect(&flags.args[0], false).await?;
    let (id, tty) = (container.id.as_str(), container.config.tty);
    let stdin = flags.switch("interactive") && container.config.open_stdin;
    attach::check_terminal(stdin, tty)?;
    if flags.switch("attach") && !tty {
        attach::forward_signals(client, id);
    }
    let keys = flags.text("detach-keys");
    let options = AttachOptions {
        stdin,
        stdout: true,
        stderr: true,
        logs: false,
        stream: true,
        detach_keys: keys.to_owned(),
    };
    let connection = client.container_attach(id, &options).await?;
    let removed = container.host_config.auto_remove;
    let condition = if removed { WaitCondition::Removed } else { WaitCondition::NextExit };
    let mut waiting = client.container_wait(id, condition).await?;
    if let Err(error) = client.container_start(id, "").await {
        if removed {
            let _ = waiting.result().await;
        }
        return Err(error.into());
    }
    if tty && terminal::stdout_is_terminal() {
        follow_size(client, id).await;
    }
    let session = Session { tty, stdin, detach_keys: attach::detach_keys(keys) };
    match attach::join(connection, session).await? {
        End::Detached => Ok(0),
        End::Closed => exit_code(&mut waiting).await,
    }
}
