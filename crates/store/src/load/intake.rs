//! The outer archive, member by member, to memory and to layers.

use std::collections::{BTreeSet, HashMap};
use std::io::{self, Read};

use oci::{Descriptor, Digest, HashingReader, ImageConfig, Manifest, media_type};

use super::{Assembled, LoadProgress};
use crate::error::StoreError;
use crate::layer::PendingLayer;
use crate::lease::Lease;
use crate::store::Store;
use archive::decompress::{self, Compression, Decompressor};
use archive::tar::{self, Entry, EntryKind, Limits, Reader};

/// Members of the outer archive: images have a few hundred layers at most, three members each.
const MEMBERS_MAX: u64 = 100_000;

/// Largest document that is kept; manifests and configurations are limited to the same.
const DOCUMENT_BYTES_MAX: u64 = 4 << 20;

/// All documents together.
const DOCUMENTS_BYTES_MAX: u64 = 256 << 20;

/// Directories above a layer in the formats in use: `blobs/sha256/HEX`.
const LAYER_DEPTH_MAX: usize = 3;

/// Members that look like layers and cannot be unpacked, before this is no image archive.
const BAD_LAYERS_MAX: usize = 64;

/// Links to links.
const LINKS_MAX: usize = 8;

/// Bytes between two calls of the progress function.
const PROGRESS_BYTES: u64 = 1 << 20;

/// What the outer archive held.
pub(super) struct Intake<'a> {
    store: &'a Store,
    members: HashMap<Vec<u8>, Member>,
    /// Layers that were in the store already, kept there meanwhile.
    known: Vec<Lease>,
}

enum Member {
    Document(Vec<u8>),
    /// Unpacked; the digest of the bytes as they came.
    Layer {
        pending: Option<PendingLayer>,
        diff_id: Digest,
        blob: Digest,
    },
    /// In the store already, and called by this digest in the archive.
    KnownLayer {
        diff_id: Digest,
        blob: Digest,
    },
    BadLayer(Option<StoreError>),
    Link(Vec<u8>),
    TooLarge,
}

/// Reads the whole archive.
pub(super) fn read<'a>(
    store: &'a Store,
    input: &mut dyn Read,
    progress: &mut dyn FnMut(&LoadProgress<'_>),
) -> Result<Intake<'a>, StoreError> {
    let bad = |error| StoreError::bad_image_of("read the image archive", error);
    let input = Decompressor::new(input, u64::MAX)
        .map_err(|cause| StoreError::bad_image_of("read the image archive", cause))?;
    let limits = Limits { entries_max: MEMBERS_MAX, ..Limits::default() };
    let mut archive = Reader::new(input, limits);
    let mut intake = Intake { store, members: HashMap::new(), known: Vec::new() };
    let (mut documents_bytes, mut bad_layers) = (0, 0);
    while let Some(entry) = archive.next_entry().map_err(bad)? {
        let Some(path) = normal(&entry.path) else {
            return Err(StoreError::bad_image("invalid archive: a path leaves it"));
        };
        let member = match member(&mut intake, &entry, &path, &mut archive, progress)? {
            Some(member) => member,
            None => continue,
        };
        match &member {
            Member::Document(bytes) => documents_bytes += bytes.len() as u64,
            Member::BadLayer(_) => bad_layers += 1,
            _ => {}
        }
        if documents_bytes > DOCUMENTS_BYTES_MAX || bad_layers > BAD_LAYERS_MAX {
            return Err(StoreError::bad_image("invalid archive: this is no archive of images"));
        }
        intake.members.insert(path, member);
    }
    Ok(intake)
}

