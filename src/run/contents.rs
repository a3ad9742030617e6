//! What is known of the images and weights that a run reads besides what its text says: part of what results are
//! stored under.

use std::collections::BTreeSet;
use std::collections::btree_map::{BTreeMap, Entry};
use std::sync::{Arc, Mutex, PoisonError};

use super::Run;
use super::failure::{Cause, Failure};
use super::inputs::Datasets;
use super::prepare::datasets;
use super::weights;
use crate::data::Content;
use crate::graph::Stage;
use crate::term::Call;

/// By the text of a dataset's call, as they were last found. Clones find together.
#[derive(Clone, Debug, Default)]
pub struct Contents(Arc<Mutex<BTreeMap<String, Content>>>);

impl Contents {
    /// `None` where the same text means the same images.
    pub(super) fn of(&self, call: &Call) -> Option<Content> {
        let contents = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        contents.get(&call.to_string()).filter(|own| **own != Content::Fixed).cloned()
    }

    /// The digests of what is read that a text names and does not hold, by that text.
    pub fn known(&self) -> BTreeMap<String, String> {
        let contents = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let digest = |(text, own): (&String, &Content)| match own {
            Content::Known(digest) => Some((text.clone(), digest.clone())),
            Content::Fixed | Content::Unread => None,
        };
        contents.iter().filter_map(digest).collect()
    }
}

/// What a stage reads that its text names and does not hold.
#[derive(Clone, Copy)]
enum Input<'s> {
    Dataset(&'s Call),
    Weights(&'s Call),
}

impl<'s> Input<'s> {
    fn call(self) -> &'s Call {
        match self {
            Input::Dataset(call) | Input::Weights(call) => call,
        }
    }
}

fn inputs(stage: &Stage) -> impl Iterator<Item = Input<'_>> {
    datasets(stage).map(Input::Dataset).chain(weights::files(stage).map(Input::Weights))
}

impl Run<'_> {
    /// Finds out what the images of all datasets are, and the weights of all files. Images of which
    /// nothing is known yet are loaded, which takes as long as it takes to read them.
    pub(super) fn read_contents(&self) -> Result<(), Failure> {
        let mut sources = Datasets::new(&self.locations);
        self.find_contents(|stage, input| {
            let content = match input {
                Input::Dataset(call) => self.content(call, &mut sources),
                Input::Weights(call) => {
                    weights::content(call, &self.locations).map_err(Cause::from)
                }
            };
            content.map_err(|cause| Failure::of(stage, cause))
        })
    }

    fn content(&self, call: &Call, sources: &mut Datasets<'_>) -> Result<Content, Cause> {
        let known = self.watched(|watch| sources.content(call, watch))?;
        if known != Content::Unread {
            return Ok(known);
        }
        self.check_cache(call)?;
        let loaded = self.watched(|watch| sources.dataset(call, watch))?;
        Ok(loaded.content)
    }

    /// The same, as far as it is known without reading an image. What cannot be had is not an error.
    pub(super) fn guess_contents(&self) -> Result<(), Failure> {
        let sources = Datasets::new(&self.locations);
        self.find_contents(|_, input| {
            let found = match input {
                Input::Dataset(call) => self.watched(|watch| sources.content(call, watch)).ok(),
                Input::Weights(call) => weights::content(call, &self.locations).ok(),
            };
            self.interrupt.check()?;
            Ok(found.unwrap_or(Content::Unread))
        })
    }

    fn find_contents(
        &self,
        mut find: impl FnMut(&Stage, Input<'_>) -> Result<Content, Failure>,
    ) -> Result<(), Failure> {
        let mut contents = BTreeMap::new();
        for position in self.graph.to_run() {
            let stage = self.graph.stage(position).expect("a position in its own graph");
            for input in inputs(stage) {
                if let Entry::Vacant(entry) = contents.entry(input.call().to_string()) {
                    entry.insert(find(stage, input)?);
                }
            }
        }
        *self.contents.0.lock().unwrap_or_else(PoisonError::into_inner) = contents;
        Ok(())
    }

    /// The images and weights on which the results of a stage depend, as texts that are equal for the same.
    pub(super) fn contents_behind(&self, stage: &Stage) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        let mut stages = vec![stage];
        while let Some(stage) = stages.pop() {
            for call in inputs(stage).map(Input::call) {
                match self.contents.of(call) {
                    None | Some(Content::Fixed) => {}
                    Some(Content::Known(digest)) => {
                        found.insert(format!("{call} holds {digest}"));
                    }
                    // The store holds nothing under that.
                    Some(Content::Unread) => {
                        found.insert(format!("{call} is not read"));
                    }
                }
            }
            stages.extend(self.graph.inputs(stage));
        }
        found
    }
}
