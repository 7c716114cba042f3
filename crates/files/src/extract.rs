//! An archive to files of a container, as Docker's `Untar` does it: the archive wins over what is
//! there. Every path is resolved anew from the container's root, so whoever moves directories
//! about meanwhile stays in the container.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use sys::rustix::fs::{self, AtFlags, FileType, Gid, Mode, OFlags, Uid};
use sys::rustix::io::Errno;

use super::{FilesError, path};
use archive::decompress::Decompressor;
use archive::pack::{self, member::join};
use archive::tar::{Entry, EntryKind, Limits, Reader, Segment, Time};
use archive::unpack::attributes;
use archive::unpack::path::Inside;
use archive::unpack::printable;

/// Bytes that come out of one archive: the disk is full long before.
const BYTES_MAX: u64 = 1 << 40;

/// Files are written in pieces of this size.
const COPY_BYTES: usize = 256 * 1024;

/// Directories whose times are set at the end.
const DIRECTORIES_MAX: usize = 1 << 20;

/// Directories in directories that are removed to make room.
const DEPTH_MAX: usize = 1024;

/// Mode of directories that the archive does not mention.
const IMPLIED_MODE: u32 = 0o755;

/// Accounts are looked up in files of at most this size.
const PASSWD_BYTES_MAX: u64 = 1 << 20;

/// A user's number and group.
pub(super) type Ids = (u32, u32);

/// The ids of a user of the container, by name or number.
pub(super) fn account(root: BorrowedFd<'_>, user: &str) -> Result<Ids, FilesError> {
    let unknown = || {
        FilesError::Invalid(format!(
            "unable to find user {user}: no matching entries in passwd file"
        ))
    };
    let mut text = Vec::new();
    let open = path::open(root, b"/etc/passwd", OFlags::RDONLY | OFlags::NONBLOCK);
    if let Ok(fd) = open {
        let file = File::from(fd).take(PASSWD_BYTES_MAX);
        { file }.read_to_end(&mut text).map_err(FilesError::of("read `/etc/passwd`"))?;
    }
    let text = String::from_utf8_lossy(&text);
    let name = user.split(':').next().unwrap_or_default();
    let accounts = text.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let (name, uid) = (fields.next()?, fields.nth(1)?.parse::<u32>().ok()?);
        Some((name, uid, fields.next()?.parse::<u32>().ok()?))
    });
    let number = name.parse::<u32>().ok();
    let found = accounts.into_iter().find(|(n, uid, _)| *n == name || Some(*uid) == number);
    match (found, number) {
        (Some((_, uid, gid)), _) => Ok((uid, gid)),
        (None, Some(uid)) => Ok((uid, uid)),
        (None, None) => Err(unknown()),
    }
}

/// How an archive is taken apart.
#[derive(Clone, Copy)]
pub(crate) struct ExtractSpec<'a> {
    /// The directory, from the root on.
    pub(crate) destination: &'a [u8],
    /// The same as people know it.
    pub(crate) shown: &'a [u8],
    /// A directory is not replaced by something else, nor the other way round.
    pub(crate) keeps_kinds: bool,
    /// Who owns what is made.
    pub(crate) owner: Owner,
    /// In every path, what is replaced by what, once.
    pub(crate) rename: Option<&'a Rename>,
}

/// Who owns what is made.
#[derive(Clone, Copy)]
pub(crate) enum Owner {
    /// Whom the archive names.
    AsArchived,
    /// These.
    Fixed(Ids),
    /// Whoever makes it.
    Maker,
}

/// A replacement in the paths of an archive.
#[derive(Clone, Debug)]
pub struct Rename {
    /// What is looked for.
    pub from: Vec<u8>,
    /// What is put there instead, the first time.
    pub to: Vec<u8>,
}

impl Rename {
    fn apply(&self, path: &mut Vec<u8>) {
        let length = self.from.len();
        let at = match length {
            0 => Some(0),
            _ => path.windows(length).position(|window| window == self.from),
        };
        if let Some(at) = at {
            path.splice(at..at + length, self.to.iter().copied());
        }
    }
}

/// Takes an archive (plain, gzip or zstd) apart, reading it to its end.
pub(crate) fn extract(
    input: impl Read,
    root: BorrowedFd<'_>,
    spec: &ExtractSpec<'_>,
) -> Result<(), FilesError> {
    let input = Decompressor::new(input, BYTES_MAX)
        .map_err(|cause| FilesError::Invalid(format!("Error processing tar file: {cause}")))?;
    let mut archive = Reader::new(input, Limits::default());
    let mut target =
        Target { root, spec: *spec, last: None, times: Vec::new(), buffer: vec![0; COPY_BYTES] };
    let bad = |error| {
        let chain = stdx::error::chain(&error).to_string();
        FilesError::Invalid(format!("Error processing tar file: {chain}"))
    };
    while let Some(mut entry) = archive.next_entry().map_err(bad)? {
        if let Some(rename) = spec.rename {
            rename.apply(&mut entry.path);
            if let EntryKind::HardLink(target) = &mut entry.kind {
                rename.apply(target);
            }
        }
        target.member(&entry, &mut archive)?;
    }
    target.finish()
}

