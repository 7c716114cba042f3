//! One instruction at a time.

use oci::{HealthCheck, ImageDefaults};

use super::ChangeError;
use super::words::{expand, split};

/// Applies one instruction. A new entrypoint takes the command away unless these instructions set
/// one before.
pub(super) fn apply(
    defaults: &mut ImageDefaults,
    name: &str,
    rest: &str,
    is_cmd_set: &mut bool,
) -> Result<(), ChangeError> {
    match name.to_ascii_uppercase().as_str() {
        "CMD" => {
            defaults.cmd = Some(command(defaults, rest));
            *is_cmd_set = true;
        }
        "ENTRYPOINT" => {
            let entrypoint = command(defaults, rest);
            defaults.entrypoint = Some(entrypoint).filter(|words| !words.is_empty());
            if !*is_cmd_set {
                defaults.cmd = None;
            }
        }
        "ENV" => env(defaults, rest)?,
        "LABEL" => label(defaults, rest)?,
        "EXPOSE" => expose(defaults, rest)?,
        "VOLUME" => volume(defaults, rest)?,
        "USER" => defaults.user = one("USER", defaults, rest)?,
        "WORKDIR" => {
            let path = one("WORKDIR", defaults, rest)?;
            defaults.working_dir = directory(&defaults.working_dir, &path);
        }
        "STOPSIGNAL" => {
            let signal = one("STOPSIGNAL", defaults, rest)?;
            if !is_signal(&signal) {
                return Err(ChangeError::Signal { signal });
            }
            defaults.stop_signal = signal;
        }
        "ONBUILD" => on_build(defaults, rest)?,
        "HEALTHCHECK" => defaults.healthcheck = Some(health_check(rest)?),
        _ => return Err(ChangeError::NotAllowed { instruction: name.to_owned() }),
    }
    Ok(())
}

/// A JSON list of words, or text for the shell.
fn command(defaults: &ImageDefaults, rest: &str) -> Vec<String> {
    if let Some(words) = json_list(rest) {
        return words;
    }
    let default = || vec!["/bin/sh".to_owned(), "-c".to_owned()];
    let mut words = defaults.shell.clone().unwrap_or_else(default);
    words.push(rest.to_owned());
    words
}

fn json_list(rest: &str) -> Option<Vec<String>> {
    if rest.starts_with('[') { serde_json::from_str(rest).ok() } else { None }
}

fn variables(defaults: &ImageDefaults) -> &[String] {
    defaults.env.as_deref().unwrap_or_default()
}

fn one(
    instruction: &'static str,
    defaults: &ImageDefaults,
    rest: &str,
) -> Result<String, ChangeError> {
    match rest {
        "" => Err(ChangeError::Arguments { instruction, needs: "exactly one argument" }),
        rest => expand(rest, variables(defaults)),
    }
}

/// `name=value ...`, or the old `name value with blanks`.
fn pairs(
    instruction: &'static str,
    defaults: &ImageDefaults,
    rest: &str,
) -> Result<Vec<(String, String)>, ChangeError> {
    let words = split(rest);
    let env = variables(defaults);
    let first = words
        .first()
        .ok_or(ChangeError::Arguments { instruction, needs: "at least one argument" })?;
    if !first.contains('=') {
        let (name, value) = rest
            .split_once(char::is_whitespace)
            .ok_or(ChangeError::Arguments { instruction, needs: "at least two arguments" })?;
        return Ok(vec![(expand(name, env)?, expand(value.trim_start(), env)?)]);
    }
    let pair = |word: &String| {
        let (name, value) =
            word.split_once('=').ok_or_else(|| ChangeError::Equals { word: word.clone() })?;
        Ok((expand(name, env)?, expand(value, env)?))
    };
    words.iter().map(pair).collect()
}

