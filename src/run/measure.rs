//! How long stages would take, and how much memory, found out by beginning each of them.
//!
//! What is begun is what a run would begin, in a store of its own that is gone afterwards. Where a
//! stage needs the weights of one that has not run, fresh ones stand in: they take as long.

use std::collections::BTreeMap;
use std::time::Instant;

use super::estimate::most_memory;
use super::fields::Fields;
use super::inputs::{Datasets, Examples};
use super::networks::Look;
use super::plan::{Next, Plan, Planned};
use super::prepare::datasets;
use super::stages::Judging;
use super::timed::{TRIAL, Timed};
use super::{Cause, Failure, Run, State};
use crate::check::StageKind;
use crate::data::Supply;
use crate::device::{Precision, Selected};
use crate::evaluate::{EvaluateError, Features, Problem, Shown, batch, extract, judge};
use crate::graph::Stage;
use crate::interrupt::Interrupt;
use crate::random::Key;
use crate::store::error::RunError;
use crate::store::{Finished, Lookup};
use crate::term::{Part, Split, Term};
use crate::train::{Session, Task, TrainError};
use crate::watch::Watch;

impl Run<'_> {
    /// Begins every stage of a plan that is to run, tells of each by its name, and notes how long
    /// it would take and how much memory the process has needed. Nothing is downloaded: where a
    /// dataset is missing, the stages that read it are left out; pictures are decoded into the cache.
    /// Where `run` would end before it begins, so does this.
    pub fn measure(&self, plan: &mut Plan<'_>, tell: &dyn Fn(&str)) -> Result<(), Failure> {
        if plan.obstacle().is_some() {
            return Ok(());
        }
        let scratch = tempfile::tempdir()
            .map_err(|cause| RunError::StoreUnwritable { path: std::env::temp_dir(), cause })?;
        let mut state = State {
            finished: self.finished()?,
            stand_ins: true,
            ..State::new(self.seed, Datasets::new(&self.locations))
        };
        let mut is_whole = true;
        for own in &mut plan.stages {
            let missing = datasets(own.stage).find(|dataset| {
                let supply = plan.datasets.get(&dataset.to_string());
                supply.is_none_or(|supply| matches!(supply, Supply::Download { .. }))
            });
            let done = match (&own.next, missing) {
                (Next::Cached | Next::SameAs(_), _) => continue,
                (Next::Run { standing, .. }, None) => standing.map_or(0, |own| own.step),
                (Next::Run { .. }, Some(dataset)) => {
                    own.unmeasured = Some(format!("`{dataset}` is not here"));
                    is_whole = false;
                    continue;
                }
                _ => {
                    own.unmeasured = Some("it cannot run now".to_owned());
                    is_whole = false;
                    continue;
                }
            };
            tell(&own.stage.name);
            for dataset in datasets(own.stage) {
                let loaded = self.watched(|watch| state.datasets.dataset(dataset, watch));
                loaded.map_err(|error| Failure::of(own.stage, error.into()))?;
            }
            // Its end is not the end of the next one either.
            let trial = self.trial(scratch.path())?;
            let seconds = trial
                .unless_full(own.stage, || trial.seconds(&mut state, own, done, &self.interrupt));
            match seconds {
                Ok(seconds) => own.seconds = Some(seconds),
                // Where others can be measured, so they are.
                Err(
                    cause @ (Cause::Empty(_)
                    | Cause::Evaluate(_)
                    | Cause::Train(TrainError::NotFinite(_))
                    | Cause::Run(RunError::DeviceFull { .. })),
                ) if !cause.is_interrupt() => {
                    is_whole = false;
                    let help = cause.help().map(|help| format!(" ({help})")).unwrap_or_default();
                    let why = format!("{}{help}", cause.message());
                    tell(&format!("{}, which cannot be: {why}", own.stage.name));
                    own.unmeasured = Some(why);
                }
                Err(cause) => return Err(Failure::of(own.stage, cause)),
            }
        }
        plan.room.measured =
            most_memory().filter(|_| is_whole && self.device.is_host()).map(u128::from);
        Ok(())
    }

    /// The stages that the store holds.
    fn finished(&self) -> Result<BTreeMap<usize, Finished>, Failure> {
        let lookups = self.look_up()?.into_iter();
        Ok(lookups
            .filter_map(|(position, lookup)| match lookup {
                Lookup::Finished(finished) => Some((position, finished)),
                _ => None,
            })
            .collect())
    }

    /// How many seconds a stage would take from there.
    fn seconds(
        &self,
        state: &mut State<'_>,
        planned: &Planned<'_>,
        done: u64,
        asked: &Interrupt,
    ) -> Result<f64, Cause> {
        let begun = Instant::now();
        let stage = planned.stage;
        match stage.kind {
            StageKind::Pretrain | StageKind::Finetune => {
                let (session, mut task) = self.prepared(state, stage)?;
                let setup = begun.elapsed();
                Ok(setup.as_secs_f64() + self.trained(&session, &mut task, stage, done, asked)?)
            }
            StageKind::Evaluate => self.evaluated(state, planned, asked),
        }
    }

    /// How long a training would take from there.
    fn trained(
        &self,
        session: &Session<'_>,
        task: &mut dyn Task,
        stage: &Stage,
        done: u64,
        asked: &Interrupt,
    ) -> Result<f64, Cause> {
        let place = self.store.stage(&self.key(stage));
        let mut partial = place.begin(place.lock("a trial")?)?;
        let begun = Instant::now();
        let mut timed = Timed::new(task, session.interrupt, asked);
        match session.run(&mut timed, &mut partial, &mut |_, _| {}) {
            Ok(_) | Err(TrainError::Interrupted) => {}
            Err(error) => return Err(error.into()),
        }
        let ended = Instant::now();
        asked.check()?;
        let steps = session.steps().saturating_sub(done);
        Ok(timed.seconds(begun, ended, steps, session.steps_per_epoch()))
    }

    /// How long an evaluation would take: features are read for a while, the protocol is carried
    /// out on as many as there are.
    fn evaluated(
        &self,
        state: &mut State<'_>,
        Planned { stage, reads, .. }: &Planned<'_>,
        asked: &Interrupt,
    ) -> Result<f64, Cause> {
        let Judging { protocol, recipes, on, fit, classes } = self.judging(state, stage)?;
        let model = Fields(stage).get("model");
        let begun = Instant::now();
        let candidates = self.candidates(state, model);
        let (networks, each) = (candidates.len() as f64, self.stood_in(state, model));
        let Some(first) = candidates.first() else { return Ok(0.0) };
        let candidate = self.candidate(state, stage, *first)?;
        let setup = begun.elapsed().as_secs_f64();
        let own = self.device.in_precision(Fields(stage).precision()).map_err(RunError::from)?;
        let (mut all, mut per_image) = (Vec::new(), 0.0);
        for look in candidate.looks(&recipes) {
            let (features, own) = self.read_for_a_while(look, &own, &on, asked)?;
            all.push(features);
            per_image += own;
        }
        let features = Features::side_by_side(all);
        let read = |split: &&Split| {
            let of_fit = fit.as_ref().filter(|(_, own)| own == split);
            of_fit.unwrap_or(&on).0.indices.len()
        };
        let images: usize = reads.iter().map(read).sum();
        let features = |(examples, split): &(Examples, &Split)| {
            repeated(&features, examples.indices.len(), split.part, state.key)
        };
        let (on, fit) = (features(&on), fit.as_ref().map(features));
        let begun = Instant::now();
        let own = self.device.in_precision(Precision::F32).map_err(RunError::from)?;
        let device = &own.for_protocols();
        // What the user asks for ends the protocol.
        let watch = Watch::new(asked, &|_| {});
        judge(protocol, &Problem { fit: fit.as_ref(), on: &on, classes, device, watch })?;
        let judged = begun.elapsed().as_secs_f64();
        Ok(each * networks * (setup + images as f64 * per_image + judged))
    }

    /// How many networks one that stands in stands for.
    fn stood_in(&self, state: &State<'_>, model: &Term) -> f64 {
        match model {
            Term::Output(output) if state.stands_in(output.stage) => {
                self.candidates_of(model) as f64
            }
            _ => 1.0,
        }
    }

    /// Features of some examples, and the seconds that one takes.
    fn read_for_a_while(
        &self,
        Look { network, recipe, view }: Look<'_>,
        device: &Selected,
        (examples, split): &(Examples, &Split),
        asked: &Interrupt,
    ) -> Result<(Features, f64), Cause> {
        let mut found: Option<Features> = None;
        let mut begun = Instant::now();
        let mut timed = 0;
        let Examples { images, normalization, .. } = examples;
        let shown = Shown { images, recipe, view, normalization };
        let [height, width] = shown.size();
        let batch = batch(height * width);
        for indices in examples.indices.chunks(batch) {
            let features =
                extract(network, &shown, indices, split.part, device, Watch::new(asked, &|_| {}));
            let features = features.map_err(EvaluateError::from)?;
            match &mut found {
                // The first pass makes buffers.
                None if examples.indices.len() > batch => begun = Instant::now(),
                _ => timed += indices.len(),
            }
            found.get_or_insert(features);
            if begun.elapsed() >= TRIAL {
                break;
            }
        }
        let features = found.ok_or_else(|| Cause::Empty("there is no example".to_owned()))?;
        Ok((features, begun.elapsed().as_secs_f64() / timed.max(1) as f64))
    }
}

/// As many features as there are examples, each near one of those found.
fn repeated(found: &Features, count: usize, part: Part, key: Key) -> Features {
    let mut rng = key.named("trial").stream();
    let rows = (0..count).map(|index| index % found.len());
    let scale = found.values.iter().fold(0.0_f32, |most, value| most.max(value.abs())) * 0.05;
    let values = rows.clone().flat_map(|row| found.row(row).iter().copied());
    Features {
        values: values.map(|value| value + scale * rng.uniform_in(-1.0, 1.0)).collect(),
        dim: found.dim,
        labels: rows.map(|row| found.labels[row]).collect(),
        part,
    }
}