struct Target<'a> {
    root: BorrowedFd<'a>,
    spec: ExtractSpec<'a>,
    /// The directory that was used last: archives come directory by directory.
    last: Option<(Inside, OwnedFd)>,
    times: Vec<(Vec<u8>, Time)>,
    buffer: Vec<u8>,
}

impl Target<'_> {
    fn member<R: Read>(
        &mut self,
        entry: &Entry,
        archive: &mut Reader<R>,
    ) -> Result<(), FilesError> {
        let refused =
            |reason| FilesError::Invalid(format!("unpack `{}`: {reason}", printable(&entry.path)));
        let inside = Inside::new(&entry.path).map_err(refused)?;
        if inside.is_root() {
            // The directory is there already, and stays as it is.
            return Ok(());
        }
        let (parent, name) = inside.split();
        let directory = self.directory(&parent).map_err(self.failed("open", &parent))?;
        if self.make_room(directory.as_fd(), name, entry, &inside)? {
            return self.subdirectory(directory.as_fd(), name, entry, &inside);
        }
        match &entry.kind {
            EntryKind::File { size, segments } => {
                let whole = [Segment { offset: 0, length: *size }];
                let segments = segments.as_deref().unwrap_or(&whole);
                self.file(directory.as_fd(), name, entry, *size, segments, archive)
                    .map_err(self.failed("write", &inside))
            }
            EntryKind::HardLink(target) => {
                let target = Inside::new(target).map_err(refused)?;
                self.hard_link(directory.as_fd(), name, &target)
                    .map_err(self.failed("link", &inside))
            }
            EntryKind::Symlink(target) => {
                self.verify_link(&inside, target)?;
                self.special(directory.as_fd(), name, entry, |parent, name| {
                    fs::symlinkat(target.as_slice(), parent, name)
                })
                .map_err(self.failed("symlink", &inside))
            }
            EntryKind::Fifo => self
                .special(directory.as_fd(), name, entry, |parent, name| {
                    let mode = Mode::from_raw_mode(entry.mode);
                    fs::mknodat(parent, name, FileType::Fifo, mode, 0)
                })
                .map_err(self.failed("mkfifo", &inside)),
            EntryKind::Directory => self.subdirectory(directory.as_fd(), name, entry, &inside),
            // As Docker in a user namespace: which devices there are, the start decides.
            EntryKind::CharDevice(..) | EntryKind::BlockDevice(..) => Ok(()),
        }
    }

    /// The full path in the container.
    fn full(&self, inside: &Inside) -> Vec<u8> {
        join(self.spec.destination, inside.bytes())
    }

    fn failed(&self, verb: &str, inside: &Inside) -> impl FnOnce(io::Error) -> FilesError + use<> {
        FilesError::of(&format!("{verb} {}", self.shown(inside)))
    }

    /// The same for people.
    fn shown(&self, inside: &Inside) -> String {
        String::from_utf8_lossy(&join(self.spec.shown, inside.bytes())).into_owned()
    }

    /// A directory, made with its parents where it is missing. A copy of the descriptor: the next
    /// member may need another.
    fn directory(&mut self, inside: &Inside) -> io::Result<OwnedFd> {
        if let Some((last, fd)) = &self.last
            && last == inside
        {
            return fd.try_clone();
        }
        let flags = OFlags::PATH | OFlags::DIRECTORY;
        let fd = match path::open(self.root, &self.full(inside), flags) {
            Err(Errno::NOENT) => self.make_way(inside)?,
            other => other?,
        };
        self.last = Some((inside.clone(), fd.try_clone()?));
        Ok(fd)
    }

    fn make_way(&self, inside: &Inside) -> io::Result<OwnedFd> {
        let flags = OFlags::PATH | OFlags::DIRECTORY;
        let mut way = self.spec.destination.to_vec();
        let mut fd = path::open(self.root, &way, flags)?;
        for name in inside.components() {
            match fs::mkdirat(&fd, name, Mode::from_raw_mode(IMPLIED_MODE)) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(cause) => return Err(cause.into()),
            }
            way = join(&way, name);
            fd = path::open(self.root, &way, flags)?;
        }
        Ok(fd)
    }

    /// Removes what stands in the way; true when there is a directory, and the member is one.
    fn make_room(
        &mut self,
        parent: BorrowedFd<'_>,
        name: &[u8],
        entry: &Entry,
        inside: &Inside,
    ) -> Result<bool, FilesError> {
        let failed = self.failed("replace", inside);
        let stat = match fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(Errno::NOENT) => return Ok(false),
            Err(cause) => return Err(failed(cause.into())),
        };
        let is_directory = FileType::from_raw_mode(stat.st_mode).is_dir();
        let becomes_directory = entry.kind == EntryKind::Directory;
        if is_directory && becomes_directory {
            return Ok(true);
        }
        if self.spec.keeps_kinds && is_directory != becomes_directory {
            let (old, new) = match is_directory {
                true => ("directory", "non-directory"),
                false => ("non-directory", "directory"),
            };
            return Err(FilesError::Failed(format!(
                "cannot overwrite {old} \"{}\" with {new} \"{}\"",
                self.shown(inside),
                String::from_utf8_lossy(self.spec.shown),
            )));
        }
        self.last = None;
        remove(parent, name, is_directory).map_err(failed)?;
        Ok(false)
    }

    fn subdirectory(
        &mut self,
        parent: BorrowedFd<'_>,
        name: &[u8],
        entry: &Entry,
        inside: &Inside,
    ) -> Result<(), FilesError> {
        let failed = self.failed("mkdir", inside);
        match fs::mkdirat(parent, name, Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(cause) => return Err(failed(cause.into())),
        }
        let set = fs::openat(parent, name, pack::DIRECTORY, Mode::empty())
            .map_err(io::Error::from)
            .and_then(|fd| self.attributes(fd.as_fd(), entry));
        set.map_err(self.failed("mkdir", inside))?;
        if self.times.len() >= DIRECTORIES_MAX {
            return Err(FilesError::Exhausted("too many directories in one archive".to_owned()));
        }
        self.times.push((self.full(inside), entry.mtime));
        Ok(())
    }

    fn file<R: Read>(
        &mut self,
        parent: BorrowedFd<'_>,
        name: &[u8],
        entry: &Entry,
        size: u64,
        segments: &[Segment],
        archive: &mut Reader<R>,
    ) -> io::Result<()> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
        let file = fs::openat(parent, name, flags | OFlags::CLOEXEC, Mode::RUSR | Mode::WUSR)?;
        let file = File::from(file);
        for segment in segments {
            self.copy(&file, *segment, archive)?;
        }
        if segments.last().is_none_or(|last| last.offset + last.length < size) {
            file.set_len(size)?;
        }
        self.attributes(file.as_fd(), entry)?;
        attributes::set_times(file.as_fd(), entry.mtime)
    }

    fn copy<R: Read>(
        &mut self,
        file: &File,
        segment: Segment,
        archive: &mut Reader<R>,
    ) -> io::Result<()> {
        use std::os::unix::fs::FileExt;
        let (mut at, mut left) = (segment.offset, segment.length);
        while left > 0 {
            let want = usize::try_from(left).unwrap_or(usize::MAX).min(self.buffer.len());
            let buffer = self.buffer.get_mut(..want).unwrap_or_default();
            let got = archive.read(buffer).map_err(io::Error::other)?;
            if got == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            file.write_all_at(buffer.get(..got).unwrap_or_default(), at)?;
            at += got as u64;
            left -= got as u64;
        }
        Ok(())
    }

    /// Another name of what an earlier member made, or of a file that was there.
    fn hard_link(
        &mut self,
        parent: BorrowedFd<'_>,
        name: &[u8],
        target: &Inside,
    ) -> io::Result<()> {
        let (from_parent, from) = target.split();
        let flags = OFlags::PATH | OFlags::DIRECTORY;
        let from_parent = path::open(self.root, &self.full(&from_parent), flags)?;
        Ok(fs::linkat(&from_parent, from, parent, name, AtFlags::empty())?)
    }

    /// Who is to own a member; `None`: whoever makes it.
    fn ids(&self, entry: &Entry) -> Option<Ids> {
        match self.spec.owner {
            Owner::AsArchived => Some((entry.uid, entry.gid)),
            Owner::Fixed(ids) => Some(ids),
            Owner::Maker => None,
        }
    }

    /// What is made by one call and has no descriptor.
    fn special(
        &self,
        parent: BorrowedFd<'_>,
        name: &[u8],
        entry: &Entry,
        make: impl FnOnce(BorrowedFd<'_>, &[u8]) -> Result<(), Errno>,
    ) -> io::Result<()> {
        make(parent, name)?;
        if let Some((uid, gid)) = self.ids(entry) {
            let (uid, gid) = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
            fs::chownat(parent, name, uid, gid, AtFlags::SYMLINK_NOFOLLOW).map_err(of_ids)?;
        }
        let times = attributes::times(entry.mtime);
        Ok(fs::utimensat(parent, name, &times, AtFlags::SYMLINK_NOFOLLOW)?)
    }

    /// A link that leads out of the destination by `..` is refused, as Docker does.
    fn verify_link(&self, inside: &Inside, target: &[u8]) -> Result<(), FilesError> {
        let (parent, _) = inside.split();
        let leads_out = target.split(|byte| *byte == b'/').try_fold(
            parent.components().count(),
            |depth, part| match part {
                b"" | b"." => Some(depth),
                b".." => depth.checked_sub(1),
                _ => Some(depth + 1),
            },
        );
        match leads_out.is_none() && self.spec.shown != b"/" {
            false => Ok(()),
            true => Err(FilesError::Failed(format!(
                "invalid symlink \"{}\" -> \"{}\"",
                self.shown(inside),
                printable(target)
            ))),
        }
    }

    fn attributes(&self, fd: BorrowedFd<'_>, entry: &Entry) -> io::Result<()> {
        let mut wished = entry.clone();
        match self.ids(entry) {
            Some((uid, gid)) => (wished.uid, wished.gid) = (uid, gid),
            None => {
                let stat = fs::fstat(fd)?;
                (wished.uid, wished.gid) = (stat.st_uid, stat.st_gid);
                // A container's program must not run with the rights of who copied it.
                wished.mode &= !0o6000;
                wished.xattrs.retain(|(name, _)| name.as_slice() != b"security.capability");
            }
        }
        match attributes::set(fd, &wished) {
            // A file system without extended attributes, or one that they are too large for.
            Err(cause)
                if !wished.xattrs.is_empty()
                    && matches!(
                        Errno::from_io_error(&cause),
                        Some(Errno::OPNOTSUPP | Errno::PERM | Errno::NOSPC)
                    ) =>
            {
                wished.xattrs.clear();
                attributes::set(fd, &wished).map(drop)
            }
            Err(cause) => Err(Errno::from_io_error(&cause).map_or(cause, of_ids)),
            Ok(_) => Ok(()),
        }
    }

    /// Sets the directories' times, which making things in them has changed.
    fn finish(self) -> Result<(), FilesError> {
        for (full, time) in &self.times {
            let open = path::open(self.root, full, OFlags::RDONLY | OFlags::DIRECTORY);
            // It was replaced later in the archive, or by the container.
            let Ok(fd) = open else { continue };
            attributes::set_times(fd.as_fd(), *time)
                .map_err(FilesError::of(&format!("set the times of {}", printable(full))))?;
        }
        Ok(())
    }
}

