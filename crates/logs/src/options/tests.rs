use super::*;

fn parse_as(driver: &str, pairs: &[(&str, &str)]) -> Result<FileOptions, String> {
    let options = pairs.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
    match Driver::parse(driver, &options) {
        Ok(Driver::Files(options)) => Ok(options),
        Ok(Driver::None) => panic!("another driver"),
        Err(error) => Err(error.to_string()),
    }
}

fn parse(pairs: &[(&str, &str)]) -> Result<FileOptions, String> {
    parse_as("json-file", pairs)
}

#[test]
fn defaults_and_sizes() {
    let rotation = |pairs: &[(&str, &str)]| {
        let rotation = parse(pairs).unwrap().rotation;
        (rotation.file_bytes_max, rotation.files_max)
    };
    assert_eq!(rotation(&[]), (50 << 20, 3));
    assert_eq!(rotation(&[("max-size", "10m")]), (10_000_000, 1));
    assert_eq!(rotation(&[("max-size", "1.5 KiB"), ("max-file", "7")]), (1500, 7));
    assert_eq!(rotation(&[("max-file", "2")]), (50 << 20, 2));
}

#[test]
fn errors_are_in_dockers_words() {
    for (pairs, expect) in [
        (&[("max-files", "1")][..], "unknown log opt 'max-files' for json-file log driver"),
        (&[("max-size", "x")], "invalid size: 'x'"),
        (&[("max-size", "1x")], "invalid suffix: 'x'"),
        (&[("max-size", "-1")], "invalid size: '-1'"),
        (&[("max-size", "0")], "max-size must be a positive number"),
        (&[("max-file", "0")], "max-file cannot be less than 1"),
        (&[("max-file", "-5")], "max-file cannot be less than 1"),
        (&[("max-file", "two")], "strconv.Atoi: parsing \"two\": invalid syntax"),
        (&[("mode", "lossy")], "logger: logging mode not supported: lossy"),
        (
            &[("max-buffer-size", "1m")],
            "logger: max-buffer-size option is only supported with 'mode=non-blocking'",
        ),
        (
            &[("mode", "non-blocking"), ("max-buffer-size", "1q")],
            "error parsing option max-buffer-size: invalid suffix: 'q'",
        ),
        (&[("tag", "{{")], "template: log-tag:1: unclosed action"),
        (
            &[("tag", "{{.Foo}}")],
            "template: log-tag:1:2: executing \"log-tag\" at <.Foo>: can't evaluate field Foo in \
             type *logger.Info",
        ),
        (&[("compress", "maybe")], "strconv.ParseBool: parsing \"maybe\": invalid syntax"),
        (
            &[("compress", "true"), ("max-size", "1m")],
            "compress cannot be true when max-file is less than 2 or max-size is not set",
        ),
        (&[("labels-regex", "(")], "error parsing regexp: missing closing ): `(`"),
        (&[("env-regex", "[")], "error parsing regexp: missing closing ]: `[`"),
        (
            &[("env-regex", "*a")],
            "error parsing regexp: missing argument to repetition operator: `*a`",
        ),
    ] {
        assert_eq!(parse(pairs).unwrap_err(), expect);
    }
    let unknown = Driver::parse("fluentd", &BTreeMap::new()).unwrap_err();
    let text = "error looking up logging plugin fluentd: plugin \"fluentd\" not found";
    assert_eq!(unknown.to_string(), text);
    let anything = [("x".to_owned(), "y".to_owned())].into();
    assert!(matches!(Driver::parse("none", &anything), Ok(Driver::None)));
}

#[test]
fn local_has_its_own_defaults_and_words() {
    let rotation = |pairs: &[(&str, &str)]| parse_as("local", pairs).unwrap().rotation;
    assert_eq!(rotation(&[]), Rotation { file_bytes_max: 20 << 20, files_max: 5, compress: true });
    let one = [("max-file", "1"), ("compress", "false"), ("max-size", "100k")];
    let expect = Rotation { file_bytes_max: 100_000, files_max: 1, compress: false };
    assert_eq!(rotation(&one), expect);
    for (pair, expect) in [
        (("tag", "x"), "unknown log opt 'tag' for log driver local"),
        (("max-size", "abc"), "invalid value for max-size: abc: invalid size: 'abc'"),
        (
            ("max-file", "x"),
            "invalid value for max-file: x: strconv.Atoi: parsing \"x\": invalid syntax",
        ),
        (("max-file", "-1"), "max file count cannot be less than 0"),
        (("max-file", "1"), "compression cannot be enabled when max file count is 1"),
        (
            ("compress", "maybe"),
            "error reading compress log option: strconv.ParseBool: parsing \"maybe\": invalid \
             syntax",
        ),
    ] {
        assert_eq!(parse_as("local", &[pair]).unwrap_err(), expect);
    }
}

#[test]
fn modes() {
    assert_eq!(parse(&[]).unwrap().mode, Mode::Unsaid);
    assert_eq!(parse(&[("mode", "blocking")]).unwrap().mode, Mode::Blocking);
    let options = parse(&[("mode", "non-blocking"), ("max-buffer-size", "4m")]).unwrap();
    assert_eq!(options.mode, Mode::NonBlocking { buffer_bytes_max: 4 << 20 });
}

#[test]
fn attributes_are_chosen() {
    let options = parse(&[
        ("labels", "a,b"),
        ("labels-regex", "^com\\."),
        ("env", "X,Z"),
        ("env-regex", "Y\\d"),
        ("tag", "{{.ID}}"),
    ]);
    let labels = [("a", "1"), ("c", "2"), ("com.x", "3")];
    let labels = labels.map(|(k, v)| (k.to_owned(), v.to_owned())).into();
    let env = ["X=a=b", "Y=2", "Y7=3", "Z"].map(str::to_owned).into();
    let subject = Subject { id: "0123456789abcdef".into(), labels, env, ..Subject::default() };
    let found = options.unwrap().attributes.choose(&subject).unwrap();
    let expect = [("X", "a=b"), ("Y7", "3"), ("a", "1"), ("com.x", "3"), ("tag", "0123456789ab")];
    assert_eq!(found, expect.map(|(k, v)| (k.to_owned(), v.to_owned())).into());
}
