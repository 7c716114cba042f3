//! Answers as older versions of the API had them: what was taken out of them since, or was
//! written otherwise.

use docker_api::ApiVersion;
use hyper::StatusCode;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::reply::Reply;

/// Versions since which something is gone.
const KERNEL_MEMORY: ApiVersion = ApiVersion::new(1, 42);
const NONE_FOR_NO_NAME: ApiVersion = ApiVersion::new(1, 43);
const VIRTUAL_SIZE: ApiVersion = ApiVersion::new(1, 44);
const CONTAINER_CONFIG: ApiVersion = ApiVersion::new(1, 45);
const CONFIG_OF_CONTAINERS: ApiVersion = ApiVersion::new(1, 50);
const BRIDGE_FILTERS: ApiVersion = ApiVersion::new(1, 50);

/// A list of images.
pub(super) fn images(version: ApiVersion, answer: &impl Serialize) -> Reply {
    reply(version < VIRTUAL_SIZE, answer, |answer| change_images(version, answer))
}

/// One image.
pub(super) fn image(version: ApiVersion, answer: &impl Serialize) -> Reply {
    reply(version < CONFIG_OF_CONTAINERS, answer, |answer| change_image(version, answer))
}

/// What this engine is.
pub(super) fn info(version: ApiVersion, answer: &impl Serialize) -> Reply {
    reply(version < BRIDGE_FILTERS, answer, |answer| change_info(version, answer))
}

/// Answers of today keep the order of their fields: `docker inspect` shows them as they come.
fn reply(is_older: bool, answer: &impl Serialize, change: impl FnOnce(&mut Value)) -> Reply {
    if !is_older {
        return Reply::json(StatusCode::OK, answer);
    }
    let mut answer = serde_json::to_value(answer).expect("answers can be written as JSON");
    change(&mut answer);
    Reply::json(StatusCode::OK, &answer)
}

fn change_images(version: ApiVersion, answer: &mut Value) {
    for image in answer.as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
        if version < VIRTUAL_SIZE {
            add_virtual_size(image);
        }
        if version < NONE_FOR_NO_NAME {
            let has = |key: &str| {
                image.get(key).and_then(Value::as_array).is_some_and(|names| !names.is_empty())
            };
            let (tags, digests) = (has("RepoTags"), has("RepoDigests"));
            if !tags && !digests {
                image.insert("RepoTags".to_owned(), json!(["<none>:<none>"]));
                image.insert("RepoDigests".to_owned(), json!(["<none>@<none>"]));
            } else if !tags {
                image.insert("RepoTags".to_owned(), Value::Null);
            } else if !digests {
                image.insert("RepoDigests".to_owned(), Value::Null);
            }
        }
    }
}

fn change_image(version: ApiVersion, answer: &mut Value) {
    let Some(image) = answer.as_object_mut() else { return };
    if version < VIRTUAL_SIZE {
        add_virtual_size(image);
    }
    if version < CONTAINER_CONFIG {
        image.insert("ContainerConfig".to_owned(), config_of_nothing());
    }
    if version < CONFIG_OF_CONTAINERS
        && let Some(Value::Object(config)) = image.get_mut("Config")
        && let Value::Object(all) = config_of_nothing()
    {
        for (key, nothing) in all {
            config.entry(key).or_insert(nothing);
        }
    }
}

fn change_info(version: ApiVersion, answer: &mut Value) {
    let Some(info) = answer.as_object_mut() else { return };
    if version < KERNEL_MEMORY {
        info.insert("KernelMemory".to_owned(), Value::Bool(false));
    }
    if version < BRIDGE_FILTERS {
        for key in ["BridgeNfIptables", "BridgeNfIp6tables"] {
            info.insert(key.to_owned(), Value::Bool(false));
        }
    }
}

fn add_virtual_size(image: &mut Map<String, Value>) {
    let size = image.get("Size").cloned().unwrap_or_default();
    image.insert("VirtualSize".to_owned(), size);
}

/// The configuration of a container that has none: what images were shown with.
fn config_of_nothing() -> Value {
    json!({
        "Hostname": "", "Domainname": "", "User": "", "AttachStdin": false,
        "AttachStdout": false, "AttachStderr": false, "Tty": false, "OpenStdin": false,
        "StdinOnce": false, "Env": null, "Cmd": null, "Image": "", "Volumes": null,
        "WorkingDir": "", "Entrypoint": null, "OnBuild": null, "Labels": null,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(change: fn(ApiVersion, &mut Value), version: &str, answer: &Value) -> Value {
        let mut answer = answer.clone();
        change(ApiVersion::parse(version).unwrap(), &mut answer);
        answer
    }

    #[test]
    fn what_was_taken_out_is_there_for_older_clients() {
        let one = json!({"Size": 7, "RepoTags": [], "RepoDigests": [], "Config": {"User": "u"}});
        let list = json!([one]);
        let old = changed(change_images, "1.42", &list);
        assert_eq!(old[0]["VirtualSize"], 7);
        assert_eq!(old[0]["RepoTags"], json!(["<none>:<none>"]));
        assert_eq!(changed(change_images, "1.44", &list), list);
        let old = changed(change_image, "1.44", &one);
        assert_eq!(old["ContainerConfig"]["Tty"], false);
        assert_eq!((&old["Config"]["User"], &old["Config"]["Cmd"]), (&json!("u"), &Value::Null));
        assert_eq!(changed(change_image, "1.50", &one), one);
        assert_eq!(changed(change_info, "1.41", &json!({}))["KernelMemory"], false);
        assert_eq!(changed(change_info, "1.50", &json!({})), json!({}));
    }
}
