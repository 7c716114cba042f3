//! Root file systems of containers: directories, ready to be mounted by somebody else.

use std::collections::BTreeSet;
use std::io;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};

use oci::Digest;
use stdx::fs::{Durability, PathError};

use crate::disk;
use crate::error::StoreError;
use crate::failpoint;
use crate::image::no_such_image;
use crate::record::{self, FORMAT, RootfsRecord};
use crate::store::Store;
use archive::unpack::RootAttributes;

mod written;

/// Where the parts of an overlay mount are.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RootfsPaths {
    /// Holds all layers; one idmapped mount of it serves all lower directories.
    pub layers_dir: PathBuf,
    /// Lower directories below `layers_dir`, uppermost first; at least one, none twice.
    pub lowers: Vec<String>,
    /// Holds `upper` and `work`.
    pub rw_dir: PathBuf,
}

/// A container's root file system.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Rootfs {
    /// The container's id.
    pub container: String,
    /// The image's id; `None` when the record is damaged.
    pub image: Option<Digest>,
}

/// How large a root file system is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RootfsSize {
    /// What the container changed, in bytes.
    pub rw_bytes: u64,
    /// The image below, in bytes.
    pub image_bytes: u64,
}

impl Store {
    /// Prepares a container's root file system on an image. Its layers stay until it is removed.
    /// Survives the death of the process; not synchronized.
    ///
    /// # Errors
    /// [`StoreError::RootfsExists`], [`StoreError::NoSuchImage`], [`StoreError::MissingLayer`].
    pub fn create_rootfs(
        &self,
        container: &str,
        image: &Digest,
    ) -> Result<RootfsPaths, StoreError> {
        let path = self.rootfs_path(container)?;
        let _writing = self.writing();
        let (layers, root) = {
            let state = self.state();
            if state.rootfs.contains_key(container) {
                return Err(StoreError::RootfsExists { container: container.to_owned() });
            }
            let image = state.images.get(image).ok_or_else(|| no_such_image(image))?;
            let layers = image.record.layers.clone();
            let known = layers.iter().rev().filter_map(|diff_id| state.layers.get(diff_id));
            let root = known.filter_map(|layer| layer.record.facts.root).next();
            (layers, root)
        };
        let lowers = self.lowers(&layers)?;
        let record = RootfsRecord { format: FORMAT, image: image.clone(), layers };
        let unfinished = self.shared.layout.tmp_name("rootfs-");
        let prepared = self.prepare_rootfs(&unfinished, root, &record).and_then(|()| {
            failpoint::hit("store.rootfs.prepared");
            std::fs::rename(&unfinished, &path)
                .map_err(PathError::of("create", &path))
                .map_err(StoreError::Disk)
        });
        if let Err(error) = prepared {
            // The first failure is told; the rest is trash at the next opening at the latest.
            stdx::fs::remove_tree(&unfinished).ok();
            return Err(error);
        }
        failpoint::hit("store.rootfs.visible");
        self.state().rootfs.insert(container.to_owned(), Some(record));
        Ok(RootfsPaths { layers_dir: self.shared.layout.layers(), lowers, rw_dir: path.join("rw") })
    }

    /// Where a root file system's parts are.
    ///
    /// # Errors
    /// [`StoreError::NoSuchRootfs`], [`StoreError::MissingLayer`].
    pub fn rootfs_paths(&self, container: &str) -> Result<RootfsPaths, StoreError> {
        let path = self.rootfs_path(container)?;
        let record = self.state().rootfs.get(container).cloned().flatten();
        let record = record.ok_or_else(|| no_such_rootfs(container))?;
        Ok(RootfsPaths {
            layers_dir: self.shared.layout.layers(),
            lowers: self.lowers(&record.layers)?,
            rw_dir: path.join("rw"),
        })
    }

    /// Removes a container's root file system; one that is not there is fine. It must not be
    /// mounted. The files are deleted by [`Store::sweep`].
    pub fn remove_rootfs(&self, container: &str) -> Result<(), StoreError> {
        let path = self.rootfs_path(container)?;
        let _writing = self.writing();
        self.shared.layout.trash(&path)?;
        failpoint::hit("store.rootfs.removed");
        let record = self.state().rootfs.remove(container).flatten();
        // Its image may be gone already; then its layers go with it. Looking is only worth it then.
        match record.is_some_and(|record| !self.state().images.contains_key(&record.image)) {
            true => self.forget_unused_locked(),
            false => Ok(()),
        }
    }

