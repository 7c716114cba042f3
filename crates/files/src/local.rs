//! Files of this machine, in and out of archives: the client's side of `cp`.

use std::ffi::{CString, OsStr};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use sys::rustix::fs::{self, AtFlags, FileType, Mode};

use crate::extract::{ExtractSpec, Owner, extract};
use crate::{FilesError, Rename};
use archive::pack::{self, Flavor, Packer};

/// Writes the archive of `base` in `directory`, a link as a link, under the name `name`.
///
/// # Errors
/// Those of reading the files and of `output`.
pub fn pack_path(
    directory: &Path,
    base: &OsStr,
    name: &[u8],
    output: impl Write,
) -> io::Result<()> {
    let directory = File::open(directory)?;
    let base = CString::new(base.as_bytes())?;
    let stat = fs::statat(&directory, &base, AtFlags::SYMLINK_NOFOLLOW)?;
    let mut packer = Packer::new(output, Flavor::Merged);
    match FileType::from_raw_mode(stat.st_mode).is_dir() {
        true => {
            let inside = fs::openat(&directory, &base, pack::DIRECTORY, Mode::empty())?;
            packer.directory(inside.as_fd(), name)?;
        }
        false => packer.single(directory.as_fd(), &base, name)?,
    }
    packer.finish().map(drop)
}

/// Takes an archive that a container wrote apart in `directory`, and nowhere else: links in it are
/// resolved as if the directory were the root. What is made belongs to the caller.
///
/// # Errors
/// [`FilesError`], in Docker's words.
pub fn unpack_into(
    input: impl Read,
    directory: &Path,
    rename: Option<&Rename>,
) -> Result<(), FilesError> {
    let failed = FilesError::of(&format!("open {}", directory.display()));
    let root = File::open(directory).map_err(failed)?;
    let spec = ExtractSpec {
        destination: b"/",
        shown: directory.as_os_str().as_bytes(),
        keeps_kinds: true,
        owner: Owner::Maker,
        rename,
    };
    extract(input, root.as_fd(), &spec)
}
