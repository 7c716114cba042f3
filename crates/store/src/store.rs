//! The store as a whole: opening it, what it knows, what nobody needs any more.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use oci::{Descriptor, Digest, ImageConfig, Reference};
use stdx::fs::PathError;
use sys::rustix;

use crate::blob::BLOBS;
use crate::disk::{self, Layout, OLD_VERSION, TRASH, VERSION};
use crate::error::StoreError;
use crate::failpoint;
use crate::ingest::Ingests;
use crate::named::Target;
use crate::record::{
    self, BlobRecord, BlobsRecord, FORMAT, ImageRecord, LayerRecord, NamedRecord, RECORD_BYTES_MAX,
    RootfsRecord, TagsRecord,
};
use archive::unpack::Unpacker;

/// Images, layers and root file systems in one directory. Copies are handles of the same store.
#[derive(Clone)]
pub struct Store {
    pub(crate) shared: Arc<Shared>,
}

/// What the handles share.
pub(crate) struct Shared {
    pub layout: Layout,
    pub unpacker: Unpacker,
    /// Who takes which blob in.
    pub ingests: Ingests,
    /// What is on disk. Held for moments only.
    state: Mutex<State>,
    /// Held by whoever changes records on disk; always taken before `state`.
    writing: Mutex<()>,
    /// Held by whoever makes layers durable and visible; always taken before `writing`.
    committing: Mutex<()>,
    /// The lock on the directory, kept as long as the store is open.
    _lock: File,
}

/// What is on disk, in memory.
#[derive(Clone, Default)]
pub(crate) struct State {
    pub layers: BTreeMap<Digest, LayerState>,
    pub images: BTreeMap<Digest, ImageState>,
    pub tags: BTreeMap<Reference, Named>,
    /// What the names' targets lead to, by the targets' digests.
    pub targets: BTreeMap<Digest, Arc<Target>>,
    /// How often blobs are leased.
    pub blob_leases: BTreeMap<Digest, usize>,
    /// By container id; `None` where the record cannot be read.
    pub rootfs: BTreeMap<String, Option<RootfsRecord>>,
    /// A record could not be read: nothing is forgotten, something may still need it.
    pub is_damaged: bool,
}

/// What a name stands for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Named {
    pub image: Digest,
    pub target: Option<Descriptor>,
}

#[derive(Clone)]
pub(crate) struct LayerState {
    /// Its directory's name in `layers/`.
    pub name: String,
    pub record: Arc<LayerRecord>,
    /// Its compressed forms, the latest first.
    pub blobs: Vec<BlobRecord>,
    pub leases: usize,
}

#[derive(Clone)]
pub(crate) struct ImageState {
    pub record: ImageRecord,
    pub config: Arc<ImageConfig>,
}

impl Store {
    /// Opens the store in `root`, making it if there is none. Needs root's privileges. What an
    /// earlier process left half made becomes trash; call [`Store::sweep`] afterwards.
    ///
    /// # Errors
    /// [`StoreError::Locked`] when another process has it open, [`StoreError::Version`] when
    /// another version wrote it, [`StoreError::Disk`].
    pub fn open(root: &Path, unpacker: Unpacker) -> Result<Store, StoreError> {
        let layout = Layout { root: root.to_owned() };
        stdx::fs::create_dir_all(root, 0o700).map_err(StoreError::Disk)?;
        let lock = lock(root)?;
        let version = verify_version(root)?;
        layout.prepare()?;
        layout.discard_unfinished()?;
        let state = read_state(&layout)?;
        let shared = Shared {
            layout,
            unpacker,
            ingests: Ingests::default(),
            state: Mutex::new(state),
            writing: Mutex::new(()),
            committing: Mutex::new(()),
            _lock: lock,
        };
        let store = Store { shared: Arc::new(shared) };
        if version == Version::Old {
            store.carry_over()?;
        }
        store.prune_old_ingests()?;
        store.forget_unused()?;
        Ok(store)
    }

    /// Writes what the old version wrote in another way; an old engine refuses the store then.
    fn carry_over(&self) -> Result<(), StoreError> {
        let _writing = self.writing();
        let tags = self.state().tags.clone();
        self.write_tags(tags)?;
        disk::write(&self.shared.layout.root.join("version"), VERSION.as_bytes())
    }

