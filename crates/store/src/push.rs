//! What a push needs: layers in a form that registries take, and the manifest of an image that was
//! made here.

use std::fs::OpenOptions;
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use oci::{Descriptor, Digest, HashingReader, HashingWriter, media_type};
use serde::Serialize;
use stdx::fs::PathError;

use crate::disk;
use crate::error::StoreError;
use crate::failpoint;
use crate::image::{Image, no_such_image};
use crate::lease::Lease;
use crate::store::Store;

/// Bytes in one piece.
const PIECE_BYTES: usize = 256 << 10;

impl Store {
    /// Keeps everything of an image, also what is needed to push it, as long as the lease lives.
    ///
    /// # Errors
    /// [`StoreError::NoSuchImage`], [`StoreError::MissingLayer`].
    pub fn lease_image(&self, id: &Digest) -> Result<Lease, StoreError> {
        let image = self.image(id).ok_or_else(|| no_such_image(id))?;
        let mut lease = self.lease_layers(&image.layers)?;
        lease.take_blob(id);
        image.manifest.iter().for_each(|digest| lease.take_blob(digest));
        let target = self.image_target(&image);
        target.iter().for_each(|target| lease.take_blob(&target.digest));
        for one in self.target_manifests(&image) {
            lease.take_blob(&one.descriptor.digest);
            let blobs = one.manifest.iter().flat_map(|m| m.layers.iter().chain([&m.config]));
            blobs.for_each(|blob| lease.take_blob(&blob.digest));
            if let Some(Ok(layers)) = one
                .image
                .and_then(|id| self.image(&id))
                .map(|other| self.lease_layers(&other.layers))
            {
                lease.absorb(layers);
            }
        }
        // It could have been removed before the blobs were leased.
        self.image(id).map(|_| lease).ok_or_else(|| no_such_image(id))
    }

    /// A layer as registries take it: the form that it came in or, of a layer that was made here,
    /// one that is made now, once, and kept. The layer must be leased. Slow.
    ///
    /// # Errors
    /// [`StoreError::MissingLayer`] when the layer is gone or damaged, [`StoreError::Disk`].
    pub fn layer_blob(&self, diff_id: &Digest) -> Result<Descriptor, StoreError> {
        if let Some(kept) = self.kept_form(diff_id) {
            return Ok(kept);
        }
        let _claim = self.claim_form_of(diff_id);
        match self.kept_form(diff_id) {
            Some(kept) => Ok(kept),
            None => self.compress_layer(diff_id),
        }
    }

    fn kept_form(&self, diff_id: &Digest) -> Option<Descriptor> {
        let forms = self.forms_of_layer(diff_id);
        let kept = forms.into_iter().find(|form| self.has_blob(&form.digest));
        kept.map(|form| form.descriptor())
    }

    fn compress_layer(&self, diff_id: &Digest) -> Result<Descriptor, StoreError> {
        let unfinished = Unfinished(self.shared.layout.tmp_name("blob-"));
        let path = &unfinished.0;
        let failed =
            |operation| move |cause| StoreError::Disk(PathError::of(operation, path)(cause));
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        let file = options.open(path).map_err(failed("create"))?;
        let mut stream = HashingReader::new(self.layer_stream(diff_id)?);
        let output = HashingWriter::new(BufWriter::with_capacity(PIECE_BYTES, file));
        let output = archive::compress::gzip(&mut stream, output).map_err(failed("write"))?;
        let (mut file, digest, size) = output.finish();
        file.flush().map_err(failed("write"))?;
        // What a recipe or a blob gives is only what it should be if its digest says so.
        let (mut rest, found, _) = stream.finish();
        if found != *diff_id || rest.read(&mut [0; 1]).map_err(failed("read"))? != 0 {
            return Err(StoreError::MissingLayer { diff_id: diff_id.clone() });
        }
        let media_type = media_type::DOCKER_LAYER_GZIP.to_owned();
        let form = Descriptor { media_type, digest, size, ..Descriptor::of("", b"") };
        disk::sync_file(path)?;
        self.keep_form(&unfinished, diff_id, &form)?;
        Ok(form)
    }

    fn keep_form(
        &self,
        unfinished: &Unfinished,
        diff_id: &Digest,
        form: &Descriptor,
    ) -> Result<(), StoreError> {
        let mut lease = Lease::new(self);
        {
            let _writing = self.writing();
            lease.take_blob(&form.digest);
            let to = self.shared.layout.blob(&form.digest);
            std::fs::rename(&unfinished.0, &to)
                .map_err(PathError::of("move a blob to", &to))
                .map_err(StoreError::Disk)?;
            failpoint::hit("store.blob.moved");
            disk::sync_directory(&self.shared.layout.blobs(form.digest.algorithm()))?;
        }
        self.remember_form(diff_id, form, None)
    }

