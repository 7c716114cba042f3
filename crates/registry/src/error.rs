//! What can go wrong between a client and a registry. Texts that users of Docker know are Docker's.

use std::error::Error;
use std::fmt::Display;
use std::io;

use oci::{DigestError, ManifestError};
use stdx::Kind;
use tokio_rustls::rustls;

/// Why a registry refused, as it says itself.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ErrorCode {
    /// Nobody may do that without saying who they are.
    Unauthorized,
    /// This account may not do that.
    Denied,
    /// There is no such manifest.
    ManifestUnknown,
    /// There is no such repository.
    NameUnknown,
    /// There is no such blob.
    BlobUnknown,
    /// There is no such upload (any more).
    UploadUnknown,
    /// Too many requests.
    TooManyRequests,
    /// The registry cannot do that.
    Unsupported,
    /// Anything else, in lower case with blanks: `digest invalid`.
    Other(String),
}

/// A call to a registry failed.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// No connection, or it broke.
    #[error("{method} \"{url}\": {cause}")]
    Transport {
        /// As Go prints it: `Get`, `Head`, `Post`.
        method: &'static str,
        /// What was asked for, without secrets.
        url: String,
        /// Why not, in one line.
        cause: String,
        /// Whether the registry was reached at all.
        is_connected: bool,
    },
    /// The registry refused, and said why.
    #[error("{}{message}", code.prefix())]
    Refused {
        /// HTTP status.
        status: u16,
        /// Its code.
        code: ErrorCode,
        /// Its words.
        message: String,
        /// When it may be asked again, in seconds.
        retry_after_s: Option<u64>,
    },
    /// It answered with a status that makes no sense there, and no words.
    #[error("received unexpected HTTP status: {status_line}")]
    Status {
        /// HTTP status.
        status: u16,
        /// With its name: `502 Bad Gateway`.
        status_line: String,
        /// When it may be asked again, in seconds.
        retry_after_s: Option<u64>,
    },
    /// We could not say who we are as the server wants it.
    #[error("{method} \"{url}\": {cause}")]
    Authorization {
        /// As Go prints it.
        method: &'static str,
        /// What was asked for, without secrets.
        url: String,
        /// Why not.
        cause: Box<RegistryError>,
    },
    /// The registry wants to know who asks, and nobody said.
    #[error("no basic auth credentials")]
    NoCredentials,
    /// An answer is not what the protocol says.
    #[error("failed to understand the answer of `{url}`: {reason}")]
    Answer {
        /// What was asked for, without secrets.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A login did not succeed.
    #[error("login attempt to {url} failed with status: {status_line}")]
    Login {
        /// What was asked for.
        url: String,
        /// HTTP status.
        status: u16,
        /// With its name.
        status_line: String,
    },
    /// A server cannot be searched.
    #[error("{reason}")]
    Endpoint {
        /// In Docker's words.
        reason: String,
    },
    /// Content is not what its digest says.
    #[error("{0}")]
    Digest(DigestError),
    /// A manifest that is none, or that two readers would understand differently.
    #[error("{0}")]
    Manifest(#[source] ManifestError),
    /// Schema 1, which nobody supports any more.
    #[error(
        "media type \"{media_type}\" is no longer supported since containerd v2.0, please rebuild \
         the image as \"application/vnd.docker.distribution.manifest.v2+json\" or \
         \"application/vnd.oci.image.manifest.v1+json\""
    )]
    Schema1 {
        /// Its media type.
        media_type: String,
    },
    /// A mirror, a proxy, a certificate or `hosts.toml` cannot be used.
    #[error("failed to use `{place}`: {reason}")]
    Configuration {
        /// File, URL or key.
        place: String,
        /// What is wrong.
        reason: String,
        /// Why, if another part found it.
        #[source]
        cause: Option<Box<dyn Error + Send + Sync>>,
    },
}

/// Most that is shown of a code that nobody knows.
const CODE_CHARS_MAX: usize = 100;

impl ErrorCode {
    /// From the `code` of an error body.
    pub fn of(code: &str) -> ErrorCode {
        match code {
            "UNAUTHORIZED" => ErrorCode::Unauthorized,
            "DENIED" => ErrorCode::Denied,
            "MANIFEST_UNKNOWN" => ErrorCode::ManifestUnknown,
            "NAME_UNKNOWN" => ErrorCode::NameUnknown,
            "BLOB_UNKNOWN" => ErrorCode::BlobUnknown,
            "BLOB_UPLOAD_UNKNOWN" => ErrorCode::UploadUnknown,
            "TOOMANYREQUESTS" => ErrorCode::TooManyRequests,
            "UNSUPPORTED" => ErrorCode::Unsupported,
            other => {
                let shown = other.chars().filter(|c| !c.is_control()).take(CODE_CHARS_MAX);
                let text: String = shown.collect();
                ErrorCode::Other(text.to_ascii_lowercase().replace('_', " "))
            }
        }
    }

    /// As Docker prints it.
    pub fn text(&self) -> &str {
        match self {
            ErrorCode::Unauthorized => "unauthorized",
            ErrorCode::Denied => "denied",
            ErrorCode::ManifestUnknown => "manifest unknown",
            ErrorCode::NameUnknown => "name unknown",
            ErrorCode::BlobUnknown => "blob unknown",
            ErrorCode::UploadUnknown => "blob upload unknown",
            ErrorCode::TooManyRequests => "toomanyrequests",
            ErrorCode::Unsupported => "unsupported",
            ErrorCode::Other(text) => text,
        }
    }

