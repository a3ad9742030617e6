//! What each kind of stage does.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::json;

use super::failure::Cause;
use super::fields::Fields;
use super::inputs::Examples;
use super::networks::{HEAD, MODEL, file, head};
use super::{Run, State};
use crate::augment::Augmentation;
use crate::check::{StageKind, declared_classes};
use crate::data::DataError;
use crate::data::ahead::default_threads;
use crate::data::loader::Loader;
use crate::device::Processes;
use crate::graph::Stage;
use crate::nn::safetensors;
use crate::objective::Learner;
use crate::random::Key;
use crate::resolve::loaded;
use crate::store::error::RunError;
use crate::store::events::Event;
use crate::store::{Finished, Partial};
use crate::term::objective::ENCODER;
use crate::term::{Call, Split, Term, Unit, batches};
use crate::train::{DeviceFeed, Feed, HostFeed, Session, Training, build_optimizer};

/// The file of a picture of features.
const MAP: &str = "map.svg";

/// Those of a run: so far one, which owns the store and the record.
const PROCESSES: Processes = Processes::ONE;

/// The most bytes of images that lie on a device: a small part of what any that trains has.
const MOST_ON_A_DEVICE: u64 = 2 << 30;

impl Run<'_> {
    pub(super) fn compute(
        &self,
        state: &mut State<'_>,
        stage: &Stage,
        partial: Partial,
        reason: &str,
    ) -> Result<Finished, Cause> {
        match stage.kind {
            StageKind::Pretrain | StageKind::Finetune => self.train(state, stage, partial, reason),
            StageKind::Evaluate => self.evaluate(state, stage, partial, reason),
        }
    }

    fn train(
        &self,
        state: &mut State<'_>,
        stage: &Stage,
        mut partial: Partial,
        reason: &str,
    ) -> Result<Finished, Cause> {
        state.features.forget();
        let (session, mut task) = self.prepared(state, stage)?;
        self.started(&session, stage, reason)?;
        let trained = session.run(&mut task, &mut partial, &mut |epoch, encoder| {
            self.judge_kept(state, stage, epoch, encoder);
        });
        let trained = trained?;
        let mut write = |name: &str, params| {
            partial.write(&file(name), &safetensors::to_bytes(&[("", params)]))
        };
        write(ENCODER, task.encoder())?;
        for (name, params) in task.program.exports().filter(|(name, _)| *name != ENCODER) {
            write(name, params)?;
        }
        if stage.kind == StageKind::Finetune {
            let (head, _) = head(Fields(stage).objective());
            let sets = [("", task.encoder()), (HEAD, &task.program.params()[head])];
            partial.write(MODEL, &safetensors::to_bytes(&sets))?;
        }
        Ok(partial.finish(json!({
            "steps": trained.steps, "epochs": trained.epochs, "kept": trained.kept, "last": trained.last,
        }))?)
    }

    /// A training, ready to begin.
    pub(super) fn prepared<'s>(
        &'s self,
        state: &mut State<'_>,
        stage: &'s Stage,
    ) -> Result<(Session<'s>, Training), Cause> {
        let fields = Fields(stage);
        let objective = fields.objective();
        let examples = self.split(state, fields.split("data"))?;
        let session = self.session(state, stage, examples, objective.views)?;
        // An objective over outputs of other stages, or over files, starts from the weights there.
        let mut graph = objective.clone();
        let mut weights = BTreeMap::new();
        for (index, module) in graph.modules.iter_mut().enumerate() {
            if matches!(module.term, Term::Output(_)) || loaded(&module.term).is_some() {
                let (term, params) = self.encoder(state, &module.term)?;
                module.term = term;
                weights.insert(index, params);
            }
        }
        let sizes = [session.feed.rows(), session.feed.examples()];
        let program = Learner::with(&graph, state.key, &self.device.device, sizes, &weights)?;
        let program = program.in_parts(fields.parts())?;
        let task = Training { program, optimizer: build_optimizer(fields.get("optimizer")) };
        Ok((session, task))
    }

    fn evaluate(
        &self,
        state: &mut State<'_>,
        stage: &Stage,
        mut partial: Partial,
        reason: &str,
    ) -> Result<Finished, Cause> {
        self.events.emit(Event::StageStarted {
            stage: stage.name.clone(),
            kind: stage.kind.name().to_owned(),
            reason: reason.to_owned(),
            steps: None,
            epochs: None,
        })?;
        let judging = self.judging(state, stage)?;
        let mut results = Vec::new();
        let candidates = self.candidates(state, Fields(stage).get("model"));
        let are_several = candidates.len() > 1;
        for epoch in candidates {
            // Each of several takes the place of the one before.
            if are_several {
                state.features.forget();
            }
            let known = epoch.and_then(|epoch| state.online.remove(&(stage.name.clone(), epoch)));
            if let Some(known) = known {
                results.push(known);
                continue;
            }
            let candidate = self.candidate(state, stage, epoch)?;
            results.push(self.judged(state, stage, &judging, &candidate)?);
            // Of several, the numbers say more than as many pictures; two views have one each.
            if epoch.is_none() && !Fields(stage).compares_pairs() {
                let drawn = self.drawn(state, stage, &judging, &candidate)?;
                partial.write(MAP, drawn.as_bytes())?;
            }
        }
        if are_several {
            state.features.forget();
        }
        if results.is_empty() {
            let message = format!("`{}` has nothing to judge: no encoder was kept", stage.name);
            return Err(Cause::Empty(message));
        }
        Ok(partial.finish(json!({ "results": results }))?)
    }

    /// What an evaluation asks for, but for the networks.
    pub(super) fn judging<'s>(
        &self,
        state: &mut State<'_>,
        stage: &'s Stage,
    ) -> Result<Judging<'s>, DataError> {
        let fields = Fields(stage);
        let Term::Call(protocol) = fields.get("protocol") else {
            unreachable!("checked by the signature")
        };
        let mut examples = |split: &'s Split| -> Result<(Examples, &'s Split), DataError> {
            Ok((self.split(state, split)?, split))
        };
        let on = fields.split("on");
        let fit = stage.fields.contains_key("fit").then(|| examples(fields.split("fit")));
        let (on, classes) = (examples(on)?, declared_classes(&on.dataset));
        let classes = classes.expect("the checker has read its signature");
        Ok(Judging { protocol, recipes: fields.recipes(), on, fit: fit.transpose()?, classes })
    }

    fn split(&self, state: &mut State<'_>, split: &Split) -> Result<Examples, DataError> {
        let key = state.key;
        self.watched(|watch| state.datasets.split(split, key, watch))
    }

    fn session<'s>(
        &'s self,
        state: &State<'_>,
        stage: &'s Stage,
        examples: Examples,
        views: usize,
    ) -> Result<Session<'s>, Cause> {
        let fields = Fields(stage);
        let args = fields.args();
        let batch = args.size("batch");
        let loader = loader(&fields, examples, views, state.key);
        let keep = match fields.0.fields.get("keep") {
            Some(Term::Duration(amount, Unit::Epochs)) => Some((amount.round() as u64).max(1)),
            _ => None,
        };
        let session = Session {
            stage: &stage.name,
            feed: self.feed(loader),
            length: args.duration("length"),
            schedule: fields.get("schedule"),
            keep,
            device: self.device.in_precision(fields.precision()).map_err(RunError::from)?,
            processes: PROCESSES,
            key: state.key.named("step"),
            observer: None,
            events: &self.events,
            interrupt: &self.interrupt,
        };
        if session.steps_per_epoch() == 0 || session.steps() == 0 {
            return Err(no_step(stage, session.feed.examples(), batch));
        }
        Ok(session)
    }

    /// Views are made where the step is computed, unless that is the processor itself or the images
    /// would take the step's room there.
    fn feed(&self, loader: Loader) -> Box<dyn Feed> {
        let device = self.device.device.clone();
        match self.views_on_device(&loader) {
            true => Box::new(DeviceFeed::new(loader, device)),
            false => Box::new(HostFeed::new(loader, device)),
        }
    }

    pub(super) fn views_on_device(&self, loader: &Loader) -> bool {
        !self.device.is_host() && DeviceFeed::size(loader) <= MOST_ON_A_DEVICE
    }

    fn started(&self, session: &Session<'_>, stage: &Stage, reason: &str) -> Result<(), RunError> {
        let (steps, per_epoch) = (session.steps(), session.steps_per_epoch());
        self.events.emit(Event::StageStarted {
            stage: stage.name.clone(),
            kind: stage.kind.name().to_owned(),
            reason: reason.to_owned(),
            steps: Some(steps),
            epochs: steps.is_multiple_of(per_epoch).then(|| steps / per_epoch),
        })
    }
}

/// A training that ends before it has begun.
pub(super) fn no_step(stage: &Stage, examples: usize, batch: usize) -> Cause {
    let why = match batches(examples, batch) {
        0 => format!("{examples} examples make no batch of {batch}"),
        per_epoch => {
            format!("its length is {}, and an epoch has {per_epoch}", Fields(stage).get("length"))
        }
    };
    Cause::Empty(format!("`{}` has no step to take: {why}", stage.name))
}

/// What makes the batches of a training.
pub(super) fn loader(fields: &Fields<'_>, examples: Examples, views: usize, key: Key) -> Loader {
    let Examples { images, indices, normalization } = examples;
    Loader {
        images,
        examples: indices,
        views: Augmentation::of_views(fields.get("views"), views),
        normalization,
        batch: fields.args().size("batch"),
        processes: PROCESSES,
        key,
        threads: default_threads(),
    }
}

/// A protocol and the examples that it is carried out on.
pub(super) struct Judging<'s> {
    pub protocol: &'s Call,
    /// What is made of each image before it is judged, for each network that looks at it.
    pub recipes: Vec<Arc<Augmentation>>,
    pub on: (Examples, &'s Split),
    pub fit: Option<(Examples, &'s Split)>,
    pub classes: usize,
}
