//! What a name stands for, manifest by manifest, as clients see it.

use docker_api::{
    AttestationFacts, Descriptor, ManifestImage, ManifestSize, ManifestSummary, OciPlatform,
    UnpackedSize,
};
use store::{Image, ManifestKind, TargetManifest};

use crate::services::Services;

/// All manifests that an image's target leads to.
pub(super) fn of(services: &Services, image: &Image) -> Vec<ManifestSummary> {
    let manifests = services.store.target_manifests(image);
    manifests.iter().map(|manifest| summary(services, manifest)).collect()
}

fn summary(services: &Services, manifest: &TargetManifest) -> ManifestSummary {
    let image = manifest.image.as_ref().and_then(|id| services.store.image(id));
    let unpacked = signed(image.as_ref().map_or(0, |image| image.size));
    let content = signed(manifest.content_bytes);
    let is_image = manifest.kind == ManifestKind::Image;
    ManifestSummary {
        id: manifest.descriptor.digest.to_string(),
        descriptor: descriptor(&manifest.descriptor),
        available: manifest.is_available,
        size: ManifestSize { content, total: content.saturating_add(unpacked) },
        kind: match manifest.kind {
            ManifestKind::Image => "image",
            ManifestKind::Attestation => "attestation",
            ManifestKind::Unknown => "unknown",
        }
        .to_owned(),
        image_data: is_image.then(|| ManifestImage {
            platform: platform(manifest, image.as_ref()),
            containers: Some(containers(services, image.as_ref())),
            size: UnpackedSize { unpacked },
        }),
        attestation_data: manifest
            .attests
            .as_ref()
            .map(|digest| AttestationFacts { of: digest.to_string() }),
    }
}

/// As the index says, or else as the image itself does.
fn platform(manifest: &TargetManifest, image: Option<&Image>) -> OciPlatform {
    let said = manifest.descriptor.platform.clone();
    said.or_else(|| image.map(|image| image.config.platform()))
        .as_ref()
        .map(oci)
        .unwrap_or_default()
}

fn containers(services: &Services, image: Option<&Image>) -> Vec<String> {
    let Some(image) = image else { return Vec::new() };
    let users = super::users(services).into_iter();
    users.filter(|user| user.image == image.id).map(|user| user.container).collect()
}

/// A descriptor as clients see it.
pub(super) fn descriptor(descriptor: &oci::Descriptor) -> Descriptor {
    Descriptor {
        media_type: descriptor.media_type.clone(),
        digest: descriptor.digest.to_string(),
        size: signed(descriptor.size),
        annotations: Some(descriptor.annotations.clone()),
        platform: descriptor.platform.as_ref().map(oci),
    }
}

fn oci(platform: &oci::Platform) -> OciPlatform {
    OciPlatform {
        architecture: platform.architecture.clone(),
        os: platform.os.clone(),
        os_version: platform.os_version.clone(),
        os_features: Some(platform.os_features.clone()),
        variant: platform.variant.clone(),
    }
}

fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}
