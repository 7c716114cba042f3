use std::collections::BTreeMap;

use regex::bytes::{Regex, RegexBuilder};
use stdx::Kind;

use crate::format::Format;
use crate::size::go_size;
use crate::tag::{self, Subject};

/// Where a container's output goes.
#[derive(Clone, Debug)]
pub enum Driver {
    /// Local files: `json-file`, the default, and `local`.
    Files(FileOptions),
    /// Nowhere.
    None,
}

/// The options of the drivers `json-file` and `local`.
#[derive(Clone, Debug)]
pub struct FileOptions {
    /// How records look.
    pub format: Format,
    /// When a new file begins, and what becomes of the old ones.
    pub rotation: Rotation,
    /// What happens when the log cannot keep up.
    pub mode: Mode,
    /// What every record says of its container; `local` has no room for it.
    pub attributes: Attributes,
}

/// Which labels and environment variables become attributes of each record.
#[derive(Clone, Debug, Default)]
pub struct Attributes {
    labels: Vec<String>,
    labels_regex: Option<Regex>,
    env: Vec<String>,
    env_regex: Option<Regex>,
    /// A Go template whose result becomes the attribute `tag`.
    tag: Option<String>,
}

/// When a new log file begins, and what becomes of the old ones.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Rotation {
    /// A file that has reached this size gets no more records.
    pub file_bytes_max: u64,
    /// How many files there are at most, the current one included; at least 1.
    pub files_max: u32,
    /// Old files are compressed.
    pub compress: bool,
}

impl Rotation {
    /// Of a format, when the user says nothing: enough to look into, and nothing that fills a disk.
    /// For `local` it is Docker's.
    pub fn of(format: Format) -> Self {
        match format {
            Format::JsonFile => Self { file_bytes_max: 50 << 20, files_max: 3, compress: false },
            Format::Local => Self { file_bytes_max: 20 << 20, files_max: 5, compress: true },
        }
    }
}

impl FileOptions {
    /// The defaults of a format.
    pub fn of(format: Format) -> Self {
        let (mode, attributes) = (Mode::default(), Attributes::default());
        Self { format, rotation: Rotation::of(format), mode, attributes }
    }
}

/// What happens when the log cannot keep up.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Mode {
    /// The user did not say: the program waits for a slow disk; on a full one lines are dropped.
    #[default]
    Unsaid,
    /// `mode=blocking`: the program waits for a full disk too.
    Blocking,
    /// `mode=non-blocking`.
    NonBlocking {
        /// How much is kept for a slow log before lines are dropped.
        buffer_bytes_max: u64,
    },
}

/// What is wrong with a log driver or its options, in Docker's words.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum DriverError {
    /// There is no such driver.
    #[error("error looking up logging plugin {0}: plugin \"{0}\" not found")]
    Unknown(String),
    /// The driver has no such option.
    #[error("unknown log opt '{0}' for {1}")]
    UnknownOption(String, &'static str),
    /// Neither blocking nor non-blocking.
    #[error("logger: logging mode not supported: {0}")]
    Mode(String),
    /// A buffer for a log that is waited for.
    #[error("logger: max-buffer-size option is only supported with 'mode=non-blocking'")]
    BufferWithoutMode,
    /// Not a size.
    #[error("error parsing option max-buffer-size: {0}")]
    BufferSize(String),
    /// The value of an option: not a size, a number, a truth or an expression.
    #[error("{0}")]
    Value(String),
    /// No room for a single record.
    #[error("max-size must be a positive number")]
    SizeNotPositive,
    /// No file at all.
    #[error("max-file cannot be less than 1")]
    FileCountTooSmall,
    /// Nothing is ever rotated that could be compressed.
    #[error("{0}")]
    NothingToCompress(&'static str),
}

impl DriverError {
    /// What sort of failure this is.
    pub fn kind(&self) -> Kind {
        Kind::Invalid
    }
}

impl Driver {
    /// From a driver's name, empty for the default, and the `--log-opt` pairs.
    ///
    /// # Errors
    /// What Docker says about the same.
    pub fn parse(name: &str, options: &BTreeMap<String, String>) -> Result<Self, DriverError> {
        match name {
            "" | "json-file" => json_file(options).map(Self::Files),
            "local" => local(options).map(Self::Files),
            // Docker does not look at the options of this one.
            "none" => Ok(Self::None),
            other => Err(DriverError::Unknown(other.to_owned())),
        }
    }

    /// How the driver of this name writes; `None`: it does not, or there is no such driver.
    pub fn format_of(name: &str) -> Option<Format> {
        match name {
            "" | "json-file" => Some(Format::JsonFile),
            "local" => Some(Format::Local),
            _ => None,
        }
    }

    /// The driver's name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Files(options) => match options.format {
                Format::JsonFile => "json-file",
                Format::Local => "local",
            },
            Self::None => "none",
        }
    }
}

