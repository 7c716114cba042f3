//! A store with its registries, and small images.

use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use archive::Unpacker;
use archive::tar::{Entry, EntryKind, Time, Writer};
use bytes::Bytes;
use distribution::{
    Credentials, DistributionError, Progress, ProgressEvent, PullSpec, Pulled, PushSpec, Pushed,
    Registries, RegistriesSpec, Timeouts,
};
use oci::{Descriptor, Digest, Reference, media_type};
use store::Store;

/// A store in a directory of its own.
pub struct House {
    pub store: Arc<Store>,
    pub registries: Arc<Registries>,
    root: tempfile::TempDir,
}

/// An image as registries hold it.
#[derive(Clone)]
pub struct Crafted {
    pub manifest: Bytes,
    pub media_type: String,
    pub config: Bytes,
    /// Compressed, with their descriptors.
    pub layers: Vec<(Descriptor, Bytes)>,
}

impl House {
    pub fn new() -> House {
        House::with(|_| {})
    }

    /// With a configuration that is changed; waits between tries are short.
    pub fn with(change: impl FnOnce(&mut RegistriesSpec)) -> House {
        House::at(tempfile::tempdir().unwrap(), change)
    }

    fn at(root: tempfile::TempDir, change: impl FnOnce(&mut RegistriesSpec)) -> House {
        let store = Arc::new(Store::open(&root.path().join("store"), Unpacker::InProcess).unwrap());
        let mut spec =
            RegistriesSpec { retry_step: Duration::from_millis(1), ..Default::default() };
        spec.network.certificate_directories = vec![root.path().join("certs.d")];
        spec.network.timeouts = Timeouts {
            connect: Duration::from_secs(60),
            head: Duration::from_secs(60),
            stall: Duration::from_secs(60),
        };
        spec.platform = oci::Platform::of("linux", "amd64", "");
        change(&mut spec);
        let registries = Arc::new(Registries::new(spec, Arc::clone(&store)).unwrap());
        House { store, registries, root }
    }

    /// The same store, opened by another engine.
    pub fn reopened(self, change: impl FnOnce(&mut RegistriesSpec)) -> House {
        let House { store, registries, root } = self;
        drop((registries, store));
        House::at(root, change)
    }

    pub fn path(&self) -> &std::path::Path {
        self.root.path()
    }

    pub async fn pull(&self, name: &str) -> Result<Vec<Pulled>, DistributionError> {
        self.pull_as(name, None).await
    }

    pub async fn pull_as(
        &self,
        name: &str,
        credentials: Option<Credentials>,
    ) -> Result<Vec<Pulled>, DistributionError> {
        let reference = Reference::parse(name).unwrap();
        let spec = PullSpec { reference, platform: None, credentials };
        self.registries.pull(spec, &Progress::none()).await
    }

    pub async fn push(&self, name: &str) -> Result<Pushed, DistributionError> {
        self.push_as(name, None).await
    }

    pub async fn push_as(
        &self,
        name: &str,
        credentials: Option<Credentials>,
    ) -> Result<Pushed, DistributionError> {
        let reference = Reference::parse(name).unwrap();
        let spec = PushSpec { reference, platform: None, credentials };
        self.registries.push(spec, &Progress::none()).await
    }

    /// The error of a pull, in full.
    pub async fn refused(&self, name: &str) -> String {
        let error = self.pull(name).await.expect_err("the pull must fail");
        stdx::error::chain(&error).to_string()
    }

    /// A pull with everything that is told meanwhile.
    pub async fn told(
        &self,
        name: &str,
    ) -> (Result<Vec<Pulled>, DistributionError>, Vec<ProgressEvent>) {
        let (progress, reader) = Progress::channel();
        let reference = Reference::parse(name).unwrap();
        let spec = PullSpec { reference, platform: None, credentials: None };
        let result = self.registries.pull(spec, &progress).await;
        drop(progress);
        let mut events = Vec::new();
        while let Some(event) = reader.next().await {
            events.push(event);
        }
        (result, events)
    }

    pub fn tag(&self, id: &Digest, name: &str) {
        self.store.tag(id, &Reference::parse(name).unwrap()).unwrap();
    }

    /// Nothing is listed, nothing half made lies about; layers that were still being unpacked when
    /// the pull failed have a moment to see it.
    pub fn assert_empty(&self) {
        assert!(self.store.images().is_empty());
        let left = |name: &str| {
            let path = self.root.path().join("store").join(name);
            std::fs::read_dir(path).map(|entries| entries.count()).unwrap_or(0)
        };
        let deadline = Instant::now() + Duration::from_secs(20);
        while left("tmp") > 0 && Instant::now() < deadline {
            self.store.sweep().unwrap();
            std::thread::yield_now();
        }
        assert_eq!((left("tmp"), left("images")), (0, 0));
    }
}

/// A layer with these files, not compressed.
pub fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new());
    for (path, content) in files {
        let kind = EntryKind::File { size: content.len() as u64, segments: None };
        let mtime = Time { seconds: 1_600_000_000, nanoseconds: 0 };
        let path = path.as_bytes().to_vec();
        let entry = Entry { path, kind, mode: 0o644, uid: 0, gid: 0, mtime, xattrs: Vec::new() };
        writer.append(&entry, *content).unwrap();
    }
    writer.finish().unwrap()
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Bytes that do not compress, the same each time.
pub fn noise(count: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    std::iter::repeat_with(next).take(count).collect()
}

pub fn config(diff_ids: &[Digest], architecture: &str) -> Bytes {
    let value = serde_json::json!({
        "architecture": architecture, "os": "linux",
        "config": {"Cmd": ["sh"]},
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
    });
    serde_json::to_vec(&value).unwrap().into()
}

/// An image of these layers.
pub fn craft(layers: &[Vec<u8>]) -> Crafted {
    craft_for(layers, "amd64")
}

pub fn craft_for(layers: &[Vec<u8>], architecture: &str) -> Crafted {
    let diff_ids: Vec<Digest> = layers.iter().map(|layer| Digest::of(layer)).collect();
    let config = config(&diff_ids, architecture);
    let layers: Vec<(Descriptor, Bytes)> = layers
        .iter()
        .map(|layer| {
            let bytes = Bytes::from(gzip(layer));
            (Descriptor::of(media_type::OCI_LAYER_GZIP, &bytes), bytes)
        })
        .collect();
    crafted(config, layers)
}

pub fn crafted(config: Bytes, layers: Vec<(Descriptor, Bytes)>) -> Crafted {
    let forms: Vec<&Descriptor> = layers.iter().map(|(form, _)| form).collect();
    let manifest = serde_json::to_vec(&serde_json::json!({
        "schemaVersion": 2, "mediaType": media_type::OCI_MANIFEST,
        "config": Descriptor::of(media_type::OCI_CONFIG, &config), "layers": forms,
    }));
    let media_type = media_type::OCI_MANIFEST.to_owned();
    Crafted { manifest: manifest.unwrap().into(), media_type, config, layers }
}

/// Two layers of some kilobytes.
pub fn small() -> Crafted {
    craft(&[tar(&[("a", b"one"), ("b", &noise(5000))]), tar(&[("c", &noise(300_000))])])
}

pub fn password(username: &str, password: &str) -> Option<Credentials> {
    let (username, password) = (username.to_owned(), password.to_owned());
    Some(Credentials::Password { username, password })
}
