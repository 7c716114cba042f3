//! Going where the files are. This process has one thread and ends with the task.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;

use sys::mount::{self, AttributeChange};
use sys::rustix::fs::OFlags;
use sys::{libc, namespace, rustix};

use super::{FilesBind, FilesError, FilesPlace, FilesTask, path};

/// Memory of a worker: names of a directory with some million entries, a zstd window, and room.
const MEMORY_BYTES: u64 = 1 << 30;

/// Descriptors of a worker: one for each level of directories, and a few.
const FILES: u64 = 2048;

/// CHOWN, DAC_OVERRIDE, DAC_READ_SEARCH, FOWNER, FSETID, SETFCAP (capabilities(7)): any file read,
/// and owners, modes, set-id bits and file capabilities written as the archive has them.
const KEPT_CAPABILITIES: &[u8] = &[0, 1, 2, 3, 4, 31];

/// Where the worker is then.
pub(super) struct Inside {
    /// The container's root directory, which is this process's own too.
    pub(super) root: OwnedFd,
    /// The container wants its root not to be written.
    pub(super) is_read_only: bool,
}

/// Enters the place and locks this process in.
pub(super) fn enter(place: &FilesPlace, task: &FilesTask) -> Result<Inside, FilesError> {
    let failed = |what: &'static str| FilesError::of(what);
    // No signal for the parent's death: the kernel means the thread that made us, and threads for
    // what blocks come and go. An engine that dies closes our pipes, and that ends us.
    // Before it joins anything: a container that sees the host's processes and may trace would
    // find one with the host's rights in its own user namespace.
    sys::process::set_not_dumpable().map_err(failed("prepare the worker"))?;
    sys::process::set_umask(0);
    let mut is_read_only = false;
    let root = match place {
        FilesPlace::Running { pid, start_ticks } => {
            join(*pid, *start_ticks)?;
            let root = File::open("/").map(OwnedFd::from);
            let root = root.map_err(failed("open the container's root"))?;
            match task {
                // Without what is mounted below: an export has the root file system alone.
                FilesTask::Export => mount::clone_tree(root.as_fd(), Path::new(""), false)
                    .map_err(failed("clone the container's root"))?,
                _ => root,
            }
        }
        FilesPlace::Stopped { layers_dir, lowers, rw_dir, binds, read_only } => {
            is_read_only = *read_only;
            stopped(&Disk { layers_dir, lowers, rw_dir }, binds, is_read_only, task)?
        }
        FilesPlace::Upper { directory } => {
            File::open(directory).map_err(failed("open the upper directory"))?.into()
        }
    };
    let root = sys::jail::enter(root, KEPT_CAPABILITIES).and_then(|root| {
        sys::process::set_rlimit(libc::RLIMIT_AS, MEMORY_BYTES, MEMORY_BYTES)?;
        sys::process::set_rlimit(libc::RLIMIT_NOFILE, FILES, FILES)?;
        Ok(root)
    });
    let root = root.map_err(failed("jail the files worker"))?;
    Ok(Inside { root, is_read_only })
}

/// The root of a container that does not run, with what it mounts.
fn stopped(
    disk: &Disk<'_>,
    binds: &[FilesBind],
    is_read_only: bool,
    task: &FilesTask,
) -> Result<OwnedFd, FilesError> {
    let failed = |what: &'static str| FilesError::of(what);
    let is_put = matches!(task, FilesTask::Put { .. });
    let is_export = matches!(task, FilesTask::Export);
    own_mounts().map_err(failed("make a mount namespace"))?;
    if is_put {
        hold_aside(lock_writing(disk.rw_dir)?)?;
    }
    let mount = |is_writing| {
        let mounted = disk.mount(is_writing);
        mounted.map_err(failed("mount the container's root file system"))
    };
    let mut root = mount(is_put)?;
    if !is_put && !is_export && !binds.iter().all(|bind| has_mount_point(&root, bind)) {
        // Places to mount at have to be made, as a start would; what is read then takes as
        // long as its client wants, and no start waits for that.
        drop(root);
        disk.unmount().map_err(failed("unmount the container's root file system"))?;
        let lock = lock_writing(disk.rw_dir)?;
        let writable = mount(true)?;
        for bind in binds {
            // What cannot be made is not seen.
            let _ = mount_point(&writable, bind);
        }
        drop(writable);
        disk.unmount().map_err(failed("unmount the container's root file system"))?;
        drop(lock);
        root = mount(false)?;
    }
    if !is_export {
        for bind in binds {
            match attach(&root, bind) {
                // What is written must not lie hidden beneath it at the next start.
                Err(error) if is_put => return Err(error),
                // What cannot be seen is as absent as its source.
                Err(_) | Ok(()) => {}
            }
        }
    }
    if is_put && is_read_only {
        let change = AttributeChange { set: mount::READ_ONLY, ..AttributeChange::default() };
        mount::set_attributes(root.as_fd(), change)
            .map_err(failed("make the container's root read-only"))?;
    }
    Ok(root)
}

