use std::collections::BTreeMap;

use stdx::Kind;

/// Where a container's output goes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Driver {
    /// A local file in Docker's format: the default.
    JsonFile(JsonFileOptions),
    /// Nowhere.
    None,
}

/// The options of the `json-file` driver.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct JsonFileOptions {
    /// When a new file begins, and how many are kept.
    pub rotation: Rotation,
    /// What happens when the log cannot keep up.
    pub mode: Mode,
    /// Which labels become attributes of each record.
    pub labels: Vec<String>,
    /// Which environment variables do.
    pub env: Vec<String>,
    /// A Go template whose result becomes the attribute `tag`.
    pub tag: Option<String>,
}

/// When a new log file begins, and how many are kept.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Rotation {
    /// A file that has reached this size gets no more records.
    pub file_bytes_max: u64,
    /// How many files there are at most, the current one included; at least 1.
    pub files_max: u32,
}

impl Default for Rotation {
    /// Enough to look into, and nothing that fills a disk.
    fn default() -> Self {
        Self { file_bytes_max: 50 << 20, files_max: 3 }
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
    #[error("unknown log opt '{0}' for json-file log driver")]
    UnknownOption(String),
    /// Docker has the option, Wharf does not.
    #[error("log opt '{0}' is not supported for json-file log driver")]
    Unsupported(&'static str),
    /// Neither blocking nor non-blocking.
    #[error("logger: logging mode not supported: {0}")]
    Mode(String),
    /// A buffer for a log that is waited for.
    #[error("logger: max-buffer-size option is only supported with 'mode=non-blocking'")]
    BufferWithoutMode,
    /// Not a size.
    #[error("error parsing option max-buffer-size: {0}")]
    BufferSize(String),
    /// Not a size.
    #[error("{0}")]
    Size(String),
    /// No room for a single record.
    #[error("max-size must be a positive number")]
    SizeNotPositive,
    /// Not a number.
    #[error("strconv.Atoi: parsing \"{0}\": invalid syntax")]
    FileCount(String),
    /// No file at all.
    #[error("max-file cannot be less than 1")]
    FileCountTooSmall,
}

impl DriverError {
    /// What sort of failure this is.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Unsupported(_) => Kind::Unsupported,
            _ => Kind::Invalid,
        }
    }
}

impl Driver {
    /// From a driver's name, empty for the default, and the `--log-opt` pairs.
    ///
    /// # Errors
    /// What Docker says about the same.
    pub fn parse(name: &str, options: &BTreeMap<String, String>) -> Result<Self, DriverError> {
        match name {
            "" | "json-file" => JsonFileOptions::parse(options).map(Self::JsonFile),
            // Docker does not look at the options of this one.
            "none" => Ok(Self::None),
            other => Err(DriverError::Unknown(other.to_owned())),
        }
    }

    /// The driver's name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::JsonFile(_) => "json-file",
            Self::None => "none",
        }
    }
}

impl JsonFileOptions {
    fn parse(options: &BTreeMap<String, String>) -> Result<Self, DriverError> {
        let mut parsed = Self { mode: parse_mode(options)?, ..Self::default() };
        let (mut size, mut count) = (None, None);
        for (key, value) in options {
            match key.as_str() {
                "mode" | "max-buffer-size" => {}
                "max-size" => size = Some(parse_size(value)?),
                "max-file" => count = Some(parse_count(value)?),
                "labels" => parsed.labels = parse_list(value),
                "env" => parsed.env = parse_list(value),
                "tag" => parsed.tag = Some(value.clone()).filter(|tag| !tag.is_empty()),
                "compress" if is_false(value) => {}
                "compress" => return Err(DriverError::Unsupported("compress")),
                "labels-regex" => return Err(DriverError::Unsupported("labels-regex")),
                "env-regex" => return Err(DriverError::Unsupported("env-regex")),
                other => return Err(DriverError::UnknownOption(other.to_owned())),
            }
        }
        let default = Rotation::default();
        parsed.rotation = Rotation {
            file_bytes_max: size.unwrap_or(default.file_bytes_max),
            // Who says a size and no number means, with Docker, one file.
            files_max: count.unwrap_or(if size.is_some() { 1 } else { default.files_max }),
        };
        Ok(parsed)
    }

    /// The attributes of a container's records: its chosen labels, its chosen variables (given as
    /// `NAME=value`), and the tag, if the template was given and is `rendered`.
    pub fn attributes(
        &self,
        labels: &BTreeMap<String, String>,
        env: &[String],
        rendered: Option<String>,
    ) -> BTreeMap<String, String> {
        let chosen_labels =
            self.labels.iter().filter_map(|name| Some((name.clone(), labels.get(name)?.clone())));
        let chosen_env = env.iter().filter_map(|pair| {
            let (name, value) = pair.split_once('=')?;
            self.env.iter().any(|wished| wished == name).then(|| (name.into(), value.into()))
        });
        let tag = rendered.map(|tag| ("tag".to_owned(), tag));
        chosen_labels.chain(chosen_env).chain(tag).collect()
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

fn parse_size(text: &str) -> Result<u64, DriverError> {
    match go_size(text, 1000).map_err(DriverError::Size)? {
        0 => Err(DriverError::SizeNotPositive),
        bytes => Ok(bytes),
    }
}

fn parse_count(text: &str) -> Result<u32, DriverError> {
    let count: i64 = text.parse().map_err(|_| DriverError::FileCount(text.to_owned()))?;
    match u32::try_from(count.min(u32::MAX.into())) {
        Ok(count) if count > 0 => Ok(count),
        _ => Err(DriverError::FileCountTooSmall),
    }
}

fn parse_list(text: &str) -> Vec<String> {
    text.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

fn is_false(text: &str) -> bool {
    ["", "0", "f", "F", "false", "FALSE", "False"].contains(&text)
}

/// A size by the rules of Docker's `go-units`, in powers of `base`, or its words for what is wrong.
fn go_size(text: &str, base: u64) -> Result<u64, String> {
    let invalid_size = || format!("invalid size: '{text}'");
    let split = text.rfind(|c: char| c.is_ascii_digit() || c == '.' || c == ' ');
    let (number, suffix) = text.split_at(split.ok_or_else(invalid_size)? + 1);
    let number: f64 = number
        .strip_suffix(' ')
        .unwrap_or(number)
        .parse()
        .map_err(|_| format!("strconv.ParseFloat: parsing \"{number}\": invalid syntax"))?;
    if number < 0.0 || !number.is_finite() {
        return Err(invalid_size());
    }
    let suffix = suffix.to_ascii_lowercase();
    let power = match suffix.strip_suffix("ib").or(suffix.strip_suffix('b')).unwrap_or(&suffix) {
        "" if suffix != "ib" => 0,
        "k" => 1,
        "m" => 2,
        "g" => 3,
        "t" => 4,
        "p" => 5,
        _ => return Err(format!("invalid suffix: '{suffix}'")),
    };
    Ok((number * (base as f64).powi(power)) as u64)
}

#[cfg(test)]
mod tests;