    /// The manifest of an image by which it is pushed: the one that it came with, byte for byte,
    /// if all of that is here, else one made of these forms of its layers, lowest first.
    ///
    /// # Errors
    /// [`StoreError::NoSuchImage`] when the configuration is gone.
    pub fn push_manifest(
        &self,
        image: &Image,
        layers: &[Descriptor],
    ) -> Result<(Descriptor, Vec<u8>), StoreError> {
        if let Some(own) = self.own_manifest(image) {
            return Ok(own);
        }
        let config = self.blob(&image.id).ok_or_else(|| no_such_image(&image.id))?;
        Ok(manifest(&config, layers))
    }

    /// The manifest that an image came with, if its layers are here in the forms that it names.
    pub fn own_manifest(&self, image: &Image) -> Option<(Descriptor, Vec<u8>)> {
        let digest = image.manifest.as_ref()?;
        let bytes = self.blob(digest)?;
        let oci::Document::Manifest(manifest) = oci::Document::parse(&bytes, None).ok()? else {
            return None;
        };
        let is_whole = manifest.layers.iter().all(|layer| self.has_blob(&layer.digest));
        let descriptor =
            Descriptor { digest: digest.clone(), ..Descriptor::of(&manifest.media_type, &bytes) };
        is_whole.then_some((descriptor, bytes))
    }
}

/// A file that goes unless it was moved.
struct Unfinished(PathBuf);

impl Drop for Unfinished {
    fn drop(&mut self) {
        remove(&self.0);
    }
}

fn remove(path: &Path) {
    if let Err(cause) = std::fs::remove_file(path)
        && cause.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(%cause, path = %path.display(), "an unfinished blob stays");
    }
}

/// Docker's manifest, whose keys stand in this order and without the others of OCI's.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct NewManifest<'a> {
    schema_version: u32,
    media_type: &'a str,
    config: NewDescriptor<'a>,
    layers: Vec<NewDescriptor<'a>>,
}

/// Docker's, which names the size before the digest.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NewDescriptor<'a> {
    pub media_type: &'a str,
    pub size: u64,
    pub digest: &'a Digest,
}

/// Docker's, as every registry and client takes it; OCI's where a layer's form has no name in
/// Docker's.
fn manifest(config: &[u8], layers: &[Descriptor]) -> (Descriptor, Vec<u8>) {
    let docker: Option<Vec<&str>> = layers.iter().map(|layer| docker_name(layer)).collect();
    let (own, config_type) = match &docker {
        Some(_) => (media_type::DOCKER_MANIFEST, media_type::DOCKER_CONFIG),
        None => (media_type::OCI_MANIFEST, media_type::OCI_CONFIG),
    };
    let names = docker.unwrap_or_else(|| layers.iter().map(oci_name).collect());
    let digest = Digest::of(config);
    let document = NewManifest {
        schema_version: 2,
        media_type: own,
        config: NewDescriptor {
            media_type: config_type,
            size: config.len() as u64,
            digest: &digest,
        },
        layers: layers
            .iter()
            .zip(names)
            .map(|(layer, media_type)| NewDescriptor {
                media_type,
                size: layer.size,
                digest: &layer.digest,
            })
            .collect(),
    };
    let bytes = serde_json::to_vec(&document).expect("a manifest has only text keys");
    (Descriptor::of(own, &bytes), bytes)
}

/// What Docker calls a layer of this form.
fn docker_name(layer: &Descriptor) -> Option<&'static str> {
    match layer.media_type.as_str() {
        media_type::DOCKER_LAYER | media_type::OCI_LAYER => Some(media_type::DOCKER_LAYER),
        media_type::DOCKER_LAYER_GZIP | media_type::OCI_LAYER_GZIP => {
            Some(media_type::DOCKER_LAYER_GZIP)
        }
        _ => None,
    }
}

/// What OCI calls a layer of this form.
fn oci_name(layer: &Descriptor) -> &str {
    match layer.media_type.as_str() {
        media_type::DOCKER_LAYER => media_type::OCI_LAYER,
        media_type::DOCKER_LAYER_GZIP => media_type::OCI_LAYER_GZIP,
        other => other,
    }
}

#[cfg(test)]
mod tests;
