//! The loop of a training stage: epochs, batches, schedule, measurements, checkpoints.

use std::collections::BTreeMap;

use burn::tensor::Tensor;

use super::error::{NotFinite, TrainError};
use super::feed::Feed;
use super::progress::{Clock, Mean};
use super::saving::Saving;
use crate::device::{Array, Kernels, Processes, Reading, Selected};
use crate::interrupt::Interrupt;
use crate::objective::{Context, Inputs, Phase, Phases};
use crate::random::Key;
use crate::schedule::{self, Progress};
use crate::store::Partial;
use crate::store::checkpoint::Checkpoint;
use crate::store::error::RunError;
use crate::store::events::{Event, Events, Measured};
use crate::term::{Term, Unit};

/// What is trained: the part of a stage that the loop knows nothing about.
pub trait Task {
    /// Takes one step at the learning rate `lr`. Gives the loss and further measurements, still on
    /// the device; nothing here waits for it.
    fn step(&mut self, batch: &Inputs, lr: f64, context: Context<'_>) -> Measurements;

    /// The learning rate of the text, before the schedule.
    fn lr(&self) -> f64;

    /// Everything that steps change, by name.
    fn state(&self) -> Vec<(String, Array)>;

    /// Continues from what [`Task::state`] gave.
    fn load_state(&mut self, state: Vec<(String, Array)>) -> Result<(), String>;

    /// The encoder as it is now, as safetensors.
    fn snapshot(&self) -> Vec<u8>;
}

/// One number each, still on the device.
pub struct Measurements {
    pub loss: Array,
    pub others: Vec<(String, Array)>,
}

/// A stage's training, but for the task.
pub struct Session<'a> {
    pub stage: &'a str,
    pub feed: Box<dyn Feed>,
    pub length: (f64, Unit),
    pub schedule: &'a Term,
    /// Keep an encoder every so many epochs.
    pub keep: Option<u64>,
    /// In the precision of the stage.
    pub device: Selected,
    pub processes: Processes,
    /// What is drawn at random in a step follows from it.
    pub key: Key,
    pub observer: Option<&'a dyn Observer>,
    pub events: &'a Events,
    pub interrupt: &'a Interrupt,
}

/// Who wants to know what takes how long.
pub trait Observer {
    /// Told of every change of phase.
    fn phases(&self) -> &Phases;

    /// A step is about to begin: its batch is asked for next.
    fn step_begins(&self);

    /// No step follows for now, as an epoch has ended or the training is stopped. What is known is
    /// stored next.
    fn steps_end(&self);
}

/// What a finished training leaves besides the task.
#[derive(Clone, Debug, PartialEq)]
pub struct Trained {
    pub steps: u64,
    pub epochs: u64,
    /// The epochs after which an encoder was kept.
    pub kept: Vec<u64>,
    /// The means of the last epoch.
    pub last: Measured,
}

/// The name of the encoder kept after `epoch` epochs.
pub fn kept_name(epoch: u64) -> String {
    format!("encoder-{epoch:05}.safetensors")
}

/// The steps of a training of that length, with so many in an epoch.
pub fn steps(length: (f64, Unit), per_epoch: u64) -> u64 {
    match length {
        (amount, Unit::Steps) => amount.round() as u64,
        (amount, Unit::Epochs) => (amount * per_epoch as f64).round() as u64,
    }
}

