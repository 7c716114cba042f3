//! The client verbs: each asks an engine and shows what it answers.

use std::future::Future;
use std::sync::Arc;

use client::{Client, ClientError, Host};
use docker_api::Filters;
use tokio::task::JoinSet;

use crate::failure::{Failure, Outcome};
use crate::flags::Action;
use crate::flags::parse::Parsed;

mod accounts;
mod attach;
mod audit;
mod commit;
mod cp;
mod create;
mod dial;
mod diff;
mod disk;
mod events;
mod exec;
mod history;
mod images;
mod info;
mod inspect;
mod lifecycle;
mod load;
mod login;
mod logs;
mod port;
mod progress;
mod prune;
mod ps;
mod pull;
mod push;
mod remove;
mod run;
mod save;
mod search;
mod start;
mod stats;
mod time;
mod top;
mod update;
mod version;

/// Runs a client verb. Only here an async runtime is started, on this thread alone.
pub fn main(flags: &Parsed, host: &Host) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let code = runtime.block_on(dispatch(flags, host));
    // Reads that still wait for standard input or for the engine are of no use any more.
    runtime.shutdown_background();
    code
}

async fn dispatch(flags: &Parsed, host: &Host) -> Outcome {
    let client = Arc::new(Client::new(host.clone()));
    match flags.verb.action {
        Action::Attach => attach::attach(&client, flags).await,
        Action::Audit => audit::audit(&client, flags).await,
        Action::Commit => commit::commit(&client, flags).await,
        Action::Cp => cp::cp(&client, flags).await,
        Action::Create => create::create(&client, flags).await,
        Action::DialStdio => dial::stdio(&client),
        Action::Diff => diff::diff(&client, flags).await,
        Action::DiskUsage => disk::df(&client, flags).await,
        Action::Events => events::events(&client, flags).await,
        Action::Exec => exec::exec(&client, flags).await,
        Action::Export => save::export(&client, flags).await,
        Action::History => history::history(&client, flags).await,
        Action::Images => images::images(&client, flags).await,
        Action::Import => load::import(&client, flags).await,
        Action::Info => info::info(&client, flags).await,
        Action::Inspect => inspect::any(&client, flags).await,
        Action::InspectContainer => inspect::containers(&client, flags).await,
        Action::InspectImage => inspect::images(&client, flags).await,
        Action::Kill => lifecycle::kill(&client, flags).await,
        Action::Load => load::load(&client, flags).await,
        Action::Login => login::login(&client, flags).await,
        Action::Logout => login::logout(flags),
        Action::Logs => logs::logs(&client, flags).await,
        Action::Pause => lifecycle::pause(&client, flags).await,
        Action::Port => port::port(&client, flags).await,
        Action::PruneContainers => prune::containers(&client, flags).await,
        Action::PruneImages => prune::images(&client, flags).await,
        Action::PruneSystem => prune::system(&client, flags).await,
        Action::Ps => ps::ps(&client, flags).await,
        Action::Pull => pull::pull(&client, flags).await,
        Action::Push => push::push(&client, flags).await,
        Action::Rename => lifecycle::rename(&client, flags).await,
        Action::Restart => lifecycle::restart(&client, flags).await,
        Action::Rm => remove::containers(&client, flags).await,
        Action::Rmi => remove::images(&client, flags).await,
        Action::Run => run::run(&client, flags).await,
        Action::Save => save::save(&client, flags).await,
        Action::Search => search::search(&client, flags).await,
        Action::Start => start::start(&client, flags).await,
        Action::Stats => stats::stats(&client, flags).await,
        Action::Stop => lifecycle::stop(&client, flags).await,
        Action::Tag => images::tag(&client, flags).await,
        Action::Top => top::top(&client, flags).await,
        Action::Unpause => lifecycle::unpause(&client, flags).await,
        Action::Update => update::update(&client, flags).await,
        Action::Version => version::version(&client, flags).await,
        Action::Wait => lifecycle::wait(&client, flags).await,
        Action::Completion
        | Action::Down
        | Action::Engine
        | Action::Man
        | Action::Status
        | Action::Up => Err(Failure::new("failed to find the verb among those of the client")),
    }
}

/// Most requests that one verb has under way at a time.
const PARALLEL_MAX: usize = 50;

/// What became of one of many names.
type Named = (String, Result<(), ClientError>);

/// Makes a call for each name, many at once; the results in the order of the names.
async fn each<F>(names: &[String], call: impl Fn(String) -> F) -> Result<Vec<Named>, Failure>
where
    F: Future<Output = Result<(), ClientError>> + Send + 'static,
{
    let mut tasks = JoinSet::new();
    let mut results: Vec<Option<Named>> = names.iter().map(|_| None).collect();
    let mut waiting = names.iter().enumerate();
    loop {
        while tasks.len() < PARALLEL_MAX
            && let Some((at, name)) = waiting.next()
        {
            let (name, future) = (name.clone(), call(name.clone()));
            tasks.spawn(async move { (at, (name, future.await)) });
        }
        match tasks.join_next().await {
            Some(Ok((at, named))) => results[at] = Some(named),
            Some(Err(error)) => return Err(Failure::new(error.to_string())),
            None => return Ok(results.into_iter().flatten().collect()),
        }
    }
}

/// Prints the names that succeeded; all errors become one failure.
fn print_names(results: Vec<Named>) -> Outcome {
    let mut errors = Vec::new();
    for (name, result) in results {
        match result {
            Ok(()) => println!("{name}"),
            Err(error) => errors.push(Failure::from(error).text),
        }
    }
    all_or(errors)
}

/// Exit code 0, or all errors, a line each.
fn all_or(errors: Vec<String>) -> Outcome {
    if errors.is_empty() { Ok(0) } else { Err(Failure::new(errors.join("\n"))) }
}

/// `--filter name=value`, already checked.
fn filters(values: &[String]) -> Filters {
    let mut filters = Filters::default();
    for (name, value) in values.iter().filter_map(|value| value.split_once('=')) {
        filters.add(name, value);
    }
    filters
}
