//! The `wharf` program: the command line, and the processes that an engine is made of.
//!
//! Glossary:
//! - *client verb*: one that asks an engine over its socket; only these start the async runtime.
//! - *process verb*: one that is a process of its own: engine, spawner, unpack worker, runtime.
//!
//! What belongs elsewhere: the meaning of every request (`engine`), its form (`docker-api`).

mod api;
mod attach;
mod body;
mod cli;
mod config;
mod detach;
mod engine;
mod failure;
mod flags;
mod host;
mod lifecycle;
mod serve;
mod terminal;
mod verbs;

/// Nothing is done before this decides what to be: a start costs less than two milliseconds.
fn main() {
    let mut words = std::env::args_os().map(|word| word.to_string_lossy().into_owned());
    let program = words.next().unwrap_or_default();
    let words: Vec<String> = words.collect();
    let name = program.rsplit('/').next().unwrap_or_default();
    let code = match words.first().map(String::as_str) {
        _ if name == "wharf-runtime" => engine::runtime_main(&words),
        Some("runtime") => engine::runtime_main(&words[1..]),
        Some("spawner") => engine::spawner_main(&words[1..]),
        Some("unpack-worker") => engine::unpack_worker_main(&words[1..]),
        Some("files-worker") => engine::files_worker_main(&words[1..]),
        _ => cli::main(words),
    };
    std::process::exit(code);
}