impl Session<'_> {
    /// Steps in an epoch.
    pub fn steps_per_epoch(&self) -> u64 {
        self.feed.batches() as u64
    }

    /// Steps in all.
    pub fn steps(&self) -> u64 {
        steps(self.length, self.steps_per_epoch())
    }

    fn phases(&self) -> Option<&Phases> {
        self.observer.map(Observer::phases)
    }

    fn enter(&self, phase: Phase) {
        if let Some(phases) = self.phases() {
            phases.enter(phase);
        }
    }

    /// Trains to the end, from the last checkpoint in `partial` if there is one. `watch` is shown
    /// each encoder that is kept, with the number of its epochs, once a checkpoint holds the state.
    pub fn run(
        &self,
        task: &mut dyn Task,
        partial: &mut Partial,
        watch: &mut dyn FnMut(u64, &[u8]),
    ) -> Result<Trained, TrainError> {
        // A step is waited for, and what would be lost is saved.
        let _hold = self.interrupt.hold();
        let mut run = Running {
            session: self,
            kept: Vec::new(),
            saved: None,
            saving: None,
            next: None,
            mean: Mean::default(),
        };
        let start = run.resume(task, partial)?;
        let (steps, per_epoch) = (self.steps(), self.steps_per_epoch());
        let mut step = start;
        while step < steps {
            let epoch = step / per_epoch;
            let end = steps.min((epoch + 1) * per_epoch);
            step = run.epoch(task, partial, step, end, watch)?;
        }
        Ok(Trained {
            steps,
            epochs: steps.div_ceil(per_epoch),
            kept: run.kept,
            last: run.mean.measured,
        })
    }
}

/// Measurements of a step that are on their way from the device.
struct Pending {
    step: u64,
    lr: f64,
    names: Vec<String>,
    /// The loss, and a number for each name.
    numbers: Reading,
}

impl Pending {
    fn new(step: u64, lr: f64, measurements: Measurements, kernels: &dyn Kernels) -> Self {
        let Measurements { loss, others } = measurements;
        let (names, values): (Vec<String>, Vec<Array>) = others.into_iter().unzip();
        let all = [loss].into_iter().chain(values).map(|own| own.constant().into_tensor::<1>());
        let all = Tensor::cat(all.collect(), 0);
        Pending { step, lr, names, numbers: kernels.read(all.into()) }
    }
}

/// What is left of an epoch.
type Batches<'s> = Box<dyn Iterator<Item = Inputs> + 's>;

/// A training under way.
struct Running<'s, 'a> {
    session: &'s Session<'a>,
    kept: Vec<u64>,
    /// The step of the last checkpoint that is on the disk.
    saved: Option<u64>,
    /// The one that is being written.
    saving: Option<Saving>,
    /// The batches from a step on, an epoch's first, which are made meanwhile.
    next: Option<(u64, Batches<'s>)>,
    /// Over the epoch under way, or the last one.
    mean: Mean,
}

impl<'s> Running<'s, '_> {
    fn resume(&mut self, task: &mut dyn Task, partial: &mut Partial) -> Result<u64, TrainError> {
        let session = self.session;
        let Some(loaded) = Checkpoint::load(partial)? else { return Ok(0) };
        if let Some(error) = &loaded.newest_damaged {
            session.events.emit(Event::warning(session.stage, error))?;
        }
        let Checkpoint { step, epoch, tensors, meta, .. } = loaded.checkpoint;
        let array = |(name, shape, values): (String, Vec<usize>, Vec<f32>)| {
            (name, Array::from_vec(values, &shape, &session.device.device))
        };
        task.load_state(tensors.into_iter().map(array).collect()).map_err(TrainError::State)?;
        if let Some(mean) = meta.get(MEAN) {
            self.mean =
                serde_json::from_str(mean).map_err(|error| TrainError::State(error.to_string()))?;
        }
        // The encoders that were kept before belong to what this process will finish.
        if let Some(every) = session.keep {
            for epoch in (1..=epoch).filter(|epoch| epoch % every == 0) {
                let path = partial.folder().join(kept_name(epoch));
                let bytes = std::fs::read(&path).map_err(RunError::store_read(&path))?;
                partial.write(&kept_name(epoch), &bytes)?;
                self.kept.push(epoch);
            }
        }
        self.saved = Some(step);
        let stage = session.stage.to_owned();
        session.events.emit(Event::StageResumed { stage, step, epoch })?;
        Ok(step)
    }

