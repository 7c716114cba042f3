//! The standard streams of one process and the clients attached to them.

use std::collections::VecDeque;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use sys::rustix::event::PollFlags;
use sys::rustix::fs::OFlags;
use sys::rustix::io::Errno;

use crate::client::{Client, Input, Stream};
use crate::output::Log;

/// While this much input waits for the process, clients are not read.
const INPUT_BYTES_MAX: usize = 256 << 10;

/// One read. Memory that is not read into is never touched.
const READ_BYTES: usize = 128 << 10;

/// More than a pipe holds (1 MiB at most): whoever writes on is not waited for.
const DRAIN_READS_MAX: usize = 16;

/// Reads in one turn while there is more: a full pipe and some. Others wait for so long.
const TURN_READS_MAX: usize = 8;

/// What a pipe holds by default. One that is found full belongs to a process that writes faster
/// than it is read: it gets [`PIPE_BYTES_BUSY`], so that the two need not take turns so often.
const PIPE_BYTES: usize = 64 << 10;

/// What the kernel gives to everybody (`fs.pipe-max-size`).
const PIPE_BYTES_BUSY: usize = 1 << 20;

/// The monitor's ends of the streams.
#[derive(Debug)]
pub(crate) struct Streams {
    stdin: Option<OwnedFd>,
    stdout: Option<OwnedFd>,
    stderr: Option<OwnedFd>,
    terminal: bool,
    queue: VecDeque<u8>,
    close_when_drained: bool,
    stdin_once: bool,
    clients: Vec<Client>,
}

/// The process's ends.
#[derive(Debug)]
pub(crate) struct ProcessEnds(pub(crate) [OwnedFd; 3]);

impl ProcessEnds {
    pub(crate) fn borrow(&self) -> [BorrowedFd<'_>; 3] {
        [self.0[0].as_fd(), self.0[1].as_fd(), self.0[2].as_fd()]
    }
}

/// Something to poll.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Source {
    Stdin,
    Stdout,
    Stderr,
    Client(usize),
}

/// A client that is no longer attached.
#[derive(Debug)]
pub(crate) struct Gone {
    pub(crate) attach_id: u64,
    pub(crate) by_keys: bool,
}

impl Streams {
    /// Pipes for a process without a terminal; standard input only if it is wished.
    pub(crate) fn pipes(
        open_stdin: bool,
        stdin_once: bool,
    ) -> Result<(Streams, ProcessEnds), Errno> {
        use sys::rustix::pipe::{PipeFlags, pipe_with};
        let pipe = || pipe_with(PipeFlags::CLOEXEC);
        let (stdin, child_in) = if open_stdin {
            let (reader, writer) = pipe()?;
            set_nonblocking(&writer)?;
            (Some(writer), reader)
        } else {
            (None, null()?)
        };
        let (stdout, child_out) = pipe()?;
        let (stderr, child_err) = pipe()?;
        set_nonblocking(&stdout)?;
        set_nonblocking(&stderr)?;
        let streams = Streams {
            stdin,
            stdout: Some(stdout),
            stderr: Some(stderr),
            terminal: false,
            queue: VecDeque::new(),
            close_when_drained: false,
            stdin_once,
            clients: Vec::new(),
        };
        Ok((streams, ProcessEnds([child_in, child_out, child_err])))
    }

    /// No streams yet: a terminal comes with the process ([`Streams::set_terminal`]).
    pub(crate) fn terminal(open_stdin: bool) -> Result<(Streams, ProcessEnds), Errno> {
        let (mut streams, ends) = Streams::nothing()?;
        streams.terminal = true;
        streams.stdin_once = !open_stdin;
        Ok((streams, ends))
    }

    /// A process whose streams lead nowhere.
    pub(crate) fn nothing() -> Result<(Streams, ProcessEnds), Errno> {
        let streams = Streams {
            stdin: None,
            stdout: None,
            stderr: None,
            terminal: false,
            queue: VecDeque::new(),
            close_when_drained: false,
            stdin_once: false,
            clients: Vec::new(),
        };
        Ok((streams, ProcessEnds([null()?, null()?, null()?])))
    }