    /// Takes something of its caller's out of view, on the store's own file system; one that is not
    /// there is fine. The files are deleted by [`Store::sweep`].
    ///
    /// # Errors
    /// [`StoreError::Disk`].
    pub fn discard(&self, path: &Path) -> Result<(), StoreError> {
        self.shared.layout.trash(path)
    }

    /// All root file systems.
    pub fn list_rootfs(&self) -> Vec<Rootfs> {
        let state = self.state();
        let rootfs = state.rootfs.iter().map(|(container, record)| Rootfs {
            container: container.clone(),
            image: record.as_ref().map(|record| record.image.clone()),
        });
        rootfs.collect()
    }

    /// How large a root file system is. Walks what the container changed: slow.
    ///
    /// # Errors
    /// [`StoreError::NoSuchRootfs`].
    pub fn rootfs_size(&self, container: &str) -> Result<RootfsSize, StoreError> {
        let path = self.rootfs_path(container)?;
        let image_bytes = {
            let state = self.state();
            let record = state.rootfs.get(container).and_then(Option::as_ref);
            let record = record.ok_or_else(|| no_such_rootfs(container))?;
            state.size_of(&record.layers)
        };
        Ok(RootfsSize { rw_bytes: disk::usage(&path.join("rw/upper"))?, image_bytes })
    }

    /// Paths (in the container) that were written or removed on a root file system, except `made`
    /// and what only leads to others; `None` when there are more than `most`.
    ///
    /// # Errors
    /// [`StoreError::NoSuchRootfs`], [`StoreError::Disk`].
    pub fn rootfs_written(
        &self,
        container: &str,
        made: &[PathBuf],
        most: usize,
    ) -> Result<Option<Vec<PathBuf>>, StoreError> {
        let path = self.rootfs_path(container)?;
        if !self.state().rootfs.contains_key(container) {
            return Err(no_such_rootfs(container));
        }
        written::below(&path.join("rw/upper"), made, most)
    }

    /// Lower directories, uppermost first, and what all containers stand on. A layer that occurs
    /// again further down adds nothing there (overlay refuses it twice), nor does anything below an
    /// opaque one.
    fn lowers(&self, layers: &[Digest]) -> Result<Vec<String>, StoreError> {
        let state = self.state();
        let mut seen = BTreeSet::new();
        let mut lowers = Vec::new();
        for diff_id in layers.iter().rev() {
            let layer = state.layers.get(diff_id);
            let layer =
                layer.ok_or_else(|| StoreError::MissingLayer { diff_id: diff_id.clone() })?;
            if seen.insert(diff_id) && layer.record.facts.entries > 0 {
                lowers.push(format!("{}/fs", layer.name));
            }
            if layer.record.facts.is_opaque {
                return Ok(lowers);
            }
        }
        lowers.push(disk::BASE.to_owned());
        Ok(lowers)
    }

    /// Makes the directories. `upper` is what the container sees as `/`: it gets the attributes
    /// that the uppermost layer which says something of them gives.
    fn prepare_rootfs(
        &self,
        path: &Path,
        root: Option<RootAttributes>,
        record: &RootfsRecord,
    ) -> Result<(), StoreError> {
        disk::create_dir(path, 0o700)?;
        disk::create_dir(&path.join("rw"), 0o700)?;
        let upper = path.join("rw/upper");
        disk::create_dir(&upper, 0o755)?;
        if let Some(root) = root {
            chown(&upper, Some(root.uid), Some(root.gid))
                .map_err(PathError::of("set the owner of", &upper))
                .map_err(StoreError::Disk)?;
            disk::set_mode(&upper, root.mode)?;
        }
        disk::create_dir(&path.join("rw/work"), 0o700)?;
        let bytes = record::print(record);
        stdx::fs::replace(&path.join("rootfs.json"), &bytes, 0o600, Durability::Process)
            .map_err(StoreError::Disk)
    }

    /// A container id becomes a file name.
    fn rootfs_path(&self, container: &str) -> Result<PathBuf, StoreError> {
        let is_word = |b: u8| b.is_ascii_alphanumeric() || b"_.-".contains(&b);
        let is_safe = container.bytes().all(is_word)
            && container.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric())
            && container.len() <= 128;
        let path = self.shared.layout.all_rootfs();
        match is_safe {
            true => Ok(path.join(container)),
            false => {
                let cause = io::Error::new(io::ErrorKind::InvalidInput, "not a container's id");
                Err(StoreError::Disk(PathError::of("use", &path)(cause)))
            }
        }
    }
}

fn no_such_rootfs(container: &str) -> StoreError {
    StoreError::NoSuchRootfs { container: container.to_owned() }
}
