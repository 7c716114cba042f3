use super::*;

fn parse(pairs: &[(&str, &str)]) -> Result<JsonFileOptions, String> {
    let options = pairs.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
    match Driver::parse("json-file", &options) {
        Ok(Driver::JsonFile(options)) => Ok(options),
        Ok(Driver::None) => panic!("another driver"),
        Err(error) => Err(error.to_string()),
    }
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
        (&[("compress", "true")], "log opt 'compress' is not supported for json-file log driver"),
    ] {
        assert_eq!(parse(pairs).unwrap_err(), expect);
    }
    let unknown = Driver::parse("fluentd", &BTreeMap::new()).unwrap_err();
    let text = "error looking up logging plugin fluentd: plugin \"fluentd\" not found";
    assert_eq!(unknown.to_string(), text);
    let anything = [("x".to_owned(), "y".to_owned())].into();
    assert_eq!(Driver::parse("none", &anything), Ok(Driver::None));
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
    let options = parse(&[("labels", "a,b"), ("env", "X,Z"), ("tag", "{{.ID}}")]).unwrap();
    let labels = [("a", "1"), ("c", "2")].map(|(k, v)| (k.to_owned(), v.to_owned())).into();
    let env = ["X=a=b".to_owned(), "Y=2".to_owned(), "Z".to_owned()];
    let found = options.attributes(&labels, &env, Some("id".into()));
    let expect = [("X", "a=b"), ("a", "1"), ("tag", "id")];
    assert_eq!(found, expect.map(|(k, v)| (k.to_owned(), v.to_owned())).into());
}
