//! Where a runtime finds what we mounted: a mount namespace for as long as it builds a container.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use sys::process::{Child, CloneSpec, Fork};
use sys::rustix::fs::{AtFlags, FileType, Mode, OFlags};
use sys::{libc, mount, namespace, rustix};

use crate::failure::Failure;
use crate::launch::{self, binds, ids, root};
use crate::plan::{LaunchPlan, MountKind, UserNamespace};

/// What is mounted, and where.
#[derive(Debug)]
pub(super) struct Prepared {
    /// The root file system.
    pub(super) root: OwnedFd,
    /// Its path.
    pub(super) root_path: PathBuf,
    /// Paths of `/dev` and all binds, in the order of the plan.
    pub(super) binds: Vec<PathBuf>,
}

/// Mounts all that needs our hand, and calls `work` where it can be seen.
pub(super) fn with<T>(
    place: &Path,
    plan: &LaunchPlan,
    work: impl FnOnce(&Prepared) -> Result<T, Failure>,
) -> Result<(T, Vec<String>), Failure> {
    if let (Some(dir), false) =
        (super::closed_ancestor(place), matches!(plan.user_namespace, UserNamespace::Host))
    {
        return Err(Failure::invalid(format!(
            "the container's root cannot enter `{}`, which this runtime needs: make it \
             searchable (chmod o+x), or run with --userns=host",
            dir.display()
        )));
    }
    let holder = Holder::of(plan)?;
    let owner = ids::Owner::of(plan, holder.pid())?;
    let mut notes = Vec::new();
    let root = root::prepare(plan, &owner)?;
    let trees = binds::prepare(plan, &owner, &[], &mut notes)?.trees;
    drop(holder);
    let outside = File::open("/proc/self/ns/mnt").map_err(Failure::at("open our mounts"))?;
    namespace::unshare(namespace::MOUNT).map_err(Failure::at("make a mount namespace"))?;
    let done = attach(place, root, &trees).and_then(|prepared| work(&prepared));
    namespace::join(outside.as_fd(), namespace::MOUNT)
        .map_err(Failure::at("leave the mount namespace"))?;
    // Leaving one also means the host's root as ours.
    std::env::set_current_dir("/").map_err(Failure::at("enter the root directory"))?;
    Ok((done?, notes))
}

fn attach(place: &Path, root: OwnedFd, trees: &[OwnedFd]) -> Result<Prepared, Failure> {
    let step = "prepare the container's mounts";
    // What appears on the host appears here, and nothing of ours there.
    mount::set_propagation_of_all(libc::MS_SLAVE as _).map_err(Failure::at(step))?;
    let options = ["mode=711".to_owned(), "size=1m".to_owned()];
    let tmpfs = mount::new_file_system("tmpfs", Some("tmpfs"), &options, mount::NO_SUID)
        .map_err(Failure::at(step))?;
    attach_at(tmpfs.as_fd(), place)?;
    let root_path = place.join("rootfs");
    mount_point(root.as_fd(), &root_path)?;
    attach_at(root.as_fd(), &root_path)?;
    let mut binds = Vec::new();
    for (index, tree) in trees.iter().enumerate() {
        let path = place.join(index.to_string());
        mount_point(tree.as_fd(), &path)?;
        attach_at(tree.as_fd(), &path)?;
        binds.push(path);
    }
    Ok(Prepared { root, root_path, binds })
}

/// A `/dev/null` of nobody else's: runtimes give standard streams to the container's user.
pub(super) fn private_null() -> Result<OwnedFd, Failure> {
    let step = "make a null device";
    let options = ["size=4k".to_owned()];
    let dir = mount::new_file_system("tmpfs", Some("tmpfs"), &options, mount::NO_SUID)
        .map_err(Failure::at(step))?;
    let mode = Mode::from_raw_mode(0o666);
    rustix::fs::mknodat(&dir, "null", FileType::CharacterDevice, mode, NULL)
        .and_then(|()| rustix::fs::chmodat(&dir, "null", mode, AtFlags::empty()))
        .map_err(Failure::at(step))?;
    rustix::fs::openat(&dir, "null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())
        .map_err(Failure::at(step))
}

/// Number of `/dev/null`: driver 1, unit 3.
const NULL: u64 = 0x103;

/// Whether this is a null device.
pub(super) fn is_null(fd: BorrowedFd<'_>) -> bool {
    rustix::fs::fstat(fd).is_ok_and(|stat| {
        FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice && stat.st_rdev == NULL
    })
}

fn attach_at(tree: BorrowedFd<'_>, path: &Path) -> Result<(), Failure> {
    let target = rustix::fs::open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())
        .map_err(Failure::at(format!("open `{}`", path.display())))?;
    mount::attach(tree, target.as_fd())
        .map_err(Failure::at(format!("mount at `{}`", path.display())))
}

/// A directory for a tree, a file for anything else.
fn mount_point(tree: BorrowedFd<'_>, path: &Path) -> Result<(), Failure> {
    let stat = rustix::fs::fstat(tree).map_err(Failure::at("look at a mount"))?;
    let made = match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => std::fs::create_dir(path),
        _ => File::create(path).map(drop),
    };
    made.map_err(Failure::at(format!("make `{}`", path.display())))
}

/// The root of a running container.
pub(super) fn root_of(pid: i32) -> Result<OwnedFd, Failure> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::open(format!("/proc/{pid}/root"), flags, Mode::empty())
        .map_err(Failure::at("open the container's root"))
}

/// A process that does nothing but hold a user namespace with the container's map: mounts are
/// mapped by it. The runtime makes another one with the same map.
struct Holder(Option<Child>);

impl Holder {
    fn of(plan: &LaunchPlan) -> Result<Holder, Failure> {
        let UserNamespace::New { uid_map, gid_map, .. } = &plan.user_namespace else {
            return Ok(Holder(None));
        };
        let spec = CloneSpec { flags: namespace::USER, cgroup: None };
        let child = match sys::process::clone3(&spec).map_err(Failure::at("clone a process"))? {
            Fork::Child => loop {
                // Ended by a signal only, also when its parent dies.
                drop(sys::process::set_parent_death_signal(libc::SIGKILL));
                let _ = rustix::thread::nanosleep(&rustix::thread::Timespec {
                    tv_sec: i64::from(u32::MAX),
                    tv_nsec: 0,
                });
            },
            Fork::Parent(child) => child,
        };
        let holder = Holder(Some(child));
        ids::write_maps(holder.pid(), uid_map, gid_map)?;
        Ok(holder)
    }

    /// Its process id; ours when no namespace is to be held.
    fn pid(&self) -> i32 {
        self.0.as_ref().map_or_else(|| std::process::id() as i32, |child| child.pid)
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        if let Some(child) = &self.0 {
            launch::end(child);
        }
    }
}

/// Which of a plan's mounts are prepared here.
pub(super) fn is_prepared(kind: &MountKind) -> bool {
    matches!(kind, MountKind::Devices | MountKind::Bind { .. })
}
