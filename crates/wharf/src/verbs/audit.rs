//! `audit`: what a container could do, what it used, and options that take the rest away.

use client::Client;
use docker_api::ContainerAudit;

use crate::failure::{Failure, Outcome};
use crate::flags::number::quote;
use crate::flags::parse::Parsed;
use show::indent::indent;

/// `audit`.
pub async fn audit(client: &Client, flags: &Parsed) -> Outcome {
    let json = match (flags.switch("json"), flags.text("format")) {
        (true, _) | (false, "json") => true,
        (false, "" | "table") => false,
        (false, other) => {
            let known = "\"table\" or \"json\"";
            return Err(Failure::new(format!("invalid format {}: expected {known}", quote(other))));
        }
    };
    let watch_ms = flags.int("watch") / 1_000_000;
    if flags.is_set("watch") && watch_ms <= 0 {
        return Err(Failure::new("invalid --watch: expected a time of at least 1ms"));
    }
    let audit = client.container_audit(&flags.args[0], watch_ms).await?;
    let file = flags.text("profile");
    if !file.is_empty() {
        write_profile(&audit, file)?;
    }
    match json {
        true => {
            let text = serde_json::to_string(&audit).expect("the report has string keys only");
            println!("{}", indent(&text, "", 4));
        }
        false => print!("{}", show::audit::text(&audit, file)),
    }
    Ok(0)
}

fn write_profile(audit: &ContainerAudit, file: &str) -> Result<(), Failure> {
    let profile = audit.proposal.as_ref().and_then(|proposal| proposal.seccomp_profile.as_ref());
    let Some(profile) = profile else {
        return Err(Failure::new(format!(
            "failed to write `{file}`: no system calls of this container were observed\n\nStart \
             it with --security-opt audit=record, or watch it with --watch"
        )));
    };
    let text = format!("{profile:#}\n");
    std::fs::write(file, text).map_err(|error| {
        let reason = runtime::failure::plain(&error);
        Failure::new(format!("failed to write `{file}`: {reason}"))
    })
}
