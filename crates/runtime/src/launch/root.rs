//! The detached mount that becomes `/`.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use sys::credentials::FsIds;
use sys::mount::{self, AttributeChange};
use sys::process::{Exit, Fork};
use sys::{libc, rustix};

use super::ids::Owner;
use crate::failure::Failure;
use crate::plan::{LaunchPlan, Propagation, RootPlan};

/// Makes it.
pub(crate) fn prepare(plan: &LaunchPlan, owner: &Owner) -> Result<OwnedFd, Failure> {
    match &plan.root {
        RootPlan::Directory(path) => {
            let tree = mount::clone_tree(rustix::fs::CWD, path, true)
                .map_err(Failure::at(format!("open the root file system `{}`", path.display())))?;
            // Nothing goes out to the host; what is unmounted there does not stay pinned here. A
            // shared mount could not become the root (pivot_root(2)).
            let propagation = match plan.root_propagation {
                Propagation::Shared => libc::MS_PRIVATE,
                _ => libc::MS_SLAVE,
            };
            let change =
                AttributeChange { propagation, recursive: true, ..AttributeChange::default() };
            mount::set_attributes(tree.as_fd(), change)
                .map_err(Failure::at("cut the root file system off from the host"))?;
            if let Some(namespace) = owner.root_idmap() {
                mount::set_idmap(tree.as_fd(), namespace, false)
                    .map_err(Failure::at("id-map the root file system"))?;
            }
            Ok(tree)
        }
        RootPlan::Overlay { layers_dir, lowers, rw_dir, volatile } => {
            overlay(layers_dir, lowers, rw_dir, *volatile, owner)
        }
    }
}

/// Overlay over id-mapped layers, mounted by a thread whose file system ids are the container's
/// root: with ids outside the map, overlay could not make its work directory and would silently
/// mount read-only. Two id-mapped mounts serve any number of layers.
fn overlay(
    layers_dir: &Path,
    lowers: &[PathBuf],
    rw_dir: &Path,
    volatile: bool,
    owner: &Owner,
) -> Result<OwnedFd, Failure> {
    // What an earlier volatile mount left would make the kernel refuse this one. Such a container
    // has promised to be gone when it stops, so nothing in it was owed to the disk.
    stdx::fs::remove_tree(&rw_dir.join("work/work/incompat"))
        .map_err(|error| Failure::at("reset the work directory")(stdx::error::chain(&error)))?;
    let parts = Parts {
        layers: open_mapped(layers_dir, owner)?,
        rw: open_mapped(rw_dir, owner)?,
        layers_dir,
        rw_dir,
        lowers,
        volatile,
    };
    let _ids = FsIds::change(owner.root_uid, owner.root_gid)
        .map_err(Failure::at("become the container's root for files"))?;
    match parts.mount_detached() {
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => parts.mount_attached(),
        other => other,
    }
    .map_err(Failure::at("mount the overlay"))
}

/// What an overlay is made of.
struct Parts<'a> {
    layers: OwnedFd,
    rw: OwnedFd,
    layers_dir: &'a Path,
    rw_dir: &'a Path,
    lowers: &'a [PathBuf],
    volatile: bool,
}

impl Parts<'_> {
    /// Linux 6.14: layers may be detached mounts, and each has an option of its own (6.7), so
    /// that nothing limits their number. `InvalidInput` on older kernels.
    fn mount_detached(&self) -> io::Result<OwnedFd> {
        let flags = rustix::mount::FsOpenFlags::FSOPEN_CLOEXEC;
        let context = rustix::mount::fsopen("overlay", flags)?;
        let layers = self.layers.as_raw_fd();
        for lower in self.lowers {
            let option = format!("lowerdir+=/proc/self/fd/{layers}/{}", lower.display());
            mount::set_option(context.as_fd(), &option)?;
        }
        let rw = self.rw.as_raw_fd();
        for option in [
            format!("upperdir=/proc/self/fd/{rw}/upper"),
            format!("workdir=/proc/self/fd/{rw}/work"),
        ] {
            mount::set_option(context.as_fd(), &option)?;
        }
        for option in self.flags() {
            mount::set_option(context.as_fd(), option)?;
        }
        mount::create_mount(context.as_fd(), 0)
    }

    /// Older kernels (5.19) take layers only from the caller's own mount namespace: a short-lived
    /// process with a namespace of its own mounts them over their own paths, the overlay over
    /// them, and hands out a detached copy of it.
    fn mount_attached(&self) -> io::Result<OwnedFd> {
        let (ours, theirs) = sys::socket::socketpair_messages()?;
        let child = match sys::process::fork()? {
            Fork::Parent(child) => child,
            Fork::Child => {
                let sent = self.attach_and_mount().and_then(|tree| {
                    sys::socket::send_with_fds(theirs.as_fd(), b"!", &[tree.as_fd()])
                });
                let code = sent.err().map_or(0, |error| error.raw_os_error().unwrap_or(libc::EIO));
                sys::process::exit_now(code)
            }
        };
        drop(theirs);
        let got = sys::socket::receive_with_fds(ours.as_fd(), &mut [0; 1], true);
        let exit = sys::process::wait(child.pidfd.as_fd(), true)?;
        match (got?.fds.into_iter().next(), exit) {
            (Some(tree), _) => Ok(tree),
            (None, Some(Exit::Code(code))) => Err(io::Error::from_raw_os_error(code)),
            (None, _) => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    fn attach_and_mount(&self) -> io::Result<OwnedFd> {
        sys::namespace::unshare(sys::namespace::MOUNT)?;
        mount::set_propagation_of_all(libc::MS_PRIVATE)?;
        for (tree, dir) in [(&self.layers, self.layers_dir), (&self.rw, self.rw_dir)] {
            // Without a user namespace they are plain directories, and in place already.
            let _ = mount::attach(tree.as_fd(), File::open(dir)?.as_fd());
        }
        // Relative names: the kernel takes one page of options.
        rustix::process::chdir(self.layers_dir)?;
        let rw = File::open(self.rw_dir)?;
        let names: Vec<String> = self.lowers.iter().map(|l| l.display().to_string()).collect();
        let mut options = vec![
            format!("lowerdir={}", names.join(":")),
            format!("upperdir=/proc/self/fd/{}/upper", rw.as_raw_fd()),
            format!("workdir=/proc/self/fd/{}/work", rw.as_raw_fd()),
        ];
        options.extend(self.flags().map(str::to_owned));
        mount::mount_legacy("overlay", self.rw_dir, &options.join(","))?;
        mount::clone_tree(rustix::fs::CWD, self.rw_dir, false)
    }

    fn flags(&self) -> impl Iterator<Item = &'static str> {
        // Opaque directories are marked in user.*: the jailed unpacker may write no trusted.*.
        std::iter::once("userxattr").chain(self.volatile.then_some("volatile"))
    }
}

