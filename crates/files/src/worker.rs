//! The worker's side.

use std::ffi::{CString, OsString};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::fd::{AsFd, BorrowedFd};

use sys::rustix;
use sys::rustix::fs::{self, AtFlags, FileType, OFlags};
use sys::rustix::io::Errno;

use super::enter::{Inside, enter};
use super::extract::{ExtractSpec, Owner};
use super::{Answer, FilesError, FilesTask, PathFacts, Request, extract, path};
use archive::pack::{self, Flavor, Packer};

/// Headers are collected; contents go past this buffer.
const OUTPUT_BYTES: usize = 64 * 1024;

/// The worker's whole life. `arguments` are those after the hidden verb. The process must have one
/// thread and is to exit with the code that is returned.
pub fn files_worker_main(arguments: &[OsString]) -> i32 {
    let output = match rustix::io::dup(io::stdout()) {
        Ok(output) => File::from(output),
        Err(_) => return 1,
    };
    let mut output = Output { pipe: BufWriter::with_capacity(OUTPUT_BYTES, output), begun: false };
    match work(arguments, &mut output) {
        Ok(()) => 0,
        // In the midst of an archive there is no place for it but here.
        Err(error) if output.begun => {
            eprintln!("{error}");
            1
        }
        Err(error) => i32::from(output.answer(&Err(error)).is_err()) + 1,
    }
}

/// Standard output: the answer, then an archive.
struct Output {
    pipe: BufWriter<File>,
    begun: bool,
}

impl Output {
    fn answer(&mut self, answer: &Answer) -> Result<(), FilesError> {
        self.begun = true;
        let line = serde_json::to_vec(answer).map_err(io::Error::from);
        line.and_then(|mut line| {
            line.push(b'\n');
            self.pipe.write_all(&line)?;
            self.pipe.flush()
        })
        .map_err(FilesError::of("answer"))
    }
}

fn work(arguments: &[OsString], output: &mut Output) -> Result<(), FilesError> {
    let request = match arguments {
        [request] => request.to_str().and_then(|text| serde_json::from_str::<Request>(text).ok()),
        _ => None,
    };
    let bad = || FilesError::Failed("read the files worker's arguments".to_owned());
    let Request { place, task } = request.ok_or_else(bad)?;
    let inside = enter(&place, &task)?;
    let root = inside.root.as_fd();
    match &task {
        FilesTask::Stat { path } => {
            let facts = stat(root, &path::absolute(path))?;
            output.answer(&Ok(Some(facts)))
        }
        FilesTask::Get { path } => get(root, &path::absolute(path), output),
        FilesTask::Put { path, keeps_kinds, owner } => {
            let (destination, owner) =
                prepare_put(&inside, &path::absolute(path), owner.as_deref())?;
            output.answer(&Ok(None))?;
            let input = io::stdin().lock();
            let owner = owner.map_or(Owner::AsArchived, Owner::Fixed);
            let spec = ExtractSpec {
                destination: &destination,
                shown: &destination,
                keeps_kinds: *keeps_kinds,
                owner,
                rename: None,
            };
            let done = extract::extract(input, root, &spec);
            output.answer(&done.map(|()| None))
        }
        FilesTask::Export => whole(root, Flavor::Merged, output),
        FilesTask::Layer => whole(root, Flavor::Upper, output),
    }
}

/// As Go's `os.Lstat` says it, which is what Docker's clients read.
fn refused(path: &str) -> impl FnOnce(Errno) -> FilesError {
    let path = path.to_owned();
    move |cause| match cause {
        Errno::NOENT => FilesError::Absent,
        Errno::NOTDIR => FilesError::Failed(format!("lstat {path}: not a directory")),
        Errno::LOOP => {
            FilesError::Failed(format!("lstat {path}: too many levels of symbolic links"))
        }
        other => FilesError::of(&format!("lstat {path}"))(other.into()),
    }
}

fn stat(root: BorrowedFd<'_>, path: &str) -> Result<PathFacts, FilesError> {
    let fd = path::open(root, path.as_bytes(), OFlags::PATH | OFlags::NOFOLLOW);
    let fd = fd.map_err(refused(path))?;
    facts(root, fd.as_fd(), path)
}