/// Joins the user and mount namespaces of a process, as the root of that user namespace.
fn join(pid: i32, start_ticks: u64) -> Result<(), FilesError> {
    let pidfd = sys::process::pidfd_open(pid).map_err(|_| FilesError::Moved)?;
    if ticks(pid) != Some(start_ticks) {
        return Err(FilesError::Moved);
    }
    let has_own = is_other_user_namespace(pid).map_err(|_| FilesError::Moved)?;
    let kinds = if has_own { namespace::USER | namespace::MOUNT } else { namespace::MOUNT };
    match namespace::join(pidfd.as_fd(), kinds) {
        Err(cause) if cause.raw_os_error() == Some(libc::ESRCH) => return Err(FilesError::Moved),
        other => other.map_err(FilesError::of("join the container's namespaces"))?,
    }
    if has_own {
        let become_root = sys::credentials::set_groups(&[])
            .and_then(|()| sys::credentials::set_gid(0))
            .and_then(|()| sys::credentials::set_uid(0));
        become_root.map_err(FilesError::of("become the container's root"))?;
    }
    Ok(())
}

fn is_other_user_namespace(pid: i32) -> io::Result<bool> {
    let theirs = std::fs::read_link(format!("/proc/{pid}/ns/user"))?;
    Ok(theirs != std::fs::read_link("/proc/self/ns/user")?)
}

/// Field 22 of `/proc/PID/stat` (proc(5)); the second may hold anything, so it is counted from the
/// end of it.
fn ticks(pid: i32) -> Option<u64> {
    let stat = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
    let stat = String::from_utf8_lossy(&stat);
    stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(19)?.parse().ok()
}

/// Whoever mounts the container's overlay for writing holds this lock: two such mounts at a time
/// would spoil each other's work directory.
fn lock_writing(rw_dir: &Path) -> Result<File, FilesError> {
    let file = File::open(rw_dir).map_err(FilesError::of("open the container's files"))?;
    match rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(FilesError::Moved),
        Err(cause) => Err(FilesError::of("lock the container's files")(cause.into())),
    }
}

/// Keeps the lock until this process has ended, in another one: who may be fooled by what it reads
/// has no descriptor of a directory of the host. Our parent sees that one's end, with our code, and
/// what ends that one ends us.
fn hold_aside(lock: File) -> Result<(), FilesError> {
    let failed = FilesError::of("keep the container's files locked");
    let keeper = std::process::id();
    match sys::process::fork().map_err(failed)? {
        sys::process::Fork::Child => {
            drop(lock);
            sys::process::set_parent_death_signal(libc::SIGKILL)
                .map_err(FilesError::of("end with the lock"))?;
            match rustix::process::getppid() {
                Some(parent) if parent.as_raw_nonzero().get().unsigned_abs() == keeper => Ok(()),
                _ => Err(FilesError::Failed("the lock on the container's files is gone".into())),
            }
        }
        sys::process::Fork::Parent(child) => {
            // The pipes end with the child, but for what it may have to say of its end.
            let code = sys::process::close_all_but(
                0,
                &[rustix::stdio::stderr(), lock.as_fd(), child.pidfd.as_fd()],
            )
            .and_then(|()| sys::process::wait(child.pidfd.as_fd(), true));
            let code = code.ok().flatten().map_or(1, sys::process::Exit::shell_code);
            sys::process::exit_now(code)
        }
    }
}

