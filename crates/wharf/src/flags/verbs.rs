//! The verbs.

use super::create::{FILES, HEALTH, LIMITS, NETWORK, PROCESS, RUN_ONLY, SECURITY, UPDATE};
use super::sets::{
    DETACH_KEYS, DIRECTORIES, ENGINE, FILTER, FORMAT, FORMAT_HELP, HIDDEN_DIRECTORIES, NO_TRUNC,
    OUTPUT, PRUNE, STOP, TABLE_FORMAT,
};
use super::{Action, Args, Flag, Section, Verb, check, image, registry};

const MANY: &str = "CONTAINER [CONTAINER...]";

/// Flags that stand before the verb.
pub const GLOBAL: &[Flag] = &[
    Flag::switch("debug", "Show what is being done").short('D'),
    Flag::list("host", "Socket of the engine; may also stand behind the verb").short('H'),
    Flag::text("log-level", "\"debug\", \"info\", \"warn\", \"error\" or \"fatal\"")
        .short('l')
        .default("info"),
    Flag::switch("version", "Print the version").short('v'),
];

/// Flags that every verb takes, unless it has one of that name.
pub const EVERYWHERE: &[Flag] = &[Flag::list("host", "Socket of the engine").short('H').hidden()];

/// A verb without arguments and flags, as a start.
pub(super) const fn verb(action: Action, top: &'static str, about: &'static str) -> Verb {
    Verb {
        action,
        top: Some(top),
        group: None,
        usage: "",
        about,
        args: Args::Exactly(0),
        interspersed: true,
        flags: &[],
        section: Section::Plain,
    }
}

