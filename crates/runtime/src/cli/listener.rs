//! Handing the descriptor that a filter asks through to whoever decides
//! (runtime-spec config-linux.md#containerprocessstate).

use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

use oci::runtime_spec::State;
use serde_json::json;

use crate::failure::Failure;
use crate::plan::ListenerPlan;

/// Sends the descriptor with the state of the process that the filter is of.
pub(super) fn send(
    listener: Option<&ListenerPlan>,
    state: &State,
    pid: i32,
    fd: OwnedFd,
) -> Result<(), Failure> {
    let Some(listener) = listener else {
        return Err(Failure::invalid("the system call filter asks a listener, but none is known"));
    };
    let message = json!({
        "ociVersion": state.oci_version,
        "fds": ["seccompFd"],
        "pid": pid,
        "metadata": listener.metadata,
        "state": state,
    });
    let path = listener.path.display();
    let stream = UnixStream::connect(&listener.path)
        .map_err(Failure::at(format!("connect with seccomp agent `{path}`")))?;
    let bytes = message.to_string().into_bytes();
    let sent = sys::socket::send_with_fds(stream.as_fd(), &bytes, &[fd.as_fd()])
        .map_err(Failure::at(format!("send the descriptor to seccomp agent `{path}`")))?;
    match sent == bytes.len() {
        true => Ok(()),
        false => Err(Failure::at(format!("send the state to seccomp agent `{path}`"))(
            "it does not fit into one message",
        )),
    }
}
