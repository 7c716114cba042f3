//! Owner, mode, extended attributes and times of what was made, by descriptor.

use std::io;
use std::os::fd::BorrowedFd;

use sys::rustix::fs::{self, Gid, Mode, Timespec, Timestamps, Uid, XattrFlags};
use sys::rustix::io::Errno;

use crate::tar::{Entry, Time};

/// What became of a member's extended attributes.
#[derive(Default)]
pub struct XattrOutcome {
    pub dropped: u64,
    pub has_capability: bool,
}

/// Why a member's owner could not be set: in a user namespace the kernel knows only some ids.
pub fn owner_error(errno: Errno, entry: &Entry) -> io::Error {
    let (uid, gid) = (entry.uid, entry.gid);
    match errno {
        Errno::INVAL => io::Error::other(format!(
            "its owner {uid}:{gid} is none of the ids that this engine has for containers"
        )),
        other => other.into(),
    }
}

/// Sets owner, then mode, then extended attributes: a change of owner takes set-id bits and file
/// capabilities away (chown(2)).
pub fn set(fd: BorrowedFd<'_>, entry: &Entry) -> io::Result<XattrOutcome> {
    fs::fchown(fd, Some(Uid::from_raw(entry.uid)), Some(Gid::from_raw(entry.gid)))
        .map_err(|errno| owner_error(errno, entry))?;
    fs::fchmod(fd, Mode::from_raw_mode(entry.mode))?;
    let mut outcome = XattrOutcome::default();
    for (name, value) in &entry.xattrs {
        match allowed(name, value) {
            Some(value) => {
                fs::fsetxattr(fd, name.as_slice(), &value, XattrFlags::empty())?;
                outcome.has_capability |= name == CAPABILITY;
            }
            None => outcome.dropped += 1,
        }
    }
    Ok(outcome)
}

/// Sets the time of last change; the time of last access becomes the same.
pub fn set_times(fd: BorrowedFd<'_>, time: Time) -> io::Result<()> {
    Ok(fs::futimens(fd, &times(time))?)
}

/// The same time twice, as the kernel wants it.
pub fn times(time: Time) -> Timestamps {
    let time = Timespec { tv_sec: time.seconds, tv_nsec: i64::from(time.nanoseconds) };
    Timestamps { last_access: time, last_modification: time }
}

const CAPABILITY: &[u8] = b"security.capability";

/// The value to set, or `None` to leave the attribute out. `trusted.*`, `security.*` and `system.*`
/// speak to the host's kernel, `user.overlay.*` to overlay: a layer has no say there.
fn allowed(name: &[u8], value: &[u8]) -> Option<Vec<u8>> {
    if name == CAPABILITY {
        return capability(value);
    }
    let is_user = name.starts_with(b"user.") && name.len() > b"user.".len();
    let is_overlay = name.starts_with(b"user.overlay.");
    (is_user && !is_overlay && !name.contains(&0) && name.len() <= 255).then(|| value.to_vec())
}

/// File capabilities as revision 2 (capabilities(7)): revision 3 names the root of a user namespace
/// of another machine, and an idmapped mount gives revision 2 to the container's root.
fn capability(value: &[u8]) -> Option<Vec<u8>> {
    let (magic, sets) = value.split_at_checked(4)?;
    let magic = u32::from_le_bytes(magic.try_into().ok()?);
    let sets = match (magic & 0xff00_0000, sets.len()) {
        (0x0200_0000, 16) => sets,
        (0x0300_0000, 20) => sets.get(..16)?,
        _ => return None,
    };
    Some([&(0x0200_0000 | (magic & 1)).to_le_bytes(), sets].concat())
}
