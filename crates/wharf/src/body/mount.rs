//! `--mount`, `--volume`, `--tmpfs`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use docker_api::{BindOptions, DriverConfig, ImageOptions, Mount, TmpfsOptions, VolumeOptions};

use super::csv;
use crate::flags::number::{parse_bool, parse_bytes};

/// What `--volume` asked for.
pub struct Volumes {
    /// Those with a source.
    pub binds: Vec<String>,
    /// Paths in the container that get a volume without a name.
    pub anonymous: BTreeSet<String>,
}

/// The flag's check.
pub fn check(value: &str) -> Result<String, String> {
    parse(value).map(|_| value.to_owned())
}

/// All `--mount` flags.
pub fn all(values: &[String]) -> Result<Vec<Mount>, String> {
    values.iter().map(|value| parse(value)).collect()
}

/// `--tmpfs /path:options`.
pub fn tmpfs(values: &[String]) -> BTreeMap<String, String> {
    let pair = |value: &String| {
        let (path, options) = value.split_once(':').unwrap_or((value, ""));
        (path.to_owned(), options.to_owned())
    };
    values.iter().map(pair).collect()
}

/// All `--volume` flags.
pub fn volumes(values: &[String]) -> Result<Volumes, String> {
    let mut volumes = Volumes { binds: Vec::new(), anonymous: BTreeSet::new() };
    for value in values {
        match source(value)? {
            None => {
                volumes.anonymous.insert(value.clone());
            }
            Some(source) if source.starts_with('.') => {
                let target = value.split_once(':').map_or("", |(_, target)| target);
                volumes.binds.push(format!("{}:{target}", absolute(&source)));
            }
            Some(_) => volumes.binds.push(value.clone()),
        }
    }
    Ok(volumes)
}

/// What stands before the first colon; a single letter there is taken for a Windows drive.
fn source(spec: &str) -> Result<Option<String>, String> {
    let fail = |why: &str| Err(format!("invalid spec: {spec}: {why}"));
    if spec.is_empty() {
        return Err("invalid empty volume spec".into());
    }
    if spec.len() <= 2 {
        return Ok(None);
    }
    let mut fields: Vec<String> = Vec::new();
    let mut field = String::new();
    for c in spec.chars().map(Some).chain([None]) {
        let drive = field.len() == 1 && field.starts_with(|c: char| c.is_ascii_alphabetic());
        match c {
            Some(':') if drive => field.push(':'),
            Some(':') | None => {
                if field.is_empty() {
                    return fail("empty section between colons");
                }
                if fields.len() >= 2 && c.is_some() {
                    return fail("too many colons");
                }
                fields.push(std::mem::take(&mut field));
            }
            Some(c) => field.push(c),
        }
    }
    Ok((fields.len() > 1).then(|| fields.swap_remove(0)))
}

