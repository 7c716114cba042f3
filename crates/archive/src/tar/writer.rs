//! Writes what [`super::Reader`] and every other reader take the same way.

use std::io::{self, Read, Write};

use super::{BLOCK_BYTES, Entry, EntryKind};

/// Writes an archive member by member; the same members give the same bytes.
pub struct Writer<W> {
    output: W,
}

impl<W: Write> Writer<W> {
    /// Writes to `output`, which should be buffered.
    pub fn new(output: W) -> Self {
        Writer { output }
    }

    /// Writes a member with `content`, of which a file's `size` bytes are taken. Sparse files are
    /// not written: `segments` must be `None`. What ustar cannot say goes into a PAX header.
    pub fn append(&mut self, entry: &Entry, content: impl Read) -> io::Result<()> {
        let size = self.head(entry)?;
        let copied = io::copy(&mut content.take(size), &mut self.output)?;
        if copied != size {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "content is too short"));
        }
        self.pad(size)
    }

    /// Writes a file that others may be changing: what it has lost meanwhile becomes zeros.
    pub fn append_changing(&mut self, entry: &Entry, content: impl Read) -> io::Result<()> {
        let size = self.head(entry)?;
        let copied = io::copy(&mut content.take(size), &mut self.output)?;
        io::copy(&mut io::repeat(0).take(size - copied), &mut self.output)?;
        self.pad(size)
    }

    /// Writes all headers of a member; gives the size of its content.
    fn head(&mut self, entry: &Entry) -> io::Result<u64> {
        let size = match &entry.kind {
            EntryKind::File { segments: Some(_), .. } => {
                return Err(io::Error::new(io::ErrorKind::Unsupported, "a sparse file"));
            }
            EntryKind::File { size, segments: None } => *size,
            _ => 0,
        };
        let records = records(entry, size);
        if !records.is_empty() {
            let header = header(b"PaxHeaders/x", b"", b'x', &Numbers::of_records(records.len()));
            self.output.write_all(&header)?;
            self.output.write_all(&records)?;
            self.pad(records.len() as u64)?;
        }
        let (typeflag, link) = match &entry.kind {
            EntryKind::File { .. } => (b'0', [].as_slice()),
            EntryKind::HardLink(target) => (b'1', target.as_slice()),
            EntryKind::Symlink(target) => (b'2', target.as_slice()),
            EntryKind::CharDevice(..) => (b'3', [].as_slice()),
            EntryKind::BlockDevice(..) => (b'4', [].as_slice()),
            EntryKind::Directory => (b'5', [].as_slice()),
            EntryKind::Fifo => (b'6', [].as_slice()),
        };
        let numbers = Numbers::of(entry, size);
        self.output.write_all(&header(&entry.path, link, typeflag, &numbers))?;
        Ok(size)
    }

    /// Writes the end mark and gives the stream back.
    pub fn finish(mut self) -> io::Result<W> {
        self.output.write_all(&[0; 2 * BLOCK_BYTES])?;
        self.output.flush()?;
        Ok(self.output)
    }

    fn pad(&mut self, size: u64) -> io::Result<()> {
        let padding = size.next_multiple_of(BLOCK_BYTES as u64) - size;
        self.output.write_all([0; BLOCK_BYTES].get(..padding as usize).unwrap_or_default())
    }
}

/// The numbers of a ustar header, each with what its field can hold.
struct Numbers {
    mode: u64,
    uid: u64,
    gid: u64,
    size: u64,
    mtime: u64,
    device: (u64, u64),
}

/// The largest number of seven and of eleven octal digits.
const SEVEN_DIGITS: u64 = 0o7_777_777;
const ELEVEN_DIGITS: u64 = 0o77_777_777_777;

impl Numbers {
    fn of_records(length: usize) -> Numbers {
        Numbers { mode: 0o644, uid: 0, gid: 0, size: length as u64, mtime: 0, device: (0, 0) }
    }

