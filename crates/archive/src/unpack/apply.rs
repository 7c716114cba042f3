//! Member by member: what each becomes in the directory.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;

use sha2::{Digest as _, Sha256};
use sys::rustix::fs::{self, AtFlags, FileType, Gid, Mode, OFlags, Uid};

use super::attributes;
use super::path::Inside;
use super::tree::{self, Standing, Tree};
use super::{DeviceNode, LayerError, LayerFacts, RootAttributes, UnpackLimits, printable};
use crate::decompress::Decompressor;
use crate::recipe::{self, Recorded, Recorder};
use crate::tar::{Entry, EntryKind, Limits, Reader, Segment};

/// Device nodes of one layer that are recorded; `/dev` of a whole distribution has some hundreds.
const DEVICES_MAX: usize = 4096;

/// Files are written in pieces of this size.
const COPY_BYTES: usize = 256 * 1024;

/// Unpacks a layer's stream (plain, gzip or zstd) into the empty directory `root`, to its end.
///
/// Needs the capabilities CHOWN, DAC_OVERRIDE, FOWNER, FSETID and SETFCAP. Nothing is synchronized.
/// After an error the directory holds a part of the layer and is to be thrown away.
pub fn unpack(
    input: impl Read,
    root: BorrowedFd<'_>,
    limits: &UnpackLimits,
) -> Result<LayerFacts, LayerError> {
    unpack_recorded(input, root, limits, None)
}

/// See [`unpack`]; writes the layer's recipe as well.
pub fn unpack_recorded(
    input: impl Read,
    root: BorrowedFd<'_>,
    limits: &UnpackLimits,
    recipe: Option<recipe::Place>,
) -> Result<LayerFacts, LayerError> {
    let input = Decompressor::new(input, limits.bytes_max).map_err(LayerError::Stream)?;
    let input = Hashed { input, sha256: Sha256::new(), bytes: 0 };
    let write = |cause| system("write", b"recipe", cause);
    let recorder = Recorder::new(recipe, root).map_err(write)?;
    let recorded = Recorded { input, recorder: recorder.clone() };
    let tar_limits = Limits { entries_max: limits.entries_max, ..Limits::default() };
    let mut layer = Layer {
        tree: Tree::new(root),
        facts: LayerFacts::default(),
        bytes_left: limits.bytes_max,
        bytes_max: limits.bytes_max,
        buffer: vec![0; COPY_BYTES],
        recorder: recorder.clone(),
    };
    let mut archive = Reader::new(recorded, tar_limits);
    while let Some(entry) = archive.next_entry().map_err(LayerError::Archive)? {
        layer.facts.entries += 1;
        layer.member(&entry, &mut archive)?;
    }
    let Layer { tree, mut facts, .. } = layer;
    tree.finish().map_err(|cause| system("set the times of directories", b"", cause))?;
    recorder.finish().map_err(write)?;
    let stream = archive.into_inner().input;
    facts.stream_bytes = stream.bytes;
    facts.diff_id = format!("sha256:{}", stdx::id::hex(&stream.sha256.finalize()));
    Ok(facts)
}

/// Hashes what is read through it.
struct Hashed<R> {
    input: R,
    sha256: Sha256,
    bytes: u64,
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let got = self.input.read(buffer)?;
        self.sha256.update(buffer.get(..got).unwrap_or_default());
        self.bytes += got as u64;
        Ok(got)
    }
}

struct Layer<'a> {
    tree: Tree<'a>,
    facts: LayerFacts,
    bytes_left: u64,
    bytes_max: u64,
    buffer: Vec<u8>,
    recorder: Recorder,
}

/// Prefix of a whiteout's name, and of the names that aufs kept for itself.
const WHITEOUT: &[u8] = b".wh.";
const WHITEOUT_META: &[u8] = b".wh..wh.";
const OPAQUE: &[u8] = b".wh..wh..opq";

fn is_meta(name: &[u8]) -> bool {
    name.starts_with(WHITEOUT_META) && name != OPAQUE
}

