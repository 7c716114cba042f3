//! `save`.

use std::collections::BTreeMap;
use std::io::{self, BufWriter, PipeReader, Read};
use std::sync::mpsc::{Receiver, channel};

use oci::Platform;

use crate::engine::Engine;
use crate::engine::files::ContentStream;
use crate::error::{EngineError, Result};
use crate::services::store_error;
use crate::spec::Caller;

/// Headers and documents are collected in pieces of this size.
const OUTPUT_BYTES: usize = 256 * 1024;

impl Engine {
    /// Images as one archive.
    pub async fn image_save(
        &self,
        caller: Caller,
        names: Vec<String>,
        platform: Option<&str>,
    ) -> Result<ContentStream> {
        let platform = platform
            .map(Platform::parse)
            .transpose()
            .map_err(|error| EngineError::new(error.kind(), error.to_string()))?;
        let plan = self
            .with_store(move |services| {
                services.store.plan_save(&names, platform.as_ref()).map_err(store_error)
            })
            .await?;
        let broken = |error| EngineError::internal("failed to make a pipe", error);
        let (reader, writer) = io::pipe().map_err(broken)?;
        let (sender, outcome) = channel();
        for id in plan.images() {
            let id = id.to_string();
            let attributes = BTreeMap::from([("name".to_owned(), id.clone())]);
            self.services.events.image(caller, &id, "save", attributes);
        }
        let services = self.services.clone();
        tokio::task::spawn_blocking(move || {
            let mut output = BufWriter::with_capacity(OUTPUT_BYTES, writer);
            let saved = services.store.save(&plan, &mut output);
            let saved = saved.map_err(|error| {
                let text = stdx::error::chain(&error).to_string();
                tracing::warn!(error = text, "an image archive was not finished");
                io::Error::other(text)
            });
            // A reader that has gone wants no outcome.
            drop(sender.send(saved));
        });
        Ok(ContentStream {
            reader: Box::new(Saving { reader, outcome: Some(outcome) }),
            maker: None,
        })
    }
}

/// The archive, and at its end whether it is whole.
struct Saving {
    reader: PipeReader,
    /// Until it was asked.
    outcome: Option<Receiver<io::Result<()>>>,
}

impl Read for Saving {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let got = self.reader.read(buffer)?;
        if got == 0 && !buffer.is_empty() {
            let cut_off = |_| Err(io::Error::other("the image archive was cut off"));
            self.outcome.take().map_or(Ok(()), |it| it.recv().unwrap_or_else(cut_off))?;
        }
        Ok(got)
    }
}
