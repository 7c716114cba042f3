//! When something that failed is tried again.

use std::time::Duration;

use registry::RegistryError;

use crate::progress::{LayerStatus, Progress};

/// However much comes between failures: a server that cuts all the time is given up some day.
const FAILURES_MAX: u32 = 200;
/// So much between two failures, and the first one is forgotten.
pub(crate) const PROGRESS_BYTES_MIN: u64 = 1 << 20;

/// Counts failures, and waits between tries as Docker does: 5 seconds, then 10, 15, 20.
pub(crate) struct Retries {
    attempts_max: u32,
    step: Duration,
    failures: u32,
    all: u32,
}

impl Retries {
    pub(crate) fn new(attempts_max: u32, step: Duration) -> Retries {
        Retries { attempts_max, step, failures: 0, all: 0 }
    }

    /// It went on for a good while: the earlier failures do not count any more.
    pub(crate) fn forgive(&mut self) {
        self.failures = 0;
    }

    /// Waits for the next try, telling so; gives the error back when there will be none.
    pub(crate) async fn wait(
        &mut self,
        error: RegistryError,
        id: &str,
        progress: &Progress,
    ) -> Result<(), RegistryError> {
        self.failures += 1;
        self.all += 1;
        let is_last = self.failures >= self.attempts_max || self.all >= FAILURES_MAX;
        if is_last || !error.is_passing() {
            return Err(error);
        }
        tracing::debug!(layer = id, %error, failures = self.failures, "a transfer is tried again");
        let asked = Duration::from_secs(error.retry_after_s().unwrap_or_default());
        let mut left = asked.max(self.step * self.failures);
        while !left.is_zero() {
            progress.layer(id, LayerStatus::Retrying { seconds: left.as_secs().max(1) });
            let tick = left.min(Duration::from_secs(1));
            tokio::time::sleep(tick).await;
            left -= tick;
        }
        Ok(())
    }
}
