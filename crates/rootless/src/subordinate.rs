//! A user's subordinate ids: `/etc/subuid` and `/etc/subgid` (subuid(5)).

use std::path::Path;

/// Files of big sites have some thousand lines.
const BYTES_MAX: u64 = 16 << 20;

/// The kernel takes 340 lines of a map (user_namespaces(7)); the first is the user.
const RANGES_MAX: usize = 339;

/// An image's usual ids, 0 to 65535, with the user as 0.
const COUNT_MIN: u32 = 65_535;

/// A user without ids to give to containers.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SubordinateError {
    /// The user has no name.
    #[error("user {uid} is not in /etc/passwd, and so has no subordinate ids")]
    NoName {
        /// Who.
        uid: u32,
    },
    /// Too few ids.
    #[error(
        "user {name} has {count} subordinate ids in {file}, and containers need {COUNT_MIN}\n\n\
         Let root give some: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {name}"
    )]
    TooFew {
        /// Who.
        name: String,
        /// How many there are.
        count: u32,
        /// Where.
        file: &'static str,
    },
}

/// A range of ids: first, count.
pub(crate) type Range = (u32, u32);

/// The ranges of users and groups of a user.
pub(crate) fn of(uid: u32) -> Result<[Vec<Range>; 2], SubordinateError> {
    let text = |path: &str| {
        let bytes = stdx::fs::read(Path::new(path), BYTES_MAX).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let name = name_of(&text("/etc/passwd"), uid).ok_or(SubordinateError::NoName { uid })?;
    let one = |file: &'static str| {
        let found = ranges(&text(file), &name, uid);
        let count = found.iter().map(|(_, count)| count).sum();
        match count >= COUNT_MIN {
            true => Ok(found),
            false => Err(SubordinateError::TooFew { name: name.clone(), count, file }),
        }
    };
    Ok([one("/etc/subuid")?, one("/etc/subgid")?])
}

fn name_of(passwd: &str, uid: u32) -> Option<String> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    })
}

/// Lines are for a name or a number. What is broken is left out, as newuidmap leaves it out.
fn ranges(text: &str, name: &str, uid: u32) -> Vec<Range> {
    let mut total = 0u32;
    let lines = text.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let whose = fields.next()?;
        if whose != name && whose.parse() != Ok(uid) {
            return None;
        }
        let (start, count): (u32, u32) =
            (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
        let fits = count > 0 && start > 0 && start.checked_add(count).is_some();
        total = total.checked_add(count).filter(|_| fits)?;
        Some((start, count))
    });
    lines.take(RANGES_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_for_names_and_numbers() {
        let passwd = "root:x:0:0::/root:/bin/sh\nbroken\nann:x:1000:1000::/home/ann:/bin/sh\n";
        assert_eq!(name_of(passwd, 1000).as_deref(), Some("ann"));
        assert_eq!(name_of(passwd, 1001), None);
        let text = "bob:1:2\nann:100000:65536\n1000:300000:10\nann:x:1\nann:0:5\nann:7:0\n\
                    ann:4294967295:2\n";
        assert_eq!(ranges(text, "ann", 1000), [(100_000, 65_536), (300_000, 10)]);
        assert_eq!(ranges("", "ann", 1000), []);
    }
}