/// What becomes of one member; `None` for what means nothing.
fn member<R: Read>(
    intake: &mut Intake<'_>,
    entry: &Entry,
    path: &[u8],
    archive: &mut Reader<R>,
    progress: &mut dyn FnMut(&LoadProgress<'_>),
) -> Result<Option<Member>, StoreError> {
    let size = match &entry.kind {
        EntryKind::File { size, segments: None } => *size,
        // Old versions of Docker wrote shared layers as links.
        EntryKind::Symlink(target) => {
            let directory = path.rsplitn(2, |byte| *byte == b'/').nth(1).unwrap_or_default();
            let target = normal(&[directory, b"/", target].concat());
            return Ok(target.map(Member::Link));
        }
        EntryKind::HardLink(target) => return Ok(normal(target).map(Member::Link)),
        _ => return Ok(None),
    };
    if let Some(blob) = blob_name(path)
        && let Some(diff_id) = known_layer(intake.store, &blob)
        && let Ok(lease) = intake.store.lease_layers(std::slice::from_ref(&diff_id))
    {
        intake.known.push(lease);
        return Ok(Some(Member::KnownLayer { diff_id, blob }));
    }
    let failed = |cause| StoreError::bad_image_of("read the image archive", cause);
    let mut start = Vec::new();
    let mut content = archive.content();
    content.by_ref().take(tar::BLOCK_BYTES as u64).read_to_end(&mut start).map_err(failed)?;
    let depth = path.split(|byte| *byte == b'/').count();
    if depth <= LAYER_DEPTH_MAX && may_be_layer(&start) {
        let form = form(path, &start, size);
        let input = io::Cursor::new(start).chain(content);
        let told =
            Told { input, progress, id: &short_name(path), current: 0, next: 0, total: size };
        return layer(intake.store, form.as_ref(), told).map(Some);
    }
    if size > DOCUMENT_BYTES_MAX {
        return Ok(Some(Member::TooLarge));
    }
    content.read_to_end(&mut start).map_err(failed)?;
    Ok(Some(Member::Document(start)))
}

/// The layer that the archive calls by this digest, if it is here: in this form, or as it is.
fn known_layer(store: &Store, blob: &Digest) -> Option<Digest> {
    let by_form = store.layer_of_blob(blob).filter(|_| store.has_blob(blob));
    by_form.or_else(|| store.has_layer(blob).then(|| blob.clone()))
}

/// A compressed layer under the name that registries give it is kept as it is.
fn form(path: &[u8], start: &[u8], size: u64) -> Option<Descriptor> {
    let digest = blob_name(path)?;
    let media_type = match decompress::recognize(start).ok()? {
        Compression::Plain => return None,
        Compression::Gzip => media_type::OCI_LAYER_GZIP,
        Compression::Zstd => media_type::OCI_LAYER_ZSTD,
    };
    Some(Descriptor { digest, size, ..Descriptor::of(media_type, b"") })
}

fn layer(
    store: &Store,
    form: Option<&Descriptor>,
    told: Told<'_, impl Read>,
) -> Result<Member, StoreError> {
    let mut input = HashingReader::new(told);
    let unpacked = match form {
        Some(form) => store.unpack_archived(form, &mut input),
        None => store.unpack_layer(&mut input),
    };
    match unpacked {
        Ok(pending) => {
            let (_, blob, _) = input.finish();
            let diff_id = pending.diff_id().clone();
            Ok(Member::Layer { pending: Some(pending), diff_id, blob })
        }
        // It may be no layer at all: told when a manifest asks for it.
        Err(error) if error.kind() == stdx::Kind::Invalid => Ok(Member::BadLayer(Some(error))),
        Err(error) => Err(error),
    }
}

impl<'a> Intake<'a> {
    /// A member, through links.
    fn member(&self, path: &[u8]) -> Option<(&[u8], &Member)> {
        let mut path = normal(path)?;
        for _ in 0..LINKS_MAX {
            match self.members.get_key_value(&path)? {
                (_, Member::Link(target)) => path = target.clone(),
                (path, member) => return Some((path, member)),
            }
        }
        None
    }

    /// A small file's bytes.
    pub(super) fn document(&self, path: &[u8]) -> Option<&[u8]> {
        match self.member(path)?.1 {
            Member::Document(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// Whether there is such a member, of any sort.
    pub(super) fn has(&self, path: &[u8]) -> bool {
        self.member(path).is_some()
    }

    /// Whether a member's bytes have this digest. A layer that was in the store already is taken
    /// by its diff id, which is its digest.
    pub(super) fn has_digest(&self, path: &[u8], digest: &Digest) -> bool {
        match self.member(path).map(|(_, member)| member) {
            Some(Member::Document(bytes)) => digest.verify(bytes).is_ok(),
            Some(Member::Layer { blob, .. }) => blob == digest,
            Some(Member::KnownLayer { blob, .. }) => blob == digest,
            Some(Member::BadLayer(_)) => true,
            Some(Member::Link(_) | Member::TooLarge) | None => false,
        }
    }

    /// Whether all layers of a manifest are kept in the form that it names.
    pub(super) fn keeps_layers_of(&self, manifest: &Manifest) -> bool {
        manifest.layers.iter().all(|layer| {
            match self.member(&blob_path(&layer.digest)).map(|(_, member)| member) {
                Some(Member::Layer { pending: Some(pending), blob, .. }) => {
                    pending.blob().is_some() && *blob == layer.digest
                }
                Some(Member::KnownLayer { blob, .. }) => self.store.has_blob(blob),
                _ => false,
            }
        })
    }

    /// Makes the layers that are wanted visible, and throws the others away.
    pub(super) fn commit_layers<'b>(
        &mut self,
        wanted: impl Iterator<Item = &'b Vec<u8>>,
    ) -> Result<Lease, StoreError> {
        let paths: BTreeSet<Vec<u8>> =
            wanted.filter_map(|path| Some(self.member(path)?.0.to_vec())).collect();
        let mut pending = Vec::new();
        for path in paths {
            match self.members.get_mut(&path) {
                Some(Member::Layer { pending: layer, .. }) => pending.extend(layer.take()),
                Some(Member::BadLayer(error)) => {
                    let gone = || StoreError::bad_image("invalid archive: bad layer");
                    return Err(error.take().unwrap_or_else(gone));
                }
                _ => {}
            }
        }
        let mut lease = self.store.commit_layers(pending)?;
        self.known.drain(..).for_each(|known| lease.absorb(known));
        for member in self.members.values_mut() {
            if let Member::Layer { pending, .. } = member {
                *pending = None;
            }
        }
        Ok(lease)
    }

    /// The layers must be those that the configuration names, in its order.
    pub(super) fn verify_layers(&self, image: &Assembled) -> Result<(), StoreError> {
        let config = ImageConfig::parse(&image.config)
            .map_err(|error| StoreError::bad_image_of("invalid image configuration", error))?;
        for (at, (path, expected)) in image.layers.iter().zip(&config.rootfs.diff_ids).enumerate() {
            let found = match self.member(path).map(|(_, member)| member) {
                Some(Member::Layer { diff_id, .. } | Member::KnownLayer { diff_id, .. }) => diff_id,
                // Its own error says more, when it is asked for.
                Some(Member::BadLayer(_)) => continue,
                _ => return Err(no_such_file(path)),
            };
            if found != expected {
                return Err(StoreError::bad_image(format!(
                    "invalid diffID for layer {at}: expected \"{expected}\", got \"{found}\""
                )));
            }
        }
        Ok(())
    }
}

/// What Docker says when the archive lacks a file.
pub(super) fn no_such_file(path: &[u8]) -> StoreError {
    let path = archive::unpack::printable(path);
    StoreError::bad_image(format!("open {path}: no such file or directory"))
}

/// A path inside the archive without `.` and `..`; `None` when it climbs out.
fn normal(path: &[u8]) -> Option<Vec<u8>> {
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in path.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join(&b'/'))
}

/// Where an OCI layout has a blob (image-spec image-layout.md#blobs).
pub(super) fn blob_path(digest: &Digest) -> Vec<u8> {
    format!("blobs/{}/{}", digest.algorithm().name(), digest.hex()).into_bytes()
}

/// The digest that the path `blobs/sha256/HEX` promises.
fn blob_name(path: &[u8]) -> Option<Digest> {
    let hex = path.strip_prefix(b"blobs/sha256/")?;
    Digest::from_sha256_hex(std::str::from_utf8(hex).ok()?).ok()
}

/// Whether a member that begins so can be a layer.
fn may_be_layer(start: &[u8]) -> bool {
    match decompress::recognize(start) {
        Ok(Compression::Plain) => tar::may_begin(start),
        Ok(_) => true,
        Err(_) => false,
    }
}

/// Twelve letters by which people know the layer.
fn short_name(path: &[u8]) -> String {
    let text = String::from_utf8_lossy(path);
    let mut parts = text.split('/');
    let part = match parts.next_back() {
        Some("layer.tar") | None => parts.next_back().unwrap_or(&text),
        Some(name) => name,
    };
    part.chars().take(12).collect()
}

/// Tells how far a stream was read.
struct Told<'a, R> {
    input: R,
    progress: &'a mut dyn FnMut(&LoadProgress<'_>),
    id: &'a str,
    current: u64,
    next: u64,
    total: u64,
}

impl<R: Read> Read for Told<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let got = self.input.read(buffer)?;
        self.current += got as u64;
        if self.current >= self.next || got == 0 {
            self.next = self.current + PROGRESS_BYTES;
            let (id, current, total) = (self.id, self.current, self.total);
            (self.progress)(&LoadProgress { id, current, total });
        }
        Ok(got)
    }
}
