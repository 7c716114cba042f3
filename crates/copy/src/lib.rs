//! `cp`, the client's side: what goes where, under which name, in Docker's words.
//!
//! Glossary:
//! - *side*: one of the two arguments, a path of a container or of this machine.
//! - *base*: the name of the topmost entry of the archive that travels.
//!
//! This crate knows nothing of how files are read or written (`store`), or of the engine's API
//! (`client`).

mod local;
mod path;

use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use client::{Client, ClientError};
use files::{FilesError, Rename};
use sys::rustix;
use tokio::io::AsyncWriteExt;
use tokio::net::unix::pipe;

use self::path::{Ends, Side, split};

/// Bits of Go's file modes.
const IS_DIRECTORY: u32 = 1 << 31;
const IS_LINK: u32 = 1 << 27;
/// Devices, pipes, sockets, what is irregular: nothing that a file can replace.
const IS_SPECIAL: u32 = 1 << 26 | 1 << 25 | 1 << 24 | 1 << 21 | 1 << 19;

/// Size of the pipe between the engine's stream and the files.
const PIPE_BYTES: usize = 1 << 20;

/// What is copied, and how.
#[derive(Clone, Copy, Debug)]
pub struct CopySpec<'a> {
    /// A path, `CONTAINER:PATH` or `-`.
    pub source: &'a str,
    /// The same.
    pub destination: &'a str,
    /// Everything belongs to the container's user.
    pub copies_ids: bool,
    /// What a link at the source leads to is copied.
    pub follows_link: bool,
}

/// What was copied.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Copied {
    /// Bytes of the archive.
    pub bytes: u64,
    /// Where it went.
    pub to: String,
}

/// Why nothing, or not all, was copied.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// Source and destination do not fit; the text is Docker's.
    #[error("{0}")]
    Refused(String),
    /// The engine refused, or cannot be reached.
    #[error("{0}")]
    Engine(ClientError),
    /// Files here could not be made.
    #[error("{0}")]
    Files(FilesError),
    /// Something here could not be read or written.
    #[error("{}", local::plain(.0))]
    Here(io::Error),
}

impl CopyError {
    fn refused(text: impl Into<String>) -> CopyError {
        CopyError::Refused(text.into())
    }
}

/// Result of this crate.
pub type Result<T> = std::result::Result<T, CopyError>;

/// Copies; `None` when an archive went through a standard stream.
///
/// # Errors
/// [`CopyError`]; a part may have been copied then.
pub async fn copy(client: &Client, spec: &CopySpec<'_>) -> Result<Option<Copied>> {
    for (text, what) in [(spec.source, "source"), (spec.destination, "destination")] {
        if text.is_empty() {
            return Err(CopyError::refused(format!("{what} can not be empty")));
        }
    }
    match (Side::parse(spec.source), Side::parse(spec.destination)) {
        (Side::Container(container, from), Side::Local(to)) => {
            from_container(client, spec, container, from, to).await
        }
        (Side::Local(from), Side::Container(container, to)) => {
            to_container(client, spec, from, container, to).await
        }
        (Side::Container(..), Side::Container(..)) => {
            Err(CopyError::refused("copying between containers is not supported"))
        }
        (Side::Local(_), Side::Local(_)) => {
            Err(CopyError::refused("must specify at least one container source"))
        }
    }
}

async fn from_container(
    client: &Client,
    spec: &CopySpec<'_>,
    container: &str,
    from: &str,
    to: &str,
) -> Result<Option<Copied>> {
    let to = if to == "-" { to.to_owned() } else { local::absolute(to)? };
    if to != "-" {
        local::verify_output(&to)?;
    }
    let (mut from, mut rebased) = (from.to_owned(), None);
    if spec.follows_link
        && let Ok(stat) = client.archive_stat(container, &from).await
        && stat.mode & IS_LINK != 0
    {
        let target = path::beside(&from, &stat.link_target);
        (from, rebased) = path::rebase(&from, &target);
    }
    let (stat, mut archive) =
        client.archive_get(container, &from).await.map_err(CopyError::Engine)?;
    if to == "-" {
        print(archive).await?;
        return Ok(None);
    }
    let source_base = split(&from).1;
    let first = rebased.as_ref().map(|name| renaming(&source_base, name));
    let source =
        Ends { base: rebased.unwrap_or(source_base), is_directory: stat.mode & IS_DIRECTORY != 0 };
    let target = local::destination(&to)?;
    let (directory, second) = path::place(&source, &target)?;
    let second = second.map(|(from, to)| renaming(&from, &to));
    let rename = join_renamings(first, second);
    let (receiver, mut sender) = pipe_for_writing().map_err(CopyError::Here)?;
    let unpacking = tokio::task::spawn_blocking(move || {
        let input = std::fs::File::from(receiver);
        files::unpack_into(input, directory.as_ref(), rename.as_ref())
    });
    let mut bytes = 0;
    let mut broken = None;
    loop {
        match archive.next().await {
            Ok(Some(piece)) => {
                bytes += piece.len() as u64;
                // It stopped reading: its own error says more.
                if sender.write_all(&piece).await.is_err() {
                    break;
                }
            }
            Ok(None) => break,
            Err(error) => {
                broken = Some(CopyError::Engine(error));
                break;
            }
        }
    }
    drop(sender);
    let unpacked = unpacking.await.map_err(|error| CopyError::refused(error.to_string()))?;
    if let Some(error) = broken {
        return Err(error);
    }
    unpacked.map_err(CopyError::Files)?;
    Ok(Some(Copied { bytes, to }))
}

