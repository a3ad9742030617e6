//! Evaluations of the encoders that a training keeps, each as soon as it is kept.
//!
//! They are those of the training's `history`: what they find is told at once, and is at hand when
//! their turn comes. No gradient comes from it, nothing that is trained changes, and the bits are
//! those of an evaluation afterwards.

use std::sync::Arc;

use super::failure::Cause;
use super::fields::Fields;
use super::inputs::Examples;
use super::known::Network;
use super::measured::Measured;
use super::networks::{Candidate, Look};
use super::stages::Judging;
use super::{Run, State};
use crate::augment::Normalization;
use crate::check::StageKind;
use crate::device::{Precision, unless_full};
use crate::evaluate::{
    EvaluateError, Extractor, Features, Problem, Shown, THUMBNAIL, extract, judge, map,
};
use crate::graph::Stage;
use crate::interrupt::Interrupted;
use crate::nn::{self, safetensors};
use crate::store::error::RunError;
use crate::store::events::Event;
use crate::term::{Split, Term};

impl Run<'_> {
    /// Judges an encoder that a training has kept, by the evaluations of its history that are still
    /// to come. What goes wrong with one is told when its turn comes.
    pub(super) fn judge_kept(
        &self,
        state: &mut State<'_>,
        training: &Stage,
        epoch: u64,
        encoder: &[u8],
    ) {
        for position in self.graph.to_run() {
            let Some(stage) = self.graph.stage(position) else { continue };
            if stage.kind != StageKind::Evaluate || !state.waiting.contains(&stage.name) {
                continue;
            }
            let Some(Term::Output(model)) = stage.fields.get("model") else { continue };
            let of = self.graph.stage(model.stage).map(|own| &own.name);
            if model.output != "history" || of != Some(&training.name) {
                continue;
            }
            if self.interrupt.check().is_err() {
                break;
            }
            let architecture = self.architecture(model);
            let module = nn::build(&architecture, None);
            let template = module.init(state.key, &self.device.device);
            let read = safetensors::from_bytes(encoder, &[("", &template)], &self.device.device);
            let found = unless_full(|| {
                let network = Extractor { parts: vec![(module, read?.remove(0))] };
                let candidate = Candidate { epoch: Some(epoch), networks: vec![network] };
                let judging = self.judging(state, stage)?;
                self.judged(state, stage, &judging, &candidate)
            });
            let Ok(Ok::<_, Cause>(measured)) = found else { continue };
            // Whoever listens no longer hears of the next step, either.
            let _ = self.events.emit(Event::EncoderJudged {
                stage: stage.name.clone(),
                what: measured.what.clone(),
                value: measured.value,
                unit: measured.unit,
            });
            state.online.insert((stage.name.clone(), epoch), measured);
        }
        state.features.forget();
        // A GPU has one precision at a time.
        let _ = self.device.in_precision(Fields(training).precision());
    }

    /// What an evaluation finds of one network.
    pub(super) fn judged(
        &self,
        state: &mut State<'_>,
        stage: &Stage,
        judging: &Judging<'_>,
        candidate: &Candidate,
    ) -> Result<Measured, Cause> {
        let Judging { protocol, on, fit, classes, .. } = judging;
        let mut read = |of| self.features(state, stage, judging, candidate, of);
        let on = read(on)?;
        let fit = fit.as_ref().map(read).transpose()?;
        let own = self.device.in_precision(Precision::F32).map_err(RunError::from)?;
        let (device, classes) = (&own.for_protocols(), *classes);
        let found = self.watched(|watch| {
            judge(protocol, &Problem { fit: fit.as_deref(), on: &on, classes, device, watch })
        })?;
        let fields = Fields(stage);
        let found = match fields.views() {
            Some(views) => found.shown_by(&views.to_string()),
            None => found,
        };
        let found = found.computed_in(fields.precision()).of_networks(candidate.networks.len());
        Ok(Measured::of(protocol, candidate.epoch, found))
    }

    /// Where the examples that an evaluation judges lie among each other, as a picture.
    pub(super) fn drawn(
        &self,
        state: &mut State<'_>,
        stage: &Stage,
        judging: &Judging<'_>,
        candidate: &Candidate,
    ) -> Result<String, Cause> {
        let Judging { on, classes, .. } = judging;
        let features = self.features(state, stage, judging, candidate, on)?;
        let (Examples { images, indices, .. }, split) = on;
        let first = Fields(stage).recipes().swap_remove(0);
        let recipe = first.within(THUMBNAIL, [images.height, images.width]);
        let normalization = &Normalization { mean: [0.0; 3], std: [1.0; 3] };
        let shown = Shown { images, recipe: &recipe, view: 0, normalization };
        Ok(map(&features, &shown, indices, split.labeled.then_some(*classes)))
    }

    /// The features of a split, read where they are not at hand.
    fn features(
        &self,
        state: &mut State<'_>,
        stage: &Stage,
        Judging { recipes, .. }: &Judging<'_>,
        candidate: &Candidate,
        (examples, split): &(Examples, &Split),
    ) -> Result<Arc<Features>, Cause> {
        let precision = Fields(stage).precision();
        let own = self.device.in_precision(precision).map_err(RunError::from)?;
        let judged = Network::of(stage, candidate.epoch);
        let Examples { images, indices, normalization } = examples;
        let known = &mut state.features;
        let read = self.watched(|watch| {
            known.of(&judged, split, || {
                let of = |Look { network, recipe, view }: Look<'_>| {
                    let shown = Shown { images, recipe, view, normalization };
                    extract(network, &shown, indices, split.part, &own, watch)
                };
                let all = candidate.looks(recipes).map(of).collect::<Result<Vec<_>, _>>()?;
                Ok::<_, Interrupted>(Arc::new(Features::side_by_side(all)))
            })
        });
        Ok(read.map_err(EvaluateError::from)?)
    }
}
