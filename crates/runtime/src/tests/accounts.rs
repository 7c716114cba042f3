//! Docker's `USER[:GROUP]` against hostile account files (SEC-R09).

use crate::stage::accounts::{Account, AccountFiles, resolve};

fn files() -> AccountFiles {
    let lines = |text: &str| {
        text.lines().map(|line| line.split(':').map(str::to_owned).collect()).collect()
    };
    AccountFiles {
        passwd: lines(
            "root:x:0:0:root:/root:/bin/sh\n1000:x:0:0::/evil:/bin/sh\nu:x:5:6::/home/u:\nshort\n\
             big:x:4294967296:1::/:\n",
        ),
        group: lines("root:x:0:root\nwheel:x:10:u,root\ndocker:x:999:u\n7:x:0:\n"),
    }
}

fn check(user: &str, expect: Result<(u32, u32, &[u32], &str), &str>) {
    let got = resolve(user, &[], &files());
    match expect {
        Ok((uid, gid, groups, home)) => {
            let account = Account { uid, gid, groups: groups.to_vec(), home: home.to_owned() };
            assert_eq!(got, Ok(account), "{user}");
        }
        Err(text) => assert_eq!(got.unwrap_err().message, text, "{user}"),
    }
}

#[test]
fn users_are_parsed_once_and_never_guessed() {
    check("", Ok((0, 0, &[10], "/root")));
    check("root", Ok((0, 0, &[10], "/root")));
    check("u", Ok((5, 6, &[10, 999], "/home/u")));
    check("5", Ok((5, 6, &[10, 999], "/home/u")));
    check("u:wheel", Ok((5, 10, &[], "/home/u")));
    check("u:", Ok((5, 6, &[10, 999], "/home/u")));
    check(":wheel", Ok((0, 10, &[], "/root")));
    // Digits are a number even where a name is spelled like it.
    check("1000", Ok((1000, 0, &[], "/")));
    check("12:7", Ok((12, 7, &[], "/")));
    check("0:0", Ok((0, 0, &[], "/root")));
    let range = "uids and gids must be in range 0-2147483647";
    for wrong in ["4294967295", "4294967296", "-1", "2147483648", "99999999999999999999", "0:-5"] {
        check(wrong, Err(range));
    }
    check("nouser", Err("unable to find user nouser: no matching entries in passwd file"));
    check("root:no", Err("unable to find group no: no matching entries in group file"));
    check("big", Err("unable to find user big: no matching entries in passwd file"));
    check("short", Err("unable to find user short: no matching entries in passwd file"));
}

#[test]
fn additional_groups_are_added() {
    let account = resolve("u", &["docker".into(), "44".into()], &files()).unwrap();
    assert_eq!(account.groups, [10, 44, 999]);
    assert!(resolve("u", &["none".into()], &files()).is_err());
}

#[test]
fn groups_of_the_image_end_where_users_end() {
    let mut files = files();
    let fields = ["vast", "x", "2147483648", "u"].map(str::to_owned);
    files.group.push(fields.to_vec());
    let text = "group 2147483648 of the image's `/etc/group` is larger than 2147483647: choose \
                the groups by number, with --user USER:GROUP and --group-add";
    assert_eq!(resolve("u", &[], &files).unwrap_err().message, text);
    assert_eq!(resolve("root", &["vast".into()], &files).unwrap_err().message, text);
    // A group that is named with the user is the only one.
    assert!(resolve("u:6", &[], &files).unwrap().groups.is_empty());
    assert_eq!(resolve("root", &[], &files).unwrap().groups, [10]);
}