    /// Deletes trash. Slow; call it in the background, from one thread at a time.
    ///
    /// # Errors
    /// The first failure, after everything was tried.
    pub fn sweep(&self) -> Result<(), StoreError> {
        let mut result = Ok(());
        for (name, path) in disk::list(&self.shared.layout.tmp())? {
            if !name.starts_with(TRASH) {
                continue;
            }
            let removed = match path.is_dir() && !path.is_symlink() {
                true => stdx::fs::remove_tree(&path).map_err(StoreError::Disk),
                false => disk::remove_file(&path),
            };
            result = result.and(removed);
        }
        result
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held with the state half changed.
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Must be held by whoever changes records on disk.
    pub(crate) fn writing(&self) -> MutexGuard<'_, ()> {
        self.shared.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Must be held by whoever makes layers visible.
    pub(crate) fn committing(&self) -> MutexGuard<'_, ()> {
        self.shared.committing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes layers and blobs that nothing stands on out of view.
    pub(crate) fn forget_unused(&self) -> Result<(), StoreError> {
        let _writing = self.writing();
        self.forget_unused_locked()
    }

    /// See [`Store::forget_unused`]; for those who hold `writing`.
    pub(crate) fn forget_unused_locked(&self) -> Result<(), StoreError> {
        let (layers, blobs) = {
            let mut state = self.state();
            if state.is_damaged {
                return Ok(());
            }
            (state.take_unused_layers(), state.used_blobs())
        };
        for name in layers {
            self.shared.layout.trash(&self.shared.layout.layers().join(name))?;
            failpoint::hit("store.remove.layer");
        }
        for (digest, path) in self.shared.layout.list_blobs()? {
            if !digest.is_some_and(|digest| blobs.contains(&digest)) {
                disk::remove_file(&path)?;
                failpoint::hit("store.remove.blob");
            }
        }
        Ok(())
    }
}

impl State {
    /// Removes the layers that no image, root file system or lease needs; gives their names.
    fn take_unused_layers(&mut self) -> Vec<String> {
        let images = self.images.values().flat_map(|image| &image.record.layers);
        let rootfs = self.rootfs.values().flatten().flat_map(|rootfs| &rootfs.layers);
        let used: BTreeSet<Digest> = images.chain(rootfs).cloned().collect();
        let is_unused =
            |diff_id: &Digest, layer: &LayerState| layer.leases == 0 && !used.contains(diff_id);
        let unused = self.layers.iter().filter(|(diff_id, layer)| is_unused(diff_id, layer));
        let names = unused.map(|(_, layer)| layer.name.clone()).collect();
        self.layers.retain(|diff_id, layer| !is_unused(diff_id, layer));
        names
    }

    /// The blobs that images, layers and leases need.
    fn used_blobs(&self) -> BTreeSet<Digest> {
        let records = self.images.values().map(|image| &image.record);
        let documents = records.flat_map(|record| [Some(&record.id), record.manifest.as_ref()]);
        let forms = self.layers.values().flat_map(|layer| &layer.blobs).map(|blob| &blob.digest);
        let targets = self.targets.values().flat_map(|target| target.blobs());
        let all = documents.flatten().chain(forms).chain(targets).chain(self.blob_leases.keys());
        all.cloned().collect()
    }

    /// The sizes of these layers together, as Docker counts: a layer that occurs twice, twice.
    pub(crate) fn size_of(&self, layers: &[Digest]) -> u64 {
        let known = layers.iter().filter_map(|diff_id| self.layers.get(diff_id));
        known.map(|layer| layer.record.facts.size).sum()
    }
}

fn lock(root: &Path) -> Result<File, StoreError> {
    let path = root.join("lock");
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(PathError::of("open", &path))
        .map_err(StoreError::Disk)?;
    match rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(StoreError::Locked { root: root.to_owned() }),
        Err(cause) => Err(StoreError::Disk(PathError::of("lock", &path)(cause.into()))),
    }
}

/// Which version wrote the store.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Version {
    /// The one before: names stand for images alone.
    Old,
    Present,
}

fn verify_version(root: &Path) -> Result<Version, StoreError> {
    let path = root.join("version");
    match stdx::fs::read(&path, 100) {
        Ok(bytes) if bytes == VERSION.as_bytes() => Ok(Version::Present),
        Ok(bytes) if bytes == OLD_VERSION.as_bytes() => Ok(Version::Old),
        Ok(bytes) => {
            let found = String::from_utf8_lossy(&bytes).trim().to_owned();
            Err(StoreError::Version { root: root.to_owned(), found })
        }
        Err(error) if error.is_not_found() => {
            disk::write(&path, VERSION.as_bytes()).map(|()| Version::Present)
        }
        Err(error) => Err(StoreError::Disk(error)),
    }
}

