//! Compressed streams, recognized by their first bytes, with limits.

use std::io::{self, BufReader, Read};

/// How a stream is compressed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Compression {
    /// Not at all.
    Plain,
    /// gzip, of any number of members.
    Gzip,
    /// zstd, of any number of frames.
    Zstd,
}

/// What was recognized but cannot be unpacked here.
#[derive(Debug, thiserror::Error)]
#[error("decompress the stream: {name} is not supported; gzip, zstd and plain tar are")]
pub struct UnsupportedCompression {
    /// The format's name.
    pub name: &'static str,
}

/// The stream gave more than the limit. Found inside an [`io::Error`].
#[derive(Debug, thiserror::Error)]
#[error("decompress the stream: more than {bytes_max} bytes come out")]
pub struct OutputTooLarge {
    /// How many are taken.
    pub bytes_max: u64,
}

/// Frames that need more memory than this are refused; `zstd --ultra -22` needs 128 MiB.
const ZSTD_WINDOW_LOG_MAX: u32 = 27;

/// Decompressors read their input in pieces of this size.
const INPUT_BYTES: usize = 128 * 1024;

/// A stream, decompressed as it is read.
pub struct Decompressor<R: Read> {
    stream: Stream<R>,
    bytes_left: u64,
    bytes_max: u64,
}

type Input<R> = BufReader<io::Chain<io::Cursor<Vec<u8>>, R>>;

enum Stream<R: Read> {
    Plain(Input<R>),
    Gzip(Box<flate2::bufread::MultiGzDecoder<Input<R>>>),
    Zstd(Box<zstd::stream::read::Decoder<'static, Input<R>>>),
}

impl<R: Read> Decompressor<R> {
    /// Looks at the first bytes of `input` and prepares to give at most `bytes_max` bytes.
    ///
    /// # Errors
    /// Those of reading `input`; [`UnsupportedCompression`] inside an [`io::Error`].
    pub fn new(mut input: R, bytes_max: u64) -> io::Result<Self> {
        let mut start = Vec::new();
        input.by_ref().take(6).read_to_end(&mut start)?;
        let compression = recognize(&start).map_err(io::Error::other)?;
        let input = BufReader::with_capacity(INPUT_BYTES, io::Cursor::new(start).chain(input));
        let stream = match compression {
            Compression::Plain => Stream::Plain(input),
            Compression::Gzip => {
                Stream::Gzip(Box::new(flate2::bufread::MultiGzDecoder::new(input)))
            }
            Compression::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::with_buffer(input)?;
                decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
                Stream::Zstd(Box::new(decoder))
            }
        };
        Ok(Decompressor { stream, bytes_left: bytes_max, bytes_max })
    }

    /// What was recognized.
    pub fn compression(&self) -> Compression {
        match self.stream {
            Stream::Plain(_) => Compression::Plain,
            Stream::Gzip(_) => Compression::Gzip,
            Stream::Zstd(_) => Compression::Zstd,
        }
    }
}

impl<R: Read> Read for Decompressor<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let got = match &mut self.stream {
            Stream::Plain(input) => input.read(buffer)?,
            Stream::Gzip(decoder) => decoder.read(buffer)?,
            Stream::Zstd(decoder) => decoder.read(buffer)?,
        };
        match self.bytes_left.checked_sub(got as u64) {
            Some(left) => self.bytes_left = left,
            None => return Err(io::Error::other(OutputTooLarge { bytes_max: self.bytes_max })),
        }
        Ok(got)
    }
}

/// Recognizes a stream by its first six bytes.
pub fn recognize(start: &[u8]) -> Result<Compression, UnsupportedCompression> {
    let foreign: [(&[u8], &str); 4] = [
        (b"BZh", "bzip2"),
        (b"\xfd7zXZ\0", "xz"),
        (b"\x04\x22\x4d\x18", "lz4"),
        (b"PK\x03\x04", "zip"),
    ];
    for (magic, name) in foreign {
        if start.starts_with(magic) {
            return Err(UnsupportedCompression { name });
        }
    }
    let skippable = matches!(start, [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..]);
    if start.starts_with(b"\x1f\x8b") {
        Ok(Compression::Gzip)
    } else if start.starts_with(b"\x28\xb5\x2f\xfd") || skippable {
        Ok(Compression::Zstd)
    } else {
        Ok(Compression::Plain)
    }
}

#[cfg(test)]
mod tests;
