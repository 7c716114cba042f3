use docker_api::BindOptions;

use super::*;

fn binds(binds: &[&str]) -> Result<Vec<MountWish>> {
    let binds = Some(binds.iter().map(|b| (*b).to_owned()).collect());
    parse(&HostConfig { binds, ..HostConfig::default() })
}

fn mount(mount: Mount) -> Result<Vec<MountWish>> {
    parse(&HostConfig { mounts: Some(vec![mount]), ..HostConfig::default() })
}

#[test]
fn short_form() {
    let wishes = binds(&["/a:/x/y/z", "/b:/x/../y//:ro,rslave,z"]).unwrap();
    assert_eq!(wishes[0].target, "/y");
    assert!(wishes[0].read_only);
    let MountWishKind::Bind { propagation, create_source, read_only_recursive, .. } =
        &wishes[0].kind
    else {
        panic!("not a bind");
    };
    assert_eq!(*propagation, Propagation::Slave);
    assert!(*create_source && !*read_only_recursive);
    assert_eq!(wishes[1].target, "/x/y/z");
    assert_eq!(points(&wishes)[0].propagation, "rslave");
    assert_eq!(points(&wishes)[0].mode, "ro,rslave,z");
}

#[test]
fn refusals_of_the_short_form() {
    for (bind, text) in [
        ("/a:/b:ro:x", "invalid volume specification: '/a:/b:ro:x'"),
        (":/b", "invalid volume specification: ':/b'"),
        (
            "/a:b",
            "invalid volume specification: '/a:b': invalid mount config for type \"bind\": invalid \
             mount path: 'b' mount path must be absolute",
        ),
        (
            "/a:/",
            "invalid volume specification: '/a:/': invalid mount config for type \"bind\": invalid \
             specification: destination can't be '/'",
        ),
        ("/a:/b:bogus", "invalid mode: bogus"),
        ("/a:/b:ro,rw", "invalid mode: ro,rw"),
    ] {
        assert_eq!(binds(&[bind]).unwrap_err().to_string(), text);
    }
    let error = binds(&["/a:/b", "/c:/b/"]).unwrap_err();
    assert_eq!(error.to_string(), "Duplicate mount point: /b");
    assert_eq!(binds(&["name:/b"]).unwrap_err().kind, stdx::Kind::Unsupported);
}

#[test]
fn long_form() {
    let of = |kind: &str, source: &str, target: &str| Mount {
        kind: kind.to_owned(),
        source: source.to_owned(),
        target: target.to_owned(),
        ..Mount::default()
    };
    for (wish, text) in [
        (
            of("bind", "", "/x"),
            "invalid mount config for type \"bind\": field Source must not be empty",
        ),
        (
            of("bind", "/a", ""),
            "invalid mount config for type \"bind\": field Target must not be empty",
        ),
        (
            of("bind", "a", "/x"),
            "invalid mount config for type \"bind\": invalid mount path: 'a' mount path must be \
             absolute",
        ),
        (
            of("tmpfs", "/a", "/x"),
            "invalid mount config for type \"tmpfs\": field Source must not be specified",
        ),
        (of("foo", "/a", "/x"), "invalid mount config for type \"foo\": mount type unknown"),
    ] {
        assert_eq!(mount(wish).unwrap_err().to_string(), text);
    }
    let missing = mount(of("bind", "/nosuch-source", "/x")).unwrap();
    assert_eq!(
        check_sources(&missing).unwrap_err().to_string(),
        "invalid mount config for type \"bind\": bind source path does not exist: /nosuch-source"
    );
    let made = Mount {
        bind_options: Some(BindOptions { create_mountpoint: true, ..BindOptions::default() }),
        ..of("bind", "/nosuch-source", "/x")
    };
    check_sources(&mount(made).unwrap()).unwrap();
    assert_eq!(mount(of("volume", "v", "/x")).unwrap_err().kind, stdx::Kind::Unsupported);
    assert_eq!(points(&mount(of("tmpfs", "", "/x")).unwrap())[0].kind, "tmpfs");
}