fn read_state(layout: &Layout) -> Result<State, StoreError> {
    let mut state = State::default();
    read_layers(layout, &mut state)?;
    read_images(layout, &mut state)?;
    read_tags(layout, &mut state)?;
    for (container, path) in disk::list(&layout.all_rootfs())? {
        let record = read_record(&path.join("rootfs.json"));
        if record.is_none() {
            tracing::warn!(container, "root file system without a readable record");
            state.is_damaged = true;
        }
        state.rootfs.insert(container, record);
    }
    Ok(state)
}

fn read_layers(layout: &Layout, state: &mut State) -> Result<(), StoreError> {
    for (name, path) in disk::list(&layout.layers())? {
        if disk::BASE.strip_suffix("/fs") == Some(&name) {
            continue;
        }
        layout.discard_replacements(&path)?;
        let record: Option<LayerRecord> = read_record(&path.join("layer.json"));
        let known = record.and_then(|r| Some((Digest::parse(&r.facts.diff_id).ok()?, r)));
        match known {
            Some((diff_id, record)) => {
                // What is not readable there is only not remembered.
                let blobs: Option<BlobsRecord> = read_record(&path.join(BLOBS));
                let blobs = blobs.unwrap_or_default().blobs;
                let layer = LayerState { name, record: Arc::new(record), blobs, leases: 0 };
                state.layers.insert(diff_id, layer);
            }
            None => {
                // Record and files are durable together: this is a broken disk. The image can be
                // loaded again once the directory is out of the way.
                tracing::error!(layer = name, "layer without a readable record is removed");
                layout.trash(&path)?;
            }
        }
    }
    Ok(())
}

fn read_images(layout: &Layout, state: &mut State) -> Result<(), StoreError> {
    for (name, path) in disk::list(&layout.images())? {
        let id = name.strip_suffix(".json").and_then(|hex| Digest::from_sha256_hex(hex).ok());
        let image = id.as_ref().and_then(|id| read_image(layout, id, &path));
        match (id, image) {
            (Some(id), Some(image)) => drop(state.images.insert(id, image)),
            _ => {
                tracing::error!(image = name, "image without a sound configuration is left out");
                state.is_damaged = true;
            }
        }
    }
    Ok(())
}

fn read_image(layout: &Layout, id: &Digest, path: &Path) -> Option<ImageState> {
    let bytes =
        stdx::fs::read(&layout.blob(id), oci::image_config::CONFIG_BYTES_MAX as u64).ok()?;
    id.verify(&bytes).ok()?;
    let config = ImageConfig::parse(&bytes).ok()?;
    let record = read_record(path).filter(|record: &ImageRecord| record.id == *id);
    let record = record.unwrap_or_else(|| {
        tracing::warn!(image = %id, "image record made anew from the configuration");
        new_image_record(id, &config)
    });
    Some(ImageState { record, config: Arc::new(config) })
}

/// The record of an image of which only the configuration is known.
pub(crate) fn new_image_record(id: &Digest, config: &ImageConfig) -> ImageRecord {
    ImageRecord {
        format: FORMAT,
        id: id.clone(),
        layers: config.rootfs.diff_ids.clone(),
        parent: None,
        manifest: None,
        last_tagged: None,
    }
}

fn read_tags(layout: &Layout, state: &mut State) -> Result<(), StoreError> {
    let path = layout.tags();
    let record = match stdx::fs::read(&path, RECORD_BYTES_MAX) {
        Ok(bytes) => match record::tags(&bytes) {
            Some(record) => record,
            None => {
                tracing::error!("names of images cannot be read; the images are there by id");
                layout.set_aside(&path)?;
                TagsRecord::default()
            }
        },
        Err(error) if error.is_not_found() => TagsRecord::default(),
        Err(error) => return Err(StoreError::Disk(error)),
    };
    // The names in it may keep what nothing else does.
    if let Some(aside) = layout.first_aside()? {
        let aside = aside.display();
        tracing::warn!(%aside, "nothing unused is removed until this file is mended or removed");
        state.is_damaged = true;
    }
    for (name, NamedRecord { image, target }) in record.tags {
        match Reference::parse(&name) {
            Ok(reference) if state.images.contains_key(&image) => {
                state.tags.insert(reference, Named { image, target });
            }
            _ => tracing::warn!(name, %image, "name without an image is dropped"),
        }
    }
    state.refresh_targets(layout);
    Ok(())
}

fn read_record<T: serde::de::DeserializeOwned>(path: &std::path::Path) -> Option<T> {
    record::parse(&stdx::fs::read(path, RECORD_BYTES_MAX).ok()?)
}
