//! Directories with one directory a host, as Docker and containerd lay them out: `hosts.toml`,
//! `*.crt` (authorities), `NAME.cert` with `NAME.key` (who we are).

use std::path::{Path, PathBuf};

use crate::error::RegistryError;
use crate::tls::TlsSpec;

pub mod toml;

/// Most files that are looked at in one directory.
const FILES_MAX: usize = 1000;

/// The first of several directories that has one for `authority` (`host[:port]`).
pub fn directory(roots: &[PathBuf], authority: &str) -> Option<PathBuf> {
    // What comes from a server may not lead out of the directory.
    if authority.starts_with('.') || authority.contains('/') {
        return None;
    }
    roots.iter().map(|root| root.join(authority)).find(|path| path.is_dir())
}

/// The certificates in a host's directory.
pub fn certificates(directory: &Path) -> Result<TlsSpec, RegistryError> {
    let mut spec = TlsSpec::default();
    for path in files(directory)? {
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("crt") => spec.authorities.push(path),
            Some("cert") => {
                let key = path.with_extension("key");
                if !key.is_file() {
                    let reason = format!(
                        "missing key {} for client certificate {}. CA certificates must use the \
                         extension .crt",
                        name(&key),
                        name(&path)
                    );
                    return Err(RegistryError::configuration(directory.display(), reason));
                }
                spec.identity.get_or_insert((path, key));
            }
            Some("key") => {
                let certificate = path.with_extension("cert");
                if !certificate.is_file() {
                    let (certificate, key) = (name(&certificate), name(&path));
                    let reason = format!("missing client certificate {certificate} for key {key}");
                    return Err(RegistryError::configuration(directory.display(), reason));
                }
            }
            _ => {}
        }
    }
    Ok(spec)
}

/// Sorted, so that the same directory always means the same.
fn files(directory: &Path) -> Result<Vec<PathBuf>, RegistryError> {
    let failed = |cause: std::io::Error| RegistryError::Configuration {
        place: directory.display().to_string(),
        reason: "it cannot be read".to_owned(),
        cause: Some(Box::new(cause)),
    };
    let entries = std::fs::read_dir(directory).map_err(failed)?.take(FILES_MAX);
    let paths: Result<Vec<_>, _> = entries.map(|entry| entry.map(|entry| entry.path())).collect();
    let mut paths = paths.map_err(failed)?;
    paths.sort();
    Ok(paths)
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests;