/// An absolute path without `.` and `..`, by text alone.
fn absolute(path: &str) -> String {
    let base = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/"));
    let mut clean = PathBuf::from("/");
    for part in base.join(Path::new(path)).components() {
        match part {
            Component::ParentDir => {
                clean.pop();
            }
            Component::Normal(name) => clean.push(name),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    clean.to_string_lossy().into_owned()
}

fn parse(value: &str) -> Result<Mount, String> {
    let mut mount = Mount { kind: "volume".into(), ..Mount::default() };
    for field in csv::fields(value)? {
        set(&mut mount, &field)?;
    }
    if mount.kind.is_empty() {
        return Err("type is required".into());
    }
    if mount.target.is_empty() {
        return Err("target is required".into());
    }
    let kind = mount.kind.as_str();
    for (options, of, present) in [
        ("volume", "volume", mount.volume_options.is_some()),
        ("bind", "bind", mount.bind_options.is_some()),
        ("tmpfs", "tmpfs", mount.tmpfs_options.is_some()),
        ("image", "image", mount.image_options.is_some()),
    ] {
        if present && kind != of {
            return Err(format!("cannot mix '{options}-*' options with mount type '{kind}'"));
        }
    }
    let Some(bind) = &mount.bind_options else { return Ok(mount) };
    let needs = |what: &str, needed: &str| {
        Err(format!(
            "option 'bind-recursive={what}' requires '{needed}' to be specified in conjunction"
        ))
    };
    if bind.read_only_non_recursive && !mount.read_only {
        return needs("writable", "readonly");
    }
    if bind.read_only_force_recursive && !mount.read_only {
        return needs("readonly", "readonly");
    }
    if bind.read_only_force_recursive && bind.propagation != "rprivate" {
        return needs("readonly", "bind-propagation=rprivate");
    }
    Ok(mount)
}

fn set(mount: &mut Mount, field: &str) -> Result<(), String> {
    let (key, value) = match field.split_once('=') {
        Some((key, value)) => (key.to_ascii_lowercase(), Some(value)),
        None => (field.to_ascii_lowercase(), None),
    };
    let switch = |value: Option<&str>| match value {
        None => Ok(true),
        Some(text) => parse_bool(text).map_err(|_| format!("invalid value for {key}: {text}")),
    };
    match key.as_str() {
        "readonly" | "ro" => mount.read_only = switch(value)?,
        "volume-nocopy" => volume(mount).no_copy = switch(value)?,
        "bind-nonrecursive" => bind(mount).non_recursive = switch(value)?,
        _ => {
            let value =
                value.ok_or_else(|| format!("invalid field '{field}' must be a key=value pair"))?;
            set_value(mount, &key, value, field)?;
        }
    }
    Ok(())
}

fn set_value(mount: &mut Mount, key: &str, value: &str, field: &str) -> Result<(), String> {
    let invalid = || format!("invalid value for {key}: {value}");
    match key {
        "type" => mount.kind = value.to_ascii_lowercase(),
        "source" | "src" => {
            let relative = value == "." || value == ".." || value.starts_with("./");
            let relative = relative || value.starts_with("../");
            mount.source = if relative { absolute(value) } else { value.to_owned() };
        }
        "target" | "dst" | "destination" => mount.target = value.to_owned(),
        "consistency" => mount.consistency = value.to_ascii_lowercase(),
        "bind-propagation" => bind(mount).propagation = value.to_ascii_lowercase(),
        "bind-recursive" => match value {
            "enabled" => {}
            "disabled" => bind(mount).non_recursive = true,
            "writable" => bind(mount).read_only_non_recursive = true,
            "readonly" => bind(mount).read_only_force_recursive = true,
            _ => {
                return Err(invalid()
                    + " (must be \"enabled\", \"disabled\", \"writable\", or \"readonly\")");
            }
        },
        "volume-subpath" => volume(mount).subpath = value.to_owned(),
        "volume-label" => insert(&mut volume(mount).labels, value),
        "volume-driver" => driver(mount).name = value.to_owned(),
        "volume-opt" => insert(&mut driver(mount).options, value),
        "image-subpath" => {
            let options = mount.image_options.get_or_insert_with(ImageOptions::default);
            options.subpath = value.to_owned();
        }
        "tmpfs-size" => {
            tmpfs_options(mount).size_bytes = parse_bytes(value).map_err(|_| invalid())?
        }
        "tmpfs-mode" => {
            tmpfs_options(mount).mode = u32::from_str_radix(value, 8).map_err(|_| invalid())?;
        }
        _ => return Err(format!("unexpected key '{key}' in '{field}'")),
    }
    Ok(())
}

fn bind(mount: &mut Mount) -> &mut BindOptions {
    mount.bind_options.get_or_insert_with(BindOptions::default)
}

fn volume(mount: &mut Mount) -> &mut VolumeOptions {
    // Docker sends an empty driver along with any option.
    let driver_config = Some(DriverConfig::default());
    mount.volume_options.get_or_insert(VolumeOptions { driver_config, ..Default::default() })
}

fn driver(mount: &mut Mount) -> &mut DriverConfig {
    volume(mount).driver_config.get_or_insert_with(DriverConfig::default)
}

fn tmpfs_options(mount: &mut Mount) -> &mut TmpfsOptions {
    mount.tmpfs_options.get_or_insert_with(TmpfsOptions::default)
}

fn insert(map: &mut Option<BTreeMap<String, String>>, pair: &str) {
    let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
    map.get_or_insert_default().insert(key.to_owned(), value.to_owned());
}
