//! What waits for disks, away from those that must not wait.

use std::ops::Deref;

use store::StoreError;
use tokio::runtime::Handle;

use crate::error::DistributionError;

/// Runs what waits for disks.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, DistributionError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result.map_err(DistributionError::Store),
        Err(_) => Err(DistributionError::Invalid { text: "the engine is stopping".to_owned() }),
    }
}

/// What waits for disks when it is dropped, as unpacked layers of a pull that failed do: it is
/// dropped where that may be.
pub(crate) struct OnDisk<T: Send + 'static>(Option<T>);

impl<T: Send + 'static> OnDisk<T> {
    pub(crate) fn new(value: T) -> OnDisk<T> {
        OnDisk(Some(value))
    }

    /// For those who may wait.
    pub(crate) fn into_inner(mut self) -> T {
        self.0.take().expect("it is taken here only, and that is the end of it")
    }
}

impl<T: Send + 'static> Deref for OnDisk<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_ref().expect("it is taken only with all of it")
    }
}

impl<T: Send + 'static> Drop for OnDisk<T> {
    fn drop(&mut self) {
        let Some(value) = self.0.take() else { return };
        match Handle::try_current() {
            // The last one of a runtime that ends is dropped here all the same.
            Ok(handle) => drop(handle.spawn_blocking(move || drop(value))),
            Err(_) => drop(value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Told(std::sync::mpsc::Sender<std::thread::ThreadId>);

    impl Drop for Told {
        fn drop(&mut self) {
            self.0.send(std::thread::current().id()).unwrap();
        }
    }

    #[tokio::test]
    async fn what_waits_for_disks_is_dropped_elsewhere() {
        let own = std::thread::current().id();
        let (sender, threads) = std::sync::mpsc::channel();
        drop(OnDisk::new(Told(sender.clone())));
        assert_ne!(threads.recv().unwrap(), own);
        let pulling = tokio::spawn({
            let held = OnDisk::new(Told(sender.clone()));
            async move {
                std::future::pending::<()>().await;
                drop(held);
            }
        });
        pulling.abort();
        pulling.await.unwrap_err();
        assert_ne!(threads.recv().unwrap(), own);
        drop(OnDisk::new(Told(sender)).into_inner());
        assert_eq!(threads.recv().unwrap(), own);
    }
}
