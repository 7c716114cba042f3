//! `--change` of `import` and `commit`: Dockerfile instructions that set an image's defaults.

mod instruction;
mod words;

#[cfg(test)]
mod tests;

use oci::ImageDefaults;

/// An instruction is wrong. The texts are Docker's.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ChangeError {
    /// It may not stand here, or there is none of that name.
    #[error("{instruction} is not a valid change command")]
    NotAllowed {
        /// As it was written.
        instruction: String,
    },
    /// It has too few or too many arguments.
    #[error("{instruction} requires {needs}")]
    Arguments {
        /// Its name.
        instruction: &'static str,
        /// What it needs.
        needs: &'static str,
    },
    /// A pair has no equals sign.
    #[error("Syntax error - can't find = in \"{word}\". Must be of the form: name=value")]
    Equals {
        /// The word.
        word: String,
    },
    /// A name or path is empty.
    #[error("{what}")]
    Blank {
        /// Docker's text.
        what: &'static str,
    },
    /// A quote or brace is not closed, or a variable's form is not known.
    #[error("failed to process \"{word}\": {reason}")]
    Word {
        /// The word.
        word: String,
        /// What is wrong.
        reason: &'static str,
    },
    /// A port is none.
    #[error("invalid containerPort: {port}")]
    Port {
        /// The text.
        port: String,
    },
    /// A port's protocol is none.
    #[error("invalid proto: {protocol}")]
    Protocol {
        /// The text.
        protocol: String,
    },
    /// A signal is none.
    #[error("invalid signal: {signal}")]
    Signal {
        /// The text.
        signal: String,
    },
    /// An instruction cannot wait for a later build.
    #[error("{reason}")]
    Trigger {
        /// Docker's text.
        reason: String,
    },
    /// A health check is wrong.
    #[error("{reason}")]
    HealthCheck {
        /// Docker's text.
        reason: String,
    },
}

/// Applies the instructions of all texts, in their order.
pub fn apply(defaults: &mut ImageDefaults, changes: &[String]) -> Result<(), ChangeError> {
    let mut is_cmd_set = false;
    for line in logical_lines(changes) {
        let (name, rest) = match line.split_once(char::is_whitespace) {
            Some((name, rest)) => (name, rest.trim()),
            None => (line.as_str(), ""),
        };
        instruction::apply(defaults, name, rest, &mut is_cmd_set)?;
    }
    Ok(())
}

/// Lines without comments, those that end in a backslash joined with the next.
fn logical_lines(changes: &[String]) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for part in changes.iter().flat_map(|change| change.lines()) {
        if part.trim_start().starts_with('#') {
            continue;
        }
        let trimmed = part.trim_end();
        match trimmed.strip_suffix('\\') {
            Some(start) => line.push_str(start),
            None => {
                line.push_str(trimmed);
                lines.push(std::mem::take(&mut line));
            }
        }
    }
    lines.push(line);
    let lines = lines.into_iter().map(|line| line.trim().to_owned());
    lines.filter(|line| !line.is_empty()).collect()
}
