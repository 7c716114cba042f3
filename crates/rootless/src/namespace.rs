//! Going inside: once per engine, before it has a second thread.

use std::ffi::OsString;
use std::io;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use runtime::plan::IdMapping;
use sys::namespace::{MOUNT, USER, join, unshare};
use sys::process::Fork;
use sys::rustix::process::{getegid, geteuid};

use crate::subordinate::{self, Range};

/// The kernel allows 340 lines of 33 characters.
const MAP_BYTES_MAX: u64 = 64 << 10;

/// There is no way inside.
#[derive(Debug, thiserror::Error)]
pub enum EnterError {
    /// The kernel refuses.
    #[error(
        "failed to make a user namespace\n\nThis machine may forbid them to users: see \
         `sysctl user.max_user_namespaces kernel.unprivileged_userns_clone \
         kernel.apparmor_restrict_unprivileged_userns`. Otherwise start the engine as root."
    )]
    Unshare(#[source] io::Error),
    /// newuidmap or newgidmap did not do it.
    #[error(
        "failed to map subordinate ids: {said}\n\nDebian's package `uidmap` has what is needed."
    )]
    Map {
        /// What they said.
        said: String,
    },
    /// Something else.
    #[error("failed to {step}")]
    Step {
        /// What was tried.
        step: &'static str,
        /// Why it failed.
        #[source]
        cause: io::Error,
    },
}

/// How many ids this process's user namespace has, counted from 0; `None` outside of any.
pub fn ids_inside() -> Option<u32> {
    let counts = ["uid_map", "gid_map"].map(|name| {
        let lines = lines_inside(name);
        lines.last().map_or(0, |line| line.inside.saturating_add(line.count))
    });
    counts.into_iter().min().filter(|count| *count != u32::MAX)
}

/// This process's own map, `uid_map` or `gid_map`, as one for a namespace in it where all ids are
/// the same.
pub(crate) fn lines_inside(name: &str) -> Vec<IdMapping> {
    let path = Path::new("/proc/self").join(name);
    let bytes = stdx::fs::read(&path, MAP_BYTES_MAX).unwrap_or_default();
    same_ids(&String::from_utf8_lossy(&bytes))
}

/// Lines from 0 on without a gap; what comes after one is not used.
fn same_ids(map: &str) -> Vec<IdMapping> {
    let mut end = 0u32;
    let lines = map.lines().map_while(|line| {
        let mut numbers = line.split_whitespace().map(str::parse::<u32>);
        let (inside, _, count) = (numbers.next()?.ok()?, numbers.next()?, numbers.next()?.ok()?);
        let is_next = inside == end;
        end = end.saturating_add(count);
        is_next.then_some(IdMapping { inside, outside: inside, count })
    });
    lines.collect()
}

/// Goes inside and executes `program` there, with this process's id. Joins the namespaces of what
/// an engine of `run` left running, or else makes new ones. Returns only when it failed.
///
/// Must be called by a single-threaded process outside, of an ordinary user.
pub fn enter(run: &Path, program: &Path, words: &[OsString]) -> EnterError {
    let inside = match join_kept(run) {
        true => Ok(()),
        false => make(),
    };
    match inside {
        Err(error) => error,
        // Anew: what this process has in memory and below /proc/self belongs outside.
        Ok(()) => {
            let cause = Command::new(program).args(words).exec();
            EnterError::Step { step: "execute the engine in its namespace", cause }
        }
    }
}

/// Containers that outlived their engine keep its namespaces; a new engine must be where they are
/// to reach them. Says whether it is.
fn join_kept(run: &Path) -> bool {
    let containers = std::fs::read_dir(run.join("containers")).into_iter().flatten().flatten();
    containers.map(|entry| entry.path()).any(|dir| {
        let Ok(connected) = monitor::records::connect(&dir) else { return false };
        let Ok(peer) = sys::socket::peer_credentials(connected.as_fd()) else { return false };
        let Ok(pidfd) = sys::process::pidfd_open(peer.pid) else { return false };
        // It refuses what is not this user's, and the namespace that we are in already.
        join(pidfd.as_fd(), USER | MOUNT).is_ok()
    })
}