    fn prefix(&self) -> String {
        match self.text() {
            "" => String::new(),
            text => format!("{text}: "),
        }
    }
}

impl RegistryError {
    /// Something configured is wrong, and nothing else found it.
    pub(crate) fn configuration(place: impl Display, reason: impl Display) -> RegistryError {
        let (place, reason) = (place.to_string(), reason.to_string());
        RegistryError::Configuration { place, reason, cause: None }
    }

    /// An answer is larger than its kind may be.
    pub(crate) fn too_large(url: impl Display, bytes_max: u64) -> RegistryError {
        let reason = format!("it is larger than `{bytes_max}` bytes");
        RegistryError::Answer { url: url.to_string(), reason }
    }

    /// What sort of failure it is.
    pub fn kind(&self) -> Kind {
        match self {
            RegistryError::Transport { .. } => Kind::Unavailable,
            RegistryError::Refused { code, status, .. } => refusal_kind(code, *status),
            RegistryError::Status { status, .. } => status_kind(*status),
            RegistryError::Authorization { cause, .. } => cause.kind(),
            RegistryError::NoCredentials => Kind::Unauthenticated,
            RegistryError::Answer { .. } => Kind::Internal,
            RegistryError::Digest(error) => error.kind(),
            RegistryError::Manifest(error) => error.kind(),
            RegistryError::Login { status, .. } => status_kind(*status),
            RegistryError::Schema1 { .. } => Kind::Unsupported,
            RegistryError::Endpoint { .. } => Kind::Invalid,
            RegistryError::Configuration { .. } => Kind::Invalid,
        }
    }

    /// The registry's own code, if it said one.
    pub fn code(&self) -> Option<&ErrorCode> {
        match self {
            RegistryError::Refused { code, .. } => Some(code),
            RegistryError::Authorization { cause, .. } => cause.code(),
            _ => None,
        }
    }

    /// The status of the registry's answer, if it is the answer that is the failure.
    pub fn status(&self) -> Option<u16> {
        match self {
            RegistryError::Refused { status, .. } | RegistryError::Status { status, .. } => {
                Some(*status)
            }
            RegistryError::Authorization { cause, .. } => cause.status(),
            _ => None,
        }
    }

    /// Whether the same call may succeed later: the connection broke, or the server is busy.
    pub fn is_passing(&self) -> bool {
        match self {
            RegistryError::Transport { .. } => true,
            RegistryError::Authorization { cause, .. } => cause.is_passing(),
            _ => self.status().is_some_and(|status| matches!(status, 408 | 429 | 500..=599)),
        }
    }

    /// When the server wants to be asked again.
    pub fn retry_after_s(&self) -> Option<u64> {
        match self {
            RegistryError::Refused { retry_after_s, .. }
            | RegistryError::Status { retry_after_s, .. } => *retry_after_s,
            RegistryError::Authorization { cause, .. } => cause.retry_after_s(),
            _ => None,
        }
    }
}

fn refusal_kind(code: &ErrorCode, status: u16) -> Kind {
    match code {
        ErrorCode::Unauthorized => Kind::Unauthenticated,
        ErrorCode::Denied => Kind::Forbidden,
        ErrorCode::ManifestUnknown | ErrorCode::NameUnknown | ErrorCode::BlobUnknown => {
            Kind::NotFound
        }
        ErrorCode::TooManyRequests => Kind::Exhausted,
        ErrorCode::Unsupported => Kind::Unsupported,
        ErrorCode::UploadUnknown | ErrorCode::Other(_) => status_kind(status),
    }
}

fn status_kind(status: u16) -> Kind {
    match status {
        400 => Kind::Invalid,
        401 => Kind::Unauthenticated,
        403 => Kind::Forbidden,
        404 => Kind::NotFound,
        429 => Kind::Exhausted,
        500..=599 => Kind::Unavailable,
        _ => Kind::Internal,
    }
}

/// A system's error as Go prints it: lower case, without number.
pub(crate) fn io_text(cause: &io::Error) -> String {
    use io::ErrorKind;
    let text = match cause.kind() {
        ErrorKind::ConnectionRefused => "connection refused",
        ErrorKind::ConnectionReset => "connection reset by peer",
        ErrorKind::NetworkUnreachable => "network is unreachable",
        ErrorKind::HostUnreachable => "no route to host",
        ErrorKind::TimedOut => "i/o timeout",
        ErrorKind::BrokenPipe => "broken pipe",
        ErrorKind::UnexpectedEof => "unexpected EOF",
        _ => return inner_text(cause),
    };
    text.to_owned()
}

/// What a server says to our TLS, or whatever it is.
fn inner_text(cause: &io::Error) -> String {
    let inner = cause.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let Some(rustls::Error::AlertReceived(alert)) = inner else { return cause.to_string() };
    let mut text = "remote error: tls:".to_owned();
    for letter in format!("{alert:?}").chars() {
        match letter.is_uppercase() {
            true => text.extend([' ', letter.to_ascii_lowercase()]),
            false => text.push(letter),
        }
    }
    text
}

/// A method as Go prints it in errors.
pub(crate) fn go_method(method: &hyper::Method) -> &'static str {
    match method.as_str() {
        "GET" => "Get",
        "HEAD" => "Head",
        "POST" => "Post",
        "PUT" => "Put",
        "PATCH" => "Patch",
        "DELETE" => "Delete",
        _ => "Send",
    }
}
