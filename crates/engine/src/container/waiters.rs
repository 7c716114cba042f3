//! Those who wait for a container.

use tokio::sync::oneshot;

use crate::spec::{WaitCondition, WaitOutcome};

/// Senders by what they wait for.
#[derive(Debug, Default)]
pub struct Waiters {
    exit: Vec<oneshot::Sender<WaitOutcome>>,
    removal: Vec<oneshot::Sender<WaitOutcome>>,
}

impl Waiters {
    /// Registers; those who are gone are forgotten.
    pub fn register(&mut self, condition: WaitCondition) -> oneshot::Receiver<WaitOutcome> {
        let (sender, receiver) = oneshot::channel();
        let list = match condition {
            WaitCondition::NotRunning | WaitCondition::NextExit => &mut self.exit,
            WaitCondition::Removed => &mut self.removal,
        };
        list.retain(|sender| !sender.is_closed());
        list.push(sender);
        receiver
    }

    /// The container ended, or could not be started.
    pub fn exited(&mut self, outcome: &WaitOutcome) {
        tell(&mut self.exit, outcome);
    }

    /// The container is gone: nothing more can be waited for.
    pub fn removed(&mut self, outcome: &WaitOutcome) {
        tell(&mut self.exit, outcome);
        tell(&mut self.removal, outcome);
    }

    /// Its removal failed.
    pub fn not_removed(&mut self, outcome: &WaitOutcome) {
        tell(&mut self.removal, outcome);
    }
}

fn tell(list: &mut Vec<oneshot::Sender<WaitOutcome>>, outcome: &WaitOutcome) {
    for sender in list.drain(..) {
        // Who stopped waiting does not care.
        drop(sender.send(outcome.clone()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_told_what_it_waits_for() {
        let mut waiters = Waiters::default();
        let mut exit = waiters.register(WaitCondition::NextExit);
        let mut removal = waiters.register(WaitCondition::Removed);
        let outcome = WaitOutcome { code: 3, error: None };
        waiters.exited(&outcome);
        assert_eq!(exit.try_recv().unwrap(), outcome);
        assert!(removal.try_recv().is_err());
        let mut late = waiters.register(WaitCondition::NextExit);
        waiters.removed(&outcome);
        assert_eq!(removal.try_recv().unwrap(), outcome);
        assert_eq!(late.try_recv().unwrap(), outcome, "nothing can exit any more");
    }

    #[test]
    fn the_dead_are_forgotten() {
        let mut waiters = Waiters::default();
        for _ in 0..10 {
            drop(waiters.register(WaitCondition::NextExit));
        }
        let _one = waiters.register(WaitCondition::NextExit);
        assert_eq!(waiters.exit.len(), 1);
    }
}