fn make() -> Result<(), EnterError> {
    let (uid, gid) = (geteuid().as_raw(), getegid().as_raw());
    let step = |step| move |cause| EnterError::Step { step, cause };
    let [uids, gids] = match subordinate::of(uid) {
        Ok(ranges) => ranges,
        Err(error) => {
            let why = stdx::error::chain(&error);
            eprintln!("only user and group 0 will be there for containers: {why}");
            return make_single(uid, gid);
        }
    };
    let (mut ours, mut theirs) = UnixStream::pair().map_err(step("make a socket pair"))?;
    let own = std::process::id();
    // Only somebody outside may write the map, and only these set-id programs more than one line.
    let mapper = match sys::process::fork().map_err(step("clone a process"))? {
        Fork::Child => {
            drop(ours);
            let said =
                mapped(&mut theirs, own, [("newuidmap", uid, &uids), ("newgidmap", gid, &gids)]);
            drop(theirs.write_all(said.err().unwrap_or_default().as_bytes()));
            sys::process::exit_now(0)
        }
        Fork::Parent(child) => child,
    };
    drop(theirs);
    let made = unshare(USER | MOUNT).map_err(EnterError::Unshare);
    if made.is_ok() {
        ours.write_all(b"!").map_err(step("tell of the namespace"))?;
    }
    drop(ours.shutdown(std::net::Shutdown::Write));
    let mut said = String::new();
    let heard = ours.read_to_string(&mut said);
    drop(sys::process::wait(mapper.pidfd.as_fd(), true));
    made?;
    heard.map_err(step("hear of the map"))?;
    match said.is_empty() {
        true => Ok(()),
        false => Err(EnterError::Map { said }),
    }
}

/// Without ids to give, the user is the only one inside. Such a map everybody may write, when
/// nobody inside can leave a group any more (user_namespaces(7)).
fn make_single(uid: u32, gid: u32) -> Result<(), EnterError> {
    unshare(USER | MOUNT).map_err(EnterError::Unshare)?;
    let lines = [
        ("setgroups", "deny".to_owned()),
        ("uid_map", format!("0 {uid} 1")),
        ("gid_map", format!("0 {gid} 1")),
    ];
    lines.into_iter().try_for_each(|(name, text)| {
        let step = |cause| EnterError::Step { step: "map the user's own id", cause };
        std::fs::write(Path::new("/proc/self").join(name), text).map_err(step)
    })
}

/// The other process's side: waits for the namespace, and has it mapped.
fn mapped(
    socket: &mut UnixStream,
    pid: u32,
    maps: [(&str, u32, &Vec<Range>); 2],
) -> Result<(), String> {
    if socket.read_exact(&mut [0]).is_err() {
        return Ok(());
    }
    for (program, id, ranges) in maps {
        let words = map_words(pid, id, ranges);
        let output = Command::new(program)
            .args(words.iter().map(u32::to_string))
            .output()
            .map_err(|error| format!("{program}: {error}"))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            return Err(if said.is_empty() { format!("{program} failed") } else { said });
        }
    }
    Ok(())
}

/// The arguments of newuidmap(1): 0 is the user, the subordinate ids follow.
fn map_words(pid: u32, id: u32, ranges: &[Range]) -> Vec<u32> {
    let mut words = vec![pid, 0, id, 1];
    let mut inside = 1;
    for (start, count) in ranges {
        words.extend([inside, *start, *count]);
        inside += count;
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps() {
        let line = |inside, count| IdMapping { inside, outside: inside, count };
        assert_eq!(same_ids("         0          0 4294967295\n"), [line(0, u32::MAX)]);
        let usual = "0 1000 1\n1 100000 65536\n65537 300000 10\n";
        assert_eq!(same_ids(usual), [line(0, 1), line(1, 65_536), line(65_537, 10)]);
        assert_eq!(same_ids("0 1000 1\n5 100000 65536\n"), [line(0, 1)]);
        assert_eq!(same_ids(""), []);
        assert_eq!(
            map_words(7, 1000, &[(100_000, 65_536), (300_000, 10)]),
            [7, 0, 1000, 1, 1, 100_000, 65_536, 65_537, 300_000, 10]
        );
    }
}
