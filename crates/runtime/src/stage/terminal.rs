//! The pseudo-terminal of a process.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use sys::rustix::fs::OFlags;
use sys::rustix::termios::{self, OptionalActions, OutputModes};
use sys::{mount, process, terminal};

use super::Context;
use super::paths::{self, Kind, Links};
use crate::failure::Failure;
use crate::plan::TerminalSize;

/// `DEVPTS_SUPER_MAGIC`.
const DEVPTS_MAGIC: u64 = 0x1cd1;

/// Makes a terminal in the container's own devpts, so that its name in the container is true,
/// makes it the standard streams and the controlling terminal, and sends the master up.
pub(super) fn allocate(
    root: BorrowedFd<'_>,
    size: TerminalSize,
    context: &Context<'_>,
    console: bool,
) -> Result<(), Failure> {
    let path = Path::new("/dev/pts/ptmx");
    let flags = OFlags::RDWR | OFlags::NOCTTY;
    let master = paths::open(root, path, flags, Links::Refused)
        .map_err(Failure::at("open the terminal multiplexer `/dev/pts/ptmx`"))?;
    let magic = sys::rustix::fs::fstatfs(&master).map_err(Failure::at("look at devpts"))?.f_type;
    if magic as u64 != DEVPTS_MAGIC {
        return Err(Failure::invalid("`/dev/pts` of the container is not a devpts"));
    }
    terminal::unlock(master.as_fd()).map_err(Failure::at("unlock the terminal"))?;
    let slave = terminal::peer(master.as_fd()).map_err(Failure::at("open the terminal"))?;
    if context.options.plain_lines {
        let mut modes =
            termios::tcgetattr(&slave).map_err(Failure::at("read the terminal's modes"))?;
        modes.output_modes.remove(OutputModes::ONLCR);
        termios::tcsetattr(&slave, OptionalActions::Now, &modes)
            .map_err(Failure::at("set the terminal's modes"))?;
    }
    // A client that does not know its size says 0: programs then ask, or take their default.
    if size.height > 0 && size.width > 0 {
        terminal::set_size(slave.as_fd(), size.height, size.width)
            .map_err(Failure::at("set the terminal's size"))?;
    }
    for number in 0..3 {
        process::redirect(slave.as_fd(), number).map_err(Failure::at("set a standard stream"))?;
    }
    terminal::set_controlling(slave.as_fd())
        .map_err(Failure::at("set the controlling terminal"))?;
    if console {
        bind_console(root, &slave)?;
    }
    context.lower.terminal(master.as_fd()).map_err(Failure::at("hand the terminal over"))
}

/// `/dev/console` is the terminal, bound by descriptor.
fn bind_console(root: BorrowedFd<'_>, slave: &OwnedFd) -> Result<(), Failure> {
    let path = Path::new("/dev/console");
    let target = paths::mount_point(root, path, Kind::File, Links::Refused)?;
    let tree = mount::clone_tree(slave.as_fd(), Path::new(""), false)
        .map_err(Failure::at("clone the terminal's mount"))?;
    mount::attach(tree.as_fd(), target.as_fd()).map_err(Failure::at("mount on `/dev/console`"))
}