async fn to_container(
    client: &Client,
    spec: &CopySpec<'_>,
    from: &str,
    container: &str,
    to: &str,
) -> Result<Option<Copied>> {
    let from = if from == "-" { from.to_owned() } else { local::absolute(from)? };
    let mut target_path = to.to_owned();
    let mut stat = client.archive_stat(container, to).await.ok();
    if let Some(link) = stat.as_ref().filter(|stat| stat.mode & IS_LINK != 0) {
        target_path = path::beside(to, &link.link_target);
        stat = client.archive_stat(container, &target_path).await.ok();
    }
    let shown = format!("{container}:{to}");
    if stat.as_ref().is_some_and(|stat| stat.mode & IS_SPECIAL != 0) {
        return Err(CopyError::refused(format!(
            "destination \"{shown}\" must be a directory or a regular file"
        )));
    }
    let is_directory = stat.as_ref().map(|stat| stat.mode & IS_DIRECTORY != 0);
    let copy_ids = spec.copies_ids;
    if from == "-" {
        if is_directory != Some(true) {
            return Err(CopyError::refused(format!("destination \"{shown}\" must be a directory")));
        }
        let input = io::stdin().as_fd().try_clone_to_owned().map_err(CopyError::Here)?;
        let input = tokio::fs::File::from_std(std::fs::File::from(input));
        client
            .archive_put(container, &target_path, copy_ids, input)
            .await
            .map_err(CopyError::Engine)?;
        return Ok(None);
    }
    let source = local::source(&from, spec.follows_link)?;
    let target = path::Target { path: target_path.clone(), is_directory };
    let (directory, renamed) = path::place(&source.ends, &target)?;
    let name = renamed.map_or_else(|| source.ends.base.clone(), |(_, to)| to);
    let bytes = Arc::new(AtomicU64::new(0));
    let (receiver, sender) = pipe_for_reading().map_err(CopyError::Here)?;
    let counted = Counted { pipe: std::fs::File::from(sender), bytes: bytes.clone() };
    let packing = tokio::task::spawn_blocking(move || {
        let output = io::BufWriter::with_capacity(64 << 10, counted);
        files::pack_path(&source.directory, source.entry.as_ref(), name.as_bytes(), output)
    });
    let sent = client.archive_put(container, &directory, copy_ids, receiver).await;
    let packed = packing.await.map_err(|error| CopyError::refused(error.to_string()))?;
    sent.map_err(CopyError::Engine)?;
    packed.map_err(CopyError::Here)?;
    let bytes = bytes.load(Ordering::Relaxed);
    Ok(Some(Copied { bytes, to: format!("{container}:{target_path}") }))
}

fn renaming(from: &str, to: &str) -> Rename {
    // The root's entries begin with their slash, which stays.
    let from = if from == "/" { "" } else { from };
    Rename { from: from.as_bytes().to_vec(), to: to.as_bytes().to_vec() }
}

/// The second renames what the first one made.
fn join_renamings(first: Option<Rename>, second: Option<Rename>) -> Option<Rename> {
    match (first, second) {
        (Some(first), Some(second)) => Some(Rename { from: first.from, to: second.to }),
        (first, second) => first.or(second),
    }
}

/// Writes an archive to standard output.
async fn print(mut archive: client::ByteStream) -> Result<()> {
    let mut output = io::stdout();
    while let Some(piece) = archive.next().await.map_err(CopyError::Engine)? {
        output.write_all(&piece).map_err(CopyError::Here)?;
    }
    output.flush().map_err(CopyError::Here)
}

/// A writer of what the client uploads, that counts.
struct Counted {
    pipe: std::fs::File,
    bytes: Arc<AtomicU64>,
}

impl Write for Counted {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let written = self.pipe.write(buffer)?;
        self.bytes.fetch_add(written as u64, Ordering::Relaxed);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.pipe.flush()
    }
}

/// A pipe whose writing end is a blocking thread's.
fn pipe_for_reading() -> io::Result<(pipe::Receiver, OwnedFd)> {
    let (reader, writer) = raw_pipe()?;
    rustix::io::ioctl_fionbio(&reader, true)?;
    Ok((pipe::Receiver::from_owned_fd(reader)?, writer))
}

/// A pipe whose reading end is a blocking thread's.
fn pipe_for_writing() -> io::Result<(OwnedFd, pipe::Sender)> {
    let (reader, writer) = raw_pipe()?;
    rustix::io::ioctl_fionbio(&writer, true)?;
    Ok((reader, pipe::Sender::from_owned_fd(writer)?))
}

fn raw_pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let flags = rustix::pipe::PipeFlags::CLOEXEC;
    let (reader, writer) = rustix::pipe::pipe_with(flags)?;
    // A smaller pipe is only slower.
    rustix::pipe::fcntl_setpipe_size(&writer, PIPE_BYTES).ok();
    Ok((reader, writer))
}