/// A mount namespace that ends with this process.
fn own_mounts() -> io::Result<()> {
    namespace::unshare(namespace::MOUNT)?;
    mount::set_propagation_of_all(libc::MS_PRIVATE)
}

/// Where the layers of a container are.
struct Disk<'a> {
    layers_dir: &'a Path,
    lowers: &'a [String],
    rw_dir: &'a Path,
}

impl Disk<'_> {
    /// The container's root file system with the ids that are on disk, which are the container's
    /// own. Reading needs no work directory: the upper directory is then one more lower one.
    fn mount(&self, is_writing: bool) -> io::Result<OwnedFd> {
        // Relative names: the kernel takes one page of options.
        rustix::process::chdir(self.layers_dir)?;
        let rw = File::open(self.rw_dir)?;
        let upper = format!("/proc/self/fd/{}/upper", rw.as_raw_fd());
        let lowers = self.lowers.join(":");
        let options = match is_writing {
            true => format!(
                "lowerdir={lowers},upperdir={upper},workdir=/proc/self/fd/{}/work,userxattr",
                rw.as_raw_fd()
            ),
            false => format!("lowerdir={upper}:{lowers},userxattr"),
        };
        mount::mount_legacy("overlay", self.rw_dir, &options)?;
        // Not `File::open`: the new mount covers what the name meant before.
        let flags = OFlags::PATH | OFlags::DIRECTORY;
        Ok(rustix::fs::open(self.rw_dir, flags, rustix::fs::Mode::empty())?)
    }

    /// Undoes it; nothing of it may be open.
    fn unmount(&self) -> io::Result<()> {
        let flags = rustix::mount::UnmountFlags::NOFOLLOW;
        Ok(rustix::mount::unmount(self.rw_dir, flags)?)
    }
}

fn has_mount_point(root: &OwnedFd, bind: &FilesBind) -> bool {
    path::open(root.as_fd(), bind.target.as_os_str().as_encoded_bytes(), OFlags::PATH).is_ok()
}

/// What stands where a bind is mounted, or what is made there.
fn mount_point(root: &OwnedFd, bind: &FilesBind) -> rustix::io::Result<OwnedFd> {
    use rustix::fs::{FileType, Mode, mkdirat, mknodat};
    let is_directory = bind.source.is_dir();
    let target = bind.target.as_os_str().as_encoded_bytes();
    let mut way = Vec::new();
    let mut fd = path::open(root.as_fd(), b"/", OFlags::PATH)?;
    let parts: Vec<&[u8]> =
        target.split(|byte| *byte == b'/').filter(|part| !part.is_empty()).collect();
    for (at, part) in parts.iter().enumerate() {
        way.extend_from_slice(&[b"/", *part].concat());
        fd = match path::open(root.as_fd(), &way, OFlags::PATH) {
            Err(rustix::io::Errno::NOENT) => {
                match is_directory || at + 1 < parts.len() {
                    true => mkdirat(&fd, *part, Mode::from_raw_mode(0o755))?,
                    false => {
                        let mode = Mode::from_raw_mode(0o755);
                        mknodat(&fd, *part, FileType::RegularFile, mode, 0)?;
                    }
                }
                path::open(root.as_fd(), &way, OFlags::PATH)?
            }
            other => other?,
        };
    }
    Ok(fd)
}

/// Mounts what the container would mount. Nobody of the container
/// is there who could change the way.
fn attach(root: &OwnedFd, bind: &FilesBind) -> Result<(), FilesError> {
    let failed = || format!("mount `{}`, which a start would", bind.source.display());
    let tree = mount::clone_tree(rustix::fs::CWD, &bind.source, true)
        .map_err(FilesError::of(&failed()))?;
    let target =
        mount_point(root, bind).map_err(|cause| FilesError::of(&failed())(cause.into()))?;
    let set = if bind.read_only { mount::READ_ONLY } else { 0 };
    let propagation = libc::MS_PRIVATE;
    let change =
        AttributeChange { set, propagation, recursive: true, ..AttributeChange::default() };
    mount::set_attributes(tree.as_fd(), change)
        .and_then(|()| mount::attach(tree.as_fd(), target.as_fd()))
        .map_err(FilesError::of(&format!("mount `{}`", bind.source.display())))
}