fn json_file(options: &BTreeMap<String, String>) -> Result<FileOptions, DriverError> {
    const COMPRESS: DriverError = DriverError::NothingToCompress(
        "compress cannot be true when max-file is less than 2 or max-size is not set",
    );
    let mut parsed =
        FileOptions { mode: parse_mode(options)?, ..FileOptions::of(Format::JsonFile) };
    let Attributes { labels, labels_regex, env, env_regex, tag } = &mut parsed.attributes;
    let (mut size, mut count) = (None, None);
    for (key, value) in options {
        match key.as_str() {
            "mode" | "max-buffer-size" => {}
            "max-size" => match go_size(value, 1000).map_err(DriverError::Value)? {
                0 => return Err(DriverError::SizeNotPositive),
                bytes => size = Some(bytes),
            },
            "max-file" => match parse_count(value).map_err(DriverError::Value)? {
                ..1 => return Err(DriverError::FileCountTooSmall),
                files => count = Some(u32::try_from(files).unwrap_or(u32::MAX)),
            },
            "compress" => {
                parsed.rotation.compress = parse_bool(value).map_err(DriverError::Value)?;
            }
            "labels" => *labels = parse_list(value),
            "env" => *env = parse_list(value),
            "labels-regex" => *labels_regex = parse_regex(value)?,
            "env-regex" => *env_regex = parse_regex(value)?,
            "tag" => *tag = Some(value.clone()).filter(|tag| !tag.is_empty()),
            other => {
                return Err(DriverError::UnknownOption(other.to_owned(), "json-file log driver"));
            }
        }
    }
    if parsed.rotation.compress && (size.is_none() || count.is_none_or(|count| count < 2)) {
        return Err(COMPRESS);
    }
    // What cannot be executed on any container is found now.
    parsed.attributes.choose(&Subject::default())?;
    // Who says a size and no number means, with Docker, one file.
    let one = size.map(|_| 1);
    parsed.rotation.file_bytes_max = size.unwrap_or(parsed.rotation.file_bytes_max);
    parsed.rotation.files_max = count.or(one).unwrap_or(parsed.rotation.files_max);
    Ok(parsed)
}

fn local(options: &BTreeMap<String, String>) -> Result<FileOptions, DriverError> {
    let mut parsed = FileOptions { mode: parse_mode(options)?, ..FileOptions::of(Format::Local) };
    let rotation = &mut parsed.rotation;
    let invalid = |key: &str, value: &str, why: String| {
        DriverError::Value(format!("invalid value for {key}: {value}: {why}"))
    };
    for (key, value) in options {
        match key.as_str() {
            "mode" | "max-buffer-size" => {}
            "max-size" => {
                let bytes = go_size(value, 1000).map_err(|why| invalid(key, value, why))?;
                // Docker takes 0 as well; a file that never gets a record is of no use.
                rotation.file_bytes_max = if bytes == 0 { rotation.file_bytes_max } else { bytes };
            }
            "max-file" => {
                let files = parse_count(value).map_err(|why| invalid(key, value, why))?;
                if files < 0 {
                    let text = "max file count cannot be less than 0";
                    return Err(DriverError::Value(text.to_owned()));
                }
                rotation.files_max = u32::try_from(files).unwrap_or(u32::MAX);
            }
            "compress" => {
                let wrong =
                    |why| DriverError::Value(format!("error reading compress log option: {why}"));
                rotation.compress = parse_bool(value).map_err(wrong)?;
            }
            other => {
                return Err(DriverError::UnknownOption(other.to_owned(), "log driver local"));
            }
        }
    }
    if rotation.compress && rotation.files_max < 2 {
        let text = "compression cannot be enabled when max file count is 1";
        return Err(DriverError::NothingToCompress(text));
    }
    rotation.files_max = rotation.files_max.max(1);
    Ok(parsed)
}

