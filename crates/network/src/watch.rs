//! Repairing the packet filter when somebody else changes our tables.

use std::io::{PipeWriter, Write};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use netlink::nft::{Seen, Watch};
use sys::rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::error::{NetworkError, Result};
use crate::networks::{Networks, State};

/// Between two repairs: whoever goes on changing our tables does not occupy the machine with it.
const PAUSE: Duration = Duration::from_millis(200);

/// A thread that looks after the packet filter; dropping this ends it.
#[derive(Debug)]
pub struct Watching {
    stop: PipeWriter,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Watching {
    fn drop(&mut self) {
        // Its other end is read until the thread has ended.
        drop(self.stop.write_all(b"x"));
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

impl Networks {
    /// Begins to watch our tables of the packet filter. When somebody else changes them, they are
    /// made anew at once; connections go on.
    ///
    /// # Errors
    /// [`NetworkError::Kernel`].
    pub fn watch(self: &Arc<Networks>) -> Result<Watching> {
        let failed = || NetworkError::kernel("watch the packet filter");
        let (watch, identity) = {
            let state = self.lock();
            let watch = Watch::open_in(state.host.as_fd()).map_err(failed())?;
            (watch, state.firewall.identity().map_err(failed())?)
        };
        let networks = Arc::clone(self);
        let started = || {
            let (stopped, stop) = std::io::pipe()?;
            let thread = std::thread::Builder::new()
                .name("filter".to_owned())
                .spawn(move || look_after(&networks, watch, &identity, &stopped))?;
            Ok(Watching { stop, thread: Some(thread) })
        };
        let failed = |cause| failed()(netlink::NetlinkError::Open(cause));
        started().map_err(failed)
    }
}

fn look_after(
    networks: &Networks,
    mut watch: Watch,
    (table, own): &(String, u32),
    stopped: &impl AsFd,
) {
    loop {
        match watch.wait(table, *own, stopped.as_fd()) {
            Ok(Seen::Stop) => return,
            Ok(Seen::Change | Seen::Lost) => networks.lock().repair(),
            Err(error) => {
                let error = stdx::error::chain(&error);
                tracing::error!(%error, "changes of the packet filter are not noticed any more");
                return;
            }
        }
        let mut fds = [PollFd::new(stopped, PollFlags::IN)];
        let pause = Timespec::try_from(PAUSE).ok();
        if let Err(error) = poll(&mut fds, pause.as_ref()) {
            tracing::debug!(%error, "a pause was short");
        }
    }
}

impl State {
    fn repair(&mut self) {
        // Without a network there is nothing that the tables would be for.
        if self.networks.is_empty() {
            return;
        }
        match self.firewall.replace() {
            Ok(()) => tracing::warn!("somebody changed the packet filter; it was made anew"),
            Err(error) => {
                let error = stdx::error::chain(&error);
                tracing::error!(%error, "the packet filter was changed and cannot be made anew");
            }
        }
    }
}
