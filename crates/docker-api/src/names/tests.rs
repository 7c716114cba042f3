use std::collections::BTreeSet;

use super::*;

#[test]
fn names_are_legal_and_differ() {
    let mut seen = BTreeSet::new();
    for attempt in 0..200 {
        let name = generate(attempt);
        assert_eq!(crate::validate::container_name(&name), Ok(()), "{name}");
        assert_eq!(name.ends_with(|c: char| c.is_ascii_digit()), attempt > 0, "{name}");
        seen.insert(name);
    }
    assert!(seen.len() > 180, "{}", seen.len());
}

#[test]
fn lists_hold_each_word_once() {
    for (words, least) in [(ADJECTIVES, 90), (SURNAMES, 150)] {
        let unique: BTreeSet<_> = words.iter().collect();
        assert_eq!(unique.len(), words.len());
        assert!(words.len() >= least);
        assert!(words.iter().all(|word| word.bytes().all(|b| b.is_ascii_lowercase())));
    }
}
