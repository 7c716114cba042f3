//! Lists of processors and memory nodes: `0-2,7`.

use std::collections::BTreeSet;

use super::Refusal;

/// One more than the largest number that Docker reads.
const NUMBER_END: u32 = 8192;

/// Refuses what is not a list or not among `available`, which is one; `what` is `cpus` or `mems`.
pub fn cpuset(what: &str, wish: &str, available: &str) -> Result<(), Refusal> {
    if wish.is_empty() {
        return Ok(());
    }
    let wished = parse(wish)
        .map_err(|why| Refusal::new(format!("Invalid value {wish} for cpuset {what}: {why}")))?;
    // A machine that does not say what it has takes what the kernel takes.
    let has = parse(available).unwrap_or_default();
    if has.is_empty() || wished.is_subset(&has) {
        return Ok(());
    }
    let name = if what == "mems" { "memory nodes" } else { "CPUs" };
    Err(Refusal::new(format!(
        "Requested {name} are not available - requested {wish}, available: {available}"
    )))
}

fn parse(text: &str) -> Result<BTreeSet<u32>, String> {
    let bad = || format!("invalid format: {text}");
    let mut numbers = BTreeSet::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let number = |digits: &str| digits.parse::<u32>().map_err(|_| bad());
        let (first, last) = (number(first)?, number(last)?);
        if first > last {
            return Err(bad());
        }
        if last >= NUMBER_END {
            return Err(format!("value of out range, maximum is {}", NUMBER_END - 1));
        }
        numbers.extend(first..=last);
    }
    Ok(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_can_be_had() {
        let check = |wish: &str, expect: &str| {
            let got = cpuset("cpus", wish, "0-1,4").err().map_or(String::new(), |e| e.text);
            assert_eq!(got, expect, "{wish}");
        };
        check("", "");
        check("0", "");
        check("0-1", "");
        check("4,0", "");
        let no =
            |wish| format!("Requested CPUs are not available - requested {wish}, available: 0-1,4");
        check("2", &no("2"));
        check("0-9", &no("0-9"));
        let bad = |wish| format!("Invalid value {wish} for cpuset cpus: invalid format: {wish}");
        for wish in ["x", "0-", "-1", "1-0", "0,,1", ","] {
            check(wish, &bad(wish));
        }
        check("9999", "Invalid value 9999 for cpuset cpus: value of out range, maximum is 8191");
        let mems = cpuset("mems", "3", "0").unwrap_err().text;
        assert_eq!(mems, "Requested memory nodes are not available - requested 3, available: 0");
        assert!(cpuset("mems", "3", "").is_ok());
    }
}
