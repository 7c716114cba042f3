//! How much room images take.

use std::collections::{BTreeMap, BTreeSet};

use oci::Digest;

use crate::record::BlobRecord;
use crate::store::{State, Store};

/// How much room the layers of all images and root file systems take. A layer lies on the disk
/// once, however many images stand on it, and is counted once; with its files count the forms in
/// which registries have it that are kept, and with all of it what has come in of layers so far.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct LayerUsage {
    /// Bytes of all layers.
    pub bytes: u64,
    /// Bytes of those that only images without users stand on.
    pub reclaimable_bytes: u64,
    /// Of each image, the bytes of the files of those layers that other images stand on, too.
    pub shared_bytes: BTreeMap<Digest, u64>,
}

impl Store {
    /// Reckons it; `used` are the images that containers stand on.
    pub fn layer_usage(&self, used: &BTreeSet<Digest>) -> LayerUsage {
        let kept_forms = self.kept_bytes();
        let arrived = self.arrived_bytes();
        let state = self.state();
        let room_of = |layer: &Digest| {
            state.bytes_of(layer) + kept_forms.get(layer).copied().unwrap_or_default()
        };
        let mut images_of: BTreeMap<&Digest, usize> = BTreeMap::new();
        let sets: BTreeMap<&Digest, BTreeSet<&Digest>> = state
            .images
            .iter()
            .map(|(id, image)| (id, image.record.layers.iter().collect()))
            .collect();
        for layer in sets.values().flatten() {
            *images_of.entry(layer).or_default() += 1;
        }
        let is_shared = |layer: &&&Digest| images_of.get(**layer).is_some_and(|images| *images > 1);
        let shared_bytes = sets
            .iter()
            .map(|(id, layers)| {
                let shared = layers.iter().filter(is_shared);
                ((*id).clone(), shared.map(|layer| state.bytes_of(layer)).sum())
            })
            .collect();
        // A container keeps its layers even when its image was removed by force.
        let rootfs = state.rootfs.values().flatten().flat_map(|rootfs| &rootfs.layers);
        let of_used =
            sets.iter().filter(|(id, _)| used.contains(*id)).flat_map(|(_, layers)| layers);
        let kept: BTreeSet<&Digest> = rootfs.chain(of_used.copied()).collect();
        let bytes = state.layers.keys().map(room_of).sum::<u64>() + arrived;
        let kept_bytes: u64 = kept.into_iter().map(room_of).sum();
        LayerUsage {
            bytes,
            reclaimable_bytes: u64::saturating_sub(bytes, kept_bytes),
            shared_bytes,
        }
    }

    /// Bytes of each layer that is there, with those of the forms of it that are kept.
    pub fn layer_sizes(&self) -> BTreeMap<Digest, u64> {
        let forms = self.kept_bytes();
        let state = self.state();
        let layers = state.layers.keys();
        let sizes = layers.map(|layer| {
            let forms = forms.get(layer).copied().unwrap_or_default();
            (layer.clone(), state.bytes_of(layer) + forms)
        });
        sizes.collect()
    }

    /// Of each layer, the bytes of the forms that are here. Looks at the disk: without the state.
    fn kept_bytes(&self) -> BTreeMap<Digest, u64> {
        let layers: Vec<_> = {
            let state = self.state();
            let layers = state.layers.iter().filter(|(_, layer)| !layer.blobs.is_empty());
            layers.map(|(diff_id, layer)| (diff_id.clone(), layer.blobs.clone())).collect()
        };
        let sum = |(diff_id, forms): (Digest, Vec<BlobRecord>)| {
            let here = forms.iter().filter(|form| self.has_blob(&form.digest));
            (diff_id, here.map(|form| form.size).sum())
        };
        layers.into_iter().map(sum).collect()
    }
}

impl State {
    fn bytes_of(&self, layer: &Digest) -> u64 {
        self.layers.get(layer).map_or(0, |layer| layer.record.facts.size)
    }
}

#[cfg(test)]
mod tests;
