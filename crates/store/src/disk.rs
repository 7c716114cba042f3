//! Where things are, and how they are moved and synchronized.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use oci::{Algorithm, Digest};
use stdx::fs::{Durability, PathError};
use sys::rustix;

use crate::error::StoreError;
use crate::failpoint;

/// Paths of the store.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    pub root: PathBuf,
}

/// What the file `version` holds.
pub(crate) const VERSION: &str = "wharf store 2\n";

/// What it holds where the version before wrote the store.
pub(crate) const OLD_VERSION: &str = "wharf store 1\n";

/// Below `layers/`: the files of the layer beneath all images.
pub(crate) const BASE: &str = "base/fs";

/// Names in `tmp/` that are only waiting to be deleted.
pub(crate) const TRASH: &str = "trash-";

/// The hash functions by which blobs are named.
const ALGORITHMS: [Algorithm; 2] = [Algorithm::Sha256, Algorithm::Sha512];

/// In the names of files that were not finished (see [`stdx::fs::replace`]).
const UNFINISHED: &str = ".new-";

/// In the names of records that could not be read and were kept for who can mend them.
const DAMAGED: &str = ".damaged-";

impl Layout {
    /// Where blobs of one algorithm are.
    pub(crate) fn blobs(&self, algorithm: Algorithm) -> PathBuf {
        self.root.join("blobs").join(algorithm.name())
    }

    pub(crate) fn blob(&self, digest: &Digest) -> PathBuf {
        self.blobs(digest.algorithm()).join(digest.hex())
    }

    /// All blobs; `None` for a file whose name is no digest.
    pub(crate) fn list_blobs(&self) -> Result<Vec<(Option<Digest>, PathBuf)>, StoreError> {
        let mut all = Vec::new();
        for algorithm in ALGORITHMS {
            for (name, path) in list(&self.blobs(algorithm))? {
                all.push((Digest::parse(&format!("{}:{name}", algorithm.name())).ok(), path));
            }
        }
        Ok(all)
    }

    /// Where blobs are that are coming in.
    pub(crate) fn ingests(&self) -> PathBuf {
        self.root.join("ingest")
    }

    /// What has come in of a blob.
    pub(crate) fn ingest(&self, digest: &Digest) -> PathBuf {
        self.ingests().join(format!("{}-{}", digest.algorithm().name(), digest.hex()))
    }

    pub(crate) fn layers(&self) -> PathBuf {
        self.root.join("layers")
    }

    pub(crate) fn images(&self) -> PathBuf {
        self.root.join("images")
    }

    pub(crate) fn image(&self, id: &Digest) -> PathBuf {
        self.images().join(format!("{}.json", id.hex()))
    }

    pub(crate) fn tags(&self) -> PathBuf {
        self.root.join("tags.json")
    }

    pub(crate) fn all_rootfs(&self) -> PathBuf {
        self.root.join("rootfs")
    }

    pub(crate) fn tmp(&self) -> PathBuf {
        self.root.join("tmp")
    }

    /// Where layers are unpacked.
    pub(crate) fn unpacking(&self) -> PathBuf {
        self.root.join("unpacking")
    }

    /// A new name for a layer that is to be unpacked.
    pub(crate) fn unpacking_name(&self) -> PathBuf {
        self.unpacking().join(format!("layer-{}", stdx::id::random_hex::<8>()))
    }

    /// A new name in `tmp/`.
    pub(crate) fn tmp_name(&self, prefix: &str) -> PathBuf {
        self.tmp().join(format!("{prefix}{}", stdx::id::random_hex::<8>()))
    }

    /// Makes the directories, with rights for their owner only.
    pub(crate) fn prepare(&self) -> Result<(), StoreError> {
        for path in [
            self.root.clone(),
            self.blobs(Algorithm::Sha256),
            self.blobs(Algorithm::Sha512),
            self.ingests(),
            self.layers(),
            self.images(),
            self.all_rootfs(),
            self.tmp(),
            self.unpacking(),
        ] {
            stdx::fs::create_dir_all(&path, 0o700).map_err(StoreError::Disk)?;
        }
        set_mode(&self.root, 0o700)?;
        spread(&self.unpacking());
        self.prepare_base()
    }

