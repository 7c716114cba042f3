//! Patterns as in Go's `path.Match`: `*` and `?` match anything but a slash, `[a-z]` and `[^a-z]`
//! match classes, a backslash takes away the next character's meaning.

/// Whether `pattern` matches all of `text`; `None` when the pattern is malformed.
pub(super) fn matches(pattern: &str, text: &str) -> Option<bool> {
    let items = compile(pattern)?;
    let text: Vec<char> = text.chars().collect();
    // One row of the table "the items so far match the first n characters".
    let mut reached = vec![false; text.len() + 1];
    *reached.first_mut()? = true;
    for item in &items {
        let mut next = vec![false; text.len() + 1];
        for (at, _) in reached.iter().enumerate().filter(|(_, yes)| **yes) {
            advance(item, at, &text, &mut next);
        }
        reached = next;
    }
    reached.last().copied()
}

enum Item {
    Star,
    Any,
    One(char),
    Class { negated: bool, ranges: Vec<(char, char)> },
}

fn advance(item: &Item, at: usize, text: &[char], next: &mut [bool]) {
    if let Item::Star = item {
        let rest = text.iter().skip(at).take_while(|c| **c != '/').count();
        for slot in next.iter_mut().skip(at).take(rest + 1) {
            *slot = true;
        }
        return;
    }
    let Some(c) = text.get(at) else { return };
    let fits = match item {
        Item::Star => false,
        Item::Any => *c != '/',
        Item::One(wanted) => c == wanted,
        Item::Class { negated, ranges } => {
            *c != '/' && ranges.iter().any(|(low, high)| low <= c && c <= high) != *negated
        }
    };
    if let (true, Some(slot)) = (fits, next.get_mut(at + 1)) {
        *slot = true;
    }
}

fn compile(pattern: &str) -> Option<Vec<Item>> {
    let mut items = Vec::new();
    let mut chars = pattern.chars().peekable();
    while let Some(c) = chars.next() {
        items.push(match c {
            '*' => Item::Star,
            '?' => Item::Any,
            '\\' => Item::One(chars.next()?),
            '[' => class(&mut chars)?,
            other => Item::One(other),
        });
    }
    Some(items)
}

fn class(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<Item> {
    let negated = chars.next_if_eq(&'^').is_some();
    let mut ranges = Vec::new();
    loop {
        let low = match chars.next()? {
            ']' if !ranges.is_empty() => return Some(Item::Class { negated, ranges }),
            ']' | '-' => return None,
            '\\' => chars.next()?,
            other => other,
        };
        let high = match chars.next_if_eq(&'-') {
            None => low,
            Some(_) => match chars.next()? {
                '\\' => chars.next()?,
                ']' | '-' => return None,
                other => other,
            },
        };
        ranges.push((low, high));
    }
}
