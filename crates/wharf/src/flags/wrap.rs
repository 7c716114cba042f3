//! Flag lists in two columns, as the Go flag library lays them out.

use super::Flag;

/// The lines for these flags, `columns` wide.
pub fn flag_usages<'a>(flags: impl Iterator<Item = &'a Flag>, columns: usize) -> String {
    let mut rows: Vec<(String, String)> = Vec::new();
    let mut sorted: Vec<&Flag> = flags.filter(|flag| !flag.hidden).collect();
    sorted.sort_by_key(|flag| flag.long);
    for flag in sorted {
        let mut left = match flag.short {
            Some(short) => format!("  -{short}, --{}", flag.long),
            None => format!("      --{}", flag.long),
        };
        if !flag.word().is_empty() {
            left.push(' ');
            left.push_str(flag.word());
        }
        rows.push((left, description(flag)));
    }
    let widest = rows.iter().map(|(left, _)| left.len()).max().unwrap_or(0);
    let mut out = String::new();
    for (left, right) in rows {
        let column = widest + 3;
        out.push_str(&format!("{left:column$}{}\n", wrap(column, columns, &right)));
    }
    out
}

fn description(flag: &Flag) -> String {
    let text = matches!(flag.kind, super::Kind::Text);
    match flag.default {
        "" => flag.help.to_owned(),
        default if text => format!("{} (default \"{default}\")", flag.help),
        default => format!("{} (default {default})", flag.help),
    }
}

/// Breaks `text` so that no line is wider than `width`, further lines indented by `indent`.
/// The last five columns are used only when the rest of the text fits into them.
pub fn wrap(indent: usize, width: usize, text: &str) -> String {
    const SLOP: usize = 5;
    const NARROW: usize = 24;
    let mut indent = indent;
    let mut room = width.saturating_sub(indent);
    let mut out = String::new();
    if room < NARROW {
        indent = 16;
        room = width.saturating_sub(indent);
        out.push('\n');
        out.push_str(&" ".repeat(indent));
    }
    let newline = format!("\n{}", " ".repeat(indent));
    if room < NARROW {
        return out + &text.replace('\n', &newline);
    }
    let room = room - SLOP;
    let mut rest = text;
    loop {
        let (line, after) = break_line(rest, room, SLOP);
        out.push_str(&line.replace('\n', &newline));
        if after.is_empty() {
            return out;
        }
        out.push_str(&newline);
        rest = after;
    }
}

fn break_line(text: &str, room: usize, slop: usize) -> (&str, &str) {
    if room + slop > text.len() {
        return (text, "");
    }
    let end = (0..=room).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    let Some(space) = text[..end].rfind([' ', '\t', '\n']).filter(|at| *at > 0) else {
        return (text, "");
    };
    match text[..end].rfind('\n') {
        Some(line) if line > 0 && line < space => (&text[..line], &text[line + 1..]),
        _ => (&text[..space], &text[space + 1..]),
    }
}
