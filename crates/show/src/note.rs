//! Notes beside what a verb prints.

const BOLD: &str = "\x1b[1m";
const ITALIC: &str = "\x1b[3m";
const RESET: &str = "\x1b[0m";
/// A black letter on bright cyan.
const MARK: &str = "\x1b[1m\x1b[106m\x1b[30mi\x1b[0m\x1b[0m";
const LABEL: &str = "\x1b[96mInfo → \x1b[0m";

/// A note of one or several lines, set off by an empty one. `strong` is a part of it that stands
/// out on a terminal with colors; it may be empty.
pub fn info(text: &str, strong: &str, colored: bool) -> String {
    let mut out = String::from("\n");
    for (at, line) in text.split('\n').enumerate() {
        let indent = if at == 0 { "" } else { "         " };
        out.push_str(indent);
        match (colored, at) {
            (false, 0) => out.push_str(" Info -> "),
            (true, 0) => out.push_str(&format!("{MARK} {LABEL}{RESET}")),
            _ => {}
        }
        match colored {
            false => out.push_str(line),
            true if strong.is_empty() => out.push_str(&format!("{ITALIC}{line}{RESET}")),
            true => {
                let line = line.replace(strong, &format!("{BOLD}{strong}{RESET}"));
                out.push_str(&format!("{ITALIC}{line}{RESET}"));
            }
        }
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::info;

    /// As Docker's command line printed them.
    #[test]
    fn notes_are_docker_s() {
        assert_eq!(info("a\nb\n", "b", false), "\n Info -> a\n         b\n         \n");
        assert_eq!(
            info("Using b\n", "b", true),
            "\n\x1b[1m\x1b[106m\x1b[30mi\x1b[0m\x1b[0m \x1b[96mInfo → \x1b[0m\x1b[0m\
             \x1b[3mUsing \x1b[1mb\x1b[0m\x1b[0m\n         \x1b[3m\x1b[0m\n"
        );
    }
}
