use super::parse::{Parsed, check_args, parse};
use super::verbs::{self, EVERYWHERE, VERBS};
use super::*;

fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}

fn parsed(line: &str) -> Result<Parsed, String> {
    let mut words = words(line);
    let name = words.remove(0);
    parse(verbs::by_name(&name).unwrap(), name, EVERYWHERE, words)
}

#[track_caller]
fn refuses(line: &str, why: &str) {
    assert_eq!(parsed(line).unwrap_err(), why, "{line}");
}

#[test]
fn reads_bundles_values_and_arguments() {
    let run = parsed("run -itd -eA=1 -e B=2 --memory 64m --rm=false -p80:80 x --rm -z").unwrap();
    assert!(run.switch("interactive") && run.switch("tty") && run.switch("detach"));
    assert_eq!(run.list("env"), ["A=1", "B=2"]);
    assert_eq!(run.int("memory"), 64 << 20);
    assert!(!run.switch("rm") && run.is_set("rm"));
    assert_eq!(run.list("publish"), ["80:80"]);
    assert_eq!(run.args, ["x", "--rm", "-z"]);
    assert!(run.switch("sig-proxy"), "a default");
    let ps = parsed("ps a -q b -- -z").unwrap();
    assert_eq!(ps.args, ["a", "b", "-z"]);
    assert!(ps.switch("quiet"));
    assert_eq!(parsed("ps -n=3").unwrap().int("last"), 3);
    assert_eq!(parsed("ps -n3 -a=false").unwrap().int("last"), 3);
    assert_eq!(
        parsed("run -e= x").unwrap_err(),
        "invalid argument \"=\" for \"-e, --env\" flag: \
                                                  invalid environment variable: ="
    );
    assert_eq!(parsed("ps -H unix:///a").unwrap().list("host"), ["unix:///a"]);
}

#[test]
fn keeps_older_names() {
    let stop = parsed("stop --time 4 a").unwrap();
    assert_eq!(stop.int("timeout"), 4);
    assert_eq!(stop.notices, ["Flag --time has been deprecated, use --timeout instead"]);
    let run = parsed("run --net a --network b --net-alias c x").unwrap();
    assert_eq!(run.list("network"), ["a", "b"]);
    assert_eq!(run.list("network-alias"), ["c"]);
}

#[test]
fn refuses_in_the_words_of_pflag() {
    refuses("run --nope", "unknown flag: --nope");
    refuses("run -z", "unknown shorthand flag: 'z' in -z");
    refuses("run -itz x", "unknown shorthand flag: 'z' in -z");
    refuses("run --memory", "flag needs an argument: --memory");
    refuses("run -im", "flag needs an argument: 'm' in -m");
    refuses("run ---x", "bad flag syntax: ---x");
}

#[test]
fn counts_arguments() {
    for (line, ok) in [("ps", true), ("ps a", false), ("rename a b", true), ("rename a", false)] {
        assert_eq!(check_args(&parsed(line).unwrap()).is_ok(), ok, "{line}");
    }
}

#[test]
fn numbers_read_as_in_go() {
    use super::number::*;
    assert_eq!(parse_int("0x10"), Ok(16));
    assert_eq!(parse_int("-010"), Ok(-8));
    assert!(parse_int("9223372036854775808").unwrap_err().ends_with("value out of range"));
    assert_eq!(parse_bytes("1.5 GiB"), Ok(3 << 29));
    assert_eq!(parse_bytes("12KB"), Ok(12 << 10));
    assert_eq!(parse_nano("1.25"), Ok(1_250_000_000));
    assert_eq!(parse_nano("1/3"), Err("value is too precise".into()));
    assert_eq!(parse_duration("1h2m3.5s"), Ok(3_723_500_000_000));
    assert_eq!(parse_duration("-1ms"), Ok(-1_000_000));
    assert_eq!(quote("a\"b\n\u{1}é"), "\"a\\\"b\\n\\x01é\"");
}

/// The table itself: no verb, name or flag twice, every default readable, every help a line.
#[test]
fn the_table_is_sound() {
    let mut names = std::collections::BTreeSet::new();
    for verb in VERBS {
        for name in verb.names() {
            assert!(names.insert(name.clone()), "{name} twice");
        }
        assert!(!verb.about.is_empty() && !verb.about.ends_with('.'), "{}", verb.about);
        let mut longs = std::collections::BTreeSet::new();
        let mut shorts = std::collections::BTreeSet::new();
        for flag in verb.flags() {
            assert!(longs.insert(flag.long), "{} twice", flag.long);
            assert!(flag.short.is_none_or(|short| shorts.insert(short)), "{} twice", flag.long);
            assert!(!flag.help.is_empty(), "{}", flag.long);
            if let Some(alias) = flag.alias_of {
                assert!(verb.flags().any(|flag| flag.long == alias.long), "{}", flag.long);
            }
            let zero = ["", "0s"].contains(&flag.default);
            if !zero && !matches!(flag.kind, Kind::Text | Kind::List(..)) {
                let line = [format!("--{}={}", flag.long, flag.default)];
                parse(verb, String::new(), &[], line).unwrap();
            }
        }
        let help = help::of_verb(verb, &verb.path(verb.top.is_none()));
        assert!(help.lines().all(|line| line.chars().count() <= 100), "{help}");
    }
}

#[test]
fn man_pages_and_completions_name_every_flag() {
    let directory = tempfile::tempdir().unwrap();
    man::write_pages(directory.path()).unwrap();
    let bash = complete::script("bash").unwrap();
    let fish = complete::script("fish").unwrap();
    for verb in VERBS.iter().filter(|verb| verb.section != Section::Hidden) {
        let name = verb.path(verb.top.is_none()).replace(' ', "-");
        let page = std::fs::read_to_string(directory.path().join(format!("wharf-{name}.1")));
        let page = page.unwrap();
        for flag in verb.flags().filter(|flag| !flag.hidden) {
            let escaped = format!("\\-\\-{}", flag.long.replace('-', "\\-"));
            assert!(page.contains(&escaped), "{name} {}", flag.long);
            assert!(bash.contains(&format!("--{}", flag.long)));
            assert!(fish.contains(&format!("-l {}", flag.long)));
        }
    }
    let mut check = std::process::Command::new("bash");
    let status = check.args(["-n", "-c", &bash]).status().unwrap();
    assert!(status.success(), "bash reads its script");
    assert!(complete::script("csh").is_none());
}

#[test]
fn wraps_as_pflag_does() {
    let flags = [
        Flag::text("detach-keys", "Override the key sequence for detaching a container"),
        Flag::switch("no-stdin", "Do not attach STDIN"),
    ];
    let text = wrap::flag_usages(flags.iter(), 80);
    assert_eq!(
        text,
        concat!(
            "      --detach-keys string   Override the key sequence for detaching a\n",
            "                             container\n",
            "      --no-stdin             Do not attach STDIN\n",
        )
    );
}