fn env(defaults: &mut ImageDefaults, rest: &str) -> Result<(), ChangeError> {
    for (name, value) in pairs("ENV", defaults, rest)? {
        if name.is_empty() {
            return Err(ChangeError::Blank { what: "ENV names can not be blank" });
        }
        let env = defaults.env.get_or_insert_default();
        let pair = format!("{name}={value}");
        let is_same = |old: &&mut String| old.split('=').next() == Some(name.as_str());
        match env.iter_mut().find(is_same) {
            Some(old) => *old = pair,
            None => env.push(pair),
        }
    }
    Ok(())
}

fn label(defaults: &mut ImageDefaults, rest: &str) -> Result<(), ChangeError> {
    for (name, value) in pairs("LABEL", defaults, rest)? {
        if name.is_empty() {
            return Err(ChangeError::Blank { what: "LABEL names can not be blank" });
        }
        defaults.labels.get_or_insert_default().insert(name, value);
    }
    Ok(())
}

fn volume(defaults: &mut ImageDefaults, rest: &str) -> Result<(), ChangeError> {
    let words = json_list(rest).unwrap_or_else(|| split(rest));
    if words.is_empty() {
        let needs = "at least one argument";
        return Err(ChangeError::Arguments { instruction: "VOLUME", needs });
    }
    for word in words {
        let path = expand(&word, variables(defaults))?;
        match path.trim() {
            "" => {
                return Err(ChangeError::Blank {
                    what: "VOLUME specified can not be an empty string",
                });
            }
            path => defaults.volumes.0.insert(path.to_owned()),
        };
    }
    Ok(())
}

/// `80`, `80/udp`, `8000-8010/tcp`; what stands before the last colon is the host's side.
fn expose(defaults: &mut ImageDefaults, rest: &str) -> Result<(), ChangeError> {
    let words = split(rest);
    if words.is_empty() {
        let needs = "at least one argument";
        return Err(ChangeError::Arguments { instruction: "EXPOSE", needs });
    }
    for word in words {
        let word = expand(&word, variables(defaults))?;
        let (ports, protocol) = word.split_once('/').unwrap_or((&word, "tcp"));
        let protocol = protocol.to_ascii_lowercase();
        if !matches!(protocol.as_str(), "tcp" | "udp" | "sctp") {
            return Err(ChangeError::Protocol { protocol });
        }
        let ports = ports.rsplit(':').next().unwrap_or(ports);
        let bad = || ChangeError::Port { port: ports.to_owned() };
        let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
        let number = |text: &str| text.parse::<u16>().map_err(|_| bad());
        let (first, last) = (number(first)?, number(last)?);
        if first > last {
            return Err(bad());
        }
        let names = (first..=last).map(|port| format!("{port}/{protocol}"));
        defaults.exposed_ports.0.extend(names);
    }
    Ok(())
}