/// All verbs, by section and name.
pub const VERBS: &[Verb] = &[
    // Common.
    Verb {
        group: Some(("container", &["run"])),
        usage: "[OPTIONS] IMAGE [COMMAND] [ARG...]",
        args: Args::AtLeast(1),
        interspersed: false,
        flags: &[RUN_ONLY, PROCESS, HEALTH, SECURITY, FILES, NETWORK, LIMITS],
        section: Section::Common,
        ..verb(Action::Run, "run", "Make a container from an image and run it")
    },
    Verb {
        group: Some(("container", &["exec"])),
        usage: "[OPTIONS] CONTAINER COMMAND [ARG...]",
        args: Args::AtLeast(2),
        interspersed: false,
        section: Section::Common,
        flags: &[&[
            Flag::switch("detach", "Do not wait for the command").short('d'),
            DETACH_KEYS,
            Flag::checked("env", check::env, "Set an environment variable").short('e'),
            Flag::list("env-file", "Read environment variables from a file"),
            Flag::switch("interactive", "Keep standard input open").short('i'),
            Flag::switch("privileged", "Give the command all rights"),
            Flag::switch("tty", "Give the command a terminal").short('t'),
            Flag::text("user", "User and group (<name|uid>[:<group|gid>])").short('u'),
            Flag::text("workdir", "Working directory in the container").short('w'),
        ]],
        ..verb(Action::Exec, "exec", "Run a command in a running container")
    },
    Verb {
        group: Some(("container", &["ls", "list", "ps"])),
        usage: "[OPTIONS]",
        section: Section::Common,
        flags: &[&[
            Flag::switch("all", "Show stopped containers too").short('a'),
            FILTER,
            TABLE_FORMAT,
            Flag::int("last", "Show the newest n containers, in any state")
                .short('n')
                .default("-1"),
            Flag::switch("latest", "Show the newest container, in any state").short('l'),
            NO_TRUNC,
            Flag::switch("quiet", "Show ids only").short('q'),
            Flag::switch("size", "Show sizes").short('s'),
        ]],
        ..verb(Action::Ps, "ps", "List containers")
    },
    registry::PULL,
    registry::PUSH,
    image::IMAGES,
    registry::LOGIN,
    registry::LOGOUT,
    registry::SEARCH,
    Verb {
        usage: "[OPTIONS]",
        flags: &[&[FORMAT]],
        section: Section::Common,
        ..verb(Action::Version, "version", "Show the versions of client and engine")
    },
    Verb {
        group: Some(("system", &["info"])),
        usage: "[OPTIONS]",
        flags: &[&[FORMAT]],
        section: Section::Common,
        ..verb(Action::Info, "info", "Describe the engine and the machine")
    },
    // The engine's own life.
    Verb {
        usage: "[OPTIONS]",
        flags: &[DIRECTORIES],
        section: Section::Engine,
        ..verb(Action::Up, "up", "Start the engine in the background")
    },
    Verb {
        usage: "[OPTIONS]",
        section: Section::Engine,
        flags: &[DIRECTORIES, &[Flag::switch("containers", "Stop the containers as well")]],
        ..verb(Action::Down, "down", "Stop the engine; containers keep running")
    },
    Verb {
        usage: "[OPTIONS]",
        flags: &[DIRECTORIES],
        section: Section::Engine,
        ..verb(Action::Status, "status", "Tell whether the engine runs")
    },
    Verb {
        usage: "[OPTIONS]",
        section: Section::Engine,
        flags: &[DIRECTORIES, ENGINE],
        ..verb(Action::Engine, "engine", "Run the engine in the foreground")
    },
    // The rest.
    Verb {
        group: Some(("container", &["attach"])),
        usage: "[OPTIONS] CONTAINER",
        args: Args::Exactly(1),
        flags: &[&[
            DETACH_KEYS,
            Flag::switch("no-stdin", "Leave standard input alone"),
            Flag::switch("sig-proxy", "Pass signals on to the process").default("true"),
        ]],
        ..verb(Action::Attach, "attach", "Attach this terminal to a running container")
    },
    Verb {
        usage: "[OPTIONS] CONTAINER",
        args: Args::Exactly(1),
        flags: &[&[
            Flag::text("format", "How to print: \"table\" or \"json\""),
            Flag::switch("json", "Print JSON"),
            Flag::text("profile", "Write the proposed seccomp profile to this file"),
            Flag::duration("watch", "Watch the running container for so long first (ms|s|m|h)"),
        ]],
        ..verb(Action::Audit, "audit", "Show what a container could do and what it could give up")
    },
    Verb {
        group: Some(("container", &["commit"])),
        usage: "[OPTIONS] CONTAINER [REPOSITORY[:TAG]]",
        args: Args::Between(1, 2),
        flags: &[&[
            Flag::text("author", "Who makes it (\"Name <name@example.org>\")").short('a'),
            Flag::list("change", "Dockerfile instruction to apply").short('c'),
            Flag::text("message", "Comment of the image").short('m'),
            Flag::switch("pause", "Let the container stand still meanwhile")
                .short('p')
                .default("true"),
        ]],
        ..verb(Action::Commit, "commit", "Make an image of what a container changed")
    },
    Verb {
        usage: "bash|zsh|fish",
        args: Args::Exactly(1),
        ..verb(Action::Completion, "completion", "Print a script that completes this command line")
    },
    Verb {
        group: Some(("container", &["cp"])),
        usage: "[OPTIONS] CONTAINER:SRC_PATH DEST_PATH|-",
        args: Args::Exactly(2),
        flags: &[&[
            Flag::switch("archive", "Give everything to the container's user").short('a'),
            Flag::switch("follow-link", "Copy what a link in SRC_PATH leads to").short('L'),
            Flag::switch("quiet", "Do not say what was copied").short('q'),
        ]],
        ..verb(
            Action::Cp,
            "cp",
            "Copy files between a container and this machine; - is a tar stream",
        )
    },
    Verb {
        group: Some(("container", &["create"])),
        usage: "[OPTIONS] IMAGE [COMMAND] [ARG...]",
        args: Args::AtLeast(1),
        interspersed: false,
        flags: &[PROCESS, HEALTH, SECURITY, FILES, NETWORK, LIMITS],
        ..verb(Action::Create, "create", "Make a container without starting it")
    },
    Verb {
        group: Some(("container", &["diff"])),
        usage: "CONTAINER",
        args: Args::Exactly(1),
        ..verb(Action::Diff, "diff", "Show which files a container added, changed or deleted")
    },
    Verb {
        group: Some(("system", &["events"])),
        usage: "[OPTIONS]",
        flags: &[&[
            FILTER,
            Flag::text("format", FORMAT_HELP),
            Flag::text("since", "Begin with events of this time"),
            Flag::text("until", "End at this time"),
        ]],
        ..verb(Action::Events, "events", "Show events of the engine as they happen")
    },
    Verb {
        group: Some(("container", &["export"])),
        usage: "[OPTIONS] CONTAINER",
        args: Args::Exactly(1),
        flags: &[&[OUTPUT]],
        ..verb(Action::Export, "export", "Write the files of a container as a tar archive")
    },
    image::HISTORY,
    image::IMPORT,
    Verb {
        usage: "[OPTIONS] NAME|ID [NAME|ID...]",
        args: Args::AtLeast(1),
        flags: &[&[
            FORMAT,
            Flag::switch("size", "Show sizes of containers").short('s'),
            Flag::text("type", "Kind of object: container, image, network, volume"),
        ]],
        ..verb(Action::Inspect, "inspect", "Show everything about objects, as JSON")
    },
    Verb {
        top: None,
        group: Some(("container", &["inspect"])),
        usage: "[OPTIONS] CONTAINER [CONTAINER...]",
        args: Args::AtLeast(1),
        flags: &[&[FORMAT, Flag::switch("size", "Show sizes").short('s')]],
        ..verb(Action::InspectContainer, "", "Show everything about containers, as JSON")
    },
    image::INSPECT,
    Verb {
        group: Some(("container", &["kill"])),
        usage: "[OPTIONS] CONTAINER [CONTAINER...]",
        args: Args::AtLeast(1),
        flags: &[&[Flag::text("signal", "Signal to send").short('s')]],
        ..verb(Action::Kill, "kill", "Kill containers, or send them a signal")
    },
    image::LOAD,
    Verb {
        group: Some(("container", &["logs"])),
        usage: "[OPTIONS] CONTAINER",
        args: Args::Exactly(1),
        flags: &[&[
            Flag::switch("details", "Show labels and variables that are logged"),
            Flag::switch("follow", "Go on with new lines").short('f'),
            Flag::text("since", "Begin at this time, or so long ago (\"42m\")"),
            Flag::text("tail", "Number of lines from the end").short('n').default("all"),
            Flag::switch("timestamps", "Show the time of each line").short('t'),
            Flag::text("until", "End at this time, or so long ago (\"42m\")"),
        ]],
        ..verb(Action::Logs, "logs", "Show the output of a container")
    },
    Verb {
        group: Some(("container", &["pause"])),
        usage: MANY,
        args: Args::AtLeast(1),
        ..verb(Action::Pause, "pause", "Freeze all processes of containers")
    },
    Verb {
        group: Some(("container", &["port"])),
        usage: "CONTAINER [PRIVATE_PORT[/PROTO]]",
        args: Args::Between(1, 2),
        ..verb(Action::Port, "port", "Show where the ports of a container are reached")
    },
    Verb {
        top: None,
        group: Some(("container", &["prune"])),
        usage: "[OPTIONS]",
        flags: &[PRUNE],
        ..verb(Action::PruneContainers, "", "Remove all stopped containers")
    },
    Verb {
        top: None,
        group: Some(("image", &["prune"])),
        usage: "[OPTIONS]",
        flags: &[&[Flag::switch("all", "Remove all that no container uses").short('a')], PRUNE],
        ..verb(Action::PruneImages, "", "Remove images without a name, or all unused ones")
    },
    Verb {
        top: None,
        group: Some(("system", &["prune"])),
        usage: "[OPTIONS]",
        flags: &[
            &[Flag::switch("all", "Remove all images that no container uses").short('a')],
            PRUNE,
            &[Flag::switch("volumes", "Remove anonymous volumes, too")],
        ],
        ..verb(Action::PruneSystem, "", "Remove everything that nobody uses")
    },
    Verb {
        top: None,
        group: Some(("system", &["df"])),
        usage: "[OPTIONS]",
        flags: &[&[
            TABLE_FORMAT,
            Flag::switch("verbose", "Show each image, container and volume").short('v'),
        ]],
        ..verb(Action::DiskUsage, "", "Show how much room everything takes")
    },
    Verb {
        group: Some(("container", &["rename"])),
        usage: "CONTAINER NEW_NAME",
        args: Args::Exactly(2),
        ..verb(Action::Rename, "rename", "Give a container another name")
    },
    Verb {
        group: Some(("container", &["restart"])),
        usage: "[OPTIONS] CONTAINER [CONTAINER...]",
        args: Args::AtLeast(0),
        flags: &[STOP, HIDDEN_DIRECTORIES],
        ..verb(Action::Restart, "restart", "Restart containers; with no argument, the engine")
    },
    Verb {
        group: Some(("container", &["rm", "remove"])),
        usage: "[OPTIONS] CONTAINER [CONTAINER...]",
        args: Args::AtLeast(1),
        flags: &[&[
            Flag::switch("force", "Kill it first if it runs").short('f'),
            Flag::switch("link", "Remove the link").short('l'),
            Flag::switch("volumes", "Remove its anonymous volumes").short('v'),
        ]],
        ..verb(Action::Rm, "rm", "Remove containers")
    },
    image::RMI,
    image::SAVE,
    Verb {
        group: Some(("container", &["start"])),
        usage: "[OPTIONS] CONTAINER [CONTAINER...]",
        args: Args::AtLeast(1),
        flags: &[&[
            Flag::switch("attach", "Show its output and pass signals on").short('a'),
            Flag::text("checkpoint", "Checkpoint to continue from"),
            Flag::text("checkpoint-dir", "Directory of checkpoints"),
            DETACH_KEYS,
            Flag::switch("interactive", "Attach standard input").short('i'),
        ]],
        ..verb(Action::Start, "start", "Start containers that are stopped")
    },
    Verb {
        group: Some(("container", &["stats"])),
        usage: "[OPTIONS] [CONTAINER...]",
        args: Args::AtLeast(0),
        flags: &[&[
            Flag::switch("all", "Show stopped containers too").short('a'),
            TABLE_FORMAT,
            Flag::duration("interval", "Time between two readings, 100ms or more").default("1s"),
            Flag::switch("no-stream", "Show them once"),
            NO_TRUNC,
        ]],
        ..verb(Action::Stats, "stats", "Show what containers use, live")
    },
    Verb {
        group: Some(("container", &["stop"])),
        usage: "[OPTIONS] CONTAINER [CONTAINER...]",
        args: Args::AtLeast(1),
        flags: &[STOP],
        ..verb(Action::Stop, "stop", "Stop running containers")
    },
    image::TAG,
    Verb {
        group: Some(("container", &["top"])),
        usage: "CONTAINER [ps OPTIONS]",
        args: Args::AtLeast(1),
        interspersed: false,
        ..verb(Action::Top, "top", "Show the processes of a container")
    },
    Verb {
        group: Some(("container", &["unpause"])),
        usage: MANY,
        args: Args::AtLeast(1),
        ..verb(Action::Unpause, "unpause", "Let paused containers go on")
    },
    Verb {
        group: Some(("container", &["update"])),
        usage: "[OPTIONS] CONTAINER [CONTAINER...]",
        args: Args::AtLeast(1),
        flags: &[UPDATE],
        ..verb(Action::Update, "update", "Change limits and restart policies of containers")
    },
    Verb {
        group: Some(("container", &["wait"])),
        usage: MANY,
        args: Args::AtLeast(1),
        ..verb(Action::Wait, "wait", "Wait until containers stop and print their exit codes")
    },
    Verb {
        top: None,
        group: Some(("system", &["dial-stdio"])),
        section: Section::Hidden,
        ..verb(Action::DialStdio, "", "Connect standard input and output to the engine")
    },
    Verb {
        usage: "DIRECTORY",
        args: Args::Exactly(1),
        section: Section::Hidden,
        ..verb(Action::Man, "__man", "Write the manual pages into a directory")
    },
];

/// Groups of verbs: name and what it is about.
pub const GROUPS: &[(&str, &str)] = &[
    ("container", "Manage containers"),
    ("image", "Manage images"),
    ("system", "Manage the engine"),
];

/// The verb called `name` directly behind `wharf`.
pub fn by_name(name: &str) -> Option<&'static Verb> {
    VERBS.iter().find(|verb| verb.top == Some(name))
}

/// The verb called `name` in a group.
pub fn in_group(group: &str, name: &str) -> Option<&'static Verb> {
    VERBS
        .iter()
        .find(|verb| verb.group.is_some_and(|(of, names)| of == group && names.contains(&name)))
}
