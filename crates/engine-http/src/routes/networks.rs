//! Networks and volumes, as far as there are any.

use docker_api::{ApiVersion, VolumeList};
use engine::EngineError;
use hyper::StatusCode;

use super::Outcome;
use crate::call::Call;
use crate::reply::Reply;

/// The list tells who is in a network up to this version.
const NO_MEMBERS_SINCE: ApiVersion = ApiVersion::new(1, 28);

pub(super) async fn list(call: Call) -> Outcome {
    let mut answer = call.engine.network_list(call.caller, &call.filters()?)?;
    if call.head.version < NO_MEMBERS_SINCE {
        for network in &mut answer {
            *network = call.engine.network_inspect(call.caller, &network.id, "")?;
        }
    }
    Ok(Reply::json(StatusCode::OK, &answer))
}

pub(super) async fn inspect(call: Call) -> Outcome {
    let answer = call.engine.network_inspect(call.caller, call.target(), call.text("scope"))?;
    Ok(Reply::json(StatusCode::OK, &answer))
}

pub(super) async fn remove(call: Call) -> Outcome {
    call.engine.network_remove(call.caller, call.target())?;
    Ok(Reply::empty(StatusCode::NO_CONTENT))
}

pub(super) async fn prune(call: Call) -> Outcome {
    let answer = call.engine.network_prune(call.caller, &call.filters()?)?;
    Ok(Reply::json(StatusCode::OK, &answer))
}

/// `GET /volumes`: there are none yet.
pub(super) async fn volumes(call: Call) -> Outcome {
    let known = ["dangling", "driver", "label", "name"];
    call.filters()?
        .validate(&known)
        .map_err(|error| Reply::from(EngineError::new(error.kind(), error.to_string())))?;
    let answer = VolumeList { volumes: Some(Vec::new()), warnings: None };
    Ok(Reply::json(StatusCode::OK, &answer))
}

pub(super) async fn prune_volumes(call: Call) -> Outcome {
    let answer = call.engine.volume_prune(call.caller, &call.filters()?)?;
    Ok(Reply::json(StatusCode::OK, &answer))
}
