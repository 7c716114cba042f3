//! From arguments to values, exactly as the Go flag library (`pflag`) that Docker's CLI uses.

use std::collections::BTreeMap;
use std::collections::VecDeque;

use super::number::{self, quote};
use super::{Args, Flag, Kind, Verb};

/// What a command line said.
#[derive(Debug)]
pub struct Parsed {
    /// The verb.
    pub verb: &'static Verb,
    /// How it was called: `ps`, `container ls`.
    pub path: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// Whether `--help` was given; nothing else counts then.
    pub help: bool,
    /// Notices about deprecated flags, for standard error.
    pub notices: Vec<String>,
    values: BTreeMap<&'static str, Value>,
}

/// A flag's value.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Value {
    Bool(bool),
    Int(i64),
    Text(String),
    List(Vec<String>),
}

impl Parsed {
    /// Whether the flag was given.
    pub fn is_set(&self, long: &str) -> bool {
        self.values.contains_key(long)
    }

    /// A switch.
    pub fn switch(&self, long: &str) -> bool {
        match self.values.get(long) {
            Some(Value::Bool(value)) => *value,
            _ => self.flag(long).is_some_and(|flag| flag.default == "true"),
        }
    }

    /// A text; the default when it was not given.
    pub fn text(&self, long: &str) -> &str {
        match self.values.get(long) {
            Some(Value::Text(value)) => value,
            _ => self.flag(long).map_or("", |flag| flag.default),
        }
    }

    /// A number: also bytes, nanoseconds and billionths.
    pub fn int(&self, long: &str) -> i64 {
        let default = || self.flag(long).and_then(|flag| flag.default.parse().ok());
        match self.values.get(long) {
            Some(Value::Int(value)) => *value,
            _ => default().unwrap_or(0),
        }
    }

    /// A list, in the order given.
    pub fn list(&self, long: &str) -> &[String] {
        match self.values.get(long) {
            Some(Value::List(values)) => values,
            _ => &[],
        }
    }

    fn flag(&self, long: &str) -> Option<&'static Flag> {
        self.verb.flags().find(|flag| flag.long == long)
    }
}

/// The usage error of a verb, as Docker prints it; exit code 125.
pub fn usage_error(verb: &Verb, path: &str, why: &str) -> String {
    let program = if path.is_empty() { "wharf".into() } else { format!("wharf {path}") };
    let line = format!("{program} {}", verb.usage);
    let line = line.trim_end();
    format!("{why}\n\nUsage:  {line}\n\nRun '{program} --help' for more information")
}

/// Reads the arguments behind a verb. `extra` are flags that every verb takes.
/// The error is what is wrong with one flag.
pub fn parse(
    verb: &'static Verb,
    path: String,
    extra: &'static [Flag],
    words: impl IntoIterator<Item = String>,
) -> Result<Parsed, String> {
    let mut parser = Parser { verb, extra, words: words.into_iter().collect() };
    let mut parsed = Parsed {
        verb,
        path,
        args: Vec::new(),
        help: false,
        notices: Vec::new(),
        values: BTreeMap::new(),
    };
    while let Some(word) = parser.words.pop_front() {
        if !word.starts_with('-') || word.len() == 1 {
            parsed.args.push(word);
            if !verb.interspersed {
                parsed.args.extend(parser.words.drain(..));
            }
        } else if word == "--" {
            parsed.args.extend(parser.words.drain(..));
        } else if word.starts_with("--") {
            parser.long(&word, &mut parsed)?;
        } else {
            parser.shorts(&word[1..], &mut parsed)?;
        }
        if parsed.help {
            break;
        }
    }
    Ok(parsed)
}

/// Docker's complaint about the number of arguments, if there is one.
pub fn check_args(parsed: &Parsed) -> Result<(), String> {
    let (count, path) = (parsed.args.len(), &parsed.path);
    let plural = |n: usize| if n == 1 { "argument" } else { "arguments" };
    let (ok, what, run) = match parsed.verb.args {
        Args::Exactly(0) => (count == 0, "accepts no arguments".to_owned(), "Run"),
        Args::Exactly(n) => (count == n, format!("requires {n} {}", plural(n)), "Run"),
        Args::AtLeast(n) => (count >= n, format!("requires at least {n} {}", plural(n)), "See"),
        Args::Between(low, high) => (
            (low..=high).contains(&count),
            format!("requires at least {low} and at most {high} {}", plural(high)),
            "Run",
        ),
        Args::AtMost(n) => (count <= n, format!("requires at most {n} {}", plural(n)), "Run"),
    };
    if ok {
        return Ok(());
    }
    let line = format!("{path} {}", parsed.verb.usage);
    let line = line.trim_end();
    Err(format!(
        "wharf: 'wharf {path}' {what}\n\nUsage:  wharf {line}\n\n\
         {run} 'wharf {path} --help' for more information"
    ))
}