/// A relative directory starts from the former one.
fn directory(before: &str, path: &str) -> String {
    let whole = if path.starts_with('/') { path.to_owned() } else { format!("{before}/{path}") };
    let mut parts = Vec::new();
    for part in whole.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

fn is_signal(signal: &str) -> bool {
    const NAMES: [&str; 35] = [
        "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "IOT", "BUS", "FPE", "KILL", "USR1", "SEGV",
        "USR2", "PIPE", "ALRM", "TERM", "STKFLT", "CHLD", "CLD", "CONT", "STOP", "TSTP", "TTIN",
        "TTOU", "URG", "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "POLL", "PWR", "SYS",
        "UNUSED",
    ];
    if let Ok(number) = signal.parse::<u8>() {
        return (1..=64).contains(&number);
    }
    let upper = signal.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    let offset = |text: &str, max: u8| text.parse::<u8>().is_ok_and(|n| (1..=max).contains(&n));
    match (name.strip_prefix("RTMIN"), name.strip_prefix("RTMAX")) {
        (Some(""), _) | (_, Some("")) => true,
        (Some(rest), _) => rest.strip_prefix('+').is_some_and(|n| offset(n, 15)),
        (_, Some(rest)) => rest.strip_prefix('-').is_some_and(|n| offset(n, 14)),
        (None, None) => NAMES.contains(&name),
    }
}

fn on_build(defaults: &mut ImageDefaults, rest: &str) -> Result<(), ChangeError> {
    let trigger = split(rest).first().map(|word| word.to_ascii_uppercase());
    match trigger.as_deref() {
        None => {
            let needs = "at least one argument";
            return Err(ChangeError::Arguments { instruction: "ONBUILD", needs });
        }
        Some("ONBUILD") => {
            let reason = "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed".to_owned();
            return Err(ChangeError::Trigger { reason });
        }
        Some(word @ ("FROM" | "MAINTAINER")) => {
            let reason = format!("{word} isn't allowed as an ONBUILD trigger");
            return Err(ChangeError::Trigger { reason });
        }
        Some(_) => defaults.on_build.get_or_insert_default().push(rest.to_owned()),
    }
    Ok(())
}

fn health_check(rest: &str) -> Result<HealthCheck, ChangeError> {
    let bad = |reason: String| ChangeError::HealthCheck { reason };
    let mut check = HealthCheck::default();
    let mut rest = rest;
    while let Some(flag) = rest.strip_prefix("--") {
        let (flag, after) = flag.split_once(char::is_whitespace).unwrap_or((flag, ""));
        rest = after.trim_start();
        let (name, value) =
            flag.split_once('=').ok_or_else(|| bad(format!("Missing a value on flag: {flag}")))?;
        match name {
            "interval" => check.interval = duration(name, value)?,
            "timeout" => check.timeout = duration(name, value)?,
            "start-period" => check.start_period = duration(name, value)?,
            "start-interval" => check.start_interval = duration(name, value)?,
            "retries" => {
                let retries = value.parse::<i32>().ok().filter(|retries| *retries >= 1);
                let text = || bad(format!("--retries must be at least 1 (not {value})"));
                check.retries = i64::from(retries.ok_or_else(text)?);
            }
            name => return Err(bad(format!("Unknown flag: {name}"))),
        }
    }
    let (kind, command) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let command = command.trim();
    check.test = match (kind.to_ascii_uppercase().as_str(), command) {
        ("", _) => {
            let needs = "at least one argument";
            return Err(ChangeError::Arguments { instruction: "HEALTHCHECK", needs });
        }
        ("NONE", "") => vec!["NONE".to_owned()],
        ("NONE", _) => return Err(bad("HEALTHCHECK NONE takes no arguments".to_owned())),
        ("CMD", "") => return Err(bad("Missing command after HEALTHCHECK CMD".to_owned())),
        ("CMD", command) => match json_list(command) {
            Some(words) => [vec!["CMD".to_owned()], words].concat(),
            None => vec!["CMD-SHELL".to_owned(), command.to_owned()],
        },
        (kind, _) => {
            return Err(bad(format!("Unknown type \"{kind}\" in HEALTHCHECK (try CMD)")));
        }
    };
    Ok(check)
}

/// Nanoseconds of a duration as Go writes it: `1h30m`, `1.5s`.
fn duration(name: &str, text: &str) -> Result<i64, ChangeError> {
    let bad = |reason: String| ChangeError::HealthCheck { reason };
    let invalid = || bad(format!("invalid duration \"{text}\""));
    let mut rest = text;
    let mut total = 0f64;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(invalid)?;
        let (number, after) = rest.split_at(end);
        let end = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, after) = after.split_at(end);
        let nanoseconds = match unit {
            "ns" => 1.0,
            "us" | "µs" | "μs" => 1e3,
            "ms" => 1e6,
            "s" => 1e9,
            "m" => 60e9,
            "h" => 3600e9,
            _ => return Err(invalid()),
        };
        total += number.parse::<f64>().map_err(|_| invalid())? * nanoseconds;
        rest = after;
    }
    if text.is_empty() || total > 9e18 {
        return Err(invalid());
    }
    match total {
        total if total != 0.0 && total < 1e6 => {
            Err(bad(format!("Interval \"{name}\" cannot be less than 1ms")))
        }
        total => Ok(total as i64),
    }
}
