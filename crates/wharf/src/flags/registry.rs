//! The verbs about registries.

use super::sets::{NO_TRUNC, TABLE_FORMAT_HELP};
use super::verbs::verb;
use super::{Action, Args, Flag, Kind, Section, Verb, check};

/// Docker's content trust, which no registry answers for any more.
const TRUST: Flag =
    Flag::switch("disable-content-trust", "Accepted and without effect").default("true");

/// `pull`.
pub const PULL: Verb = Verb {
    group: Some(("image", &["pull"])),
    usage: "[OPTIONS] NAME[:TAG|@DIGEST]",
    args: Args::Exactly(1),
    section: Section::Common,
    flags: &[&[
        Flag::switch("all-tags", "Bring all tags of the repository").short('a'),
        TRUST,
        Flag::text("platform", "Platform to bring, where there are several (os[/arch[/variant]])"),
        Flag::switch("quiet", "Do not show progress").short('q'),
    ]],
    ..verb(Action::Pull, "pull", "Bring an image from a registry")
};

/// `push`.
pub const PUSH: Verb = Verb {
    group: Some(("image", &["push"])),
    usage: "[OPTIONS] NAME[:TAG]",
    args: Args::Exactly(1),
    section: Section::Common,
    flags: &[&[
        Flag::switch("all-tags", "Send all tags of the repository").short('a'),
        TRUST,
        Flag::text(
            "platform",
            "Send one platform only, as an image of its own: neither the index nor what else it \
             names (os[/arch[/variant]])",
        ),
        Flag::switch("quiet", "Do not show progress").short('q'),
    ]],
    ..verb(Action::Push, "push", "Send an image to a registry")
};

/// `login`.
pub const LOGIN: Verb = Verb {
    usage: "[OPTIONS] [SERVER]",
    args: Args::AtMost(1),
    section: Section::Common,
    flags: &[&[
        Flag::text("password", "Password or access token; others see it in the list of processes")
            .short('p'),
        Flag::switch("password-stdin", "Read the password or access token from standard input"),
        Flag::text("username", "Name of the account").short('u'),
    ]],
    ..verb(Action::Login, "login", "Log in to a registry; without SERVER, to the default one")
};

/// `logout`.
pub const LOGOUT: Verb = Verb {
    usage: "[SERVER]",
    args: Args::AtMost(1),
    section: Section::Common,
    ..verb(Action::Logout, "logout", "Forget the account for a registry")
};

/// `search`.
pub const SEARCH: Verb = Verb {
    usage: "[OPTIONS] TERM",
    args: Args::Exactly(1),
    section: Section::Common,
    flags: &[&[
        Flag::of("filter", Kind::List("filter", check::filter), "Show only what matches")
            .short('f'),
        Flag::text("format", TABLE_FORMAT_HELP),
        Flag::int("limit", "Most results (1 to 100)"),
        NO_TRUNC,
    ]],
    ..verb(Action::Search, "search", "Search a registry for images")
};
