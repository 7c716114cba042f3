//! Words to flags, by tables.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use super::error::CliError;

/// One flag of a verb.
#[derive(Debug)]
pub(super) struct Flag {
    name: &'static str,
    /// A space when there is none.
    short: char,
    takes_value: bool,
    about: &'static str,
}

impl Flag {
    pub(super) const fn value(name: &'static str, short: char, about: &'static str) -> Flag {
        Flag { name, short, takes_value: true, about }
    }

    pub(super) const fn switch(name: &'static str, short: char, about: &'static str) -> Flag {
        Flag { name, short, takes_value: false, about }
    }

    /// A line of help.
    pub(super) fn help(&self) -> String {
        let short = if self.short == ' ' { "  ".to_owned() } else { format!("-{}", self.short) };
        let value = if self.takes_value { " VALUE" } else { "" };
        let long = format!("{}{value}", self.name);
        format!("  {short} --{long:<28}{}\n", self.about)
    }
}

/// Where flags may stand.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Order {
    /// Before the first word that is none: the rest belongs to another program.
    FlagsFirst,
    /// Before the second such word.
    AfterId,
    /// Anywhere.
    Anywhere,
}

/// Flags and other words of a call.
#[derive(Debug, Default)]
pub(super) struct Parsed {
    flags: Vec<(&'static str, OsString)>,
    pub(super) words: Vec<OsString>,
}

impl std::fmt::Display for Parsed {
    /// As given, but for values of flags, which may be secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.flags.iter().try_for_each(|(name, _)| write!(f, "--{name} "))?;
        match self.words.first() {
            Some(word) => write!(f, "{}", word.display()),
            None => Ok(()),
        }
    }
}

/// Sorts `args` by the table. One dash or two before a name are the same, as in runc.
pub(super) fn parse(
    table: &'static [Flag],
    args: &[OsString],
    order: Order,
) -> Result<Parsed, CliError> {
    let mut parsed = Parsed::default();
    let mut args = args.iter();
    while let Some(word) = args.next() {
        let bytes = word.as_bytes();
        if bytes == b"--" {
            parsed.words.extend(args.cloned());
            break;
        }
        if bytes.len() < 2 || bytes[0] != b'-' {
            parsed.words.push(word.clone());
            let ends = match order {
                Order::FlagsFirst => 1,
                Order::AfterId => 2,
                Order::Anywhere => usize::MAX,
            };
            if parsed.words.len() >= ends {
                parsed.words.extend(args.cloned());
                break;
            }
            continue;
        }
        let name = bytes.strip_prefix(b"--").unwrap_or(&bytes[1..]);
        let (name, given) = match name.iter().position(|byte| *byte == b'=') {
            Some(at) => (&name[..at], Some(OsString::from_vec(name[at + 1..].to_vec()))),
            None => (name, None),
        };
        let flag = find(table, name).ok_or_else(|| {
            CliError::usage(format!("flag provided but not defined: {}", word.display()))
        })?;
        let value = match (flag.takes_value, given) {
            (true, Some(value)) => value,
            (true, None) => args.next().cloned().ok_or_else(|| {
                CliError::usage(format!("flag needs an argument: --{}", flag.name))
            })?,
            (false, Some(value)) if value == "false" => continue,
            (false, _) => OsString::new(),
        };
        parsed.flags.push((flag.name, value));
    }
    Ok(parsed)
}

fn find(table: &'static [Flag], name: &[u8]) -> Option<&'static Flag> {
    let short = match name {
        [letter] => Some(char::from(*letter)).filter(|letter| *letter != ' '),
        _ => None,
    };
    table.iter().find(|flag| flag.name.as_bytes() == name || short == Some(flag.short))
}

impl Parsed {
    pub(super) fn is_set(&self, name: &str) -> bool {
        self.flags.iter().any(|(flag, _)| *flag == name)
    }

    /// The last value given.
    pub(super) fn value(&self, name: &str) -> Option<&OsStr> {
        self.all(name).last()
    }

    /// All values given, in order.
    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = &OsStr> {
        self.flags.iter().filter(move |(flag, _)| *flag == name).map(|(_, value)| value.as_os_str())
    }

    /// The last value given, unless it is empty.
    pub(super) fn path(&self, name: &str) -> Option<PathBuf> {
        self.value(name).filter(|value| !value.is_empty()).map(PathBuf::from)
    }

    /// The last value given, as text.
    pub(super) fn text(&self, name: &str) -> Result<Option<&str>, CliError> {
        self.value(name).map(text).transpose()
    }

    /// The last value given, as a number.
    pub(super) fn number(&self, name: &str) -> Result<Option<u32>, CliError> {
        let Some(value) = self.text(name)? else { return Ok(None) };
        value
            .parse()
            .map(Some)
            .map_err(|_| CliError::usage(format!("invalid value {value:?} for flag --{name}")))
    }

    /// The only word.
    pub(super) fn only_word(&self) -> Result<&OsStr, CliError> {
        match self.words.as_slice() {
            [word] => Ok(word),
            words => Err(CliError::usage(format!(
                "exactly 1 argument is required: the container's id; there are {}",
                words.len()
            ))),
        }
    }
}

/// A word that must be text.
pub(super) fn text(word: &OsStr) -> Result<&str, CliError> {
    word.to_str().ok_or_else(|| CliError::usage(format!("{word:?} is not UTF-8")))
}
