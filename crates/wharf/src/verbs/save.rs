//! `save` and `export`: an archive to a file or to standard output.

use std::fs::{File, Metadata};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use client::{ByteStream, Client};

use crate::body::env::plain;
use crate::failure::{Failure, Outcome};
use crate::flags::parse::Parsed;
use crate::terminal;

/// `save`.
pub async fn save(client: &Client, flags: &Parsed) -> Outcome {
    let output = Output::of(flags.text("output"), "save image", "save")?;
    let images = client.image_save(&flags.args, flags.text("platform")).await?;
    output.write(images).await
}

/// `export`.
pub async fn export(client: &Client, flags: &Parsed) -> Outcome {
    let output = Output::of(flags.text("output"), "export container", "export")?;
    let files = client.container_export(&flags.args[0]).await?;
    output.write(files).await
}

/// Where an archive goes.
enum Output {
    Stdout,
    /// A file that appears under its name when it is whole.
    File(PathBuf),
}

impl Output {
    fn of(path: &str, what: &str, verb: &str) -> Result<Output, Failure> {
        match path {
            "" if terminal::stdout_is_terminal() => Err(Failure::new(format!(
                "cowardly refusing to {verb} to a terminal. Use the -o flag or redirect"
            ))),
            "" => Ok(Output::Stdout),
            path => {
                let path = PathBuf::from(path);
                let refused = |why: String| Failure::new(format!("failed to {what}: {why}"));
                verify(&path).map_err(refused)?;
                Ok(Output::File(path))
            }
        }
    }

    async fn write(self, archive: ByteStream) -> Outcome {
        let path = match self {
            Output::Stdout => {
                copy(archive, &mut io::stdout()).await?;
                return Ok(0);
            }
            Output::File(path) => path,
        };
        let mut unfinished = path.clone().into_os_string();
        unfinished.push(format!(".tmp-{}", stdx::id::random_hex::<6>()));
        let unfinished = PathBuf::from(unfinished);
        let written = copy_to(archive, &unfinished, &path).await;
        if written.is_err() {
            // The first failure is told; there may be no such file.
            std::fs::remove_file(&unfinished).ok();
        }
        written.map(|()| 0)
    }
}

async fn copy_to(archive: ByteStream, unfinished: &Path, path: &Path) -> Result<(), Failure> {
    let mut file = File::options().write(true).create_new(true).open(unfinished)?;
    copy(archive, &mut file).await?;
    Ok(std::fs::rename(unfinished, path)?)
}

/// Writes all of an archive.
async fn copy(mut archive: ByteStream, output: &mut impl Write) -> Result<(), Failure> {
    while let Some(piece) = archive.next().await? {
        output.write_all(&piece).map_err(gone)?;
    }
    output.flush().map_err(gone)
}

/// As a program that SIGPIPE ends: whoever reads has seen enough.
pub fn gone(error: io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::BrokenPipe => Failure::silent(141),
        _ => error.into(),
    }
}

/// Whether an archive can take this name; in Docker's words.
fn verify(path: &Path) -> Result<(), String> {
    let stat = |path: &Path, why: &str| format!("stat {}: {why}", path.display());
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        match std::fs::metadata(parent) {
            Err(error) => {
                return Err(format!("invalid output path: {}", stat(parent, &plain(&error))));
            }
            Ok(found) if !found.is_dir() => {
                return Err(format!("invalid output path: {}", stat(parent, "not a directory")));
            }
            Ok(_) => {}
        }
    }
    let kind = |found: Metadata| match found.file_type() {
        kind if kind.is_file() => Ok(()),
        kind if kind.is_dir() => Err("cannot write to a directory".to_owned()),
        kind if kind.is_symlink() => Err("cannot write to a symbolic link directly".to_owned()),
        _ => Err("cannot write to what is no regular file".to_owned()),
    };
    match std::fs::symlink_metadata(path) {
        Ok(found) => kind(found),
        Err(_) => Ok(()),
    }
}
