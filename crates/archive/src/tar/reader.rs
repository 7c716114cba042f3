//! The stream of members.

use std::io::{self, Read};

use super::header::{self, Block, Dialect, Header, HeaderFault};
use super::pax::{self, Pax, PaxFault};
use super::sparse::{self, Segment};
use super::{BLOCK_BYTES, Entry, EntryKind, Limits, TarError, Time};

/// Reads an archive member by member.
pub struct Reader<R> {
    input: R,
    limits: Limits,
    /// Bytes taken from `input`.
    offset: u64,
    /// Bytes of the present member's content that are still in `input`.
    content_left: u64,
    /// Bytes that fill the content up to a whole block.
    padding_left: u64,
    entries: u64,
    ended: bool,
}

/// What headers before a member say about it.
#[derive(Default)]
struct Pending {
    pax: Option<Pax>,
    long_name: Option<Vec<u8>>,
    long_link: Option<Vec<u8>>,
}

impl Pending {
    fn is_empty(&self) -> bool {
        self.pax.is_none() && self.long_name.is_none() && self.long_link.is_none()
    }
}

impl<R: Read> Reader<R> {
    /// Reads from `input`, which should be buffered or read in large pieces.
    pub fn new(input: R, limits: Limits) -> Self {
        Reader {
            input,
            limits,
            offset: 0,
            content_left: 0,
            padding_left: 0,
            entries: 0,
            ended: false,
        }
    }

    /// The next member; its content, if any, is then read with [`Reader::read`]. What is left of
    /// the former member's content is skipped. `None` when the archive has ended and nothing but
    /// zeros followed, up to the end of the stream.
    pub fn next_entry(&mut self) -> Result<Option<Entry>, TarError> {
        let mut pending = Pending::default();
        loop {
            self.skip_content()?;
            let at = self.offset;
            let Some(block) = self.header_block()? else {
                if pending.is_empty() {
                    return Ok(None);
                }
                return Err(TarError::Truncated { offset: at });
            };
            let header = header::parse(&block).map_err(|fault| of_header(at, fault))?;
            self.entries += u64::from(!matches!(header.typeflag, b'x' | b'L' | b'K'));
            if self.entries > self.limits.entries_max {
                return Err(self.over("members", self.limits.entries_max));
            }
            match header.typeflag {
                b'x' => {
                    let bytes = self.extended(at, header.size, pending.pax.is_some())?;
                    let numbers_max = self.limits.segments_max.saturating_mul(2);
                    let pax = pax::parse(&bytes, numbers_max).map_err(|fault| of_pax(at, fault))?;
                    pending.pax = Some(pax);
                }
                b'g' => {
                    let bytes = self.extended(at, header.size, !pending.is_empty())?;
                    pax::verify_global(&bytes).map_err(|fault| of_pax(at, fault))?;
                }
                b'L' => {
                    let taken = pending.long_name.is_some();
                    pending.long_name = Some(self.long_name(at, header.size, taken)?);
                }
                b'K' => {
                    let taken = pending.long_link.is_some();
                    pending.long_link = Some(self.long_name(at, header.size, taken)?);
                }
                _ => return self.member(at, header, &block, pending).map(Some),
            }
        }
    }

    /// Reads the present member's content as it is in the archive; 0 at its end. For a sparse file
    /// these are the bytes of its segments, one after the other.
    pub fn read(&mut self, buffer: &mut [u8]) -> Result<usize, TarError> {
        let want = usize::try_from(self.content_left).unwrap_or(usize::MAX).min(buffer.len());
        let Some(buffer) = buffer.get_mut(..want).filter(|buffer| !buffer.is_empty()) else {
            return Ok(0);
        };
        let got = self.input_read(buffer)?;
        if got == 0 {
            return Err(TarError::Truncated { offset: self.offset });
        }
        self.content_left -= got as u64;
        Ok(got)
    }

    /// How many bytes of the present member's content are left.
    pub fn content_left(&self) -> u64 {
        self.content_left
    }

