//! The terminal that a runtime makes, and hands over through a socket.

use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use crate::failure::Failure;
use crate::plan::TerminalSize;

/// More than any runtime sends along with the descriptor.
const NAME_BYTES_MAX: usize = 4096;

/// A socket on which the runtime's terminal is awaited.
#[derive(Debug)]
pub(super) struct Console {
    listener: UnixListener,
    path: PathBuf,
}

impl Console {
    pub(super) fn listen(dir: &Path) -> Result<Console, Failure> {
        let path = dir.join(stdx::id::random_hex::<8>());
        let listener = UnixListener::bind(&path)
            .map_err(Failure::at(format!("listen on `{}`", path.display())))?;
        Ok(Console { listener, path })
    }

    pub(super) fn path(&self) -> String {
        self.path.to_string_lossy().into_owned()
    }

    /// The master, with this size. The runtime has ended: what it sent is there.
    pub(super) fn receive(&self, size: Option<TerminalSize>) -> Result<OwnedFd, Failure> {
        let step = "receive the terminal from the runtime";
        self.listener.set_nonblocking(true).map_err(Failure::at(step))?;
        let (stream, _) = self.listener.accept().map_err(Failure::at(step))?;
        let mut name = vec![0u8; NAME_BYTES_MAX];
        let got = sys::socket::receive_with_fds(stream.as_fd(), &mut name, false)
            .map_err(Failure::at(step))?;
        let master = got.fds.into_iter().next();
        let master = master.ok_or_else(|| Failure::at(step)("it sent no descriptor"))?;
        if let Some(size) = size {
            // A terminal that is closed already has no size.
            drop(sys::terminal::set_size(master.as_fd(), size.height, size.width));
        }
        Ok(master)
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        // It may have gone with the mount that it was in.
        drop(std::fs::remove_file(&self.path));
    }
}