    /// Takes the steps `start..end` of one epoch.
    fn epoch(
        &mut self,
        task: &mut dyn Task,
        partial: &mut Partial,
        start: u64,
        end: u64,
        watch: &mut dyn FnMut(u64, &[u8]),
    ) -> Result<u64, TrainError> {
        let session = self.session;
        let per_epoch = session.steps_per_epoch();
        let epoch = start / per_epoch;
        if start == epoch * per_epoch {
            self.mean = Mean::default();
        }
        let mut batches = match self.next.take() {
            Some((at, batches)) if at == start => batches,
            _ => self.batches(start),
        };
        let mut clock = Clock::start();
        // Measurements are waited for one step late, while the device is at the next step.
        let mut pending: Option<Pending> = None;
        let mut step = start;
        while step < end {
            if let Some(observer) = session.observer {
                observer.step_begins();
            }
            session.enter(Phase::Views);
            let Some(inputs) = batches.next() else { break };
            let progress = Progress {
                step: step as usize,
                steps: session.steps() as usize,
                steps_per_epoch: per_epoch as usize,
            };
            let lr = task.lr() * schedule::value(session.schedule, progress);
            let kernels = session.device.kernels;
            let (processes, key) = (session.processes, session.key.fold(step));
            let context = Context { kernels, progress, processes, key, phases: session.phases() };
            let measurements = task.step(&inputs, lr, context);
            session.enter(Phase::Metrics);
            if self.saving.as_ref().is_some_and(Saving::is_over) {
                self.settle()?;
            }
            step += 1;
            clock.images(session.feed.rows());
            let asked = Pending::new(step, lr, measurements, kernels);
            if let Some(pending) = pending.replace(asked) {
                self.measure(task, pending, partial, &mut clock)?;
            }
            // The first is read at once: it tells that the training has begun.
            if step == 1
                && let Some(pending) = pending.take()
            {
                self.measure(task, pending, partial, &mut clock)?;
            }
            if session.interrupt.requested() && step < end {
                if let Some(pending) = pending.take() {
                    self.measure(task, pending, partial, &mut clock)?;
                }
                if let Some(observer) = session.observer {
                    observer.steps_end();
                }
                let state = self.finite_state(task, partial, step)?;
                self.save(state, partial, step)?;
                self.settle()?;
                return Err(TrainError::Interrupted);
            }
        }
        if let Some(pending) = pending.take() {
            self.measure(task, pending, partial, &mut clock)?;
        }
        if let Some(observer) = session.observer {
            observer.steps_end();
        }
        drop(batches);
        if step < session.steps() && !session.interrupt.requested() {
            self.next = Some((step, self.batches(step)));
        }
        let state = self.finite_state(task, partial, step)?;
        let stage = session.stage.to_owned();
        let measured = self.mean.measured.clone();
        session.events.emit(Event::Epoch { stage, measured, images_per_second: clock.rate() })?;
        let complete = step / per_epoch;
        let mut kept = None;
        if let Some(every) = session.keep
            && step == complete * per_epoch
            && complete.is_multiple_of(every)
        {
            let encoder = task.snapshot();
            partial.write(&kept_name(complete), &encoder)?;
            self.kept.push(complete);
            kept = Some(encoder);
        }
        self.save(state, partial, step)?;
        let is_stopped = || session.interrupt.requested() && step < session.steps();
        if kept.is_some() || is_stopped() || step == session.steps() {
            self.settle()?;
        }
        if let Some(encoder) = kept {
            watch(complete, &encoder);
        }
        if is_stopped() {
            self.settle()?;
            return Err(TrainError::Interrupted);
        }
        Ok(step)
    }

