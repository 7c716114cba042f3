//! Users, groups, capabilities and what guards them.
//!
//! All calls here change the calling thread only (they bypass libc's wrappers, which would change
//! every thread): processes that use them are single-threaded, except for [`FsIds`].

use std::io;

use crate::check;

/// `setresuid(2)`: real, effective and saved user id.
pub fn set_uid(uid: u32) -> io::Result<()> {
    // SAFETY: takes integers.
    check(unsafe { libc::syscall(libc::SYS_setresuid, uid, uid, uid) }).map(drop)
}

/// `setresgid(2)`: real, effective and saved group id.
pub fn set_gid(gid: u32) -> io::Result<()> {
    // SAFETY: takes integers.
    check(unsafe { libc::syscall(libc::SYS_setresgid, gid, gid, gid) }).map(drop)
}

/// `setgroups(2)`: the supplementary groups.
pub fn set_groups(groups: &[u32]) -> io::Result<()> {
    // SAFETY: pointer and count are of one live slice.
    check(unsafe { libc::syscall(libc::SYS_setgroups, groups.len(), groups.as_ptr()) }).map(drop)
}

/// Like [`set_groups`], for a process that is to have no group but `gid`. In a user namespace that
/// lets nobody leave a group (`/proc/PID/setgroups` is `deny`) it keeps those that it has.
pub fn set_groups_or_keep(groups: &[u32], gid: u32) -> io::Result<()> {
    const SETGID: u64 = 1 << 6;
    let result = set_groups(groups);
    let is_refused = result.as_ref().is_err_and(|e| e.raw_os_error() == Some(libc::EPERM));
    // With the capability, that is the only reason for which the kernel refuses.
    let is_denied = is_refused && capabilities()?.effective & SETGID != 0;
    match is_denied && groups.iter().all(|group| *group == gid) {
        true => Ok(()),
        false => result,
    }
}

/// File system user and group ids changed for a while, with all capabilities kept.
#[derive(Debug)]
pub struct FsIds {
    securebits: libc::c_long,
}

/// `SECBIT_NO_SETUID_FIXUP`: changing ids leaves capabilities alone.
const NO_SETUID_FIXUP: libc::c_long = 1 << 2;

impl FsIds {
    /// `setfsuid(2)`, `setfsgid(2)` on this thread until dropped; `SECBIT_NO_SETUID_FIXUP`
    /// keeps the file capabilities that the kernel would otherwise drop.
    pub fn change(uid: u32, gid: u32) -> io::Result<FsIds> {
        // SAFETY: takes integers.
        let securebits = check(unsafe { libc::prctl(libc::PR_GET_SECUREBITS, 0, 0, 0, 0) }.into())?;
        set_securebits(securebits | NO_SETUID_FIXUP)?;
        let guard = FsIds { securebits };
        // SAFETY: takes integers; a second call with -1 only reads the id back.
        let (now_uid, now_gid) = unsafe {
            libc::syscall(libc::SYS_setfsgid, gid);
            libc::syscall(libc::SYS_setfsuid, uid);
            (libc::syscall(libc::SYS_setfsuid, -1), libc::syscall(libc::SYS_setfsgid, -1))
        };
        if now_uid as u32 != uid || now_gid as u32 != gid {
            return Err(io::Error::from_raw_os_error(libc::EPERM));
        }
        Ok(guard)
    }
}

impl Drop for FsIds {
    fn drop(&mut self) {
        // SAFETY: takes integers; these ids were ours before.
        unsafe {
            libc::syscall(libc::SYS_setfsuid, libc::geteuid());
            libc::syscall(libc::SYS_setfsgid, libc::getegid());
        }
        // The bits were ours before; nothing can be done about a failure here.
        drop(set_securebits(self.securebits));
    }
}

fn set_securebits(bits: libc::c_long) -> io::Result<()> {
    // SAFETY: takes integers.
    check(unsafe { libc::prctl(libc::PR_SET_SECUREBITS, bits, 0, 0, 0) }.into()).map(drop)
}