struct Parser {
    verb: &'static Verb,
    extra: &'static [Flag],
    words: VecDeque<String>,
}

impl Parser {
    fn find(&self, matches: impl Fn(&Flag) -> bool) -> Option<&'static Flag> {
        self.verb.flags().chain(self.extra.iter()).find(|flag| matches(flag))
    }

    fn long(&mut self, word: &str, parsed: &mut Parsed) -> Result<(), String> {
        let body = &word[2..];
        if body.starts_with(['-', '=']) {
            return Err(format!("bad flag syntax: {word}"));
        }
        let (name, value) = match body.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (body, None),
        };
        let Some(flag) = self.find(|flag| flag.long == name) else {
            if name == "help" {
                parsed.help = true;
                return Ok(());
            }
            return Err(format!("unknown flag: --{name}"));
        };
        let value = match value {
            Some(value) => value,
            None if matches!(flag.kind, Kind::Bool) => "true".into(),
            None => {
                let next = self.words.pop_front();
                next.ok_or_else(|| format!("flag needs an argument: {word}"))?
            }
        };
        set(flag, &value, parsed)
    }

    fn shorts(&mut self, cluster: &str, parsed: &mut Parsed) -> Result<(), String> {
        let mut rest = cluster;
        while let Some(letter) = rest.chars().next() {
            let after = &rest[letter.len_utf8()..];
            let Some(flag) = self.find(|flag| flag.short == Some(letter)) else {
                if letter == 'h' {
                    let notice = "Flag shorthand -h has been deprecated, use --help";
                    parsed.notices.push(notice.into());
                    parsed.help = true;
                    return Ok(());
                }
                return Err(format!("unknown shorthand flag: '{letter}' in -{rest}"));
            };
            let assigned = after.strip_prefix('=').filter(|value| !value.is_empty());
            let (value, left) = match assigned {
                Some(value) => (value.to_owned(), ""),
                None if matches!(flag.kind, Kind::Bool) => ("true".into(), after),
                None if !after.is_empty() => (after.to_owned(), ""),
                None => match self.words.pop_front() {
                    Some(next) => (next, ""),
                    None => return Err(format!("flag needs an argument: '{letter}' in -{rest}")),
                },
            };
            set(flag, &value, parsed)?;
            rest = left;
        }
        Ok(())
    }
}

fn set(flag: &'static Flag, text: &str, parsed: &mut Parsed) -> Result<(), String> {
    let previous = match &flag.alias_of {
        Some(alias) => parsed.values.remove(alias.long),
        None => parsed.values.remove(flag.long),
    };
    let value = read(flag, text, previous).map_err(|why| {
        let name = match flag.short {
            Some(short) => format!("-{short}, --{}", flag.long),
            None => format!("--{}", flag.long),
        };
        format!("invalid argument {} for {} flag: {why}", quote(text), quote(&name))
    })?;
    let long = match &flag.alias_of {
        Some(alias) => {
            if alias.deprecated {
                let (old, new) = (flag.long, alias.long);
                let notice = format!("Flag --{old} has been deprecated, use --{new} instead");
                parsed.notices.push(notice);
            }
            alias.long
        }
        None => flag.long,
    };
    parsed.values.insert(long, value);
    Ok(())
}

fn read(flag: &Flag, text: &str, previous: Option<Value>) -> Result<Value, String> {
    Ok(match flag.kind {
        Kind::Bool => Value::Bool(number::parse_bool(text)?),
        Kind::Text => Value::Text(text.to_owned()),
        Kind::Int => Value::Int(number::parse_int(text)?),
        Kind::Uint16 => Value::Int(number::parse_uint(text, u16::MAX.into())? as i64),
        Kind::Uint64 => Value::Int(number::parse_uint(text, i64::MAX as u64)? as i64),
        Kind::Decimal => Value::Int(number::parse_nano(text)?),
        Kind::BytesOrUnlimited if text == "-1" => Value::Int(-1),
        Kind::Bytes | Kind::BytesOrUnlimited => Value::Int(number::parse_bytes(text)?),
        Kind::Duration => Value::Int(number::parse_duration(text)?),
        Kind::List(_, check) => {
            let mut list = match previous {
                Some(Value::List(list)) => list,
                _ => Vec::new(),
            };
            list.push(check(text)?);
            Value::List(list)
        }
    })
}
