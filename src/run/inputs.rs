//! What stages are given: datasets and parts of them, each loaded once.

use std::path::PathBuf;
use std::sync::Arc;

use indexmap::IndexMap;

use crate::augment::Normalization;
use crate::data::{self, Content, DataError, Dataset, Images, Lookup, Supply, stratified};
use crate::random::Key;
use crate::term::{Call, Part, Split};
use crate::watch::Watch;

/// Where datasets are looked for and kept.
#[derive(Clone, Debug)]
pub struct Locations {
    /// `--data-dir`
    pub data_dir: Option<PathBuf>,
    /// `CPIPE_DATA`
    pub environment: Option<PathBuf>,
    /// Where downloads go.
    pub cache: PathBuf,
    /// Never download.
    pub offline: bool,
    /// `CPIPE_MIRROR`: where to download from, in place of the publisher's address.
    pub mirror: Option<String>,
}

/// A part of a dataset in memory.
pub struct Examples {
    pub images: Arc<Images>,
    /// Which of them, ascending.
    pub indices: Arc<Vec<u32>>,
    pub normalization: Normalization,
}

/// The datasets that a run has loaded.
pub struct Datasets<'a> {
    locations: &'a Locations,
    loaded: IndexMap<String, Dataset>,
}

impl<'a> Datasets<'a> {
    pub fn new(locations: &'a Locations) -> Self {
        Datasets { locations, loaded: IndexMap::new() }
    }

    /// The examples of a split; a share of them follows from `key`.
    pub fn split(
        &mut self,
        split: &Split,
        key: Key,
        watch: Watch<'_>,
    ) -> Result<Examples, DataError> {
        let dataset = self.dataset(&split.dataset, watch)?;
        let images = match split.part {
            Part::Train => dataset.train,
            Part::Test => dataset.test,
        };
        let indices = stratified(&images.labels, split.share(), key.named("sample"));
        let normalization = dataset.normalization;
        Ok(Examples { images, indices: Arc::new(indices), normalization })
    }

    /// Whether a dataset is in memory.
    pub fn holds(&self, call: &Call) -> bool {
        self.loaded.contains_key(&call.to_string())
    }

    /// A dataset, found and verified; loaded where it is not yet.
    pub fn dataset(&mut self, call: &Call, watch: Watch<'_>) -> Result<Dataset, DataError> {
        let name = call.to_string();
        if let Some(loaded) = self.loaded.get(&name) {
            return Ok(loaded.clone());
        }
        let loaded = data::load(call, &self.source(watch))?;
        self.loaded.insert(name, loaded.clone());
        Ok(loaded)
    }

    /// The datasets of which pictures are left out, and those pictures, with the reason of each.
    pub fn left_out(&self) -> impl Iterator<Item = (&str, &[(PathBuf, String)])> {
        let loaded = self.loaded.iter().map(|(name, own)| (name.as_str(), &*own.left_out));
        loaded.filter(|(_, left_out)| !left_out.is_empty())
    }

    /// What the images of a dataset are, as far as that is known. Loads nothing.
    pub fn content(&self, call: &Call, watch: Watch<'_>) -> Result<Content, DataError> {
        data::content(call, &self.source(watch))
    }

    /// Where a dataset would be taken from. Loads nothing.
    pub fn locate(&self, call: &Call, watch: Watch<'_>) -> Result<Supply, DataError> {
        data::locate(call, &self.source(watch))
    }

    /// The bytes of pixels of a dataset that an attempt to decode it has left.
    pub fn written(&self, call: &Call, watch: Watch<'_>) -> u64 {
        data::written(call, &self.source(watch))
    }

    fn source<'s>(&'s self, watch: Watch<'s>) -> Lookup<'s> {
        let locations = self.locations;
        Lookup {
            data_dir: locations.data_dir.as_deref(),
            environment: locations.environment.clone(),
            cache: locations.cache.clone(),
            offline: locations.offline,
            mirror: locations.mirror.as_deref(),
            watch,
        }
    }
}
