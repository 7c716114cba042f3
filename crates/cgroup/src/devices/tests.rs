use super::*;

fn rule(text: &str) -> DeviceRule {
    let words: Vec<&str> = text.split(' ').collect();
    let number = |text: &str| (text != "*").then(|| text.parse().unwrap());
    let (major, minor) = words[2].split_once(':').unwrap();
    DeviceRule {
        allow: words[0] == "allow",
        kind: match words[1] {
            "a" => DeviceKind::All,
            "b" => DeviceKind::Block,
            _ => DeviceKind::Char,
        },
        major: number(major),
        minor: number(minor),
        access: Access::parse(words[3]).unwrap(),
    }
}

fn check(rules: &[&str], deny_by_default: bool, lines: &[&str]) {
    let rules: Vec<_> = rules.iter().map(|text| rule(text)).collect();
    let policy = DevicePolicy::of(&rules);
    assert_eq!(policy.deny_by_default, deny_by_default);
    assert_eq!(policy.lines().collect::<Vec<_>>(), lines);
}

#[test]
fn later_rules_change_earlier_ones() {
    check(
        &["deny a *:* rwm", "allow c 1:3 r", "allow c 1:3 wm", "allow b 8:* rw", "deny b 8:* w"],
        true,
        &["c 1:3 rwm", "b 8:* r"],
    );
    check(&["deny c 1:3 rwm", "allow c 1:3 rwm"], false, &[]);
    check(&["deny c 1:3 rwm", "allow a *:* rwm", "deny b *:* m"], false, &["b *:* m"]);
    check(&["deny a *:* rwm", "allow a 7:* m"], true, &["c 7:* m", "b 7:* m"]);
    check(&["deny a *:* rwm", "allow a *:* m"], true, &["c *:* m", "b *:* m"]);
}

#[test]
fn access_is_letters() {
    assert_eq!(Access::parse("mrw"), Some(Access::ALL));
    assert_eq!(Access::parse("r").map(|access| (access.read, access.write)), Some((true, false)));
    assert_eq!(Access::parse(""), None);
    assert_eq!(Access::parse("rx"), None);
}
