//! `rmi`: names go, and images when their last name goes, by Docker's rules.

use std::collections::BTreeSet;

use oci::{Digest, Reference, chain_id};

use crate::disk;
use crate::error::StoreError;
use crate::failpoint;
use crate::store::{State, Store};

/// What is to be removed.
#[derive(Clone, Copy, Debug)]
pub struct RemoveSpec<'a> {
    /// A name, an id or the start of one.
    pub image: &'a str,
    /// Remove in spite of several names and of stopped containers.
    pub force: bool,
    /// Remove nameless parents too, which is Docker's default.
    pub prune_parents: bool,
}

/// A container that stands on an image.
#[derive(Clone, Debug)]
pub struct ImageUser {
    /// The container's id.
    pub container: String,
    /// The image's id.
    pub image: Digest,
    /// Whether it runs now.
    pub is_running: bool,
}

/// One line of what was done.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Removed {
    /// A name went; as people write it.
    Untagged {
        /// The name.
        name: Reference,
        /// The image that had it.
        image: Digest,
    },
    /// An image went.
    Image(Digest),
    /// A layer went; its chain id, by which Docker calls it.
    Layer(Digest),
}

impl Store {
    /// Removes a name, or an image with all its names. All or nothing, except that a crash may
    /// leave the image without names. The files are deleted by [`Store::sweep`].
    ///
    /// A root file system whose container is not among `users` counts as one of a container that
    /// does not run: the caller asked before it was made.
    ///
    /// # Errors
    /// [`StoreError::NoSuchImage`]; [`StoreError::Conflict`] in Docker's words.
    pub fn remove(
        &self,
        spec: RemoveSpec<'_>,
        users: &[ImageUser],
    ) -> Result<Vec<Removed>, StoreError> {
        let _writing = self.writing();
        let before = self.state().clone();
        let users = with_root_file_systems(&before, users);
        let (state, removed, reached) = (before.clone(), Vec::new(), BTreeSet::new());
        let mut plan = Plan { state, users: &users, removed, reached };
        plan.remove(spec)?;
        plan.remove_reached(spec.prune_parents);
        let Plan { state: after, removed, .. } = plan;
        if after.tags != before.tags {
            self.write_tags(after.tags.clone())?;
        }
        failpoint::hit("store.remove.untagged");
        for id in before.images.keys().filter(|id| !after.images.contains_key(id)) {
            disk::remove_file(&self.shared.layout.image(id))?;
            failpoint::hit("store.remove.image");
            self.state().images.remove(id);
        }
        disk::sync_directory(&self.shared.layout.images())?;
        self.forget_unused_locked()?;
        Ok(removed)
    }
}

fn with_root_file_systems(state: &State, users: &[ImageUser]) -> Vec<ImageUser> {
    let is_new = |container: &String| users.iter().all(|user| user.container != *container);
    let records = state.rootfs.iter().filter(|(container, _)| is_new(container));
    let new = records.filter_map(|(container, record)| {
        let image = record.as_ref()?.image.clone();
        Some(ImageUser { container: container.clone(), image, is_running: false })
    });
    users.iter().cloned().chain(new).collect()
}

/// The removal, worked out on a copy.
struct Plan<'a> {
    state: State,
    users: &'a [ImageUser],
    removed: Vec<Removed>,
    /// Images, for other platforms, of the names that went.
    reached: BTreeSet<Digest>,
}

/// Which conflicts count.
#[derive(Clone, Copy)]
struct Heeded {
    /// A stopped container uses it.
    stopped: bool,
    /// It has names.
    named: bool,
}

/// Why an image stays.
struct Obstacle {
    id: Digest,
    is_hard: bool,
    is_used: bool,
    text: String,
}

impl From<Obstacle> for StoreError {
    fn from(obstacle: Obstacle) -> StoreError {
        let how = if obstacle.is_hard { "cannot" } else { "must" };
        let (id, why) = (obstacle.id.short(), obstacle.text);
        StoreError::Conflict { text: format!("unable to delete {id} ({how} be forced) - {why}") }
    }
}

