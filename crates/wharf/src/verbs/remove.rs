//! `rm` and `rmi`.

use std::sync::Arc;

use client::{Client, ImageRemoveOptions, RemoveOptions};

use super::{all_or, each};
use crate::failure::{Failure, Outcome};
use crate::flags::parse::Parsed;

/// `rm`.
pub async fn containers(client: &Arc<Client>, flags: &Parsed) -> Outcome {
    let options = RemoveOptions {
        force: flags.switch("force"),
        volumes: flags.switch("volumes"),
        link: flags.switch("link"),
    };
    if flags.args.iter().any(|name| name.trim_matches('/').is_empty()) {
        return Err(Failure::new("Container name cannot be empty"));
    }
    let call = |name: String| {
        let client = Arc::clone(client);
        async move { client.container_remove(name.trim_matches('/'), options).await }
    };
    let mut errors = Vec::new();
    for (name, result) in each(&flags.args, call).await? {
        match result {
            Ok(()) => println!("{name}"),
            Err(error) if options.force && error.is_not_found() => eprintln!("{error}"),
            Err(error) => errors.push(Failure::from(error).text),
        }
    }
    all_or(errors)
}

/// `rmi`.
pub async fn images(client: &Client, flags: &Parsed) -> Outcome {
    if !flags.list("platform").is_empty() {
        return Err(Failure::new("failed to remove one platform of an image: not supported"));
    }
    let (force, no_prune) = (flags.switch("force"), flags.switch("no-prune"));
    let (mut errors, mut fatal) = (Vec::new(), false);
    for name in &flags.args {
        match client.image_remove(name, ImageRemoveOptions { force, no_prune }).await {
            Ok(items) => {
                for item in items {
                    match item.deleted.as_str() {
                        "" => println!("Untagged: {}", item.untagged),
                        id => println!("Deleted: {id}"),
                    }
                }
            }
            Err(error) => {
                fatal |= !(force && error.is_not_found());
                errors.push(Failure::from(error).text);
            }
        }
    }
    if errors.is_empty() || fatal {
        return all_or(errors);
    }
    eprintln!("{}", errors.join("\n"));
    Ok(0)
}
