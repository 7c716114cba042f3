use super::*;

/// Texts that the real engine printed in the captured runs.
#[test]
fn as_captured() {
    for (text, expect) in [
        (
            name_in_use("fg1", "789a"),
            "Conflict. The container name \"/fg1\" is already in use by container \"789a\". You \
             have to remove (or rename) that container to be able to reuse that name.",
        ),
        (
            cannot_remove("web", "running"),
            "cannot remove container \"web\": container is running: stop the container before \
             removing or force remove",
        ),
        (
            cannot_kill("web", "invalid signal: BADSIG"),
            "cannot kill container: web: invalid signal: BADSIG",
        ),
        (
            exec_failed(&no_working_directory("/tmp", "no such file or directory")),
            "OCI runtime exec failed: exec failed: unable to start container process: chdir to \
             cwd (\"/tmp\") set in config.json failed: no such file or directory",
        ),
        (
            exec_failed(&executable_not_found("nosuchcmd")),
            "OCI runtime exec failed: exec failed: unable to start container process: exec: \
             \"nosuchcmd\": executable file not found in $PATH",
        ),
        (
            unknown_capability("CapAdd", "CAP_BOGUS"),
            "invalid CapAdd: unknown capability: \"CAP_BOGUS\"",
        ),
        (
            invalid_bind(&bind_source_missing("/nosuchhost2")),
            "invalid mount config for type \"bind\": bind source path does not exist: \
             /nosuchhost2",
        ),
        (unknown_user("nouser"), "unable to find user nouser: no matching entries in passwd file"),
    ] {
        assert_eq!(text, expect);
    }
    assert!(NOT_A_SWARM_MANAGER.contains("Use \"docker swarm init\" or \"docker swarm join\" to"));
}

#[test]
fn causes_lead_to_the_right_exit_code() {
    use crate::text::start_error_exit_code as code;
    for (cause, expect) in [
        (executable_not_found("x"), 127),
        (executable_missing("/x"), 127),
        (executable_denied("/x"), 126),
        (executable_is_directory("/x"), 126),
        (unknown_user("x"), 125),
    ] {
        assert_eq!(code(&start_failed(&cause)), expect, "{cause}");
    }
}
