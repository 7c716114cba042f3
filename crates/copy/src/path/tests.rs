use super::*;

#[test]
fn sides() {
    assert_eq!(Side::parse("c:/x"), Side::Container("c", "/x"));
    assert_eq!(Side::parse("c:"), Side::Container("c", ""));
    assert_eq!(Side::parse("c:a:b"), Side::Container("c", "a:b"));
    for local in ["x", "./a:b", "/a:b", ":x", "-", "../c:d"] {
        assert_eq!(Side::parse(local), Side::Local(local));
    }
}

#[test]
fn parts_of_paths() {
    for (path, parent, name) in [
        ("/a/b", "/a", "b"),
        ("/a/b/", "/a", "b"),
        ("/a/b/.", "/a/b", "."),
        ("/a", "/", "a"),
        ("/", "/", "/"),
        ("/.", "/", "."),
        ("a", ".", "a"),
        ("a/../b", ".", "b"),
        (".", ".", "."),
    ] {
        assert_eq!(split(path), (parent.to_owned(), name.to_owned()), "{path}");
    }
    assert_eq!(beside("/a/l", "b"), "/a/b");
    assert_eq!(beside("/a/l", "/b"), "/b");
    assert_eq!(rebase("/a/l/", "/x/y"), ("/x/y/".to_owned(), Some("l".to_owned())));
    assert_eq!(rebase("/a/y", "/x/y"), ("/x/y".to_owned(), None));
    assert_eq!(rebase("/a/l/.", "/x/y"), ("/x/y/.".to_owned(), None));
}

#[test]
fn places() {
    let check = |is_directory: bool, path: &str, there: Option<bool>| {
        let source = Ends { base: "s".to_owned(), is_directory };
        let target = Target { path: path.to_owned(), is_directory: there };
        match place(&source, &target) {
            Ok((directory, None)) => directory,
            Ok((directory, Some((from, to)))) => format!("{directory} {from}>{to}"),
            Err(error) => error.to_string(),
        }
    };
    assert_eq!(check(false, "/d", Some(true)), "/d");
    assert_eq!(check(true, "/d/", Some(true)), "/d/");
    assert_eq!(check(true, "/f", Some(false)), "cannot copy directory");
    assert_eq!(check(false, "/d/f", Some(false)), "/d s>f");
    assert_eq!(check(false, "/d/new", None), "/d s>new");
    assert_eq!(check(false, "/d/new/", None), "no such directory");
    assert_eq!(check(true, "/d/new/", None), "/d s>new");
    assert_eq!(check(true, "/d/new/.", None), "/d/new s>.");
}