    /// The master of the process's terminal; it takes input if the process has one.
    pub(crate) fn set_terminal(&mut self, master: OwnedFd, open_stdin: bool) -> Result<(), Errno> {
        set_nonblocking(&master)?;
        if open_stdin {
            self.stdin = Some(sys::rustix::io::fcntl_dupfd_cloexec(&master, 3)?);
        }
        self.stdin_once = false;
        self.stdout = Some(master);
        Ok(())
    }

    /// The terminal's master.
    pub(crate) fn master(&self) -> Option<BorrowedFd<'_>> {
        self.stdout.as_ref().filter(|_| self.terminal).map(AsFd::as_fd)
    }

    pub(crate) fn attach(&mut self, client: Client) {
        self.clients.push(client);
    }

    /// Whether all output has been read.
    pub(crate) fn output_ended(&self) -> bool {
        self.stdout.is_none() && self.stderr.is_none()
    }

    /// Whether output still waits for a client.
    pub(crate) fn has_pending(&self) -> bool {
        self.clients.iter().any(|client| !client.gone && client.has_pending())
    }

    /// What to poll, and for what.
    pub(crate) fn sources(&self, log: &Log) -> Vec<(Source, BorrowedFd<'_>, PollFlags)> {
        let mut sources = Vec::with_capacity(3 + self.clients.len());
        let room = self.have_room(log);
        if let (Some(fd), true) = (&self.stdout, room) {
            sources.push((Source::Stdout, fd.as_fd(), PollFlags::IN));
        }
        if let (Some(fd), true) = (&self.stderr, room) {
            sources.push((Source::Stderr, fd.as_fd(), PollFlags::IN));
        }
        if let (Some(fd), false) = (&self.stdin, self.queue.is_empty()) {
            sources.push((Source::Stdin, fd.as_fd(), PollFlags::OUT));
        }
        let takes_input = self.queue.len() < INPUT_BYTES_MAX;
        for (index, client) in self.clients.iter().enumerate().filter(|(_, c)| !c.gone) {
            let mut flags = PollFlags::empty();
            if client.input_open && takes_input {
                flags |= PollFlags::IN;
            }
            if client.has_pending() {
                flags |= PollFlags::OUT;
            }
            sources.push((Source::Client(index), client.socket(), flags));
        }
        sources
    }

    /// Handles what poll said of one source.
    pub(crate) fn handle(
        &mut self,
        source: Source,
        flags: PollFlags,
        log: &mut Log,
    ) -> Option<Gone> {
        match source {
            Source::Stdin => self.feed(),
            Source::Stdout => self.read_all(Stream::Stdout, log),
            Source::Stderr => self.read_all(Stream::Stderr, log),
            Source::Client(index) => return self.serve(index, flags),
        }
        None
    }

    /// Takes in what clients had sent before they were attached here.
    pub(crate) fn take_preread(&mut self) -> Vec<Gone> {
        let mut gone = Vec::new();
        for index in 0..self.clients.len() {
            if !self.clients[index].spec.preread.is_empty() {
                gone.extend(self.serve(index, PollFlags::IN));
            }
        }
        gone
    }

    /// Reads all output that is there, whatever clients have room for: the writers are gone, so
    /// it is no more than the pipes hold.
    pub(crate) fn drain(&mut self, log: &mut Log) {
        for stream in [Stream::Stdout, Stream::Stderr] {
            for _ in 0..DRAIN_READS_MAX {
                if self.read(stream, log).is_none() {
                    break;
                }
            }
        }
    }

    /// Whether the log and all clients take more output.
    fn have_room(&self, log: &Log) -> bool {
        log.has_room() && self.clients.iter().all(|client| client.gone || client.has_room())
    }

    /// Reads while there is much.
    fn read_all(&mut self, stream: Stream, log: &mut Log) {
        for _ in 0..TURN_READS_MAX {
            let much = self.read(stream, log).is_some_and(|count| count >= PIPE_BYTES / 2);
            if !much || !self.have_room(log) {
                return;
            }
        }
    }

    /// Reads once: how much that was; `None` when there is no more now.
    ///
    /// Never a part of its caller, whose frame lives as long as the container: the buffer would.
    #[inline(never)]
    fn read(&mut self, stream: Stream, log: &mut Log) -> Option<usize> {
        let source = match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        };
        let fd = source.as_ref()?;
        let mut buffer = [const { MaybeUninit::<u8>::uninit() }; READ_BYTES];
        match sys::rustix::io::read(fd, &mut buffer[..]) {
            Ok((bytes, _)) if !bytes.is_empty() => {
                if bytes.len() == PIPE_BYTES && !self.terminal {
                    // Where it is refused, the pipe stays as it is.
                    let _ = sys::rustix::pipe::fcntl_setpipe_size(fd, PIPE_BYTES_BUSY);
                }
                let bytes: &[u8] = bytes;
                log.write(stream, bytes);
                for client in &mut self.clients {
                    client.give(stream, bytes);
                }
                Some(bytes.len())
            }
            Err(Errno::INTR) => Some(0),
            Err(Errno::AGAIN) => None,
            // The end; a terminal says it with EIO.
            Ok(_) | Err(_) => {
                *source = None;
                None
            }
        }
    }

    /// Writes queued input to the process.
    fn feed(&mut self) {
        let Some(fd) = &self.stdin else { return };
        while !self.queue.is_empty() {
            let (front, _) = self.queue.as_slices();
            match sys::rustix::io::write(fd, front) {
                Ok(count) => drop(self.queue.drain(..count)),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return,
                Err(_) => {
                    self.queue = VecDeque::new();
                    self.stdin = None;
                    return;
                }
            }
        }
        if self.close_when_drained {
            self.stdin = None;
        }
    }

    fn serve(&mut self, index: usize, flags: PollFlags) -> Option<Gone> {
        let client = self.clients.get_mut(index)?;
        let attach_id = client.spec.attach_id;
        if flags.contains(PollFlags::OUT) {
            client.flush();
        }
        let mut detached = false;
        if flags.intersects(PollFlags::IN | PollFlags::HUP | PollFlags::ERR) && client.input_open {
            let takes = client.spec.stdin;
            match client.receive(self.terminal) {
                Input::Bytes(bytes) if takes => self.queue_input(&bytes),
                Input::Detach(bytes) => {
                    self.queue_input(&bytes);
                    detached = true;
                }
                Input::End if takes => self.end_of_input(),
                Input::Bytes(_) | Input::End | Input::Nothing => {}
            }
        } else if flags.intersects(PollFlags::HUP | PollFlags::ERR) {
            client.gone = true;
        }
        let client = self.clients.get_mut(index)?;
        client.gone |= detached;
        client.gone.then_some(Gone { attach_id, by_keys: detached })
    }

    fn queue_input(&mut self, bytes: &[u8]) {
        if self.stdin.is_some() {
            self.queue.extend(bytes);
            self.feed();
        }
    }

    fn end_of_input(&mut self) {
        if self.stdin_once && !self.terminal {
            self.close_when_drained = true;
            if self.queue.is_empty() {
                self.stdin = None;
            }
        }
    }

    /// Forgets clients that are gone. Indices in [`Source`] are not valid any more.
    pub(crate) fn sweep(&mut self) {
        self.clients.retain(|client| !client.gone);
    }

    /// Adds a text to what clients get of standard output, for instance why an exec failed.
    pub(crate) fn say(&mut self, text: &str) {
        for client in &mut self.clients {
            client.give(Stream::Stdout, text.as_bytes());
        }
    }

    /// Tells clients that no more comes.
    pub(crate) fn finish(&mut self) {
        for client in self.clients.iter().filter(|client| !client.has_pending()) {
            // A client that is gone already needs no telling.
            drop(client.finish());
        }
    }
}

fn null() -> Result<OwnedFd, Errno> {
    sys::rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, 0.into())
}

fn set_nonblocking(fd: impl AsFd) -> Result<(), Errno> {
    let flags = sys::rustix::fs::fcntl_getfl(&fd)?;
    sys::rustix::fs::fcntl_setfl(&fd, flags | OFlags::NONBLOCK)
}
