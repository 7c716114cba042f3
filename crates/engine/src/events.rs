//! What happened: told to all who listen, and kept for a while for those who ask later.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use docker_api::filters::Filters;
use docker_api::{Actor, Event, EventCaller, Network, Timestamp};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use crate::container::record::ContainerRecord;
use crate::spec::{Caller, EventsSpec};

/// How many events can be asked for later; as many as Docker keeps.
const RING: usize = 256;
/// How many a slow listener may be behind before it loses some.
const BACKLOG: usize = 1024;

/// All events of an engine.
#[derive(Debug)]
pub struct Events {
    ring: Mutex<VecDeque<Arc<Event>>>,
    sender: broadcast::Sender<Arc<Event>>,
}

impl Default for Events {
    fn default() -> Events {
        Events { ring: Mutex::default(), sender: broadcast::channel(BACKLOG).0 }
    }
}

impl Events {
    /// Tells of something that happened to a container. `more` are attributes beside its labels,
    /// image and name.
    pub fn container(
        &self,
        caller: Caller,
        record: &ContainerRecord,
        action: &str,
        more: &[(&str, &str)],
    ) {
        let mut attributes: BTreeMap<String, String> =
            record.config.labels.clone().unwrap_or_default();
        attributes.insert("image".to_owned(), record.config.image.clone());
        attributes.insert("name".to_owned(), record.name.clone());
        attributes.extend(more.iter().map(|(key, value)| ((*key).into(), (*value).into())));
        self.publish(
            caller,
            Event {
                status: action.to_owned(),
                id: record.id.clone(),
                from: record.config.image.clone(),
                kind: "container".to_owned(),
                action: action.to_owned(),
                actor: Actor { id: record.id.clone(), attributes },
                ..Event::default()
            },
        );
    }

    /// Tells of something that happened to an image.
    pub fn image(
        &self,
        caller: Caller,
        id: &str,
        action: &str,
        attributes: BTreeMap<String, String>,
    ) {
        self.publish(
            caller,
            Event {
                status: action.to_owned(),
                id: id.to_owned(),
                kind: "image".to_owned(),
                action: action.to_owned(),
                actor: Actor { id: id.to_owned(), attributes },
                ..Event::default()
            },
        );
    }

    /// Tells that a container joined or left a network.
    pub fn network(&self, caller: Caller, network: &Network, action: &str, container: &str) {
        let attributes = [
            ("container", container),
            ("name", network.name.as_str()),
            ("type", network.driver.as_str()),
        ];
        let attributes = attributes.map(|(key, value)| (key.to_owned(), value.to_owned()));
        self.publish(
            caller,
            Event {
                kind: "network".to_owned(),
                action: action.to_owned(),
                actor: Actor { id: network.id.clone(), attributes: attributes.into() },
                ..Event::default()
            },
        );
    }

    /// Tells that everything of a kind that nobody used was removed.
    pub fn prune(&self, caller: Caller, kind: &str, bytes: u64) {
        // As Docker, which had these two before there were kinds.
        let has_status = matches!(kind, "container" | "image");
        self.publish(
            caller,
            Event {
                status: if has_status { "prune".to_owned() } else { String::new() },
                kind: kind.to_owned(),
                action: "prune".to_owned(),
                actor: Actor {
                    id: String::new(),
                    attributes: BTreeMap::from([("reclaimed".to_owned(), bytes.to_string())]),
                },
                ..Event::default()
            },
        );
    }

    fn publish(&self, caller: Caller, mut event: Event) {
        let now = Timestamp::now();
        event.scope = "local".to_owned();
        let Caller { uid, gid, pid } = caller;
        event.caller = (caller != Caller::ENGINE).then_some(EventCaller { uid, gid, pid });
        event.time = now.seconds();
        event.time_nano = now.nanos().unwrap_or_default();
        tracing::info!(
            object = event.kind,
            id = event.actor.id,
            action = event.action,
            caller_uid = caller.uid,
            caller_pid = caller.pid,
            "event"
        );
        let event = Arc::new(event);
        // Under the lock, so that who subscribes gets each event once: from here or from there.
        let mut ring = self.ring();
        if ring.len() == RING {
            ring.pop_front();
        }
        ring.push_back(event.clone());
        // Nobody listening is no error.
        drop(self.sender.send(event));
    }

