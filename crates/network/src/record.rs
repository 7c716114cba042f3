//! What is kept of networks and endpoints: `docs/formats/networks.md`.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use stdx::fs::{Durability, PathError};
use sys::libc::{EMFILE, ENFILE, ENOMEM};

use crate::error::{NetworkError, Result};
use crate::ports::PublishedPort;
use crate::spec::Pool;

/// Version of both formats.
const VERSION: u32 = 1;
/// A record has some hundred bytes, and labels.
const BYTES_MAX: u64 = 4 << 20;

/// A network, as long as it exists.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct NetworkRecord {
    /// 64 hexadecimal digits.
    pub id: String,
    /// Its name.
    pub name: String,
    /// When it was made, in nanoseconds since 1970.
    pub created_ns: i64,
    /// `bridge`.
    pub driver: String,
    /// Whether it has IPv4.
    pub ipv4: bool,
    /// Whether it has IPv6.
    pub ipv6: bool,
    /// Whether nothing goes in or out.
    pub internal: bool,
    /// Kept for inspection.
    pub attachable: bool,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Options of the driver, as the user wrote them.
    pub options: BTreeMap<String, String>,
    /// Options of the address management, as the user wrote them.
    pub address_options: Option<BTreeMap<String, String>>,
    /// Its subnets.
    pub pools: Vec<Pool>,
    /// The bridge.
    pub bridge: String,
    /// Whether it was made for this network, and goes with it; else it was there before.
    pub owns_bridge: bool,
}

/// A container's place in a network, as long as it has one.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct EndpointRecord {
    /// 64 hexadecimal digits.
    pub id: String,
    /// The network.
    pub network: String,
    /// The container.
    pub container: String,
    /// The link on our side.
    pub port: String,
    /// Hardware address of the container's side.
    pub mac: String,
    /// IPv4 address.
    pub ipv4: Option<IpAddr>,
    /// IPv6 address.
    pub ipv6: Option<IpAddr>,
    /// Names by which others in the network find it.
    pub names: Vec<String>,
    /// Published ports.
    pub published: Vec<PublishedPort>,
}

#[derive(Serialize, Deserialize)]
struct Versioned<T> {
    version: u32,
    record: T,
}

/// A directory with a file for each record.
#[derive(Debug)]
pub(crate) struct Records {
    dir: PathBuf,
    durability: Durability,
}

impl Records {
    pub(crate) fn open(dir: PathBuf, durability: Durability) -> Result<Records> {
        stdx::fs::create_dir_all(&dir, 0o700).map_err(NetworkError::Record)?;
        Ok(Records { dir, durability })
    }

    /// All of them. One that cannot be understood is renamed, and told to the operator.
    pub(crate) fn all<T: DeserializeOwned>(&self) -> Result<Vec<T>> {
        let failed = |error| NetworkError::Record(PathError::of("read", &self.dir)(error));
        let mut records = Vec::new();
        for entry in std::fs::read_dir(&self.dir).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if name.ends_with(".json") {
                records.extend(read(&path)?);
            } else if name.contains(".json.new-") {
                // An engine was killed while it wrote this; the record of before is in place.
                std::fs::remove_file(&path)
                    .map_err(|error| NetworkError::Record(PathError::of("remove", &path)(error)))?;
            }
        }
        Ok(records)
    }

    pub(crate) fn put<T: Serialize>(&self, id: &str, record: &T) -> Result<()> {
        let record = Versioned { version: VERSION, record };
        let bytes = serde_json::to_vec(&record).expect("records have texts as keys");
        stdx::fs::replace(&self.path(id), &bytes, 0o600, self.durability)
            .map_err(NetworkError::Record)
    }

    /// An absent one is fine.
    pub(crate) fn remove(&self, id: &str) -> Result<()> {
        let path = self.path(id);
        match std::fs::remove_file(&path) {
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => Ok(()),
            Err(cause) => Err(NetworkError::Record(PathError::of("remove", &path)(cause))),
            Ok(()) if self.durability == Durability::Process => Ok(()),
            // What was removed does not come back after a power cut.
            Ok(()) => stdx::fs::sync_directory(&self.dir).map_err(NetworkError::Record),
        }
    }

    fn path(&self, id: &str) -> PathBuf {
        self.dir.join(format!("{id}.json"))
    }
}

/// Nothing when it is renamed.
fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    let cause = match stdx::fs::read(path, BYTES_MAX) {
        // That the machine is short of something says nothing of the record.
        Err(error) if matches!(error.cause.raw_os_error(), Some(EMFILE | ENFILE | ENOMEM)) => {
            return Err(NetworkError::Record(error));
        }
        Err(error) => stdx::error::chain(&error).to_string(),
        Ok(bytes) => match serde_json::from_slice::<Versioned<T>>(&bytes) {
            Ok(record) if record.version == VERSION => return Ok(Some(record.record)),
            Ok(record) => format!("it has version {}, and this is {VERSION}", record.version),
            Err(error) => error.to_string(),
        },
    };
    let aside = path.with_extension("damaged");
    let renamed = std::fs::rename(path, &aside).is_ok();
    tracing::error!(path = %path.display(), cause, renamed, "a network's record is unreadable");
    Ok(None)
}