    /// The present member's content as an [`io::Read`].
    pub fn content(&mut self) -> Content<'_, R> {
        Content(self)
    }

    /// How many bytes of the stream have been taken.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Gives the stream back.
    pub fn into_inner(self) -> R {
        self.input
    }

    fn member(
        &mut self,
        at: u64,
        header: Header,
        block: &Block,
        pending: Pending,
    ) -> Result<Entry, TarError> {
        let pax = pending.pax.unwrap_or_default();
        if pax.path.is_some() && pending.long_name.is_some()
            || pax.link.is_some() && pending.long_link.is_some()
        {
            return Err(ambiguous(at, "a PAX and a GNU long name for one member"));
        }
        let stored = stored_size(at, &header, pax.size)?;
        let link = pax.link.or(pending.long_link).unwrap_or_else(|| header.link.clone());
        let mut path = pax.path.or(pending.long_name).unwrap_or_else(|| header.name.clone());
        self.content_left = stored;
        self.padding_left = padding(stored);
        if let Some(name) = pax.sparse.name.clone() {
            if !pax.sparse.is_used() {
                return Err(ambiguous(at, "a sparse file's name without its map"));
            }
            path = name;
        }
        let kind = match header.typeflag {
            b'0' | b'7' | 0 | b'S' => self.file(at, &header, block, &path, &pax.sparse)?,
            _ if pax.sparse.is_used() => {
                return Err(ambiguous(at, "a sparse map for what is not a file"));
            }
            b'1' => EntryKind::HardLink(link),
            b'2' => EntryKind::Symlink(link),
            b'3' => EntryKind::CharDevice(header.device.0, header.device.1),
            b'4' => EntryKind::BlockDevice(header.device.0, header.device.1),
            b'5' => EntryKind::Directory,
            b'6' => EntryKind::Fifo,
            typeflag => return Err(TarError::Unsupported { offset: at, typeflag }),
        };
        self.verify_names(at, &path, &kind)?;
        let holds_content = matches!(kind, EntryKind::File { .. });
        if !holds_content && stored != 0 {
            return Err(ambiguous(at, "content after a member that has none"));
        }
        let time = Time { seconds: header.mtime_seconds, nanoseconds: 0 };
        Ok(Entry {
            path,
            kind,
            mode: header.mode,
            uid: id(at, pax.uid.unwrap_or(header.uid), "owner")?,
            gid: id(at, pax.gid.unwrap_or(header.gid), "group")?,
            mtime: pax.mtime.unwrap_or(time),
            xattrs: pax.xattrs,
        })
    }

    fn file(
        &mut self,
        at: u64,
        header: &Header,
        block: &Block,
        path: &[u8],
        pax: &pax::PaxSparse,
    ) -> Result<EntryKind, TarError> {
        if path.ends_with(b"/") {
            // Before POSIX a directory was a file whose name ends so; GNU and Go differ on `0`.
            if header.typeflag == 0 && self.content_left == 0 {
                return Ok(EntryKind::Directory);
            }
            return Err(ambiguous(at, "a file whose name ends in `/`"));
        }
        let stored = self.content_left;
        let (segments, size) = match (header.typeflag, pax.is_used()) {
            (b'S', true) => return Err(ambiguous(at, "a GNU and a PAX sparse file in one")),
            (b'S', false) if header.dialect == Dialect::Gnu => self.gnu_sparse(at, block)?,
            (b'S', false) => return Err(TarError::Unsupported { offset: at, typeflag: b'S' }),
            (_, true) => self.pax_sparse(at, pax)?,
            (_, false) => return Ok(EntryKind::File { size: stored, segments: None }),
        };
        if size > i64::MAX as u64 || !sparse::is_sound(&segments, size, self.content_left) {
            return Err(TarError::Header { offset: at, field: "sparse map" });
        }
        Ok(EntryKind::File { size, segments: Some(segments) })
    }

    /// The map begins in the header and goes on in blocks that the size does not count.
    fn gnu_sparse(&mut self, at: u64, block: &Block) -> Result<(Vec<Segment>, u64), TarError> {
        let bad = || TarError::Header { offset: at, field: "sparse map" };
        let (mut segments, size, mut more) = sparse::in_header(block).ok_or_else(bad)?;
        while more {
            let block = self.block()?.ok_or(TarError::Truncated { offset: self.offset })?;
            let (further, again) = sparse::in_extension(&block).ok_or_else(bad)?;
            if further.is_empty() && again {
                return Err(bad());
            }
            segments.extend(further);
            if segments.len() > self.limits.segments_max {
                return Err(self.over("segments of a sparse file", self.limits.segments_max as u64));
            }
            more = again;
        }
        Ok((segments, size))
    }

    fn pax_sparse(
        &mut self,
        at: u64,
        pax: &pax::PaxSparse,
    ) -> Result<(Vec<Segment>, u64), TarError> {
        let bad = || TarError::Header { offset: at, field: "sparse map" };
        let size = pax.size.ok_or_else(bad)?;
        match (pax.major, pax.minor, &pax.map) {
            (None | Some(0), _, Some(map)) => Ok((sparse::from_numbers(map), size)),
            (Some(1), Some(0), None) => Ok((self.map_in_content(at)?, size)),
            _ => Err(bad()),
        }
    }

    /// Sparse 1.0: decimal lines at the start of the content, filled up to whole blocks.
    fn map_in_content(&mut self, at: u64) -> Result<Vec<Segment>, TarError> {
        let bad = || TarError::Header { offset: at, field: "sparse map" };
        let mut lines = Lines { block: [0; BLOCK_BYTES], next: BLOCK_BYTES };
        let count = lines.number(self, at)?;
        if count > self.limits.segments_max as u64 {
            return Err(self.over("segments of a sparse file", self.limits.segments_max as u64));
        }
        let mut segments = Vec::new();
        for _ in 0..count {
            let (offset, length) = (lines.number(self, at)?, lines.number(self, at)?);
            segments.push(Segment { offset, length });
        }
        if segments.is_empty() && count != 0 { Err(bad()) } else { Ok(segments) }
    }

    fn verify_names(&self, at: u64, path: &[u8], kind: &EntryKind) -> Result<(), TarError> {
        let max = self.limits.path_bytes_max;
        if path.is_empty() {
            return Err(TarError::Header { offset: at, field: "path" });
        }
        if let EntryKind::HardLink(target) | EntryKind::Symlink(target) = kind {
            if target.is_empty() {
                return Err(TarError::Header { offset: at, field: "link target" });
            }
            if target.len() >= max {
                return Err(self.over("bytes in a link target", max as u64 - 1));
            }
        }
        if path.len() >= max { Err(self.over("bytes in a path", max as u64 - 1)) } else { Ok(()) }
    }

    /// The content of an extended header.
    fn extended(&mut self, at: u64, size: u64, taken: bool) -> Result<Vec<u8>, TarError> {
        if taken {
            return Err(ambiguous(at, "two extended headers for one member"));
        }
        let max = self.limits.extended_bytes_max;
        if size > max as u64 {
            return Err(self.over("bytes in an extended header", max as u64));
        }
        self.content_left = size;
        self.padding_left = padding(size);
        let mut bytes = vec![0; size as usize];
        let mut filled = 0;
        while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            filled += self.read(rest)?;
        }
        Ok(bytes)
    }

    /// A GNU long name: ends at the first NUL, after which there is nothing.
    fn long_name(&mut self, at: u64, size: u64, taken: bool) -> Result<Vec<u8>, TarError> {
        let max = self.limits.path_bytes_max as u64;
        if size > max + BLOCK_BYTES as u64 {
            return Err(self.over("bytes in a path", max - 1));
        }
        let mut name = self.extended(at, size, taken)?;
        let end = name.iter().position(|byte| *byte == 0).unwrap_or(name.len());
        if name.iter().skip(end).any(|byte| *byte != 0) {
            return Err(ambiguous(at, "bytes after the end of a long name"));
        }
        name.truncate(end);
        Ok(name)
    }

    fn skip_content(&mut self) -> Result<(), TarError> {
        let mut buffer = [0u8; 16 * 1024];
        while self.content_left > 0 {
            self.read(&mut buffer)?;
        }
        while self.padding_left > 0 {
            let want = (self.padding_left as usize).min(BLOCK_BYTES);
            let got = self.input_read(buffer.get_mut(..want).unwrap_or_default())?;
            if got == 0 {
                return Err(TarError::Truncated { offset: self.offset });
            }
            self.padding_left -= got as u64;
        }
        Ok(())
    }

    /// The next block that is a header; `None` at the archive's end.
    fn header_block(&mut self) -> Result<Option<Block>, TarError> {
        if self.ended {
            return Ok(None);
        }
        match self.block()? {
            Some(block) if block.iter().any(|byte| *byte != 0) => Ok(Some(block)),
            Some(_) => {
                self.drain()?;
                self.ended = true;
                Ok(None)
            }
            // Some writers leave the end mark out.
            None => {
                self.ended = true;
                Ok(None)
            }
        }
    }

    /// After the end mark only zeros may follow: readers differ on whether to look further.
    fn drain(&mut self) -> Result<(), TarError> {
        let mut buffer = [0u8; 16 * 1024];
        loop {
            let at = self.offset;
            let got = self.input_read(&mut buffer)?;
            if got == 0 {
                return Ok(());
            }
            if buffer.iter().take(got).any(|byte| *byte != 0) {
                return Err(ambiguous(at, "data after the end of the archive"));
            }
        }
    }

    /// One whole block, or `None` when the stream ends before it.
    fn block(&mut self) -> Result<Option<Block>, TarError> {
        let mut block = [0; BLOCK_BYTES];
        let mut filled = 0;
        while let Some(rest) = block.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.input_read(rest)? {
                0 if filled == 0 => return Ok(None),
                0 => return Err(TarError::Truncated { offset: self.offset }),
                got => filled += got,
            }
        }
        Ok(Some(block))
    }

    fn input_read(&mut self, buffer: &mut [u8]) -> Result<usize, TarError> {
        loop {
            match self.input.read(buffer) {
                Ok(got) => {
                    self.offset += got as u64;
                    return Ok(got);
                }
                Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
                Err(cause) => return Err(TarError::Read { offset: self.offset, cause }),
            }
        }
    }

    fn over(&self, what: &'static str, limit: u64) -> TarError {
        TarError::Limit { offset: self.offset, what, limit }
    }
}

