//! What a layer's archive held besides the contents of files, so that it can be written again,
//! byte for byte, from the directory it was unpacked into.
//!
//! A recipe is a stream of events compressed by zstd; `docs/formats/layer-recipe.md` has its form.
//! It is written by the jailed worker and read by the engine: it may say anything, so what comes
//! out is compared with the layer's digest, and paths in it cannot leave the layer's directory.

mod replay;

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::rc::Rc;

use serde::{Deserialize, Serialize};
use sys::rustix::fs::{self, AtFlags, Mode, OFlags};
use sys::rustix::io::Errno;

use crate::tar::{Segment, Time};
use crate::unpack::set_times;

pub use replay::LayerStream;

/// The directory of a layer's files, in the layer's directory.
pub const FILES: &str = "fs";

/// A recipe's name beside it.
pub const RECIPE: &str = "recipe";

/// The directory beside it, of files that were replaced later in their own archive.
const SPARE: &str = "spare";

/// That directory while the layer is unpacked. It is among the layer's files, for the worker must
/// hold no directory outside of its jail; nothing in an archive can have such a name (aufs's own).
const SPARE_INSIDE: &str = ".wh..wh.spare";

/// The first line.
const MAGIC: &[u8] = b"wharf recipe 1\n";

/// Bytes follow as they are: length (u32), bytes.
const LITERAL: u8 = 0;
/// A file's content follows: length of its path (u16), path, number of segments (u32), for each
/// offset and length (u64).
const CONTENT: u8 = 1;
/// The file that stood at this path was put aside: length (u16), path, number in `spare` (u64).
const ASIDE: u8 = 2;
/// The end.
const END: u8 = 255;

/// Literals are written in pieces of at most this size.
const LITERAL_BYTES_MAX: usize = 64 * 1024;

/// Headers are most of a recipe, and they are alike: the fastest level does.
const ZSTD_LEVEL: i32 = 1;

/// Whether a layer's recipe is written while it is unpacked.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub enum Recipe {
    /// It is.
    Written,
    /// The archive itself is kept, so that there is no need.
    Omitted,
}

impl Recipe {
    /// Where it goes, for a layer whose files come into `directory`.
    pub(crate) fn place(self, directory: &Path) -> io::Result<Option<Place>> {
        match self {
            Recipe::Written => Place::beside(directory).map(Some),
            Recipe::Omitted => Ok(None),
        }
    }
}

/// Where a recipe goes while its layer is unpacked.
pub struct Place {
    recipe: File,
}

impl Place {
    /// Makes the recipe of the layer whose files come into `directory`, in the directory above.
    pub fn beside(directory: &Path) -> io::Result<Place> {
        Ok(Place { recipe: File::create(directory.join("..").join(RECIPE))? })
    }
}

/// Takes what was put aside out of the layer's files, to where [`LayerStream`] looks for it.
pub(crate) fn take_spare(directory: &Path) -> io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let root = fs::open(directory, flags, Mode::empty())?;
    let before = fs::fstat(&root)?;
    match fs::renameat(&root, SPARE_INSIDE, fs::CWD, directory.join("..").join(SPARE)) {
        Err(Errno::NOENT) => return Ok(()),
        moved => moved?,
    }
    // The archive says when the layer's root was changed.
    let nanoseconds = u32::try_from(before.st_mtime_nsec).map_err(io::Error::other)?;
    set_times(root.as_fd(), Time { seconds: before.st_mtime, nanoseconds })
}

/// Writes a recipe while the archive is read. Copies share it.
#[derive(Clone)]
pub struct Recorder(Rc<RefCell<Recording>>);

struct Recording {
    /// `None`: nothing is recorded.
    output: Option<zstd::stream::write::Encoder<'static, File>>,
    /// The layer's.
    root: OwnedFd,
    /// Opened with the first file that is put aside.
    spare: Option<OwnedFd>,
    spares: u64,
    literal: Vec<u8>,
    /// Bytes that are content pass by.
    is_paused: bool,
}