/// An id that the container's map does not have is no valid argument for the kernel.
fn of_ids(cause: Errno) -> io::Error {
    match cause {
        Errno::INVAL => io::Error::other(
            "its owner is not in the container's id map; --userns=host has all ids",
        ),
        other => other.into(),
    }
}

/// Removes a file, or a directory with everything in it. A directory in which something is mounted
/// is left as it is.
fn remove(parent: BorrowedFd<'_>, name: &[u8], is_directory: bool) -> io::Result<()> {
    if !is_directory {
        return Ok(fs::unlinkat(parent, name, AtFlags::empty())?);
    }
    walk(parent, name, 0, &mut |_, _, _| Ok(()))?;
    walk(parent, name, 0, &mut |parent, name, flags| Ok(fs::unlinkat(parent, name, flags)?))
}

/// What is done to each name of a tree, the lowest first.
type Visit<'a> = &'a mut dyn FnMut(BorrowedFd<'_>, &[u8], AtFlags) -> io::Result<()>;

/// Visits a directory's whole tree and the directory itself; fails where another mount begins.
fn walk(parent: BorrowedFd<'_>, name: &[u8], depth: usize, visit: Visit<'_>) -> io::Result<()> {
    if depth > DEPTH_MAX {
        return Err(io::Error::other("more than 1024 directories in each other"));
    }
    let fd = pack::open_directory(parent, name)?;
    for child in pack::sorted_names(fd.as_fd())? {
        let stat = fs::statat(&fd, &child, AtFlags::SYMLINK_NOFOLLOW)?;
        match FileType::from_raw_mode(stat.st_mode).is_dir() {
            true => walk(fd.as_fd(), child.to_bytes(), depth + 1, visit)?,
            false => visit(fd.as_fd(), child.to_bytes(), AtFlags::empty())?,
        }
    }
    visit(parent, name, AtFlags::REMOVEDIR)
}
