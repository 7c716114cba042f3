//! `stop restart kill pause unpause wait rename`.

use std::sync::Arc;

use client::{Client, StopOptions, WaitCondition};

use super::{all_or, each, print_names};
use crate::failure::{Failure, Outcome};
use crate::flags::parse::Parsed;

fn stop_options(flags: &Parsed) -> StopOptions {
    StopOptions {
        timeout: flags.is_set("timeout").then(|| flags.int("timeout")),
        signal: flags.text("signal").to_owned(),
    }
}

/// `stop`.
pub async fn stop(client: &Arc<Client>, flags: &Parsed) -> Outcome {
    let options = Arc::new(stop_options(flags));
    let call = |name: String| {
        let (client, options) = (Arc::clone(client), Arc::clone(&options));
        async move { client.container_stop(&name, &options).await.map(drop) }
    };
    print_names(each(&flags.args, call).await?)
}

/// `restart`.
pub async fn restart(client: &Arc<Client>, flags: &Parsed) -> Outcome {
    let options = Arc::new(stop_options(flags));
    let call = |name: String| {
        let (client, options) = (Arc::clone(client), Arc::clone(&options));
        async move { client.container_restart(&name, &options).await.map(drop) }
    };
    print_names(each(&flags.args, call).await?)
}

/// `kill`.
pub async fn kill(client: &Arc<Client>, flags: &Parsed) -> Outcome {
    let signal = flags.text("signal").to_owned();
    let call = |name: String| {
        let (client, signal) = (Arc::clone(client), signal.clone());
        async move { client.container_kill(&name, &signal).await }
    };
    print_names(each(&flags.args, call).await?)
}

/// `pause`.
pub async fn pause(client: &Arc<Client>, flags: &Parsed) -> Outcome {
    let call = |name: String| {
        let client = Arc::clone(client);
        async move { client.container_pause(&name).await }
    };
    print_names(each(&flags.args, call).await?)
}

/// `unpause`.
pub async fn unpause(client: &Arc<Client>, flags: &Parsed) -> Outcome {
    let call = |name: String| {
        let client = Arc::clone(client);
        async move { client.container_unpause(&name).await }
    };
    print_names(each(&flags.args, call).await?)
}

/// `wait`: exit codes in the order of the names.
pub async fn wait(client: &Client, flags: &Parsed) -> Outcome {
    let mut errors = Vec::new();
    for name in &flags.args {
        match status(client, name).await {
            Ok(code) => println!("{code}"),
            Err(failure) => errors.push(failure.text),
        }
    }
    all_or(errors)
}

async fn status(client: &Client, name: &str) -> Result<i64, Failure> {
    let mut waiting = client.container_wait(name, WaitCondition::NotRunning).await?;
    let answer = waiting.result().await?;
    match answer.error {
        Some(error) if !error.message.is_empty() => Err(Failure::new(error.message)),
        _ => Ok(answer.status_code),
    }
}

/// `rename`.
pub async fn rename(client: &Client, flags: &Parsed) -> Outcome {
    let [old, new] = [flags.args[0].trim(), flags.args[1].trim()];
    if old.is_empty() || new.is_empty() {
        return Err(Failure::new("Error: Neither old nor new names may be empty"));
    }
    match client.container_rename(old, new).await {
        Ok(()) => Ok(0),
        Err(error) => {
            eprintln!("{}", Failure::from(error));
            Err(Failure::new(format!("Error: failed to rename container named {old}")))
        }
    }
}
