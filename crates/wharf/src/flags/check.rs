//! Checks of single flag values, made while the command line is read, in Docker's words.

use std::net::IpAddr;

use super::number::quote;

/// Anything goes.
pub fn any(value: &str) -> Result<String, String> {
    Ok(value.to_owned())
}

/// `NAME=value`, or `NAME` for the value that our own environment has.
pub fn env(value: &str) -> Result<String, String> {
    match value.split_once('=') {
        Some(("", _)) => Err(format!("invalid environment variable: {value}")),
        Some(_) => Ok(value.to_owned()),
        None if value.is_empty() => Err("invalid environment variable: ".into()),
        None => Ok(match std::env::var(value) {
            Ok(found) => format!("{value}={found}"),
            Err(_) => value.to_owned(),
        }),
    }
}

/// `key` or `key=value`.
pub fn label(value: &str) -> Result<String, String> {
    let key = value.split('=').next().unwrap_or_default().trim_start();
    if key.is_empty() {
        return Err(format!("invalid label '{value}': empty name"));
    }
    if key.contains(char::is_whitespace) {
        return Err(format!("label '{key}' contains whitespaces"));
    }
    Ok(value.to_owned())
}

/// A standard stream.
pub fn stream(value: &str) -> Result<String, String> {
    let lower = value.to_ascii_lowercase();
    match lower.as_str() {
        "stdin" | "stdout" | "stderr" => Ok(lower),
        _ => Err("valid streams are STDIN, STDOUT and STDERR".into()),
    }
}

/// `container` or `container:alias`.
pub fn link(value: &str) -> Result<String, String> {
    if value.is_empty() {
        return Err("empty string specified for links".into());
    }
    match value.split(':').count() {
        1 | 2 => Ok(value.to_owned()),
        _ => Err(format!("bad format for links: {value}")),
    }
}

/// `host:address` or `host=address`.
pub fn extra_host(value: &str) -> Result<String, String> {
    let split = value.split_once('=').or_else(|| value.split_once(':'));
    let Some((host, address)) = split.filter(|(host, _)| !host.is_empty()) else {
        return Err(format!("bad format for add-host: {}", quote(value)));
    };
    if address == "host-gateway" {
        return Ok(format!("{host}:{address}"));
    }
    let bare = address.strip_prefix('[').and_then(|a| a.strip_suffix(']')).unwrap_or(address);
    match bare.parse::<IpAddr>() {
        Ok(_) => Ok(format!("{host}:{bare}")),
        Err(_) => Err(format!("invalid IP address in add-host: {}", quote(address))),
    }
}

/// An address.
pub fn address(value: &str) -> Result<String, String> {
    match value.trim().parse::<IpAddr>() {
        Ok(address) => Ok(address.to_string()),
        Err(_) => Err(format!("IP address is not correctly formatted: {value}")),
    }
}

/// A domain, or `.` for none.
pub fn domain(value: &str) -> Result<String, String> {
    let trimmed = value.trim();
    if trimmed == "." {
        return Ok(trimmed.to_owned());
    }
    let name = trimmed.strip_suffix('.').unwrap_or(trimmed);
    let part = |part: &str| {
        let plain = |c: char| c.is_ascii_alphanumeric();
        !part.is_empty()
            && part.chars().all(|c| plain(c) || c == '-')
            && part.starts_with(plain)
            && part.ends_with(plain)
    };
    let letters = name.contains(|c: char| c.is_ascii_alphabetic());
    if letters && name.len() < 255 && name.split('.').all(part) {
        return Ok(trimmed.to_owned());
    }
    Err(format!("{value} is not a valid domain"))
}

/// A kernel parameter that has a namespace.
pub fn sysctl(value: &str) -> Result<String, String> {
    const NAMES: [&str; 8] = [
        "kernel.msgmax",
        "kernel.msgmnb",
        "kernel.msgmni",
        "kernel.sem",
        "kernel.shmall",
        "kernel.shmmax",
        "kernel.shmmni",
        "kernel.shm_rmid_forced",
    ];
    match value.split_once('=') {
        Some((name, _))
            if NAMES.contains(&name)
                || name.starts_with("net.")
                || name.starts_with("fs.mqueue.") =>
        {
            Ok(value.to_owned())
        }
        _ => Err(format!("sysctl '{value}' is not allowed")),
    }
}

/// `c 1:3 rwm`.
pub fn device_rule(value: &str) -> Result<String, String> {
    let number = |text: &str| {
        text == "*" || !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    let parts: Vec<&str> = value.split(' ').collect();
    let ok = match parts.as_slice() {
        ["a" | "b" | "c", numbers, access] => {
            let split = numbers.split_once(':');
            split.is_some_and(|(major, minor)| number(major) && number(minor))
                && (1..=3).contains(&access.len())
                && access.bytes().all(|byte| b"rwm".contains(&byte))
        }
        _ => false,
    };
    match ok {
        true => Ok(value.to_owned()),
        false => Err(format!("invalid device cgroup format '{value}'")),
    }
}

/// `name=value`; the name comes back in lower case without blanks.
pub fn filter(value: &str) -> Result<String, String> {
    if value.is_empty() {
        return Ok(String::new());
    }
    match value.split_once('=') {
        Some((name, text)) => Ok(format!("{}={}", name.trim().to_ascii_lowercase(), text.trim())),
        None => Err("bad format of filter (expected name=value)".into()),
    }
}

/// A hardware address of six or eight bytes.
pub fn hardware_address(value: &str) -> bool {
    let separator = if value.contains('-') { '-' } else { ':' };
    let parts: Vec<&str> = value.split(separator).collect();
    matches!(parts.len(), 6 | 8)
        && parts.iter().all(|p| p.len() == 2 && p.bytes().all(|b| b.is_ascii_hexdigit()))
}