impl Recorder {
    /// Records into `place` what is unpacked into `root`.
    pub fn new(place: Option<Place>, root: BorrowedFd<'_>) -> io::Result<Recorder> {
        let root = root.try_clone_to_owned()?;
        let mut output = match place {
            Some(place) => Some(zstd::stream::write::Encoder::new(place.recipe, ZSTD_LEVEL)?),
            None => None,
        };
        if let Some(output) = &mut output {
            output.write_all(MAGIC)?;
        }
        let literal = Vec::new();
        let recording =
            Recording { output, root, spare: None, spares: 0, literal, is_paused: false };
        Ok(Recorder(Rc::new(RefCell::new(recording))))
    }

    /// Notes bytes of the archive, unless they are content.
    pub fn pass(&self, bytes: &[u8]) -> io::Result<()> {
        let mut recording = self.0.borrow_mut();
        if recording.is_paused || recording.output.is_none() {
            return Ok(());
        }
        for piece in bytes.chunks(LITERAL_BYTES_MAX) {
            if recording.literal.len() + piece.len() > LITERAL_BYTES_MAX {
                recording.flush_literal()?;
            }
            recording.literal.extend_from_slice(piece);
        }
        Ok(())
    }

    /// What follows, up to [`Recorder::resume`], is the content of the file at `path`.
    pub fn content(&self, path: &[u8], segments: &[Segment]) -> io::Result<()> {
        let mut recording = self.0.borrow_mut();
        recording.is_paused = true;
        recording.flush_literal()?;
        let mut event = vec![CONTENT];
        put_path(&mut event, path)?;
        let count = u32::try_from(segments.len()).map_err(io::Error::other)?;
        event.extend_from_slice(&count.to_le_bytes());
        for segment in segments {
            event.extend_from_slice(&segment.offset.to_le_bytes());
            event.extend_from_slice(&segment.length.to_le_bytes());
        }
        recording.write(&event)
    }

    /// Headers again.
    pub fn resume(&self) {
        self.0.borrow_mut().is_paused = false;
    }

    /// Takes the file at `name` in `parent`, `path` in the layer, out of the layer's way: its
    /// content is still part of the archive.
    pub fn put_aside(&self, parent: BorrowedFd<'_>, name: &[u8], path: &[u8]) -> io::Result<()> {
        let mut recording = self.0.borrow_mut();
        if recording.output.is_none() {
            return Ok(fs::unlinkat(parent, name, AtFlags::empty())?);
        }
        let number = recording.spares;
        fs::renameat(parent, name, recording.spare()?, number.to_string())?;
        recording.spares += 1;
        recording.flush_literal()?;
        let mut event = vec![ASIDE];
        put_path(&mut event, path)?;
        event.extend_from_slice(&number.to_le_bytes());
        recording.write(&event)
    }

    /// Ends the recipe.
    pub fn finish(self) -> io::Result<()> {
        let mut recording = self.0.borrow_mut();
        recording.flush_literal()?;
        recording.write(&[END])?;
        match recording.output.take() {
            Some(output) => output.finish().map(drop),
            None => Ok(()),
        }
    }
}

impl Recording {
    fn spare(&mut self) -> io::Result<&OwnedFd> {
        let spare = match self.spare.take() {
            Some(spare) => spare,
            None => {
                fs::mkdirat(&self.root, SPARE_INSIDE, Mode::RWXU)?;
                let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                fs::openat(&self.root, SPARE_INSIDE, flags, Mode::empty())?
            }
        };
        Ok(self.spare.insert(spare))
    }

    fn flush_literal(&mut self) -> io::Result<()> {
        if self.literal.is_empty() {
            return Ok(());
        }
        let literal = std::mem::take(&mut self.literal);
        let mut head = [LITERAL; 5];
        head[1..].copy_from_slice(&(literal.len() as u32).to_le_bytes());
        self.write(&head)?;
        self.write(&literal)?;
        self.literal = literal;
        self.literal.clear();
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.output {
            Some(output) => output.write_all(bytes),
            None => Ok(()),
        }
    }
}

fn put_path(event: &mut Vec<u8>, path: &[u8]) -> io::Result<()> {
    let length = u16::try_from(path.len()).map_err(io::Error::other)?;
    event.extend_from_slice(&length.to_le_bytes());
    event.extend_from_slice(path);
    Ok(())
}

/// Passes on what is read, and notes it.
pub struct Recorded<R> {
    pub input: R,
    pub recorder: Recorder,
}

impl<R: Read> Read for Recorded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let got = self.input.read(buffer)?;
        self.recorder.pass(buffer.get(..got).unwrap_or_default())?;
        Ok(got)
    }
}
