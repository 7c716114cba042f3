//! What answers say besides their bodies: refusals, where to go on, which bytes they hold.

use std::time::{Duration, SystemTime};

use hyper::header::{CONTENT_RANGE, HeaderMap, LINK, RETRY_AFTER};
use serde::Deserialize;

use crate::auth;
use crate::error::{ErrorCode, RegistryError};
use crate::transport::Answer;

/// Largest body of a refusal that is read.
pub const ERROR_BYTES_MAX: u64 = 64 << 10;
/// Docker's words where a registry has none.
const UNAUTHORIZED: &str = "authentication required";
const DENIED: &str = "requested access to the resource is denied";
/// Longest text of a registry that is shown.
const MESSAGE_CHARS_MAX: usize = 2000;
/// No wait that a server wishes is longer.
const RETRY_AFTER_MAX_S: u64 = 300;

#[derive(Deserialize)]
struct ErrorBody {
    #[serde(default)]
    errors: Vec<ErrorEntry>,
    /// Token servers and proxies.
    #[serde(default)]
    details: Option<String>,
    #[serde(default)]
    message: Option<String>,
}

#[derive(Deserialize)]
struct ErrorEntry {
    #[serde(default)]
    code: Option<String>,
    #[serde(default)]
    message: Option<String>,
}

/// A refusal as an error, in the registry's own words if it has any.
pub async fn refusal(answer: Answer) -> RegistryError {
    let status = answer.status;
    let retry_after_s = retry_after(&answer.headers, SystemTime::now());
    if let Some((code, message)) = bearer_error(&answer.headers, status.as_u16()) {
        return RegistryError::Refused { status: status.as_u16(), code, message, retry_after_s };
    }
    let body = answer.bytes(ERROR_BYTES_MAX).await.unwrap_or_default();
    match parse_error(&body, status.as_u16()) {
        Some((code, message)) => {
            RegistryError::Refused { status: status.as_u16(), code, message, retry_after_s }
        }
        None => {
            let name = status.canonical_reason().unwrap_or_default();
            let status_line = format!("{} {name}", status.as_u16()).trim_end().to_owned();
            RegistryError::Status { status: status.as_u16(), status_line, retry_after_s }
        }
    }
}

/// What a challenge says about the token that was shown (RFC 6750, 3.1).
fn bearer_error(headers: &HeaderMap, status: u16) -> Option<(ErrorCode, String)> {
    let challenge = auth::choose(headers).filter(|_| status == 401)?;
    let (code, words) = match challenge.parameter("error")? {
        "invalid_token" => (ErrorCode::Unauthorized, UNAUTHORIZED),
        "insufficient_scope" => (ErrorCode::Denied, DENIED),
        _ => return None,
    };
    let words = challenge.parameter("error_description").unwrap_or(words);
    Some((code, printable(words)))
}

/// Code and words of a refusal's body; `None` when it has none.
pub fn parse_error(body: &[u8], status: u16) -> Option<(ErrorCode, String)> {
    let by_status = match status {
        401 => Some(ErrorCode::Unauthorized),
        403 => Some(ErrorCode::Denied),
        429 => Some(ErrorCode::TooManyRequests),
        _ => None,
    };
    let parsed: Option<ErrorBody> = oci::json::read_object(body, ERROR_BYTES_MAX as usize).ok();
    let Some(parsed) = parsed else {
        let words = match status {
            401 => UNAUTHORIZED,
            403 => DENIED,
            429 => "Too Many Requests",
            _ => return None,
        };
        return Some((by_status?, words.to_owned()));
    };
    if let Some(entry) = parsed.errors.into_iter().next() {
        let code = entry.code.map(|code| ErrorCode::of(&code)).or(by_status);
        let code = code.unwrap_or(ErrorCode::Other("unknown".to_owned()));
        let message = entry.message.filter(|message| !message.is_empty());
        let message = message.unwrap_or_else(|| code.text().to_owned());
        return Some((code, printable(&message)));
    }
    let words = parsed.details.or(parsed.message).filter(|words| !words.is_empty());
    match (by_status, words) {
        (Some(code), Some(words)) => Some((code, printable(&words))),
        (Some(code), None) => Some((code, UNAUTHORIZED.to_owned())),
        (None, Some(words)) => Some((ErrorCode::Other(String::new()), printable(&words))),
        (None, None) => None,
    }
}

/// A stranger's words on our terminal: no control characters, not endless.
fn printable(text: &str) -> String {
    let is_shown = |c: &char| !c.is_control() || *c == '\n' || *c == '\t';
    text.chars().filter(is_shown).take(MESSAGE_CHARS_MAX).collect()
}

/// `Retry-After`: seconds, or a date.
pub fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<u64> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(seconds.min(RETRY_AFTER_MAX_S));
    }
    let at = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
    let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let left = at.as_second().saturating_sub_unsigned(now.as_secs());
    Some(u64::try_from(left).unwrap_or_default().min(RETRY_AFTER_MAX_S))
}

/// `Link: <...>; rel="next"` (RFC 8288): where the next page is.
pub fn next_page(headers: &HeaderMap) -> Option<&str> {
    let values = headers.get_all(LINK).iter().take(10).filter_map(|value| value.to_str().ok());
    values.filter_map(parse_link).next()
}

/// See [`next_page`].
pub fn parse_link(header: &str) -> Option<&str> {
    header.split(',').find_map(|link| {
        let (target, parameters) = link.trim().strip_prefix('<')?.split_once('>')?;
        let is_next = |parameter: &str| {
            let parameter: String = parameter.chars().filter(|c| !c.is_whitespace()).collect();
            parameter.eq_ignore_ascii_case("rel=\"next\"") || parameter == "rel=next"
        };
        parameters.split(';').any(is_next).then_some(target)
    })
}

/// `Content-Range: bytes FIRST-LAST/TOTAL`: first and last byte, and the total if it is said.
pub fn content_range(headers: &HeaderMap) -> Option<(u64, u64, Option<u64>)> {
    parse_content_range(headers.get(CONTENT_RANGE)?.to_str().ok()?)
}

/// See [`content_range`].
pub fn parse_content_range(text: &str) -> Option<(u64, u64, Option<u64>)> {
    let (range, total) = text.strip_prefix("bytes ")?.trim().split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let (first, last) = (number(first)?, number(last)?);
    let total = match total {
        "*" => None,
        total => Some(number(total)?),
    };
    let is_sound = first <= last && total.is_none_or(|total| last < total);
    is_sound.then_some((first, last, total))
}

/// Digits only: no sign, no blanks.
fn number(text: &str) -> Option<u64> {
    let is_plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_plain.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests;
