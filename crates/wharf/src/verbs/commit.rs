//! `commit`.

use client::{Client, CommitOptions};
use oci::Reference;

use crate::failure::{Failure, Outcome};
use crate::flags::parse::Parsed;

/// `commit`.
pub async fn commit(client: &Client, flags: &Parsed) -> Outcome {
    let mut options = CommitOptions {
        container: flags.args[0].clone(),
        comment: flags.text("message").to_owned(),
        author: flags.text("author").to_owned(),
        changes: flags.list("change").to_vec(),
        no_pause: !flags.switch("pause"),
        ..CommitOptions::default()
    };
    if let Some(name) = flags.args.get(1) {
        let name = Reference::parse(name).map_err(|error| Failure::new(error.to_string()))?;
        if name.digest().is_some() {
            return Err(Failure::new("refusing to create a tag with a digest reference"));
        }
        options.repository = name.repository();
        options.tag = name.tag().unwrap_or("latest").to_owned();
    }
    println!("{}", client.commit(&options).await?.id);
    Ok(0)
}