impl Plan<'_> {
    fn remove(&mut self, spec: RemoveSpec<'_>) -> Result<(), StoreError> {
        let id = self.state.resolve(spec.image)?;
        let mut names = self.state.names_of(&id);
        let mut is_quiet = false;
        if !is_id_of(spec.image, &id) {
            let name = Reference::parse(spec.image).map_err(StoreError::Reference)?;
            self.refuse_dangling(&spec, &id, &names)?;
            self.untag_name(&name, &id);
            names = self.state.names_of(&id);
            if !names.is_empty() {
                return Ok(());
            }
            is_quiet = true;
        } else if is_one_repository(&names) {
            let heeded = Heeded { stopped: !spec.force, named: false };
            self.obstacle(&id, heeded)?;
            for name in names {
                self.untag(name, &id);
            }
        }
        self.delete(&id, spec.force, spec.prune_parents, is_quiet).map_err(StoreError::from)
    }

    /// An image that came with another one, for another platform, goes with the last name of both,
    /// unless something else needs it.
    fn remove_reached(&mut self, prune_parents: bool) {
        for id in std::mem::take(&mut self.reached) {
            let is_named = !self.state.names_of(&id).is_empty();
            if !is_named && !self.state.reached_images().contains(&id) {
                // What stands against it is a reason to keep it, not to fail.
                drop(self.delete(&id, false, prune_parents, true));
            }
        }
    }

    /// The last name of an image that is in use stays, unless forced.
    fn refuse_dangling(
        &self,
        spec: &RemoveSpec<'_>,
        id: &Digest,
        names: &[Reference],
    ) -> Result<(), StoreError> {
        let user = self.users.iter().find(|user| user.image == *id);
        match user {
            Some(user) if !spec.force && is_one_repository(names) => {
                let container = user.container.get(..12).unwrap_or(&user.container);
                Err(StoreError::Conflict {
                    text: format!(
                        "unable to remove repository reference \"{}\" (must force) - container \
                         {container} is using its referenced image {}",
                        spec.image,
                        id.short()
                    ),
                })
            }
            _ => Ok(()),
        }
    }

    /// Takes a name away, and with the last tag of a repository the digests in that repository.
    fn untag_name(&mut self, name: &Reference, id: &Digest) {
        let name = match name.digest() {
            Some(digest) => name.with_digest(digest.clone()),
            None => name.clone().with_default_tag(),
        };
        let is_tag = name.digest().is_none();
        let repository = name.repository();
        self.untag(name, id);
        let rest = self.state.names_of(id);
        let same: Vec<_> = rest.into_iter().filter(|n| n.repository() == repository).collect();
        if is_tag && same.iter().all(|name| name.digest().is_some()) {
            for name in same {
                self.untag(name, id);
            }
        }
    }

    fn untag(&mut self, name: Reference, id: &Digest) {
        if let Some(named) = self.state.tags.remove(&name) {
            let target = named.target.and_then(|target| self.state.targets.get(&target.digest));
            self.reached.extend(target.into_iter().flat_map(|target| target.images().cloned()));
            self.removed.push(Removed::Untagged { name, image: id.clone() });
        }
    }

    /// Deletes an image and, if wished, its parents that have neither names nor users.
    fn delete(
        &mut self,
        id: &Digest,
        force: bool,
        prune_parents: bool,
        is_quiet: bool,
    ) -> Result<(), Obstacle> {
        let (mut id, mut force, mut is_quiet) = (id.clone(), force, is_quiet);
        loop {
            let heeded = Heeded { stopped: !force, named: !force };
            if let Err(obstacle) = self.obstacle(&id, heeded) {
                let is_dangling = self.state.names_of(&id).is_empty()
                    && self.state.children(&id).next().is_none();
                return match is_quiet && (!is_dangling || obstacle.is_used) {
                    true => Ok(()),
                    false => Err(obstacle),
                };
            }
            for name in self.state.names_of(&id) {
                self.untag(name, &id);
            }
            let Some(image) = self.state.images.remove(&id) else { return Ok(()) };
            self.removed.push(Removed::Image(id));
            self.report_layers(&image.record.layers);
            match image.record.parent.filter(|_| prune_parents) {
                Some(parent) => (id, force, is_quiet) = (parent, false, true),
                None => return Ok(()),
            }
        }
    }

    fn obstacle(&self, id: &Digest, heeded: Heeded) -> Result<(), Obstacle> {
        let obstacle = |is_hard, is_used, text: String| {
            Err(Obstacle { id: id.clone(), is_hard, is_used, text })
        };
        if self.state.children(id).next().is_some() {
            return obstacle(true, false, "image has dependent child images".to_owned());
        }
        let mut users = self.users.iter().filter(|user| user.image == *id);
        let short =
            |user: &ImageUser| user.container.get(..12).unwrap_or(&user.container).to_owned();
        if let Some(user) = users.clone().find(|user| user.is_running) {
            let text = format!("image is being used by running container {}", short(user));
            return obstacle(true, true, text);
        }
        if heeded.named && !self.state.names_of(id).is_empty() {
            let text = "image is referenced in multiple repositories".to_owned();
            return obstacle(false, false, text);
        }
        match users.next().filter(|_| heeded.stopped) {
            Some(user) => {
                let text = format!("image is being used by stopped container {}", short(user));
                obstacle(false, true, text)
            }
            None => Ok(()),
        }
    }

    /// Docker names each layer by the stack that it tops, and tells those that nothing has left.
    fn report_layers(&mut self, layers: &[Digest]) {
        let images = self.state.images.values().map(|image| image.record.layers.as_slice());
        let rootfs = self.state.rootfs.values().flatten().map(|rootfs| rootfs.layers.as_slice());
        let others: Vec<&[Digest]> = images.chain(rootfs).collect();
        let mut seen = BTreeSet::new();
        for height in (1..=layers.len()).rev() {
            let stack = layers.get(..height).unwrap_or_default();
            if others.iter().any(|other| other.starts_with(stack)) {
                return;
            }
            if let Some(chain) = chain_id(stack).filter(|chain| seen.insert(chain.clone())) {
                self.removed.push(Removed::Layer(chain));
            }
        }
    }
}

/// Whether the text is the id or its start, rather than a name.
fn is_id_of(text: &str, id: &Digest) -> bool {
    id.to_string().starts_with(text) || id.hex().starts_with(text)
}

/// Whether an image has one name at most, not counting digests in the same repository.
fn is_one_repository(names: &[Reference]) -> bool {
    let mut tags = names.iter().filter(|name| name.digest().is_none());
    let digests: BTreeSet<String> =
        names.iter().filter(|name| name.digest().is_some()).map(Reference::repository).collect();
    match (names, tags.next(), tags.next()) {
        ([] | [_], _, _) => true,
        (_, Some(_), Some(_)) => false,
        (_, Some(tag), None) => digests.len() == 1 && digests.contains(&tag.repository()),
        (_, None, _) => digests.len() == 1,
    }
}