    /// The lowest layer of every container: the mount points that its start needs. What an image
    /// has of them wins; what it lacks need not be made in each container anew. The names are those
    /// of Docker's init layer, `.dockerenv` among them, by which programs know where they are.
    fn prepare_base(&self) -> Result<(), StoreError> {
        let base = self.layers().join(BASE);
        let directories = ["", "dev", "dev/pts", "dev/shm", "etc", "proc", "sys"];
        for directory in directories.map(|name| base.join(name)) {
            stdx::fs::create_dir_all(&directory, 0o755).map_err(StoreError::Disk)?;
            set_mode(&directory, 0o755)?;
        }
        let files = [".dockerenv", "dev/console", "etc/hostname", "etc/hosts", "etc/resolv.conf"];
        for file in files.map(|name| base.join(name)) {
            File::options()
                .create(true)
                .append(true)
                .open(&file)
                .map_err(PathError::of("create", &file))
                .map_err(StoreError::Disk)?;
            set_mode(&file, 0o755)?;
        }
        let link = base.join("etc/mtab");
        match std::os::unix::fs::symlink("/proc/mounts", &link) {
            Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            other => other.map_err(PathError::of("create", &link)).map_err(StoreError::Disk),
        }
    }

    /// Turns what is unfinished into trash: all of `tmp/`, and files that were being replaced.
    pub(crate) fn discard_unfinished(&self) -> Result<(), StoreError> {
        for (name, path) in list(&self.tmp())?.into_iter().chain(list(&self.unpacking())?) {
            if !name.starts_with(TRASH) {
                self.trash(&path)?;
            }
        }
        let blobs = ALGORITHMS.map(|algorithm| self.blobs(algorithm));
        for directory in [self.root.clone(), self.images()].into_iter().chain(blobs) {
            self.discard_replacements(&directory)?;
        }
        failpoint::hit("store.open.swept");
        Ok(())
    }

    /// Turns files that were being replaced in a directory into trash.
    pub(crate) fn discard_replacements(&self, directory: &Path) -> Result<(), StoreError> {
        for (name, path) in list(directory)? {
            if name.contains(UNFINISHED) {
                self.trash(&path)?;
            }
        }
        Ok(())
    }

    /// Keeps a record that cannot be read beside its place, so that a new one does not replace it.
    pub(crate) fn set_aside(&self, path: &Path) -> Result<(), StoreError> {
        let mut aside = path.as_os_str().to_owned();
        aside.push(format!("{DAMAGED}{}", stdx::id::random_hex::<8>()));
        fs::rename(path, aside).map_err(PathError::of("move", path)).map_err(StoreError::Disk)
    }

    /// A record that was set aside, if there is one.
    pub(crate) fn first_aside(&self) -> Result<Option<PathBuf>, StoreError> {
        let mut all = list(&self.root)?.into_iter();
        Ok(all.find(|(name, _)| name.contains(DAMAGED)).map(|(_, path)| path))
    }

    /// Takes something out of view, to be deleted later. What is not there is fine.
    pub(crate) fn trash(&self, path: &Path) -> Result<(), StoreError> {
        match fs::rename(path, self.tmp_name(TRASH)) {
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other.map_err(PathError::of("remove", path)).map_err(StoreError::Disk),
        }
    }
}

/// Tells ext4 to put what is made in a directory far from each other. Beside what was just deleted,
/// as after `rmi`, it skips each inode that went in the last minute, one by one: a layer of 10,000
/// files took ten times as long there. Other file systems do not know this, and need not.
fn spread(directory: &Path) {
    use rustix::fs::{IFlags, ioctl_getflags, ioctl_setflags};
    let set = File::open(directory).map(|directory| {
        let flags = ioctl_getflags(&directory)?;
        ioctl_setflags(&directory, flags | IFlags::TOPDIR)
    });
    tracing::debug!(directory = %directory.display(), ?set, "files are spread");
}

/// The names in a directory that are text, with their paths. All of ours are.
pub(crate) fn list(directory: &Path) -> Result<Vec<(String, PathBuf)>, StoreError> {
    let failed = |cause| StoreError::Disk(PathError::of("list", directory)(cause));
    let mut names = Vec::new();
    for entry in fs::read_dir(directory).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if let Ok(name) = entry.file_name().into_string() {
            names.push((name, entry.path()));
        }
    }
    Ok(names)
}

/// Makes one directory.
pub(crate) fn create_dir(path: &Path, mode: u32) -> Result<(), StoreError> {
    let made = fs::DirBuilder::new().mode(mode).create(path);
    let made = made.map_err(PathError::of("create directory", path)).map_err(StoreError::Disk);
    // Whatever the umask is.
    made.and_then(|()| set_mode(path, mode))
}

/// Sets permission bits.
pub(crate) fn set_mode(path: &Path, mode: u32) -> Result<(), StoreError> {
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
        .map_err(PathError::of("set the mode of", path))
        .map_err(StoreError::Disk)
}