fn open_mapped(dir: &Path, owner: &Owner) -> Result<OwnedFd, Failure> {
    let Some(namespace) = owner.root_idmap() else {
        return File::open(dir)
            .map(OwnedFd::from)
            .map_err(Failure::at(format!("open `{}`", dir.display())));
    };
    let tree = clone_private(dir)
        .map_err(Failure::at(format!("clone the mount of `{}`", dir.display())))?;
    mount::set_idmap(tree.as_fd(), namespace, false).map_err(|error| Failure {
        message: format!(
            "failed to id-map `{}`: {error}; its file system may not support it: use a data root \
             on ext4, xfs or btrfs, or run with --userns=host",
            dir.display()
        ),
        kind: crate::failure::FailureKind::Internal,
    })?;
    Ok(tree)
}

/// Not shared with the mount that it is cloned from, as systemd makes all: an overlay mounted below
/// it would appear there too, for good, and its own mount could not become the root.
fn clone_private(dir: &Path) -> io::Result<OwnedFd> {
    let tree = mount::clone_tree(rustix::fs::CWD, dir, false)?;
    let propagation = libc::MS_PRIVATE;
    mount::set_attributes(
        tree.as_fd(),
        AttributeChange { propagation, ..AttributeChange::default() },
    )?;
    Ok(tree)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In a mount namespace where all is shared, as it is under systemd.
    #[test]
    fn both_ways_mount_the_same_and_leave_nothing() {
        let test = || {
            sys::namespace::unshare(sys::namespace::MOUNT).unwrap();
            mount::set_propagation_of_all(libc::MS_SLAVE).unwrap();
            mount::set_propagation_of_all(libc::MS_SHARED).unwrap();
            check_both_ways();
        };
        // A thread of its own: the namespace is the thread's.
        std::thread::spawn(test).join().unwrap();
    }

    fn check_both_ways() {
        let dir = tempfile::tempdir().unwrap();
        for sub in ["layers/a", "layers/b", "rw/upper", "rw/work"] {
            std::fs::create_dir_all(dir.path().join(sub)).unwrap();
        }
        std::fs::write(dir.path().join("layers/a/top"), "a").unwrap();
        std::fs::write(dir.path().join("layers/b/top"), "b").unwrap();
        std::fs::write(dir.path().join("layers/b/low"), "b").unwrap();
        let (layers_dir, rw_dir) = (dir.path().join("layers"), dir.path().join("rw"));
        let lowers = [PathBuf::from("a"), PathBuf::from("b")];
        let parts = Parts {
            layers: clone_private(&layers_dir).unwrap(),
            rw: clone_private(&rw_dir).unwrap(),
            layers_dir: &layers_dir,
            rw_dir: &rw_dir,
            lowers: &lowers,
            volatile: false,
        };
        let mounts = || std::fs::read_to_string("/proc/thread-self/mountinfo").unwrap();
        let before = mounts();
        for (name, tree) in
            [("detached", parts.mount_detached()), ("attached", parts.mount_attached())]
        {
            // An older kernel has only the second.
            let tree = match (name, tree) {
                ("detached", Err(error)) if error.kind() == io::ErrorKind::InvalidInput => continue,
                (_, tree) => tree.unwrap(),
            };
            let at = |file: &str| format!("/proc/self/fd/{}/{file}", tree.as_raw_fd());
            assert_eq!(std::fs::read_to_string(at("top")).unwrap(), "a", "{name}");
            assert_eq!(std::fs::read_to_string(at("low")).unwrap(), "b", "{name}");
            std::fs::write(at(name), "x").unwrap();
            assert_eq!(mounts(), before, "a mount stayed");
            assert!(rw_dir.join("upper").join(name).exists());
        }
    }
}
