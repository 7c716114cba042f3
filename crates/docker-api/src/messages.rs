//! The words in which engine and command line speak to users of Docker. Where Docker has a text,
//! it is Docker's, because scripts look for it; ids and names are arguments.

/// 404.
pub fn no_such_container(name: &str) -> String {
    format!("No such container: {name}")
}

/// 404.
pub fn no_such_image(name: &str) -> String {
    format!("No such image: {name}")
}

/// 404.
pub fn no_such_exec(id: &str) -> String {
    format!("No such exec instance: {id}")
}

/// 404.
pub fn network_not_found(name: &str) -> String {
    format!("network {name} not found")
}

/// 404.
pub fn no_such_volume(name: &str) -> String {
    format!("get {name}: no such volume")
}

/// 404, for paths and methods that are not there.
pub const PAGE_NOT_FOUND: &str = "page not found";

/// 503, for all of swarm.
pub const NOT_A_SWARM_MANAGER: &str = "This node is not a swarm manager. Use \"docker swarm \
    init\" or \"docker swarm join\" to connect this node to swarm and try again.";

/// 501, for what Wharf has not got.
pub fn not_supported(what: &str) -> String {
    format!("{what} is not supported by Wharf")
}

/// 400.
pub fn ambiguous_prefix(prefix: &str) -> String {
    format!("multiple IDs found with provided prefix: {prefix}")
}

/// 409.
pub fn name_in_use(name: &str, id: &str) -> String {
    let bare = name.strip_prefix('/').unwrap_or(name);
    format!(
        "Conflict. The container name \"/{bare}\" is already in use by container \"{id}\". You \
         have to remove (or rename) that container to be able to reuse that name."
    )
}

/// 409.
pub fn not_running(id: &str) -> String {
    format!("container {id} is not running")
}

/// 409.
pub fn is_restarting(id: &str) -> String {
    format!("Container {id} is restarting, wait until the container is running")
}

/// 409.
pub fn already_paused(id: &str) -> String {
    format!("Container {id} is already paused")
}

/// 500.
pub fn not_paused(id: &str) -> String {
    format!("Container {id} is not paused")
}

/// 409.
pub fn paused_before_exec(name: &str) -> String {
    format!("Container {name} is paused, unpause the container before exec")
}

/// 409.
pub fn paused_before_attach(name: &str) -> String {
    format!("container {name} is paused, unpause the container before attach")
}

/// 409.
pub const CANNOT_START_PAUSED: &str = "cannot start a paused container, try unpause instead";

/// 409.
pub const MARKED_FOR_REMOVAL: &str = "container is marked for removal and cannot be started";

/// 409.
pub fn marked_before_update(id: &str) -> String {
    format!(
        "Cannot update container {id}: container is marked for removal and cannot be \"update\""
    )
}

/// 409.
pub fn removal_in_progress(name: &str) -> String {
    format!("removal of container {name} is already in progress")
}

/// 409; `state` is `running`, `paused` or `restarting`.
pub fn cannot_remove(name: &str, state: &str) -> String {
    let advice = match state {
        "paused" => "container is paused and must be unpaused first".to_owned(),
        other => {
            format!("container is {other}: stop the container before removing or force remove")
        }
    };
    format!("cannot remove container \"{name}\": {advice}")
}

/// What went wrong with `kill`; the cause is another of these texts.
pub fn cannot_kill(name: &str, cause: &str) -> String {
    format!("cannot kill container: {name}: {cause}")
}

/// 400.
pub const RENAME_TO_NOTHING: &str = "Neither old nor new names may be empty";

/// 400.
pub const RENAME_TO_SAME: &str = "Renaming a container with the same name as its current name";

/// 400.
pub const NO_COMMAND: &str = "no command specified";

/// 400.
pub const NO_EXEC_COMMAND: &str = "No exec command specified";

/// 409.
pub fn exec_already_run(id: &str) -> String {
    format!("exec command {id} has already run")
}

/// 409.
pub fn exec_already_running(id: &str) -> String {
    format!("exec command {id} is already running")
}

/// 400.
pub const EMPTY_CONFIG: &str = "config cannot be empty in order to create a container";

/// 400.
pub const EMPTY_BODY: &str = "invalid JSON: got EOF while reading request body";

/// 400.
pub fn invalid_json(cause: &str) -> String {
    format!("invalid JSON: {cause}")
}

/// 400.
pub const NO_STREAM: &str = "you must choose at least one stream";

