//! The sorts of failure that a service can report.

/// What sort of failure an error is. Doors map it to an HTTP status or an exit code; nothing else
/// depends on it.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Hash)]
pub enum Kind {
    /// The named object does not exist.
    NotFound,
    /// The object's state, or another object, forbids the request.
    Conflict,
    /// The request itself is wrong.
    Invalid,
    /// The caller may not do this.
    Forbidden,
    /// The caller did not say who it is.
    Unauthenticated,
    /// Something needed is not there now; trying again later may help.
    Unavailable,
    /// A limit or a disk is full.
    Exhausted,
    /// This is not built, or this kernel cannot do it.
    Unsupported,
    /// The object is already in the wished state.
    NotModified,
    /// A fault of ours or of the machine.
    Internal,
}
