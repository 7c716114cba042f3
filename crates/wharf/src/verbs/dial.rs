//! `system dial-stdio`: standard input and output as a connection to the engine. Docker's clients
//! run it at the far end of an ssh session.

use std::io::{self, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;

use client::Client;

use crate::failure::{Failure, Outcome};

/// `system dial-stdio`: until the engine ends the connection. Blocks: it is all that the program
/// does.
pub fn stdio(client: &Client) -> Outcome {
    let path = client.host().path();
    let mut stream = UnixStream::connect(path).map_err(|error| {
        Failure::new(format!("failed to open the engine's socket `{}`: {error}", path.display()))
    })?;
    let mut up = stream.try_clone()?;
    // It may wait for input for ever; it ends with the program.
    std::thread::spawn(move || {
        // An engine that has closed its side takes no more; what it said still comes.
        drop(io::copy(&mut io::stdin().lock(), &mut up));
        drop(up.shutdown(Shutdown::Write));
    });
    let mut out = Unbuffered(io::stdout().lock());
    io::copy(&mut stream, &mut out)?;
    Ok(0)
}

/// The other end waits for each word.
struct Unbuffered<W>(W);

impl<W: Write> Write for Unbuffered<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write_all(bytes)?;
        self.0.flush()?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}