/// See [`Reader::content`].
pub struct Content<'a, R>(&'a mut Reader<R>);

impl<R: Read> Read for Content<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer).map_err(io::Error::other)
    }
}

/// Newline-terminated decimals, taken from the content a block at a time.
struct Lines {
    block: Block,
    next: usize,
}

impl Lines {
    fn number<R: Read>(&mut self, reader: &mut Reader<R>, at: u64) -> Result<u64, TarError> {
        let bad = || TarError::Header { offset: at, field: "sparse map" };
        let mut digits = Vec::new();
        loop {
            if self.next == BLOCK_BYTES {
                if reader.content_left < BLOCK_BYTES as u64 {
                    return Err(bad());
                }
                let offset = reader.offset;
                self.block = reader.block()?.ok_or(TarError::Truncated { offset })?;
                reader.content_left -= BLOCK_BYTES as u64;
                self.next = 0;
            }
            let byte = *self.block.get(self.next).ok_or_else(bad)?;
            self.next += 1;
            match byte {
                b'\n' => return pax::decimal(&digits).map_err(|_| bad()),
                // 2^64 has 20 digits.
                _ if digits.len() == 20 => return Err(bad()),
                _ => digits.push(byte),
            }
        }
    }
}

/// The bytes that follow the header, where the header and PAX agree. A reader that knew only one
/// of two different sizes would find other members than we do.
fn stored_size(at: u64, header: &Header, pax: Option<u64>) -> Result<u64, TarError> {
    /// What eleven octal digits can say.
    const OCTAL_MAX: u64 = 0o77_777_777_777;
    let size = match pax {
        Some(size) if size <= OCTAL_MAX && size != header.size => {
            return Err(ambiguous(at, "the header and its PAX record differ in size"));
        }
        Some(size) => size,
        None => header.size,
    };
    match size > i64::MAX as u64 {
        true => Err(TarError::Header { offset: at, field: "size" }),
        false => Ok(size),
    }
}

fn id(at: u64, id: u64, field: &'static str) -> Result<u32, TarError> {
    let bad = TarError::Header { offset: at, field };
    u32::try_from(id).ok().filter(|id| *id != u32::MAX).ok_or(bad)
}

fn padding(size: u64) -> u64 {
    size.next_multiple_of(BLOCK_BYTES as u64) - size
}

fn ambiguous(offset: u64, reason: &'static str) -> TarError {
    TarError::Ambiguous { offset, reason }
}

fn of_header(offset: u64, fault: HeaderFault) -> TarError {
    match fault {
        HeaderFault::Field(field) => TarError::Header { offset, field },
        HeaderFault::Ambiguous(reason) => TarError::Ambiguous { offset, reason },
    }
}

fn of_pax(offset: u64, fault: PaxFault) -> TarError {
    match fault {
        PaxFault::Field(field) => TarError::Header { offset, field },
        PaxFault::Ambiguous(reason) => TarError::Ambiguous { offset, reason },
    }
}
