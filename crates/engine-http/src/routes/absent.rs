//! What is not there: said so, in Docker's error shape. `README.md` lists the same.

use docker_api::messages;
use engine::EngineError;
use hyper::StatusCode;

use super::Outcome;
use crate::call::Call;
use crate::reply::Reply;

fn not_yet(what: &str) -> Outcome {
    Err(EngineError::unsupported(format!("{what} is not supported by this version of Wharf"))
        .into())
}

macro_rules! not_yet {
    ($($name:ident $what:literal;)*) => {
        $(pub(super) async fn $name(call: Call) -> Outcome {
            // A client that is still writing would see a broken pipe instead of the answer.
            call.drain().await;
            not_yet($what)
        })*
    };
}

not_yet! {
    checkpoints "checkpoint and restore";
    build "build";
    networks "managing networks (only `none`, `host` and `container:ID` exist)";
    volumes "managing volumes";
    managed_plugins "managing plugins: Wharf has none, and that";
    swarm_never "Swarm: past one machine Wharf hands over to Kubernetes; it";
}

/// `docker inspect NAME` asks for every kind of thing in turn: this one does not exist.
pub(super) async fn volume(call: Call) -> Outcome {
    Err(EngineError::not_found(messages::no_such_volume(call.target())).into())
}

pub(super) async fn plugin(call: Call) -> Outcome {
    Err(EngineError::not_found(format!("plugin \"{}\" not found", call.target())).into())
}

pub(super) async fn plugins(_: Call) -> Outcome {
    Ok(Reply::json(StatusCode::OK, &[(); 0]))
}

/// As a Docker without Swarm answers.
pub(super) async fn swarm(_: Call) -> Outcome {
    Err(Reply::error(StatusCode::SERVICE_UNAVAILABLE, messages::NOT_A_SWARM_MANAGER))
}
