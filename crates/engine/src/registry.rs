//! Which containers there are, by id, by prefix of an id, by name.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use docker_api::messages;

use crate::container::Container;
use crate::error::{EngineError, Result};

/// All containers.
#[derive(Debug, Default)]
pub struct Registry {
    containers: BTreeMap<String, Arc<Container>>,
    /// Name to id; also of containers that are being created.
    names: HashMap<String, String>,
    /// Exec to container.
    execs: HashMap<String, String>,
}

impl Registry {
    /// Finds a container by its full id, its name, or a prefix of its id, in this order.
    ///
    /// # Errors
    /// Docker's words.
    pub fn find(&self, called: &str) -> Result<Arc<Container>> {
        let missing = || EngineError::not_found(messages::no_such_container(called));
        if let Some(container) = self.containers.get(called) {
            return Ok(container.clone());
        }
        let name = called.strip_prefix('/').unwrap_or(called);
        if let Some(container) = self.names.get(name).and_then(|id| self.containers.get(id)) {
            return Ok(container.clone());
        }
        if called.is_empty() {
            return Err(missing());
        }
        let from = self.containers.range(called.to_owned()..);
        let mut found = from.take_while(|(id, _)| id.starts_with(called)).map(|(_, c)| c);
        match (found.next(), found.next()) {
            (Some(container), None) => Ok(container.clone()),
            (Some(_), Some(_)) => Err(EngineError::invalid(messages::ambiguous_prefix(called))),
            (None, _) => Err(missing()),
        }
    }

    /// Takes a name for a container that is there or about to be.
    ///
    /// # Errors
    /// Docker's conflict.
    pub fn reserve(&mut self, name: &str, id: &str) -> Result<()> {
        match self.names.get(name) {
            Some(owner) if owner != id => {
                Err(EngineError::conflict(messages::name_in_use(name, owner)))
            }
            _ => {
                self.names.insert(name.to_owned(), id.to_owned());
                Ok(())
            }
        }
    }

    /// Whether a name is free.
    pub fn is_free(&self, name: &str) -> bool {
        !self.names.contains_key(name)
    }

    /// Gives a name back, if the container has it.
    pub fn release(&mut self, name: &str, id: &str) {
        if self.names.get(name).is_some_and(|owner| owner == id) {
            self.names.remove(name);
        }
    }

    /// Makes a container visible.
    pub fn insert(&mut self, container: Arc<Container>) {
        self.containers.insert(container.id.clone(), container);
    }

    /// Forgets a container, its name and its execs.
    pub fn remove(&mut self, id: &str) {
        self.containers.remove(id);
        self.names.retain(|_, owner| owner != id);
        self.execs.retain(|_, container| container != id);
    }

    /// All containers, in the order of their ids.
    pub fn all(&self) -> Vec<Arc<Container>> {
        self.containers.values().cloned().collect()
    }

    /// The container of an exec.
    pub fn find_exec(&self, exec_id: &str) -> Result<Arc<Container>> {
        let container = self.execs.get(exec_id).and_then(|id| self.containers.get(id));
        container.cloned().ok_or_else(|| EngineError::not_found(messages::no_such_exec(exec_id)))
    }

    /// Makes an exec findable.
    pub fn insert_exec(&mut self, exec_id: &str, container: &str) {
        self.execs.insert(exec_id.to_owned(), container.to_owned());
    }

    /// Forgets execs.
    pub fn remove_execs(&mut self, exec_ids: &[String]) {
        for exec_id in exec_ids {
            self.execs.remove(exec_id);
        }
    }
}