    /// What does not fit is 0 here, and in full in a PAX record.
    fn of(entry: &Entry, size: u64) -> Numbers {
        let fit = |number: u64, max: u64| if number <= max { number } else { 0 };
        let device = match entry.kind {
            EntryKind::CharDevice(major, minor) | EntryKind::BlockDevice(major, minor) => {
                (u64::from(major), u64::from(minor))
            }
            _ => (0, 0),
        };
        Numbers {
            mode: u64::from(entry.mode),
            uid: fit(entry.uid.into(), SEVEN_DIGITS),
            gid: fit(entry.gid.into(), SEVEN_DIGITS),
            size: fit(size, ELEVEN_DIGITS),
            mtime: fit(u64::try_from(entry.mtime.seconds).unwrap_or(0), ELEVEN_DIGITS),
            device: (fit(device.0, SEVEN_DIGITS), fit(device.1, SEVEN_DIGITS)),
        }
    }
}

/// The PAX records that `entry` needs.
fn records(entry: &Entry, size: u64) -> Vec<u8> {
    let mut records = Vec::new();
    if entry.path.len() > 100 || !entry.path.is_ascii() {
        record(&mut records, b"path", &entry.path);
    }
    if let EntryKind::HardLink(target) | EntryKind::Symlink(target) = &entry.kind
        && (target.len() > 100 || !target.is_ascii())
    {
        record(&mut records, b"linkpath", target);
    }
    if size > ELEVEN_DIGITS {
        record(&mut records, b"size", size.to_string().as_bytes());
    }
    for (key, id) in [(b"uid", entry.uid), (b"gid", entry.gid)] {
        if u64::from(id) > SEVEN_DIGITS {
            record(&mut records, key, id.to_string().as_bytes());
        }
    }
    let seconds = entry.mtime.seconds;
    if entry.mtime.nanoseconds != 0 || seconds < 0 || seconds as u64 > ELEVEN_DIGITS {
        record(&mut records, b"mtime", time_text(entry.mtime).as_bytes());
    }
    for (name, value) in &entry.xattrs {
        record(&mut records, &[b"SCHILY.xattr.", name.as_slice()].concat(), value);
    }
    records
}

/// Seconds with nine decimals; PAX negates the whole number, not the seconds alone.
fn time_text(time: super::Time) -> String {
    let nanoseconds = i128::from(time.seconds) * 1_000_000_000 + i128::from(time.nanoseconds);
    let sign = if nanoseconds < 0 { "-" } else { "" };
    let (whole, fraction) =
        (nanoseconds.unsigned_abs() / 1_000_000_000, nanoseconds.unsigned_abs() % 1_000_000_000);
    match fraction {
        0 => format!("{sign}{whole}"),
        fraction => format!("{sign}{whole}.{fraction:09}"),
    }
}

/// Appends `length key=value\n`, where the length counts its own digits.
fn record(records: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while rest + length.to_string().len() != length {
        length = rest + length.to_string().len();
    }
    records.extend_from_slice(format!("{length} ").as_bytes());
    records.extend_from_slice(key);
    records.push(b'=');
    records.extend_from_slice(value);
    records.push(b'\n');
}

fn header(path: &[u8], link: &[u8], typeflag: u8, numbers: &Numbers) -> [u8; BLOCK_BYTES] {
    let mut block = [0u8; BLOCK_BYTES];
    put(&mut block, 0, 100, path);
    put_octal(&mut block, 100, 7, numbers.mode);
    put_octal(&mut block, 108, 7, numbers.uid);
    put_octal(&mut block, 116, 7, numbers.gid);
    put_octal(&mut block, 124, 11, numbers.size);
    put_octal(&mut block, 136, 11, numbers.mtime);
    put(&mut block, 148, 8, b"        ");
    put(&mut block, 156, 1, &[typeflag]);
    put(&mut block, 157, 100, link);
    put(&mut block, 257, 8, b"ustar\x0000");
    put_octal(&mut block, 329, 7, numbers.device.0);
    put_octal(&mut block, 337, 7, numbers.device.1);
    let sum = block.iter().map(|byte| u64::from(*byte)).sum();
    put_octal(&mut block, 148, 6, sum);
    put(&mut block, 154, 2, b"\0 ");
    block
}

/// Puts as much of `bytes` as the field holds.
fn put(block: &mut [u8; BLOCK_BYTES], at: usize, room: usize, bytes: &[u8]) {
    for (to, from) in block.iter_mut().skip(at).take(room).zip(bytes) {
        *to = *from;
    }
}

fn put_octal(block: &mut [u8; BLOCK_BYTES], at: usize, digits: usize, number: u64) {
    put(block, at, digits, format!("{number:0digits$o}").as_bytes());
}
