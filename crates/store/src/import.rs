//! `import`: an archive of a root file system becomes an image of one layer.

use std::io::Read;

use oci::{Digest, HistoryEntry, ImageConfig, ImageDefaults, Platform, Reference, RootFs};

use crate::error::StoreError;
use crate::store::Store;

/// What an imported image is to be.
#[derive(Clone, Debug)]
pub struct ImportSpec<'a> {
    /// Dockerfile instructions, one or more a text, that set the configuration.
    pub changes: &'a [String],
    /// Note in the history; Docker's default is `Imported from -`.
    pub message: &'a str,
    /// What it runs on.
    pub platform: Platform,
    /// The name it gets.
    pub name: Option<&'a Reference>,
    /// Noted as the engine that made it.
    pub engine_version: &'a str,
}

impl Store {
    /// Imports an archive (plain, gzip or zstd), reading it to its end. Returns the image's id.
    ///
    /// # Errors
    /// [`StoreError::Change`], [`StoreError::Unpack`]; nothing is added then.
    pub fn import(
        &self,
        input: &mut dyn Read,
        spec: &ImportSpec<'_>,
    ) -> Result<Digest, StoreError> {
        let mut defaults = ImageDefaults::default();
        change::apply(&mut defaults, spec.changes).map_err(StoreError::Change)?;
        let layer = self.unpack_layer(input)?;
        let diff_id = layer.diff_id().clone();
        let lease = self.commit_layers(vec![layer])?;
        let created = jiff::Timestamp::now().to_string();
        let history = HistoryEntry {
            created: Some(created.clone()),
            comment: spec.message.to_owned(),
            ..HistoryEntry::default()
        };
        let config = ImageConfig {
            created: Some(created),
            architecture: spec.platform.architecture.clone(),
            variant: spec.platform.variant.clone(),
            os: spec.platform.os.clone(),
            config: defaults,
            rootfs: RootFs { diff_ids: vec![diff_id], ..RootFs::default() },
            history: vec![history],
            comment: spec.message.to_owned(),
            docker_version: spec.engine_version.to_owned(),
            ..ImageConfig::default()
        };
        let config = serde_json::to_vec(&config).expect("a configuration has only text keys");
        let id = self.add_image(&config, &lease, None, None)?;
        if let Some(name) = spec.name {
            self.set_first_name(name, &id, None)?;
        }
        Ok(id)
    }
}
