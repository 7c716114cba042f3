//! Verbs about images and their archives.

use super::sets::{FILTER, FORMAT, NO_TRUNC, OUTPUT, TABLE_FORMAT, TABLE_FORMAT_HELP};
use super::verbs::verb;
use super::{Action, Args, Flag, Kind, Section, Verb, check};

/// `images`.
pub const IMAGES: Verb = Verb {
    group: Some(("image", &["ls", "list"])),
    usage: "[OPTIONS] [REPOSITORY[:TAG]]",
    args: Args::AtMost(1),
    section: Section::Common,
    flags: &[&[
        Flag::switch("all", "Show intermediate images too").short('a'),
        Flag::switch("digests", "Show digests"),
        FILTER,
        TABLE_FORMAT,
        NO_TRUNC,
        Flag::switch("quiet", "Show ids only").short('q'),
        Flag::switch("tree", "Show platforms of an image below it"),
    ]],
    ..verb(Action::Images, "images", "List images")
};

/// `history`.
pub const HISTORY: Verb = Verb {
    group: Some(("image", &["history"])),
    usage: "[OPTIONS] IMAGE",
    args: Args::Exactly(1),
    flags: &[&[
        Flag::text("format", TABLE_FORMAT_HELP),
        Flag::switch("human", "Sizes and times for people").short('H').default("true"),
        NO_TRUNC,
        Flag::text("platform", "Platform to look at (os[/arch[/variant]])"),
        Flag::switch("quiet", "Show ids only").short('q'),
    ]],
    ..verb(Action::History, "history", "Show how an image was made")
};

/// `import`.
pub const IMPORT: Verb = Verb {
    group: Some(("image", &["import"])),
    usage: "[OPTIONS] file|URL|- [REPOSITORY[:TAG]]",
    args: Args::AtLeast(1),
    flags: &[&[
        Flag::list("change", "Dockerfile instruction to apply").short('c'),
        Flag::text("message", "Comment of the image").short('m'),
        Flag::text("platform", "Operating system and architecture of the image"),
    ]],
    ..verb(Action::Import, "import", "Make an image from a tar archive of files")
};

/// `image inspect`.
pub const INSPECT: Verb = Verb {
    top: None,
    group: Some(("image", &["inspect"])),
    usage: "[OPTIONS] IMAGE [IMAGE...]",
    args: Args::AtLeast(1),
    flags: &[&[FORMAT, Flag::text("platform", "Platform to look at (os[/arch[/variant]])")]],
    ..verb(Action::InspectImage, "", "Show everything about images, as JSON")
};

/// `load`.
pub const LOAD: Verb = Verb {
    group: Some(("image", &["load"])),
    usage: "[OPTIONS]",
    flags: &[&[
        Flag::text("input", "Read this file instead of standard input").short('i'),
        Flag::text("platform", "Platform to load (os[/arch[/variant]])"),
        Flag::switch("quiet", "Do not show progress").short('q'),
    ]],
    ..verb(Action::Load, "load", "Load images from a tar archive")
};

/// `rmi`.
pub const RMI: Verb = Verb {
    group: Some(("image", &["rm", "remove"])),
    usage: "[OPTIONS] IMAGE [IMAGE...]",
    args: Args::AtLeast(1),
    flags: &[&[
        Flag::switch("force", "Remove it in any case").short('f'),
        Flag::switch("no-prune", "Keep parents that have no name"),
        Flag::of("platform", Kind::List("strings", check::any), "Remove only this platform"),
    ]],
    ..verb(Action::Rmi, "rmi", "Remove images")
};

/// `save`.
pub const SAVE: Verb = Verb {
    group: Some(("image", &["save"])),
    usage: "[OPTIONS] IMAGE [IMAGE...]",
    args: Args::AtLeast(1),
    flags: &[&[OUTPUT, Flag::text("platform", "Platform to save (os[/arch[/variant]])")]],
    ..verb(Action::Save, "save", "Write images as one tar archive")
};

/// `tag`.
pub const TAG: Verb = Verb {
    group: Some(("image", &["tag"])),
    usage: "SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]",
    args: Args::Exactly(2),
    ..verb(Action::Tag, "tag", "Give an image a further name")
};
