//! The command line as one table: every verb and every flag, once.
//!
//! From [`verbs::VERBS`] come parsing ([`parse`]), `--help` ([`help`]), man pages ([`man`]),
//! shell completion ([`complete`]) and the tests that walk it. Names, kinds, order of errors and
//! their words are those of the Docker CLI 28 and of the Go flag library below it, because people
//! and scripts read them.

pub mod check;
pub mod complete;
pub mod create;
pub mod help;
mod image;
pub mod man;
pub mod number;
pub mod parse;
mod registry;
pub mod sets;
pub mod verbs;
pub mod wrap;

#[cfg(test)]
mod oracle;
#[cfg(test)]
mod tests;

/// What a verb does; the dispatcher matches on it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Action {
    /// `attach`
    Attach,
    /// `audit`
    Audit,
    /// `commit`
    Commit,
    /// `completion`
    Completion,
    /// `cp`
    Cp,
    /// `create`
    Create,
    /// `diff`
    Diff,
    /// `down`
    Down,
    /// `engine`
    Engine,
    /// `system dial-stdio`
    DialStdio,
    /// `system df`
    DiskUsage,
    /// `events`
    Events,
    /// `exec`
    Exec,
    /// `export`
    Export,
    /// `history`
    History,
    /// `images`
    Images,
    /// `import`
    Import,
    /// `info`
    Info,
    /// `inspect`, of any object
    Inspect,
    /// `container inspect`
    InspectContainer,
    /// `image inspect`
    InspectImage,
    /// `kill`
    Kill,
    /// `load`
    Load,
    /// `login`
    Login,
    /// `logout`
    Logout,
    /// `logs`
    Logs,
    /// `__man`
    Man,
    /// `pause`
    Pause,
    /// `port`
    Port,
    /// `container prune`
    PruneContainers,
    /// `image prune`
    PruneImages,
    /// `system prune`
    PruneSystem,
    /// `ps`
    Ps,
    /// `pull`
    Pull,
    /// `push`
    Push,
    /// `rename`
    Rename,
    /// `restart`: of containers, or without arguments of the engine
    Restart,
    /// `rm`
    Rm,
    /// `rmi`
    Rmi,
    /// `run`
    Run,
    /// `save`
    Save,
    /// `search`
    Search,
    /// `start`
    Start,
    /// `stats`
    Stats,
    /// `status`
    Status,
    /// `stop`
    Stop,
    /// `tag`
    Tag,
    /// `top`
    Top,
    /// `unpause`
    Unpause,
    /// `up`
    Up,
    /// `update`
    Update,
    /// `version`
    Version,
    /// `wait`
    Wait,
}

/// One verb.
#[derive(Debug)]
pub struct Verb {
    /// What it does.
    pub action: Action,
    /// Its name directly behind `wharf`.
    pub top: Option<&'static str>,
    /// The group it belongs to, and its names there, the main one first: `("container", ["ls",
    /// "list", "ps"])`.
    pub group: Option<(&'static str, &'static [&'static str])>,
    /// What follows the name in the usage line: `[OPTIONS] IMAGE [COMMAND] [ARG...]`.
    pub usage: &'static str,
    /// One line.
    pub about: &'static str,
    /// How many arguments it takes.
    pub args: Args,
    /// Whether flags may stand behind the first argument.
    pub interspersed: bool,
    /// Its flags, in lists that verbs share.
    pub flags: &'static [&'static [Flag]],
    /// Where `wharf --help` lists it.
    pub section: Section,
}

/// Where `wharf --help` lists a verb.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Section {
    /// Used every day.
    Common,
    /// The engine's own life.
    Engine,
    /// The rest.
    Plain,
    /// Nowhere.
    Hidden,
}

/// How many arguments a verb takes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Args {
    /// Exactly so many.
    Exactly(usize),
    /// So many or more.
    AtLeast(usize),
    /// So many or fewer.
    AtMost(usize),
    /// From so many to so many.
    Between(usize, usize),
}

/// One flag.
#[derive(Debug)]
pub struct Flag {
    /// Name behind `--`.
    pub long: &'static str,
    /// Name behind `-`.
    pub short: Option<char>,
    /// What its value is.
    pub kind: Kind,
    /// Value when it is not given, as the user would write it; empty: the kind's zero.
    pub default: &'static str,
    /// What it does.
    pub help: &'static str,
    /// Whether `--help` leaves it out.
    pub hidden: bool,
    /// The flag that it is another, older name of.
    pub alias_of: Option<Alias>,
}

