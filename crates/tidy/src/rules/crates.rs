//! Rules on crates and what they depend on.

use std::collections::BTreeMap;

use crate::manifest::Manifest;
use crate::{Finding, Tree};

/// Budget of a crate, unit tests included. Integration tests are not: those of the whole product
/// can only stand beside its binary, and there is no second crate to move them to.
const CRATE_LINES_MAX: usize = 12_000;

/// Manifests by the folder of the crate, `crates/FOLDER/Cargo.toml`.
fn manifests_by_folder(tree: &Tree) -> BTreeMap<&str, Manifest> {
    let folder = |path: &'_ str| {
        let rest = path.strip_prefix("crates/")?.strip_suffix("/Cargo.toml")?;
        (!rest.contains('/')).then_some(rest.len())
    };
    let own = |path: &'_ str| folder(path).map(|length| "crates/".len().."crates/".len() + length);
    tree.files()
        .filter_map(|file| Some((&file.path[own(&file.path)?], Manifest::parse(&file.text))))
        .collect()
}

pub fn layers(tree: &Tree) -> Vec<Finding> {
    let manifests = manifests_by_folder(tree);
    let mut found = Vec::new();
    for (folder, manifest) in &manifests {
        let place = format!("crates/{folder}/Cargo.toml");
        let Some(layer) = manifest.layer else {
            let message = "no `layer = N` under `[package.metadata.wharf]`";
            found.push(Finding::new(place, 1, message));
            continue;
        };
        for dependency in &manifest.dependencies {
            let Some(other) = manifests.get(dependency.name.as_str()) else { continue };
            if other.layer.is_some_and(|below| below < layer) {
                continue;
            }
            let (name, line) = (&dependency.name, dependency.line);
            let below = other.layer.map_or("none".to_owned(), |below| below.to_string());
            let message =
                format!("line {line}: layer {layer} depends on `{name}`, whose layer is {below}");
            found.push(Finding::new(format!("{place} {name}"), 1, message));
        }
    }
    found
}

pub fn manifests(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for (folder, manifest) in manifests_by_folder(tree) {
        let place = format!("crates/{folder}/Cargo.toml");
        let mut add = |message: String| found.push(Finding::new(&place, 1, message));
        if manifest.package.as_deref() != Some(folder) {
            add(format!("the package is not called `{folder}`"));
        }
        if !manifest.has_workspace_lints {
            add("no `workspace = true` under `[lints]`".to_owned());
        }
        for dependency in manifest.dependencies.iter().filter(|d| !d.is_inherited) {
            let (name, line) = (&dependency.name, dependency.line);
            add(format!("line {line}: `{name}` is not inherited from the workspace"));
        }
    }
    found
}

pub fn lengths(tree: &Tree) -> Vec<Finding> {
    let mut lines = BTreeMap::<&str, usize>::new();
    for (file, _) in tree.rust() {
        let mut parts = file.path.split('/');
        if parts.next() == Some("crates")
            && let (Some(folder), inside) = (parts.next(), parts.next())
            && inside != Some("tests")
        {
            *lines.entry(folder).or_default() += file.text.lines().count();
        }
    }
    lines
        .into_iter()
        .filter(|(_, lines)| *lines > CRATE_LINES_MAX)
        .map(|(name, lines)| {
            Finding::new(format!("crates/{name}"), lines, format!("{lines} lines"))
        })
        .collect()
}