/// 400.
pub fn invalid_wait_condition(condition: &str) -> String {
    format!("invalid condition: {condition:?}")
}

/// 400, of attach.
pub fn invalid_attach_keys(keys: &str) -> String {
    format!("Invalid detach keys ({keys}) provided")
}

/// 400, of exec.
pub fn invalid_exec_keys(keys: &str) -> String {
    format!("Invalid escape keys ({keys}) provided")
}

/// 400.
pub fn unknown_capability(option: &str, name: &str) -> String {
    format!("invalid {option}: unknown capability: \"{name}\"")
}

/// 400.
pub fn invalid_bind(cause: &str) -> String {
    format!("invalid mount config for type \"bind\": {cause}")
}

/// A cause of [`invalid_bind`].
pub fn bind_source_missing(path: &str) -> String {
    format!("bind source path does not exist: {path}")
}

/// 400.
pub fn unknown_user(name: &str) -> String {
    format!("unable to find user {name}: no matching entries in passwd file")
}

/// 400.
pub fn unknown_group(name: &str) -> String {
    format!("unable to find group {name}: no matching entries in group file")
}

/// 400: a process of a new container did not start. The command line makes its exit code from the
/// cause (see [`crate::text::start_error_exit_code`]).
///
/// A cause that begins with `OCI runtime` is another runtime's own and left as it is.
pub fn start_failed(cause: &str) -> String {
    let task = "failed to create task for container: failed to create shim task";
    match cause.starts_with(RUNTIME) {
        true => format!("{task}: {cause}"),
        false => format!(
            "{task}: OCI runtime create failed: wharf create failed: unable to start container \
             process: {cause}"
        ),
    }
}

/// How errors of runtimes begin.
const RUNTIME: &str = "OCI runtime ";

/// Written on the stream of an exec whose process did not start, with `\r\n` after it.
pub fn exec_failed(cause: &str) -> String {
    match cause.starts_with(RUNTIME) {
        true => cause.to_owned(),
        false => {
            format!(
                "OCI runtime exec failed: exec failed: unable to start container process: {cause}"
            )
        }
    }
}

/// A cause: no such program on the path. Exit code 127.
pub fn executable_not_found(program: &str) -> String {
    format!("exec: {program:?}: executable file not found in $PATH")
}

/// A cause: no such program at this path. Exit code 127.
pub fn executable_missing(path: &str) -> String {
    format!("exec: {path:?}: stat {path}: no such file or directory")
}

/// A cause: the program cannot be run. Exit code 126.
pub fn executable_denied(path: &str) -> String {
    format!("exec: {path:?}: permission denied")
}

/// A cause: the program is a directory. Exit code 126.
pub fn executable_is_directory(path: &str) -> String {
    format!("exec: {path:?}: is a directory: permission denied")
}

/// A cause: the working directory is not there. `error` is the system's word.
pub fn no_working_directory(path: &str, error: &str) -> String {
    format!("chdir to cwd ({path:?}) set in config.json failed: {error}")
}

/// 409: an image cannot be deleted. `id` is shortened; `cause` is one of the next four.
pub fn cannot_delete_image(id: &str, can_be_forced: bool, cause: &str) -> String {
    let force = if can_be_forced { "must be forced" } else { "cannot be forced" };
    format!("conflict: unable to delete {id} ({force}) - {cause}")
}

/// A cause, not to be forced.
pub fn used_by_running(container: &str) -> String {
    format!("image is being used by running container {container}")
}

/// A cause, to be forced.
pub fn used_by_stopped(container: &str) -> String {
    format!("image is being used by stopped container {container}")
}

/// A cause, to be forced.
pub const IN_MANY_REPOSITORIES: &str = "image is referenced in multiple repositories";

/// A cause, not to be forced.
pub const HAS_CHILD_IMAGES: &str = "image has dependent child images";

/// 409: a name of an image cannot be removed.
pub fn cannot_untag(name: &str, container: &str, image: &str) -> String {
    format!(
        "conflict: unable to remove repository reference {name:?} (must force) - container \
         {container} is using its referenced image {image}"
    )
}

/// What the command line puts in front of an engine's message.
pub fn from_daemon(message: &str) -> String {
    format!("Error response from daemon: {message}")
}

/// The command line cannot reach an engine.
pub fn cannot_connect(host: &str) -> String {
    format!(
        "Cannot connect to the Wharf engine at {host}. Is it running?\n\nRun `wharf up` to \
        start it."
    )
}

#[cfg(test)]
mod tests;