impl Attributes {
    /// A container's chosen labels, its chosen variables, and the tag, if one is wished.
    ///
    /// # Errors
    /// [`DriverError::Value`]: the tag's template cannot be executed.
    pub fn choose(&self, subject: &Subject) -> Result<BTreeMap<String, String>, DriverError> {
        let wished = |name: &str, names: &[String], regex: &Option<Regex>| {
            names.iter().any(|wished| wished == name)
                || regex.as_ref().is_some_and(|regex| regex.is_match(name.as_bytes()))
        };
        let labels = subject.labels.iter();
        let labels = labels.filter(|(name, _)| wished(name, &self.labels, &self.labels_regex));
        let env = subject.env.iter().filter_map(|pair| pair.split_once('='));
        let env = env.filter(|(name, _)| wished(name, &self.env, &self.env_regex));
        let mut chosen: BTreeMap<String, String> =
            labels.map(|(name, value)| (name.clone(), value.clone())).collect();
        chosen.extend(env.map(|(name, value)| (name.to_owned(), value.to_owned())));
        if let Some(template) = &self.tag {
            chosen.insert("tag".to_owned(), tag::render(template, subject)?);
        }
        Ok(chosen)
    }
}

fn parse_mode(options: &BTreeMap<String, String>) -> Result<Mode, DriverError> {
    // Docker's default for non-blocking logs.
    const BUFFER_BYTES: u64 = 1_000_000;
    let buffer = options.get("max-buffer-size");
    match (options.get("mode").map_or("", String::as_str), buffer) {
        ("non-blocking", None) => Ok(Mode::NonBlocking { buffer_bytes_max: BUFFER_BYTES }),
        ("non-blocking", Some(text)) => go_size(text, 1024)
            .map(|buffer_bytes_max| Mode::NonBlocking { buffer_bytes_max })
            .map_err(DriverError::BufferSize),
        ("" | "blocking", Some(_)) => Err(DriverError::BufferWithoutMode),
        ("", None) => Ok(Mode::Unsaid),
        ("blocking", None) => Ok(Mode::Blocking),
        (other, _) => Err(DriverError::Mode(other.to_owned())),
    }
}

fn parse_count(text: &str) -> Result<i64, String> {
    text.parse().map_err(|_| format!("strconv.Atoi: parsing \"{text}\": invalid syntax"))
}

fn parse_list(text: &str) -> Vec<String> {
    text.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// As Go's `strconv.ParseBool`.
fn parse_bool(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err(format!("strconv.ParseBool: parsing \"{text}\": invalid syntax")),
    }
}

/// An expression of Go's `regexp`, whose classes are those of ASCII. Empty is none.
fn parse_regex(text: &str) -> Result<Option<Regex>, DriverError> {
    /// What an expression may become: names are short, and a container has many options.
    const COMPILED_BYTES_MAX: usize = 256 << 10;
    if text.is_empty() {
        return Ok(None);
    }
    let mut builder = RegexBuilder::new(text);
    let parsed = builder.unicode(false).size_limit(COMPILED_BYTES_MAX).build();
    parsed.map(Some).map_err(|error| DriverError::Value(regex_error(text, &error.to_string())))
}

/// Go's words for what is wrong with an expression, where they can be told from ours.
fn regex_error(text: &str, ours: &str) -> String {
    let known = [
        ("unclosed group", "missing closing )"),
        ("unopened group", "unexpected )"),
        ("unclosed character class", "missing closing ]"),
        ("repetition operator missing expression", "missing argument to repetition operator"),
        ("unrecognized escape", "invalid escape sequence"),
        ("look-around", "invalid or unsupported Perl syntax"),
        ("backreferences", "invalid escape sequence"),
        ("size limit", "expression too large"),
    ];
    let known = known.into_iter().find(|(word, _)| ours.contains(word));
    let what = known.map_or("invalid expression", |(_, words)| words);
    format!("error parsing regexp: {what}: `{text}`")
}

#[cfg(test)]
mod tests;
