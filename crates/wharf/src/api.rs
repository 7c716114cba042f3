//! The few calls that verbs without a runtime of their own make: one at a time, and wait.

use std::future::Future;
use std::time::Duration;

use client::{Client, ListOptions, StopOptions};
use docker_api::Info;

use crate::failure::Failure;

/// An engine that does not answer within this time is not up.
const PING_TIME_MAX: Duration = Duration::from_secs(5);

/// Whether an engine answers there.
pub fn answers(host: &str) -> bool {
    let ping = |client: Client| async move {
        match tokio::time::timeout(PING_TIME_MAX, client.ping()).await {
            Ok(result) => Ok(result?),
            Err(_) => Err(Failure::silent(1)),
        }
    };
    call(host, ping).is_ok()
}

/// What it says about itself.
pub fn info(host: &str) -> Result<Info, Failure> {
    call(host, |client| async move { Ok(client.info().await?) })
}

/// Stops all running containers, all at once; how many there were.
pub fn stop_all(host: &str) -> Result<usize, Failure> {
    call(host, |client| async move {
        let client = std::sync::Arc::new(client);
        let running = client.container_list(&ListOptions::default()).await?;
        let mut tasks = tokio::task::JoinSet::new();
        for container in &running {
            let (client, id) = (client.clone(), container.id.clone());
            tasks.spawn(async move { client.container_stop(&id, &StopOptions::default()).await });
        }
        for result in tasks.join_all().await {
            result?;
        }
        Ok(running.len())
    })
}

fn call<T, F>(host: &str, run: impl FnOnce(Client) -> F) -> Result<T, Failure>
where
    F: Future<Output = Result<T, Failure>>,
{
    let client = Client::connect(host)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(run(client))
}
