//! From a recipe and a layer's files to its archive.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, BufReader, Read};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::path::Path;

use sys::rustix::fs::{self, Mode, OFlags, ResolveFlags};

use super::{ASIDE, CONTENT, END, FILES, LITERAL, LITERAL_BYTES_MAX, MAGIC, RECIPE, SPARE};
use crate::tar::Segment;

/// The kernel's `PATH_MAX`.
const PATH_BYTES_MAX: usize = 4096;

/// As the reader of archives takes them.
const SEGMENTS_MAX: u32 = 65_536;

/// Files that were put aside, of one layer: archives that write files twice do so by mistake.
const SPARES_MAX: usize = 1 << 20;

/// One step of a recipe.
enum Event {
    Literal(Vec<u8>),
    Content { path: Vec<u8>, segments: Vec<Segment> },
    Aside { path: Vec<u8>, number: u64 },
    End,
}

/// A layer's archive, made as it is read. Its end is the end of the recipe; whether it is the
/// archive that was unpacked, its digest tells.
pub struct LayerStream {
    events: Events,
    root: OwnedFd,
    spare: OwnedFd,
    /// By the ordinal of a file's content, the number of the file in `spare`.
    aside: HashMap<u64, u64>,
    contents: u64,
    now: Now,
}

/// What is being given out.
enum Now {
    Between,
    Literal(io::Cursor<Vec<u8>>),
    /// The present segment is the last.
    Content {
        file: File,
        segments: Vec<Segment>,
    },
    Ended,
}

impl LayerStream {
    /// Of the layer in this directory.
    pub fn open(directory: &Path) -> io::Result<LayerStream> {
        let aside = find_aside(directory)?;
        let events = Events::open(directory)?;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let open = |name| fs::openat(fs::CWD, directory.join(name), flags, Mode::empty());
        // Most layers have no spare files, and no directory for them.
        let root = open(FILES)?;
        let spare = if aside.is_empty() { root.try_clone()? } else { open(SPARE)? };
        Ok(LayerStream { events, root, spare, aside, contents: 0, now: Now::Between })
    }

    fn advance(&mut self) -> io::Result<()> {
        self.now = match self.events.next()? {
            Event::Literal(bytes) => Now::Literal(io::Cursor::new(bytes)),
            Event::Aside { .. } => Now::Between,
            Event::End => Now::Ended,
            Event::Content { path, mut segments } => {
                let ordinal = self.contents;
                self.contents += 1;
                let file = match self.aside.get(&ordinal) {
                    Some(number) => open(&self.spare, number.to_string().as_bytes())?,
                    None => open(&self.root, &path)?,
                };
                segments.reverse();
                Now::Content { file, segments }
            }
        };
        Ok(())
    }
}

impl Read for LayerStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            let got = match &mut self.now {
                Now::Between => 0,
                Now::Literal(bytes) => bytes.read(buffer)?,
                Now::Content { file, segments } => content(file, segments, buffer)?,
                Now::Ended => return Ok(0),
            };
            if got > 0 {
                return Ok(got);
            }
            self.advance()?;
        }
    }
}

/// The next bytes of the segments, of which the last is the present one; 0 when there are none.
fn content(file: &File, segments: &mut Vec<Segment>, buffer: &mut [u8]) -> io::Result<usize> {
    while let Some(segment) = segments.last_mut() {
        if segment.length == 0 {
            segments.pop();
            continue;
        }
        let want = usize::try_from(segment.length).unwrap_or(usize::MAX).min(buffer.len());
        let got = file.read_at(buffer.get_mut(..want).unwrap_or_default(), segment.offset)?;
        if got == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "a file is too short"));
        }
        segment.offset += got as u64;
        segment.length -= got as u64;
        return Ok(got);
    }
    Ok(0)
}

