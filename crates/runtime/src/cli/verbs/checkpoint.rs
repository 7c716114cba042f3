use super::{Globals, HELP, Order, Parsed, Verb};
use crate::cli::error::CliError;

pub(super) const CHECKPOINT: Verb = Verb {
    name: "checkpoint",
    words: "ID",
    about: "not supported: write a container's processes to disk",
    flags: &[HELP],
    order: Order::AfterId,
    run: refuse,
};

pub(super) const RESTORE: Verb = Verb {
    name: "restore",
    words: "ID",
    about: "not supported: go on from a checkpoint",
    flags: &[HELP],
    order: Order::AfterId,
    run: refuse,
};

fn refuse(_: &Globals, _: &Parsed) -> Result<i32, CliError> {
    Err(CliError::Unsupported {
        what: "checkpoints",
        hint: "another runtime with CRIU can make and restore them",
    })
}