/// Writes or replaces a record so that it survives a power cut.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    stdx::fs::replace(path, bytes, 0o600, Durability::PowerCut).map_err(StoreError::Disk)
}

/// Removes a file; an absent one is fine.
pub(crate) fn remove_file(path: &Path) -> Result<(), StoreError> {
    match fs::remove_file(path) {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other.map_err(PathError::of("remove", path)).map_err(StoreError::Disk),
    }
}

/// Makes the names in a directory survive a power cut.
pub(crate) fn sync_directory(path: &Path) -> Result<(), StoreError> {
    stdx::fs::sync_directory(path).map_err(StoreError::Disk)
}

/// Makes a file's bytes survive a power cut.
pub(crate) fn sync_file(path: &Path) -> Result<(), StoreError> {
    File::open(path)
        .and_then(|file| file.sync_all())
        .map_err(PathError::of("synchronize", path))
        .map_err(StoreError::Disk)
}

/// Makes all of a finished tree, that nobody changes any more, survive a power cut: file by file.
pub(crate) fn sync_tree(root: &Path) -> Result<(), StoreError> {
    let mut directories = vec![root.to_owned()];
    while let Some(directory) = directories.pop() {
        for (_, path) in list_all(&directory)? {
            let failed = |cause| StoreError::Disk(PathError::of("synchronize", &path)(cause));
            let kind = fs::symlink_metadata(&path).map_err(failed)?.file_type();
            if kind.is_dir() {
                directories.push(path);
            } else if kind.is_file() {
                File::open(&path).and_then(|file| file.sync_all()).map_err(failed)?;
            }
        }
        sync_directory(&directory)?;
    }
    Ok(())
}

fn list_all(directory: &Path) -> Result<Vec<(std::ffi::OsString, PathBuf)>, StoreError> {
    let failed = |cause| StoreError::Disk(PathError::of("list", directory)(cause));
    let entries = fs::read_dir(directory).map_err(failed)?;
    entries
        .map(|entry| entry.map(|entry| (entry.file_name(), entry.path())).map_err(failed))
        .collect()
}

/// Makes everything on the file system of `path` survive a power cut.
pub(crate) fn sync_file_system(path: &Path) -> Result<(), StoreError> {
    File::open(path)
        .and_then(|file| Ok(rustix::fs::syncfs(file)?))
        .map_err(PathError::of("synchronize the file system of", path))
        .map_err(StoreError::Disk)
}

/// Bytes that an unprivileged writer could still put on the file system of `path`.
pub(crate) fn free_bytes(path: &Path) -> Result<u64, StoreError> {
    let stat = rustix::fs::statvfs(path)
        .map_err(io::Error::from)
        .map_err(PathError::of("ask for the free space at", path))
        .map_err(StoreError::Disk)?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// The sizes of all files in a tree that others may be changing, each inode once; links are never
/// followed, what vanishes is skipped.
pub(crate) fn usage(root: &Path) -> Result<u64, StoreError> {
    use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, openat, statat};
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let failed =
        |cause: rustix::io::Errno| StoreError::Disk(PathError::of("read", root)(cause.into()));
    let first = openat(rustix::fs::CWD, root, flags, Mode::empty()).map_err(failed)?;
    let mut seen = std::collections::HashSet::new();
    let mut total = 0u64;
    // One descriptor a level: a tree deeper than this is not followed further.
    const DEPTH_MAX: usize = 256;
    let mut levels: Vec<(OwnedFd, Dir)> = Vec::new();
    let mut next = Some(first);
    loop {
        if let Some(fd) = next.take() {
            let dir = Dir::read_from(&fd).map_err(failed)?;
            levels.push((fd, dir));
        }
        let depth = levels.len();
        let Some((fd, dir)) = levels.last_mut() else { return Ok(total) };
        let Some(entry) = dir.read() else {
            levels.pop();
            continue;
        };
        let entry = entry.map_err(failed)?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        let Ok(stat) = statat(fd.as_fd(), name, AtFlags::SYMLINK_NOFOLLOW) else { continue };
        if FileType::from_raw_mode(stat.st_mode).is_dir() {
            if depth < DEPTH_MAX {
                next = openat(fd.as_fd(), name, flags, Mode::empty()).ok();
            }
        } else if stat.st_nlink == 1 || seen.insert((stat.st_dev, stat.st_ino)) {
            total += u64::try_from(stat.st_size).unwrap_or(0);
        }
    }
}