    /// Subscribes, and gives what of the past is wished.
    pub fn stream(&self, spec: EventsSpec) -> EventStream {
        let ring = self.ring();
        let receiver = self.sender.subscribe();
        let past = match spec.since {
            None => VecDeque::new(),
            Some(since) => {
                let since = since.nanos().unwrap_or(i64::MIN);
                ring.iter().filter(|event| event.time_nano >= since).cloned().collect()
            }
        };
        EventStream { past, receiver, until: spec.until, filters: spec.filters }
    }

    /// How many listen now.
    pub fn listeners(&self) -> usize {
        self.sender.receiver_count()
    }

    fn ring(&self) -> MutexGuard<'_, VecDeque<Arc<Event>>> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Events as they come; see [`crate::Engine::events`].
#[derive(Debug)]
pub struct EventStream {
    past: VecDeque<Arc<Event>>,
    receiver: broadcast::Receiver<Arc<Event>>,
    until: Option<Timestamp>,
    filters: Filters,
}

impl EventStream {
    /// The next event; `None` when `until` is reached or the engine closes. Cancel-safe.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            let event = match self.past.pop_front() {
                Some(event) => event,
                None => self.receive().await?,
            };
            if let Some(until) = self.until
                && event.time_nano > until.nanos().unwrap_or(i64::MIN)
            {
                return None;
            }
            if matches(&self.filters, &event) {
                return Some(Event::clone(&event));
            }
        }
    }

    async fn receive(&mut self) -> Option<Arc<Event>> {
        loop {
            let received = match self.until {
                None => self.receiver.recv().await,
                Some(until) => {
                    let left = until.since(Timestamp::now());
                    match tokio::time::timeout(left, self.receiver.recv()).await {
                        Ok(received) => received,
                        Err(_) => return None,
                    }
                }
            };
            match received {
                Ok(event) => return Some(event),
                Err(RecvError::Lagged(lost)) => {
                    tracing::warn!(lost, "a listener was too slow and lost events");
                }
                Err(RecvError::Closed) => return None,
            }
        }
    }
}

/// Whether a listener wants an event. Unknown filters are ignored, as Docker does.
fn matches(filters: &Filters, event: &Event) -> bool {
    let attributes = &event.actor.attributes;
    let name = attributes.get("name").map_or("", String::as_str);
    // By the start of an id or a name, whatever kind of thing has it, as Docker does.
    let of = |key: &str| filters.prefix(key, &event.actor.id) || filters.prefix(key, name);
    const KINDS: [&str; 9] = [
        "config",
        "container",
        "daemon",
        "network",
        "node",
        "plugin",
        "secret",
        "service",
        "volume",
    ];
    let action = event.action.split(':').next().unwrap_or_default();
    filters.exact("type", &event.kind)
        && filters.exact("scope", &event.scope)
        && (filters.exact("event", &event.action) || filters.exact("event", action))
        && filters.labels("label", Some(attributes))
        && KINDS.iter().all(|key| of(key))
        && image_matches(filters, event)
}

/// The image of a container's event, with or without a tag, or the image itself.
fn image_matches(filters: &Filters, event: &Event) -> bool {
    if !filters.contains("image") {
        return true;
    }
    let attribute = |key: &str| event.actor.attributes.get(key).map_or("", String::as_str);
    let named = |name: &str| {
        let bare = match name.rsplit_once(':') {
            Some((bare, tag)) if !tag.contains('/') => bare,
            _ => name,
        };
        filters.exact("image", name) || filters.exact("image", bare)
    };
    match event.kind.as_str() {
        "image" => filters.prefix("image", &event.actor.id) || named(attribute("name")),
        "container" => named(attribute("image")),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