/// Opens a file of the layer: no link is followed, nothing outside is reached.
fn open(root: &OwnedFd, path: &[u8]) -> io::Result<File> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = File::from(fs::openat2(root, path, flags, Mode::empty(), resolve)?);
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(io::Error::new(io::ErrorKind::InvalidData, "not a file")),
    }
}

/// Tells paths from each other in little memory: a million long ones would take gigabytes. Its keys
/// are random, so that nobody can choose two that look alike; should it happen, the archive's
/// digest is another.
#[derive(Default)]
struct Names([RandomState; 2]);

impl Names {
    fn of(&self, path: &[u8]) -> [u64; 2] {
        [self.0[0].hash_one(path), self.0[1].hash_one(path)]
    }
}

/// Which contents are to be read from files that were put aside: for each of these, the last
/// content before it that has its path.
fn find_aside(directory: &Path) -> io::Result<HashMap<u64, u64>> {
    let (names, mut paths) = (Names::default(), HashSet::new());
    let mut events = Events::open(directory)?;
    loop {
        match events.next()? {
            Event::Aside { path, .. } => drop(paths.insert(names.of(&path))),
            Event::End => break,
            _ => {}
        }
        if paths.len() > SPARES_MAX {
            return Err(bad());
        }
    }
    let (mut aside, mut last, mut contents) = (HashMap::new(), HashMap::new(), 0);
    if paths.is_empty() {
        return Ok(aside);
    }
    let mut events = Events::open(directory)?;
    loop {
        match events.next()? {
            Event::Content { path, .. } => {
                let name = names.of(&path);
                if paths.contains(&name) {
                    last.insert(name, contents);
                }
                contents += 1;
            }
            Event::Aside { path, number } => {
                if let Some(ordinal) = last.remove(&names.of(&path)) {
                    aside.insert(ordinal, number);
                }
            }
            Event::End => return Ok(aside),
            Event::Literal(_) => {}
        }
    }
}

/// The events of a recipe.
struct Events(BufReader<zstd::stream::read::Decoder<'static, BufReader<File>>>);

impl Events {
    fn open(directory: &Path) -> io::Result<Events> {
        let file = File::open(directory.join(RECIPE))?;
        let mut input = BufReader::new(zstd::stream::read::Decoder::new(file)?);
        let mut magic = [0; MAGIC.len()];
        input.read_exact(&mut magic)?;
        if magic != MAGIC { Err(bad()) } else { Ok(Events(input)) }
    }

    fn next(&mut self) -> io::Result<Event> {
        let [kind] = self.array()?;
        match kind {
            LITERAL => {
                let length = u32::from_le_bytes(self.array()?) as usize;
                if length > LITERAL_BYTES_MAX {
                    return Err(bad());
                }
                Ok(Event::Literal(self.bytes(length)?))
            }
            CONTENT => {
                let path = self.path()?;
                let count = u32::from_le_bytes(self.array()?);
                if count > SEGMENTS_MAX {
                    return Err(bad());
                }
                let mut segments = Vec::new();
                for _ in 0..count {
                    let offset = u64::from_le_bytes(self.array()?);
                    let length = u64::from_le_bytes(self.array()?);
                    offset.checked_add(length).ok_or_else(bad)?;
                    segments.push(Segment { offset, length });
                }
                Ok(Event::Content { path, segments })
            }
            ASIDE => {
                let path = self.path()?;
                Ok(Event::Aside { path, number: u64::from_le_bytes(self.array()?) })
            }
            END => Ok(Event::End),
            _ => Err(bad()),
        }
    }

    fn path(&mut self) -> io::Result<Vec<u8>> {
        let length = usize::from(u16::from_le_bytes(self.array()?));
        if length > PATH_BYTES_MAX { Err(bad()) } else { self.bytes(length) }
    }

    fn bytes(&mut self, length: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        self.0.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.0.read_exact(&mut bytes)?;
        Ok(bytes)
    }
}

fn bad() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the layer's recipe is damaged")
}
