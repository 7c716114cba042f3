//! Orders of texts.

use std::cmp::Ordering;

/// As people sort: numbers in a text by what they count.
pub fn natural(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a, b);
    loop {
        let (digits_a, digits_b) = (leading(a, true), leading(b, true));
        if digits_a > 0 && digits_b > 0 {
            let (left, right) = (&a[..digits_a], &b[..digits_b]);
            let bare = |text: &str| text.trim_start_matches('0').to_owned();
            let (x, y) = (bare(left), bare(right));
            let order = x.len().cmp(&y.len()).then(x.cmp(&y)).then(left.len().cmp(&right.len()));
            if order != Ordering::Equal {
                return order;
            }
            (a, b) = (&a[digits_a..], &b[digits_b..]);
            continue;
        }
        let (text_a, text_b) = (leading(a, false), leading(b, false));
        let order = a[..text_a].cmp(&b[..text_b]);
        if order != Ordering::Equal || a.is_empty() || b.is_empty() {
            return order.then(a.len().cmp(&b.len()));
        }
        (a, b) = (&a[text_a..], &b[text_b..]);
    }
}

/// Bytes at the start that are digits, or are not.
fn leading(text: &str, digits: bool) -> usize {
    text.bytes().take_while(|byte| byte.is_ascii_digit() == digits).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_texts_count() {
        let mut lines = ["80/tcp -> b:9", "9/udp -> a:10", "80/tcp -> b:10", "080", "", "80", "x"];
        lines.sort_by(|a, b| natural(a, b));
        assert_eq!(
            lines,
            ["", "9/udp -> a:10", "80", "80/tcp -> b:9", "80/tcp -> b:10", "080", "x"]
        );
    }
}