    /// The batches of the epoch that holds a step, from that on.
    fn batches(&self, step: u64) -> Batches<'s> {
        let session = self.session;
        let per_epoch = session.steps_per_epoch();
        let (epoch, first) = (step / per_epoch, (step % per_epoch) as usize);
        session.feed.epoch(epoch, first, session.phases())
    }

    /// Reads a step's measurements, notes them, and stops where the loss is no number.
    fn measure(
        &mut self,
        task: &dyn Task,
        Pending { step, lr, names, numbers }: Pending,
        partial: &mut Partial,
        clock: &mut Clock,
    ) -> Result<(), TrainError> {
        let session = self.session;
        let mut numbers = numbers.wait().into_iter().map(f64::from);
        let loss = numbers.next().unwrap_or(f64::NAN);
        let epoch = (step - 1) / session.steps_per_epoch() + 1;
        if !loss.is_finite() {
            let tensor = first_broken(&values(task));
            self.settle_anyway();
            return Err(self.not_finite(step, loss, tensor, partial));
        }
        let metrics = names.into_iter().zip(numbers).collect();
        let measured = Measured { step, epoch, loss, lr, metrics };
        partial.log(&measured)?;
        self.mean.add(&measured);
        if clock.tells() || step == 1 {
            let stage = session.stage.to_owned();
            session.events.emit(Event::Step {
                stage,
                measured,
                images_per_second: clock.rate(),
            })?;
        }
        Ok(())
    }

    /// The state after `step` steps, in which every number is finite: nothing else is written.
    fn finite_state(
        &mut self,
        task: &dyn Task,
        partial: &Partial,
        step: u64,
    ) -> Result<Vec<Values>, TrainError> {
        self.session.enter(Phase::Checkpoint);
        // Of two states one is on its way to the disk, and the other not copied yet.
        self.settle()?;
        let state = values(task);
        match first_broken(&state) {
            None => Ok(state),
            tensor => {
                self.settle_anyway();
                Err(self.not_finite(step, self.mean.measured.loss, tensor, partial))
            }
        }
    }

    fn not_finite(
        &self,
        step: u64,
        loss: f64,
        tensor: Option<String>,
        partial: &Partial,
    ) -> TrainError {
        let epoch = (step - 1) / self.session.steps_per_epoch() + 1;
        let saved = self.saved.map(|step| (step, Checkpoint::path(partial)));
        TrainError::NotFinite(NotFinite { step, epoch, loss, tensor, saved })
    }

    /// Begins to write a checkpoint; the one before is written.
    fn save(
        &mut self,
        tensors: Vec<Values>,
        partial: &mut Partial,
        step: u64,
    ) -> Result<(), TrainError> {
        let session = self.session;
        // The mean of an epoch goes on where it stopped.
        let mean = serde_json::to_string(&self.mean)
            .map_err(|error| TrainError::State(error.to_string()))?;
        let checkpoint = Checkpoint {
            step,
            epoch: step / session.steps_per_epoch(),
            log_len: partial.log_len(),
            meta: BTreeMap::from([(MEAN.to_owned(), mean)]),
            tensors,
        };
        self.saving = Some(Saving::start(partial.saver()?, checkpoint));
        Ok(())
    }

    /// Waits for the last checkpoint where another fault is told: `saved` says whether it is there.
    fn settle_anyway(&mut self) {
        let _ = self.settle();
    }

    /// Waits until the last checkpoint is on the disk, and says so.
    fn settle(&mut self) -> Result<(), TrainError> {
        let Some(saving) = self.saving.take() else { return Ok(()) };
        let step = saving.end()?;
        self.saved = Some(step);
        let stage = self.session.stage.to_owned();
        self.session.events.emit(Event::CheckpointSaved { stage, step })?;
        Ok(())
    }
}

/// Name, shape and values of a tensor, as a checkpoint keeps it.
type Values = (String, Vec<usize>, Vec<f32>);

fn values(task: &dyn Task) -> Vec<Values> {
    let state = task.state().into_iter();
    state.map(|(name, array)| (name, array.shape(), array.to_vec())).collect()
}

/// The name of the first tensor that holds a NaN or an infinity.
fn first_broken(state: &[Values]) -> Option<String> {
    let broken = |(_, _, values): &&Values| values.iter().any(|value| !value.is_finite());
    state.iter().find(broken).map(|(name, ..)| name.clone())
}

/// Under which a checkpoint keeps the mean of the epoch so far.
const MEAN: &str = "mean";