impl Layer<'_> {
    fn member<R: Read>(
        &mut self,
        entry: &Entry,
        archive: &mut Reader<R>,
    ) -> Result<(), LayerError> {
        let path = Inside::new(&entry.path).map_err(|reason| refused(&entry.path, reason))?;
        self.facts.largest_uid = self.facts.largest_uid.max(entry.uid);
        self.facts.largest_gid = self.facts.largest_gid.max(entry.gid);
        if path.is_root() {
            return self.root(entry, &path);
        }
        let (parent, name) = path.split();
        // What aufs kept in the image (links of removed files, orphans) means nothing elsewhere.
        if path.components().any(is_meta) {
            return Ok(());
        }
        if parent.components().any(|name| name.starts_with(WHITEOUT)) {
            return Err(refused(&entry.path, "it lies below a whiteout"));
        }
        if name.starts_with(WHITEOUT) {
            return self.whiteout(entry, &parent, name);
        }
        match &entry.kind {
            EntryKind::Directory => self.directory(entry, &path),
            EntryKind::File { size, segments } => {
                self.file(entry, &path, *size, segments.as_deref(), archive)
            }
            EntryKind::HardLink(target) => self.hard_link(entry, &path, target),
            EntryKind::Symlink(target) => self.symlink(entry, &path, target),
            EntryKind::Fifo => self.fifo(entry, &path),
            EntryKind::CharDevice(0, 0) => {
                Err(refused(&entry.path, "it is overlay's own whiteout device"))
            }
            EntryKind::CharDevice(major, minor) => {
                self.device(entry, &path, false, (*major, *minor))
            }
            EntryKind::BlockDevice(major, minor) => {
                self.device(entry, &path, true, (*major, *minor))
            }
        }
    }

    fn root(&mut self, entry: &Entry, path: &Inside) -> Result<(), LayerError> {
        if entry.kind != EntryKind::Directory {
            return Err(refused(&entry.path, "the root must be a directory"));
        }
        let root = self.tree.root();
        self.set_attributes(root, entry)?;
        self.facts.root = Some(RootAttributes { mode: entry.mode, uid: entry.uid, gid: entry.gid });
        self.tree.remember_time(path, entry.mtime).map_err(|e| system("remember", b".", e))
    }

    fn directory(&mut self, entry: &Entry, path: &Inside) -> Result<(), LayerError> {
        let failed = |cause| system("make directory", &entry.path, cause);
        let (parent, name) = path.split();
        let recorder = self.recorder.clone();
        let parent = self.parent(entry, &parent)?;
        let before = tree::standing(parent, name).map_err(failed)?;
        let made: io::Result<OwnedFd> = (|| {
            match before {
                Standing::Directory => return tree::open_child_directory(parent, name),
                Standing::Nothing => {}
                Standing::Whiteout | Standing::Link { .. } => {
                    fs::unlinkat(parent, name, AtFlags::empty())?;
                }
                Standing::File { .. } => recorder.put_aside(parent, name, path.bytes())?,
            }
            let fd = tree::make_directory(parent, name)?;
            if before == Standing::Whiteout {
                // The layer removed what was there and made this instead.
                tree::make_opaque(fd.as_fd())?;
            }
            Ok(fd)
        })();
        let fd = made.map_err(failed)?;
        self.account_removed(before);
        self.set_attributes(fd.as_fd(), entry)?;
        self.tree.remember_time(path, entry.mtime).map_err(failed)
    }

    fn file<R: Read>(
        &mut self,
        entry: &Entry,
        path: &Inside,
        size: u64,
        segments: Option<&[Segment]>,
        archive: &mut Reader<R>,
    ) -> Result<(), LayerError> {
        self.bytes_left = self
            .bytes_left
            .checked_sub(size)
            .ok_or(LayerError::Limit { what: "bytes", limit: self.bytes_max })?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
        let (parent, name) = self.clear(entry, path)?;
        let fd = fs::openat(parent, name.as_slice(), flags | OFlags::CLOEXEC, Mode::RUSR)
            .map_err(|cause| system("create file", &entry.path, cause.into()))?;
        let file = File::from(fd);
        let whole = [Segment { offset: 0, length: size }];
        let recorded = self.recorder.content(path.bytes(), segments.unwrap_or(&whole));
        recorded.map_err(|cause| system("record", &entry.path, cause))?;
        if segments.is_some() {
            file.set_len(size).map_err(|cause| system("size", &entry.path, cause))?;
        }
        for segment in segments.unwrap_or(&whole) {
            self.copy(entry, &file, *segment, segments.is_some(), archive)?;
        }
        self.recorder.resume();
        self.set_attributes(file.as_fd(), entry)?;
        self.facts.has_set_id |= entry.mode & 0o6000 != 0;
        self.facts.size += size;
        attributes::set_times(file.as_fd(), entry.mtime)
            .map_err(|cause| system("set the times of", &entry.path, cause))
    }

    /// Copies one run of bytes from the archive to the file.
    fn copy<R: Read>(
        &mut self,
        entry: &Entry,
        mut file: &File,
        segment: Segment,
        is_sparse: bool,
        archive: &mut Reader<R>,
    ) -> Result<(), LayerError> {
        let mut at = segment.offset;
        let mut left = segment.length;
        while left > 0 {
            let want = usize::try_from(left).unwrap_or(usize::MAX).min(self.buffer.len());
            let buffer = self.buffer.get_mut(..want).unwrap_or_default();
            let got = archive.read(buffer).map_err(LayerError::Archive)?;
            let bytes = buffer.get(..got).filter(|bytes| !bytes.is_empty());
            // The reader knows how much there is: it never ends early.
            let bytes = bytes.ok_or_else(|| refused(&entry.path, "its content is too short"))?;
            if at == 0 {
                self.facts.has_elf32 |= bytes.starts_with(b"\x7fELF\x01");
            }
            let written = match is_sparse {
                true => file.write_all_at(bytes, at),
                false => file.write_all(bytes),
            };
            written.map_err(|cause| system("write", &entry.path, cause))?;
            at += got as u64;
            left -= got as u64;
        }
        Ok(())
    }

    /// Another name of a file that this layer itself made. Its attributes are the file's.
    fn hard_link(&mut self, entry: &Entry, path: &Inside, target: &[u8]) -> Result<(), LayerError> {
        let failed = |cause| system("link", &entry.path, cause);
        let target = Inside::new(target)
            .map_err(|_| refused(&entry.path, "its link target leaves the layer"))?;
        if target == *path {
            return Err(refused(&entry.path, "it is a link to itself"));
        }
        if target.components().any(is_meta) {
            return Err(refused(&entry.path, "its link target is not in this layer"));
        }
        let (from_parent, from) = target.split();
        // Linked through a descriptor of its own: `clear` may move on to another directory.
        let from_directory = self
            .tree
            .directory(&from_parent)
            .and_then(|fd| fd.try_clone_to_owned())
            .map_err(|_| refused(&entry.path, "its link target is not in this layer"))?;
        match tree::standing(from_directory.as_fd(), from).map_err(failed)? {
            Standing::File { .. } | Standing::Link { .. } => {}
            Standing::Nothing => {
                return Err(refused(&entry.path, "its link target is not in this layer"));
            }
            _ => return Err(refused(&entry.path, "its link target is not a file")),
        }
        let (parent, name) = self.clear(entry, path)?;
        let linked = fs::linkat(&from_directory, from, parent, name.as_slice(), AtFlags::empty());
        linked.map_err(|cause| failed(cause.into()))
    }

    fn symlink(&mut self, entry: &Entry, path: &Inside, target: &[u8]) -> Result<(), LayerError> {
        let (parent, name) = self.clear(entry, path)?;
        let name = name.as_slice();
        let made = fs::symlinkat(target, parent, name)
            .map_err(io::Error::from)
            .and_then(|()| {
                let (uid, gid) = (Uid::from_raw(entry.uid), Gid::from_raw(entry.gid));
                fs::chownat(parent, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)
                    .map_err(|errno| attributes::owner_error(errno, entry))
            })
            .and_then(|()| {
                let times = attributes::times(entry.mtime);
                Ok(fs::utimensat(parent, name, &times, AtFlags::SYMLINK_NOFOLLOW)?)
            });
        made.map_err(|cause| system("make link", &entry.path, cause))?;
        self.facts.xattrs_dropped += entry.xattrs.len() as u64;
        self.facts.size += target.len() as u64;
        Ok(())
    }

    fn fifo(&mut self, entry: &Entry, path: &Inside) -> Result<(), LayerError> {
        let failed = |cause| system("make pipe", &entry.path, cause);
        let (parent, name) = self.clear(entry, path)?;
        let name = name.as_slice();
        let open = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = fs::mknodat(parent, name, FileType::Fifo, Mode::RUSR, 0)
            .and_then(|()| fs::openat(parent, name, open, Mode::empty()))
            .map_err(|cause| failed(cause.into()))?;
        // The kernel takes `user.*` on files and directories only (xattr(7)).
        let bare = Entry { xattrs: Vec::new(), ..entry.clone() };
        self.facts.xattrs_dropped += entry.xattrs.len() as u64;
        self.set_attributes(fd.as_fd(), &bare)?;
        attributes::set_times(fd.as_fd(), entry.mtime).map_err(failed)
    }

    /// Notes a device node; whoever starts the container decides which devices it has.
    fn device(
        &mut self,
        entry: &Entry,
        path: &Inside,
        is_block: bool,
        (major, minor): (u32, u32),
    ) -> Result<(), LayerError> {
        self.clear(entry, path)?;
        if self.facts.devices.len() >= DEVICES_MAX {
            return Err(LayerError::Limit { what: "device nodes", limit: DEVICES_MAX as u64 });
        }
        let (mode, uid, gid) = (entry.mode, entry.uid, entry.gid);
        let path = String::from_utf8_lossy(path.bytes()).into_owned();
        self.facts.devices.push(DeviceNode { path, is_block, major, minor, mode, uid, gid });
        Ok(())
    }

    /// `.wh.NAME` hides NAME of the layers below, `.wh..wh..opq` all of its directory; neither
    /// touches what this layer itself has (image-spec layer.md#whiteouts).
    fn whiteout(&mut self, entry: &Entry, parent: &Inside, name: &[u8]) -> Result<(), LayerError> {
        // aufs made its whiteouts hard links of one file.
        if !matches!(entry.kind, EntryKind::File { .. } | EntryKind::HardLink(_)) {
            return Err(refused(&entry.path, "a whiteout must be a file"));
        }
        let failed = |cause| system("make whiteout", &entry.path, cause);
        if name == OPAQUE {
            self.facts.is_opaque |= parent.is_root();
            let directory = self.parent(entry, parent)?;
            return tree::make_opaque(directory).map_err(failed);
        }
        let hidden = name.strip_prefix(WHITEOUT).unwrap_or_default();
        if matches!(hidden, b"" | b"." | b"..") {
            return Err(refused(&entry.path, "a whiteout must name a file"));
        }
        let directory = self.parent(entry, parent)?;
        let made = match tree::standing(directory, hidden).map_err(failed)? {
            Standing::Nothing => tree::make_whiteout(directory, hidden),
            Standing::Directory => tree::open_child_directory(directory, hidden)
                .and_then(|fd| tree::make_opaque(fd.as_fd())),
            // A file of this layer hides what is below by itself.
            Standing::Whiteout | Standing::File { .. } | Standing::Link { .. } => Ok(()),
        };
        made.map_err(failed)
    }

    /// Opens the directory that will hold a member.
    fn parent(&mut self, entry: &Entry, parent: &Inside) -> Result<BorrowedFd<'_>, LayerError> {
        use sys::rustix::io::Errno;
        self.tree.directory(parent).map_err(|cause| match Errno::from_io_error(&cause) {
            Some(Errno::LOOP | Errno::NOTDIR) => {
                refused(&entry.path, "its path leads through a symbolic link or a file")
            }
            _ => system("open the directory of", &entry.path, cause),
        })
    }

    /// Makes room for a member that is not a directory: as with every unpacker the last of several
    /// members of one name stays. Gives the directory and the name to make it under.
    fn clear(
        &mut self,
        entry: &Entry,
        path: &Inside,
    ) -> Result<(BorrowedFd<'_>, Vec<u8>), LayerError> {
        let failed = |cause| system("replace", &entry.path, cause);
        let (parent_path, name) = path.split();
        let recorder = self.recorder.clone();
        let parent = self.parent(entry, &parent_path)?;
        let before = tree::standing(parent, name).map_err(failed)?;
        match before {
            Standing::Nothing => {}
            Standing::Directory => {
                fs::unlinkat(parent, name, AtFlags::REMOVEDIR).map_err(|_| {
                    refused(&entry.path, "it replaces a directory that is not empty")
                })?;
                self.tree.forget(path);
            }
            Standing::Whiteout | Standing::Link { .. } => {
                fs::unlinkat(parent, name, AtFlags::empty())
                    .map_err(|cause| failed(cause.into()))?;
            }
            Standing::File { .. } => {
                recorder.put_aside(parent, name, path.bytes()).map_err(failed)?;
            }
        }
        self.account_removed(before);
        Ok((self.parent(entry, &parent_path)?, name.to_vec()))
    }

    fn account_removed(&mut self, before: Standing) {
        if let Standing::File { bytes } | Standing::Link { bytes } = before {
            self.facts.size = self.facts.size.saturating_sub(bytes);
        }
    }

    fn set_attributes(&mut self, fd: BorrowedFd<'_>, entry: &Entry) -> Result<(), LayerError> {
        let outcome = attributes::set(fd, entry)
            .map_err(|cause| system("set the attributes of", &entry.path, cause))?;
        self.facts.xattrs_dropped += outcome.dropped;
        self.facts.has_file_capabilities |= outcome.has_capability;
        Ok(())
    }
}

fn refused(path: &[u8], reason: &'static str) -> LayerError {
    LayerError::Refused { path: printable(path), reason }
}

fn system(operation: &'static str, path: &[u8], cause: io::Error) -> LayerError {
    LayerError::System { operation, path: printable(path), cause }
}