/// `prctl(PR_SET_KEEPCAPS)`: permitted capabilities survive leaving user id 0, until exec.
pub fn keep_capabilities() -> io::Result<()> {
    // SAFETY: takes integers.
    check(unsafe { libc::prctl(libc::PR_SET_KEEPCAPS, 1, 0, 0, 0) }.into()).map(drop)
}

/// The three sets of `capget(2)` as bit masks.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct CapabilitySets {
    /// In force.
    pub effective: u64,
    /// May be put in force.
    pub permitted: u64,
    /// Kept over exec with inheritable file capabilities.
    pub inheritable: u64,
}

/// `_LINUX_CAPABILITY_VERSION_3`, Linux 2.6.26.
const CAPABILITY_VERSION_3: u32 = 0x2008_0522;

#[repr(C)]
struct CapabilityHeader {
    version: u32,
    pid: i32,
}

/// `capget(2)` of this thread.
pub fn capabilities() -> io::Result<CapabilitySets> {
    let mut header = CapabilityHeader { version: CAPABILITY_VERSION_3, pid: 0 };
    let mut data = [[0u32; 3]; 2];
    // SAFETY: header and the two data elements have the kernel's layout and live over the call.
    check(unsafe { libc::syscall(libc::SYS_capget, &raw mut header, data.as_mut_ptr()) })?;
    let join = |index: usize| u64::from(data[0][index]) | u64::from(data[1][index]) << 32;
    Ok(CapabilitySets { effective: join(0), permitted: join(1), inheritable: join(2) })
}

/// `capset(2)` of this thread.
pub fn set_capabilities(sets: CapabilitySets) -> io::Result<()> {
    let mut header = CapabilityHeader { version: CAPABILITY_VERSION_3, pid: 0 };
    let half = |shift: u32| {
        [sets.effective, sets.permitted, sets.inheritable].map(|set| (set >> shift) as u32)
    };
    let data = [half(0), half(32)];
    // SAFETY: as in `capabilities`.
    check(unsafe { libc::syscall(libc::SYS_capset, &raw mut header, data.as_ptr()) }).map(drop)
}

/// The bounding set, by `prctl(PR_CAPBSET_READ)` for each capability that the kernel knows.
pub fn bounding_set() -> u64 {
    (0..64u32)
        // SAFETY: takes integers.
        .map(|cap| unsafe { libc::prctl(libc::PR_CAPBSET_READ, cap, 0, 0, 0) })
        // Above the last one that it knows, it knows none.
        .take_while(|has| *has >= 0)
        .enumerate()
        .fold(0, |set, (cap, has)| if has == 1 { set | 1 << cap } else { set })
}

/// `prctl(PR_CAPBSET_DROP)`: takes everything that is not in `keep` from the bounding set.
pub fn limit_bounding_set(keep: u64) -> io::Result<()> {
    let surplus = bounding_set() & !keep;
    for cap in (0..64u32).filter(|cap| surplus >> cap & 1 == 1) {
        // SAFETY: takes integers.
        check(unsafe { libc::prctl(libc::PR_CAPBSET_DROP, cap, 0, 0, 0) }.into())?;
    }
    Ok(())
}

/// `prctl(PR_CAP_AMBIENT)`, Linux 4.3: replaces the ambient set.
pub fn set_ambient(set: u64) -> io::Result<()> {
    // SAFETY: takes integers.
    check(
        unsafe { libc::prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) }
            .into(),
    )?;
    for cap in (0..64u32).filter(|cap| set >> cap & 1 == 1) {
        // SAFETY: takes integers.
        let result =
            unsafe { libc::prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_RAISE, cap, 0, 0) };
        check(result.into())?;
    }
    Ok(())
}

/// `prctl(PR_SET_NO_NEW_PRIVS)`, Linux 3.5: no exec raises privileges from now on.
pub fn set_no_new_privileges() -> io::Result<()> {
    // SAFETY: takes integers.
    check(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) }.into()).map(drop)
}
