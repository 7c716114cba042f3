//! Images.

use docker_api::{ContainerConfig, IdResponse, JsonMessage};
use engine::{CommitWish, EngineError, ImageListSpec, ImportSpec};
use futures_util::stream;
use hyper::StatusCode;

use super::{Outcome, older, registries};
use crate::body;
use crate::call::{Call, bad_value};
use crate::progress::line;
use crate::reply::Reply;

pub(super) async fn list(call: Call) -> Outcome {
    let spec = ImageListSpec {
        all: call.flag("all"),
        shared_size: call.flag("shared-size"),
        manifests: call.flag("manifests"),
        filters: call.filters()?,
    };
    let answer = call.engine.image_list(call.caller, spec).await?;
    Ok(older::images(call.head.version, &answer))
}

pub(super) async fn inspect(call: Call) -> Outcome {
    let platform = call.optional("platform").map(registries::platform).transpose()?;
    let manifests = call.flag("manifests");
    let inspected = call.engine.image_inspect(call.caller, call.target(), platform, manifests);
    let answer = inspected.await?;
    Ok(older::image(call.head.version, &answer))
}

pub(super) async fn history(call: Call) -> Outcome {
    let answer = call.engine.image_history(call.caller, call.target()).await?;
    Ok(Reply::json(StatusCode::OK, &answer))
}

pub(super) async fn tag(call: Call) -> Outcome {
    let (repo, tag) = (call.text("repo"), call.text("tag"));
    call.engine.image_tag(call.caller, call.target(), repo, tag).await?;
    Ok(Reply::empty(StatusCode::CREATED))
}

pub(super) async fn remove(call: Call) -> Outcome {
    let force = call.flag("force");
    let answer = call.engine.image_remove(call.caller, call.target(), force).await?;
    Ok(Reply::json(StatusCode::OK, &answer))
}

pub(super) async fn prune(call: Call) -> Outcome {
    let answer = call.engine.image_prune(call.caller, call.filters()?).await?;
    Ok(Reply::json(StatusCode::OK, &answer))
}

pub(super) async fn load(call: Call) -> Outcome {
    let (engine, caller) = (call.engine.clone(), call.caller);
    let archive = Box::new(body::reader(call.request.into_body()));
    let lines = match engine.image_load(caller, archive).await {
        Ok(loaded) => loaded
            .iter()
            .flat_map(|image| match image.names.is_empty() {
                true => vec![format!("Loaded image ID: {}\n", image.id)],
                false => image.names.iter().map(|name| format!("Loaded image: {name}\n")).collect(),
            })
            .map(|text| line(&JsonMessage::of_stream(text)))
            .collect(),
        Err(error) => vec![line(&JsonMessage::of_error(error.client_text()))],
    };
    Ok(Reply::json_stream(stream::iter(lines.into_iter().map(Ok))))
}

pub(super) async fn save_many(call: Call) -> Outcome {
    let names = call.all("names");
    save_these(call, names).await
}

pub(super) async fn save(call: Call) -> Outcome {
    let names = vec![call.target().to_owned()];
    save_these(call, names).await
}

async fn save_these(call: Call, names: Vec<String>) -> Outcome {
    let platform = match call.optional("platform").map(platform_text).transpose()? {
        Some(text) if !text.is_empty() => Some(text),
        _ => None,
    };
    let content = call.engine.image_save(call.caller, names, platform.as_deref()).await?;
    Ok(Reply::archive(body::content(content)))
}

/// Clients send the platform as OCI's JSON object.
fn platform_text(json: &str) -> Result<String, Reply> {
    #[derive(Default, serde::Deserialize)]
    #[serde(default)]
    struct Platform {
        os: String,
        architecture: String,
        variant: String,
    }
    let platform: Platform = serde_json::from_str(json)
        .map_err(|_| bad_value(format!("invalid platform {json:?}: not a JSON object")))?;
    let parts = [platform.os, platform.architecture, platform.variant];
    Ok(parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/"))
}

pub(super) async fn commit(mut call: Call) -> Outcome {
    let config = call.json::<Option<ContainerConfig>>().await?;
    let wish = CommitWish {
        container: call.text("container").to_owned(),
        repo: call.text("repo").to_owned(),
        tag: call.text("tag").to_owned(),
        comment: call.text("comment").to_owned(),
        author: call.text("author").to_owned(),
        changes: call.all("changes"),
        // Absent means yes, since clients before API 1.13 did not send it.
        pause: call.optional("pause").is_none_or(|_| call.flag("pause")),
        config,
    };
    let id = call.engine.commit(call.caller, wish).await?;
    Ok(Reply::json(StatusCode::CREATED, &IdResponse { id }))
}

/// `POST /images/create`: a pull or an import.
pub(super) async fn create(call: Call) -> Outcome {
    if call.optional("fromImage").is_some() {
        return registries::pull(call).await;
    }
    match call.text("fromSrc") {
        "-" => {}
        "" => return Err(EngineError::invalid("fromImage or fromSrc is required").into()),
        _ => {
            let text = "importing from a URL is not supported: send the archive's bytes \
                        (`wharf import - < FILE`)";
            return Err(EngineError::unsupported(text).into());
        }
    }
    let spec = ImportSpec {
        repo: call.text("repo").to_owned(),
        tag: call.text("tag").to_owned(),
        message: call.text("message").to_owned(),
        changes: call.all("changes"),
        platform: call.optional("platform").map(str::to_owned),
    };
    let (engine, caller) = (call.engine.clone(), call.caller);
    let tar = Box::new(body::reader(call.request.into_body()));
    let id = engine.image_import(caller, tar, spec).await?;
    Ok(Reply::json_stream(stream::iter([Ok(line(&JsonMessage::of_status(id)))])))
}