fn facts(root: BorrowedFd<'_>, fd: BorrowedFd<'_>, path: &str) -> Result<PathFacts, FilesError> {
    let stat = fs::fstat(fd).map_err(refused(path))?;
    let kind = FileType::from_raw_mode(stat.st_mode);
    // What the kernel shows of itself is no file of the container, and neither are the devices that
    // the engine gives it.
    let is_device = kind.is_char_device() || kind.is_block_device();
    if is_device || !kind.is_dir() && pack::is_of_the_kernel(fd) {
        return Err(FilesError::Absent);
    }
    let link_target = match kind {
        FileType::Symlink => path::follow(root, path.as_bytes()).map_err(refused(path))?,
        _ => Vec::new(),
    };
    Ok(PathFacts {
        name: path::base(path).to_owned(),
        size: u64::try_from(stat.st_size).unwrap_or(0),
        mode: stat.st_mode,
        mtime: (stat.st_mtime, u32::try_from(stat.st_mtime_nsec).unwrap_or(0)),
        link_target: String::from_utf8_lossy(&link_target).into_owned(),
    })
}

fn get(root: BorrowedFd<'_>, path: &str, output: &mut Output) -> Result<(), FilesError> {
    let facts = stat(root, path)?;
    let name = path::base(path).to_owned();
    let failed = FilesError::of("write the archive");
    if FileType::from_raw_mode(facts.mode).is_dir() {
        let directory = path::open(root, path.as_bytes(), OFlags::RDONLY | OFlags::DIRECTORY);
        let directory = directory.map_err(refused(path))?;
        output.answer(&Ok(Some(facts)))?;
        let mut packer = Packer::new(&mut output.pipe, Flavor::Merged);
        if is_same(root, directory.as_fd()) {
            // The engine's own file system with the container's devices.
            packer.leave_empty(pack::member::join(name.as_bytes(), b"dev"));
        }
        return packer
            .directory(directory.as_fd(), name.as_bytes())
            .and_then(|()| packer.finish().map(drop))
            .map_err(failed);
    }
    let (parent, _) = path::split(path);
    let parent = path::open(root, parent.as_bytes(), OFlags::PATH | OFlags::DIRECTORY);
    let parent = parent.map_err(refused(path))?;
    output.answer(&Ok(Some(facts)))?;
    let file = CString::new(name.as_bytes()).map_err(|cause| FilesError::Failed(cause.to_string()));
    let mut packer = Packer::new(&mut output.pipe, Flavor::Merged);
    packer
        .single(parent.as_fd(), &file?, name.as_bytes())
        .and_then(|()| packer.finish().map(drop))
        .map_err(failed)
}

fn whole(root: BorrowedFd<'_>, flavor: Flavor, output: &mut Output) -> Result<(), FilesError> {
    let directory = pack::open_directory(root, b"").map_err(io::Error::from);
    let directory = directory.map_err(FilesError::of("open the root"))?;
    output.answer(&Ok(None))?;
    let mut packer = Packer::new(&mut output.pipe, flavor);
    packer
        .contents(directory.as_fd())
        .and_then(|()| packer.finish().map(drop))
        .map_err(FilesError::of("write the archive"))
}

/// The directory without links, and the ids that everything gets.
fn prepare_put(
    inside: &Inside,
    path: &str,
    owner: Option<&str>,
) -> Result<(Vec<u8>, Option<extract::Ids>), FilesError> {
    let root = inside.root.as_fd();
    let directory = path::open(root, path.as_bytes(), OFlags::PATH).map_err(refused(path))?;
    let stat = fs::fstat(&directory).map_err(refused(path))?;
    if !FileType::from_raw_mode(stat.st_mode).is_dir() {
        return Err(FilesError::Invalid("extraction point is not a directory".to_owned()));
    }
    let on_root = mount_id(directory.as_fd()) == mount_id(root);
    let is_read_only = fs::fstatvfs(&directory)
        .is_ok_and(|found| found.f_flag.contains(fs::StatVfsMountFlags::RDONLY));
    match (on_root, is_read_only || inside.is_read_only && on_root) {
        (_, false) => {}
        (true, true) => {
            return Err(FilesError::Invalid("container rootfs is marked read-only".to_owned()));
        }
        (false, true) => {
            return Err(FilesError::Invalid("mounted volume is marked read-only".to_owned()));
        }
    }
    let owner = owner.map(|user| extract::account(root, user)).transpose()?;
    let destination = path::follow(root, path.as_bytes()).map_err(refused(path))?;
    Ok((destination, owner))
}

/// Which mount this is on; Linux 5.8.
fn mount_id(fd: BorrowedFd<'_>) -> Option<u64> {
    let flags = AtFlags::EMPTY_PATH;
    fs::statx(fd, c"", flags, fs::StatxFlags::MNT_ID).ok().map(|found| found.stx_mnt_id)
}

fn is_same(a: BorrowedFd<'_>, b: BorrowedFd<'_>) -> bool {
    let key = |fd| fs::fstat(fd).ok().map(|stat| (stat.st_dev, stat.st_ino));
    key(a).is_some() && key(a) == key(b) && mount_id(a) == mount_id(b)
}
