//! `attach`.

use std::sync::Arc;

use client::{AttachOptions, Client, WaitCondition};

use super::run::{exit_code, follow_size};
use crate::attach::{self, End, Session};
use crate::failure::{Failure, Outcome};
use crate::flags::parse::Parsed;
use crate::terminal;

/// `attach`.
pub async fn attach(client: &Arc<Client>, flags: &Parsed) -> Outcome {
    let name = flags.args[0].as_str();
    let mut waiting = client.container_wait(name, WaitCondition::NotRunning).await?;
    let container = client.container_inspect(name, false).await?;
    let state = &container.state;
    let refuse = |text: &str| Err(Failure::new(text));
    if !state.running {
        return refuse("cannot attach to a stopped container, start it first");
    }
    if state.paused {
        return refuse("cannot attach to a paused container, unpause it first");
    }
    if state.restarting {
        return refuse("cannot attach to a restarting container, wait until it is running");
    }
    let tty = container.config.tty;
    let stdin = !flags.switch("no-stdin") && container.config.open_stdin;
    attach::check_terminal(stdin, tty)?;
    if flags.switch("sig-proxy") && !tty {
        attach::forward_signals(client, &container.id);
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
    let connection = client.container_attach(name, &options).await?;
    if tty && let Some((height, width)) = terminal::size() {
        // A change of size makes the process draw its screen anew.
        let (higher, wider) = (height.saturating_add(1), width.saturating_add(1));
        let _ = client.container_resize(name, higher, wider).await;
        follow_size(client, name).await;
    }
    let session = Session { tty, stdin, detach_keys: attach::detach_keys(keys) };
    match attach::join(connection, session).await? {
        End::Detached => Err(Failure::new("read escape sequence")),
        End::Closed => exit_code(&mut waiting).await,
    }
}
