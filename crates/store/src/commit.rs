//! `commit`: what a container changed becomes a layer, and an image on its own image.

use std::io::Read;

use oci::{Digest, HistoryEntry, ImageConfig, ImageDefaults, Reference};

use crate::error::StoreError;
use crate::image::no_such_image;
use crate::store::Store;

/// What a committed image is to be.
#[derive(Clone, Debug)]
pub struct CommitSpec<'a> {
    /// The image that the container stands on.
    pub image: &'a Digest,
    /// What runs by default, before the changes.
    pub defaults: ImageDefaults,
    /// Dockerfile instructions, one or more a text.
    pub changes: &'a [String],
    /// Who made it.
    pub author: &'a str,
    /// A note in the history.
    pub comment: &'a str,
    /// What ran, for the history.
    pub created_by: &'a str,
    /// The name it gets.
    pub name: Option<&'a Reference>,
    /// Noted as the engine that made it.
    pub engine_version: &'a str,
}

impl Store {
    /// What [`Store::commit`] will make of the defaults and changes.
    ///
    /// # Errors
    /// [`StoreError::Change`].
    pub fn changed_defaults(
        mut defaults: ImageDefaults,
        changes: &[String],
    ) -> Result<ImageDefaults, StoreError> {
        change::apply(&mut defaults, changes).map_err(StoreError::Change)?;
        Ok(defaults)
    }

    /// Makes an image of a layer's archive, which is read to its end, on top of the container's
    /// image. Layer, configuration, record and name become durable in this order. Returns the id.
    ///
    /// # Errors
    /// [`StoreError::Change`], [`StoreError::NoSuchImage`], [`StoreError::Unpack`]; then nothing
    /// is added.
    pub fn commit(
        &self,
        layer: &mut dyn Read,
        spec: &CommitSpec<'_>,
    ) -> Result<Digest, StoreError> {
        let defaults = Store::changed_defaults(spec.defaults.clone(), spec.changes)?;
        let base = self.image(spec.image).ok_or_else(|| no_such_image(spec.image))?;
        let mut lease = self.lease_layers(&base.layers)?;
        let layer = self.unpack_layer(layer)?;
        let diff_id = layer.diff_id().clone();
        // As Docker: a step that changed nothing has no layer.
        let empty_layer = layer.facts().entries == 0;
        let mut config = ImageConfig::clone(&base.config);
        if !empty_layer {
            lease.absorb(self.commit_layers(vec![layer])?);
            config.rootfs.diff_ids.push(diff_id);
        }
        let created = jiff::Timestamp::now().to_string();
        config.history.push(HistoryEntry {
            created: Some(created.clone()),
            author: spec.author.to_owned(),
            created_by: spec.created_by.to_owned(),
            comment: spec.comment.to_owned(),
            empty_layer,
        });
        let config = ImageConfig {
            created: Some(created),
            author: spec.author.to_owned(),
            config: defaults,
            comment: String::new(),
            parent: String::new(),
            docker_version: spec.engine_version.to_owned(),
            ..config
        };
        let config = serde_json::to_vec(&config).expect("a configuration has only text keys");
        let id = self.add_image(&config, &lease, Some(spec.image.clone()), None)?;
        if let Some(name) = spec.name {
            self.set_first_name(name, &id, None)?;
        }
        Ok(id)
    }
}
