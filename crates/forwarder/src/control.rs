//! The engine's end.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sys::rustix::net::sockopt::{Timeout, set_socket_timeout};
use sys::rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with,
};

use crate::protocol::{Answer, MESSAGE_BYTES_MAX, Neighbor, Port, Request, VERSION};

/// An answer takes microseconds; a forwarder that needs longer is stopped or gone.
const ANSWER_DEADLINE: Duration = Duration::from_secs(10);

/// A subnet has at most 45 characters, and 40 around it: less than two thirds of a message.
const NEIGHBORS_PER_MESSAGE: usize = 500;

/// A connection to the forwarder.
#[derive(Debug)]
pub struct Control {
    socket: OwnedFd,
}

/// What can go wrong between the engine and the forwarder.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// There is none.
    #[error("failed to connect to the forwarder at `{}`", path.display())]
    Connect {
        /// Its socket.
        path: PathBuf,
        /// Why not.
        #[source]
        cause: io::Error,
    },
    /// It is gone, or does not answer.
    #[error("failed to ask the forwarder to {request}")]
    Ask {
        /// A verb and its object.
        request: &'static str,
        /// Why not.
        #[source]
        cause: io::Error,
    },
    /// It did not do it.
    #[error("failed to {request}: the forwarder says: {answer}")]
    Refused {
        /// A verb and its object.
        request: &'static str,
        /// Its own words.
        answer: String,
    },
}

impl Control {
    /// Connects to a forwarder.
    ///
    /// # Errors
    /// [`ControlError::Connect`] when there is none; [`ControlError::Refused`] when it is of
    /// another version.
    pub fn connect(path: &Path) -> Result<Control, ControlError> {
        let connected = || -> io::Result<OwnedFd> {
            let flags = SocketFlags::CLOEXEC;
            let socket = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
            set_socket_timeout(&socket, Timeout::Recv, Some(ANSWER_DEADLINE))?;
            set_socket_timeout(&socket, Timeout::Send, Some(ANSWER_DEADLINE))?;
            connect(&socket, &SocketAddrUnix::new(path)?)?;
            Ok(socket)
        };
        let failed = |cause| ControlError::Connect { path: path.to_owned(), cause };
        let mut control = Control { socket: connected().map_err(failed)? };
        control.done("agree on a version", &Request::Hello { version: VERSION }, &[])?;
        Ok(control)
    }

    /// Gives it a port with its socket.
    ///
    /// # Errors
    /// [`ControlError::Ask`], [`ControlError::Refused`].
    pub fn add(&mut self, port: &Port, socket: BorrowedFd<'_>) -> Result<(), ControlError> {
        self.done("hold a port", &Request::Add(port.clone()), &[socket])
    }

    /// Lets it close the ports of an owner; one that has none is fine. Established connections go
    /// on until one of their ends is gone.
    ///
    /// # Errors
    /// [`ControlError::Ask`].
    pub fn remove(&mut self, owner: &str) -> Result<(), ControlError> {
        self.done("close ports", &Request::Remove { owner: owner.to_owned() }, &[])
    }

    /// Tells it the subnets of all networks of ours, in place of those of before.
    ///
    /// # Errors
    /// [`ControlError::Ask`].
    pub fn set_neighbors(&mut self, neighbors: &[Neighbor]) -> Result<(), ControlError> {
        let mut pieces = neighbors.chunks(NEIGHBORS_PER_MESSAGE);
        let mut piece = pieces.next().unwrap_or_default();
        let mut anew = true;
        loop {
            let message = Request::Neighbors { anew, neighbors: piece.to_vec() };
            self.done("note the networks", &message, &[])?;
            match pieces.next() {
                Some(next) => (piece, anew) = (next, false),
                None => return Ok(()),
            }
        }
    }

    /// The owners of the ports that it holds, and how many each has.
    ///
    /// # Errors
    /// [`ControlError::Ask`].
    pub fn owners(&mut self) -> Result<Vec<(String, usize)>, ControlError> {
        let request = "list ports";
        let mut all: Vec<(String, usize)> = Vec::new();
        loop {
            let after = all.last().map(|(owner, _)| owner.clone()).unwrap_or_default();
            match self.ask(request, &Request::List { after }, &[])? {
                Answer::Owners(some) if some.is_empty() => return Ok(all),
                Answer::Owners(some) => all.extend(some),
                other => return Err(unexpected(request, other)),
            }
        }
    }

    fn done(
        &mut self,
        request: &'static str,
        message: &Request,
        fds: &[BorrowedFd<'_>],
    ) -> Result<(), ControlError> {
        match self.ask(request, message, fds)? {
            Answer::Done => Ok(()),
            other => Err(unexpected(request, other)),
        }
    }

    fn ask(
        &mut self,
        request: &'static str,
        message: &Request,
        fds: &[BorrowedFd<'_>],
    ) -> Result<Answer, ControlError> {
        let failed = |cause| ControlError::Ask { request, cause };
        let bytes = serde_json::to_vec(message).map_err(io::Error::other).map_err(failed)?;
        sys::socket::send_with_fds(self.socket.as_fd(), &bytes, fds).map_err(failed)?;
        let mut buffer = vec![0; MESSAGE_BYTES_MAX];
        let received = sys::socket::receive_with_fds(self.socket.as_fd(), &mut buffer, true);
        let received = received.map_err(failed)?;
        match buffer.get(..received.bytes) {
            Some(bytes) if !bytes.is_empty() && !received.truncated => {
                serde_json::from_slice(bytes).map_err(io::Error::other).map_err(failed)
            }
            _ => Err(failed(io::ErrorKind::UnexpectedEof.into())),
        }
    }
}

fn unexpected(request: &'static str, answer: Answer) -> ControlError {
    let answer = match answer {
        Answer::Refused(text) => text,
        other => format!("{other:?}"),
    };
    ControlError::Refused { request, answer }
}
