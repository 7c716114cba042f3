//! `version`.

use client::Client;
use docker_api::{ApiVersion, Component, Version};
use gotmpl::Value;
use serde::Serialize;

use crate::failure::{Failure, Outcome};
use crate::flags::parse::Parsed;
use show::list;

/// What we say about ourselves.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ClientVersion {
    platform: Platform,
    version: &'static str,
    api_version: String,
    #[serde(rename = "DefaultAPIVersion")]
    default_api_version: String,
    os: &'static str,
    arch: &'static str,
    context: &'static str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Platform {
    name: &'static str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Both {
    client: ClientVersion,
    server: Option<Version>,
}

impl ClientVersion {
    /// Of this program.
    pub fn own() -> ClientVersion {
        ClientVersion {
            platform: Platform { name: "Wharf" },
            version: env!("CARGO_PKG_VERSION"),
            api_version: ApiVersion::MAX.to_string(),
            default_api_version: ApiVersion::MAX.to_string(),
            os: "linux",
            arch: architecture(),
            context: "default",
        }
    }
}

/// The machine's architecture in Go's words.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// `version`.
pub async fn version(client: &Client, flags: &Parsed) -> Outcome {
    let format = flags.text("format");
    let template = match format {
        "" => None,
        format => Some(list::parse("version", &list::resolve(format, "", false).0)?),
    };
    let (server, error) = match client.version().await {
        Ok(version) => (Some(version), None),
        Err(error) => (None, Some(Failure::from(error))),
    };
    let both = Both { client: ClientVersion::own(), server };
    match template {
        Some(template) => {
            let value = Value::from_serialize(&both);
            let value = value.map_err(|error| Failure::new(error.to_string()))?;
            println!("{}", list::execute(&template, &value)?);
        }
        None => print!("{}", text(&both)),
    }
    error.map_or(Ok(0), Err)
}

fn text(both: &Both) -> String {
    let client = &both.client;
    let mut out = format!("Client: {}\n", client.platform.name);
    for (name, value) in [
        ("Version", client.version),
        ("API version", &client.api_version),
        ("OS/Arch", &format!("{}/{}", client.os, client.arch)),
        ("Context", client.context),
    ] {
        out.push_str(&format!(" {:<18} {value}\n", format!("{name}:")));
    }
    let Some(server) = &both.server else { return out };
    let platform = server.platform.name.as_str();
    out.push_str("\nServer:");
    if !platform.is_empty() {
        out.push_str(&format!(" {platform}"));
    }
    out.push('\n');
    for component in server.components.iter().flatten() {
        out.push_str(&format!(" {}:\n", component.name));
        for (name, value) in details(component) {
            out.push_str(&format!("  {:<17} {value}\n", format!("{name}:")));
        }
    }
    out
}

/// The lines of one component of the server.
fn details(component: &Component) -> Vec<(&'static str, String)> {
    let detail = |key: &str| {
        let found = component.details.as_ref().and_then(|details| details.get(key));
        found.filter(|value| !value.is_empty()).cloned()
    };
    let mut lines = vec![("Version", component.version.clone())];
    let api = detail("ApiVersion").map(|version| match detail("MinAPIVersion") {
        Some(least) => format!("{version} (minimum version {least})"),
        None => version,
    });
    let system = detail("Os").zip(detail("Arch")).map(|(os, arch)| format!("{os}/{arch}"));
    let (engine, plain) = (component.name == "Engine", detail("GitCommit"));
    let commit = if engine { "Git commit" } else { "GitCommit" };
    for (name, value) in [
        ("API version", api),
        ("Go version", detail("GoVersion")),
        (commit, plain),
        ("Built", detail("BuildTime")),
        ("OS/Arch", system),
        ("Experimental", detail("Experimental")),
    ] {
        lines.extend(value.map(|value| (name, value)));
    }
    lines
}