/// An older name of a flag.
#[derive(Clone, Copy, Debug)]
pub struct Alias {
    /// The flag meant.
    pub long: &'static str,
    /// Whether its use is answered by a notice.
    pub deprecated: bool,
}

/// What a flag's value is.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// `true` or `false`; alone it means `true`.
    Bool,
    /// Any text.
    Text,
    /// A whole number.
    Int,
    /// 0 to 65535.
    Uint16,
    /// A whole number, not negative.
    Uint64,
    /// A decimal number of CPUs; kept as billionths.
    Decimal,
    /// A size with unit (`64m`); kept as bytes.
    Bytes,
    /// A size with unit, or -1.
    BytesOrUnlimited,
    /// A duration (`1m30s`); kept as nanoseconds.
    Duration,
    /// May be given many times; the word stands in `--help`, the function accepts or refuses
    /// one value and may rewrite it.
    List(&'static str, fn(&str) -> Result<String, String>),
}

impl Flag {
    const fn new(long: &'static str, kind: Kind, help: &'static str) -> Flag {
        Flag { long, short: None, kind, default: "", help, hidden: false, alias_of: None }
    }

    /// A switch.
    pub const fn switch(long: &'static str, help: &'static str) -> Flag {
        Flag::new(long, Kind::Bool, help)
    }

    /// A text.
    pub const fn text(long: &'static str, help: &'static str) -> Flag {
        Flag::new(long, Kind::Text, help)
    }

    /// A whole number.
    pub const fn int(long: &'static str, help: &'static str) -> Flag {
        Flag::new(long, Kind::Int, help)
    }

    /// A size.
    pub const fn bytes(long: &'static str, help: &'static str) -> Flag {
        Flag::new(long, Kind::Bytes, help)
    }

    /// A duration.
    pub const fn duration(long: &'static str, help: &'static str) -> Flag {
        Flag { default: "0s", ..Flag::new(long, Kind::Duration, help) }
    }

    /// Any kind.
    pub const fn of(long: &'static str, kind: Kind, help: &'static str) -> Flag {
        Flag::new(long, kind, help)
    }

    /// A list of anything.
    pub const fn list(long: &'static str, help: &'static str) -> Flag {
        Flag::new(long, Kind::List("list", check::any), help)
    }

    /// A list whose values are checked.
    pub const fn checked(
        long: &'static str,
        check: fn(&str) -> Result<String, String>,
        help: &'static str,
    ) -> Flag {
        Flag::new(long, Kind::List("list", check), help)
    }

    /// Gives it a letter.
    pub const fn short(self, short: char) -> Flag {
        Flag { short: Some(short), ..self }
    }

    /// Gives it a default.
    pub const fn default(self, default: &'static str) -> Flag {
        Flag { default, ..self }
    }

    /// Leaves it out of `--help`.
    pub const fn hidden(self) -> Flag {
        Flag { hidden: true, ..self }
    }

    /// Makes it an older name of another flag.
    pub const fn alias(self, long: &'static str, deprecated: bool) -> Flag {
        Flag { hidden: true, alias_of: Some(Alias { long, deprecated }), ..self }
    }

    /// The word that stands for its value in `--help`; empty for a switch.
    pub fn word(&self) -> &'static str {
        match self.kind {
            Kind::Bool => "",
            Kind::Text => "string",
            Kind::Int => "int",
            Kind::Uint16 => "uint16",
            Kind::Uint64 => "uint",
            Kind::Decimal => "decimal",
            Kind::Bytes | Kind::BytesOrUnlimited => "bytes",
            Kind::Duration => "duration",
            Kind::List(word, _) => word,
        }
    }
}

impl Verb {
    /// Its flags that are not other flags' older names.
    pub fn flags(&self) -> impl Iterator<Item = &'static Flag> {
        self.flags.iter().flat_map(|list| list.iter())
    }

    /// Its path behind the program's name, for messages: `ps` or `container ls`.
    pub fn path(&self, in_group: bool) -> String {
        match (self.top, self.group) {
            (_, Some((group, names))) if in_group || self.top.is_none() => {
                format!("{group} {}", names[0])
            }
            (Some(top), _) => top.to_owned(),
            _ => String::new(),
        }
    }

    /// All ways to call it.
    pub fn names(&self) -> Vec<String> {
        let in_group = self
            .group
            .into_iter()
            .flat_map(|(group, names)| names.iter().map(move |name| format!("{group} {name}")));
        in_group.chain(self.top.map(str::to_owned)).collect()
    }
}
