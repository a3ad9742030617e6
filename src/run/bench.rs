//! Where the time of a training goes: some of its steps, begun as a run begins them, in a store
//! that is gone afterwards.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::estimate::{existing, most_memory};
use super::fields::Fields;
use super::inputs::Datasets;
use super::stages::loader;
use super::{Cause, Failure, Run, State};
use crate::augment::{Augmentation, Canvas};
use crate::data::ahead::batches_held;
use crate::data::loader::Loader;
use crate::device::{Ceilings, Precision, processor_time};
use crate::graph::Stage;
use crate::interrupt::Interrupt;
use crate::objective::{PHASES, Phases};
use crate::store::error::RunError;
use crate::term::Unit;
use crate::train::{NotFinite, Observer, TrainError};

/// For how long, at most, the machine is looked at, and the views.
const BESIDE: Duration = Duration::from_secs(1);

/// What was seen of a training.
#[derive(Clone, Debug)]
pub struct Bench {
    pub stage: String,
    /// Where it computes, and in which numbers.
    pub device: String,
    pub precision: Precision,
    /// Examples in a batch, and views of one.
    pub batch: usize,
    pub views: usize,
    /// In how many parts a batch passes the encoders.
    pub parts: usize,
    /// The steps that were looked at, and the seconds that one took.
    pub steps: usize,
    pub step: f64,
    /// The seconds of a step in each of [`PHASES`], from about as many others: what they are more or
    /// less in all is what is not explained. What is done between two epochs is no part of either.
    pub phases: [f64; PHASES.len()],
    /// The seconds from the end of an epoch to the first step of the next: the state is stored.
    pub between: f64,
    /// The seconds until the first step began, with its batch, once the dataset was there.
    pub start: f64,
    /// How many cores of the machine were at work, of how many there are.
    pub busy: Option<f64>,
    pub cores: usize,
    /// Threads that make views, and what those take.
    pub threads: usize,
    /// None where the device makes the views, within the step.
    pub recipes: Vec<Recipe>,
    /// Operations of a step's networks, where the text says how many.
    pub operations: Option<u128>,
    pub ceilings: Ceilings,
    /// The most bytes that this process has held, where the system says so and the device is the
    /// machine itself.
    pub memory: Option<u64>,
    /// The steps and epochs of the whole stage, and the steps of an epoch.
    pub whole: [u64; 2],
    pub per_epoch: u64,
    /// Whether the device has bfloat16.
    pub has_bf16: bool,
}

/// What a view of one recipe takes on one core.
#[derive(Clone, Debug, PartialEq)]
pub struct Recipe {
    /// So many of the views of an example are made by it.
    pub views: usize,
    /// The seconds of each part, in its order.
    pub parts: Vec<(String, f64)>,
}

impl Recipe {
    /// The seconds of a view.
    pub fn seconds(&self) -> f64 {
        self.parts.iter().map(|(_, seconds)| seconds).sum()
    }
}

impl Bench {
    /// The seconds of the whole stage.
    pub fn whole_seconds(&self) -> f64 {
        let [steps, epochs] = self.whole.map(|count| count as f64);
        self.start + steps * self.step + epochs * self.between
    }

    /// Images a second.
    pub fn rate(&self) -> f64 {
        self.batch as f64 / self.step
    }

    /// The seconds that one core takes for the views of a step.
    pub fn viewing(&self) -> f64 {
        let of_example = self.recipes.iter().map(|own| own.views as f64 * own.seconds());
        self.batch as f64 * of_example.sum::<f64>()
    }

    /// Of a step's time, the share that is not found in its phases.
    pub fn unexplained(&self) -> f64 {
        1.0 - self.phases.iter().sum::<f64>() / self.step
    }
}

impl Run<'_> {
    /// Looks at the steps of a training for about so long.
    ///
    /// # Panics
    ///
    /// If the stage is no training.
    pub fn bench(&self, stage: &Stage, length: Duration) -> Result<Bench, Failure> {
        let benched = self.unless_full(stage, || self.benched(stage, length));
        benched.map_err(|cause| Failure::of(stage, cause))
    }

    fn benched(&self, stage: &Stage, length: Duration) -> Result<Bench, Cause> {
        let fields = Fields(stage);
        let mut state =
            State { stand_ins: true, ..State::new(self.seed, Datasets::new(&self.locations)) };
        let (split, views) = (fields.split("data"), fields.objective().views);
        self.check_dataset(&split.dataset)?;
        let examples = self.watched(|watch| state.datasets.split(split, state.key, watch))?;
        self.check_step(&fields, 0)?;
        let begun = Instant::now();
        // The scratch folder goes before the process does. It lies where the store does: what is
        // written to another disk takes another time.
        let _hold = self.interrupt.hold();
        let beside = existing(self.store.root());
        let scratch = tempfile::tempdir_in(beside).or_else(|_| tempfile::tempdir());
        let scratch = scratch
            .map_err(|cause| RunError::StoreUnwritable { path: beside.to_owned(), cause })?;
        let trial = self.trial(scratch.path())?;
        let phases = Phases::new(&self.device.device);
        let interrupts = [&trial.interrupt, &self.interrupt];
        let blocks = RefCell::new(Blocks::new(interrupts, &phases, length));
        let watched = Watched { phases: &phases, blocks };
        let (mut session, mut task) = trial.prepared(&mut state, stage)?;
        session.observer = Some(&watched);
        let per_epoch = session.steps_per_epoch();
        let whole = [session.steps(), session.steps().div_ceil(per_epoch)];
        session.keep = None;
        // As many as it takes.
        session.length = (f64::from(u32::MAX), Unit::Steps);
        let place = trial.store.stage(&trial.key(stage));
        let mut partial = place.begin(place.lock("a trial")?)?;
        match session.run(&mut task, &mut partial, &mut |_, _| {}) {
            Ok(_) | Err(TrainError::Interrupted) => {}
            // What was saved is gone with the scratch folder.
            Err(TrainError::NotFinite(error)) => {
                return Err(TrainError::NotFinite(NotFinite { saved: None, ..error }).into());
            }
            Err(error) => return Err(error.into()),
        }
        self.interrupt.check()?;
        let seen = watched.blocks.borrow().seen(Instant::now());
        let memory = most_memory().filter(|_| self.device.is_host());
        let loader = loader(&fields, examples, views, state.key);
        let precision = fields.precision();
        let recipes = match self.views_on_device(&loader) {
            true => Vec::new(),
            false => recipes(&loader, BESIDE.min(length / 8)),
        };
        let device = self.device.in_precision(precision).map_err(RunError::from)?;
        let ceilings = Ceilings::of(&device, precision, BESIDE.min(length / 8));
        self.interrupt.check()?;
        Ok(Bench {
            stage: stage.name.clone(),
            device: self.device.kind.clone(),
            precision,
            batch: loader.batch,
            views,
            parts: fields.parts(),
            steps: seen.steps,
            step: seen.step,
            phases: seen.phases,
            between: seen.between,
            start: (seen.first - begun).as_secs_f64(),
            busy: seen.busy,
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            threads: loader.threads,
            recipes,
            operations: self.work(stage, &[]).map(|work| work.operations),
            ceilings,
            memory,
            whole,
            per_epoch,
            has_bf16: self.device.offers(Precision::Bf16).is_ok(),
        })
    }
}

/// What the views of each recipe take, measured for about so long.
fn recipes(loader: &Loader, length: Duration) -> Vec<Recipe> {
    let mut recipes: Vec<(&Arc<Augmentation>, usize)> = Vec::new();
    for recipe in &loader.views {
        match recipes.last_mut() {
            Some((last, views)) if Arc::ptr_eq(last, recipe) => *views += 1,
            _ => recipes.push((recipe, 1)),
        }
    }
    let each = length / recipes.len().max(1) as u32;
    let timed = recipes.into_iter().map(|(recipe, views)| {
        let (spent, made) = timed(loader, recipe, each);
        let seconds = spent.into_iter().map(|spent| spent.as_secs_f64() / made as f64);
        let names = recipe.parts().into_iter().map(str::to_owned);
        Recipe { views, parts: names.zip(seconds).collect() }
    });
    timed.collect()
}

/// The time that each part of a recipe takes, in all of so many views.
fn timed(loader: &Loader, recipe: &Augmentation, length: Duration) -> (Vec<Duration>, usize) {
    let Loader { images, normalization, .. } = loader;
    let [height, width] = recipe.output_size(images.height, images.width);
    let (mut canvas, mut out) = (Canvas::new(), vec![0.0; 3 * height * width]);
    let mut spent = vec![Duration::ZERO; recipe.parts().len()];
    let begun = Instant::now();
    let mut made = 0;
    for (turn, example) in (0_u64..).zip(loader.examples.iter().cycle()) {
        let (image, key) = (images.at(*example as usize), loader.key.fold(turn));
        let mut last = Instant::now();
        recipe.render_told(image, key, normalization, &mut canvas, &mut out, |part| {
            let now = Instant::now();
            spent[part] += now - last;
            last = now;
        });
        made += 1;
        if begun.elapsed() >= length {
            break;
        }
    }
    (spent, made)
}

/// What was seen of the steps.
struct Seen {
    first: Instant,
    steps: usize,
    step: f64,
    phases: [f64; PHASES.len()],
    between: f64,
    busy: Option<f64>,
}

/// Looks at the steps of a training.
struct Watched<'t> {
    phases: &'t Phases,
    blocks: RefCell<Blocks<'t>>,
}

impl Observer for Watched<'_> {
    fn phases(&self) -> &Phases {
        self.phases
    }

    fn step_begins(&self) {
        self.blocks.borrow_mut().turn();
    }

    fn steps_end(&self) {
        self.blocks.borrow_mut().steps_end();
    }
}

/// Steps are looked at in blocks: of one, how long they take, of the next, what takes how long in
/// them, and again. A block ends with its epoch.
struct Blocks<'t> {
    stop: &'t Interrupt,
    /// Where the user asks to stop.
    asked: &'t Interrupt,
    phases: &'t Phases,
    length: Duration,
    /// When the first step began, and how many have begun.
    first: Option<Instant>,
    begun: usize,
    block: Option<Block>,
    /// Whether the block under way, or the next, is one with phases.
    is_told: bool,
    /// What was seen in blocks: undisturbed, and with phases.
    totals: [Total; 2],
    spent: [Duration; PHASES.len()],
    /// When the last epoch ended, where no step has begun since; the time between epochs, and how
    /// often there was one.
    ended: Option<Instant>,
    between: (Duration, u32),
}

/// Steps under way.
struct Block {
    since: Instant,
    processor: Option<Duration>,
    /// Those that have begun.
    steps: usize,
}

#[derive(Clone, Copy, Default)]
struct Total {
    time: Duration,
    processor: Duration,
    steps: usize,
}

/// Blocks of either kind, where no epoch ends one earlier.
const BLOCKS: u32 = 4;

impl<'t> Blocks<'t> {
    fn new([stop, asked]: [&'t Interrupt; 2], phases: &'t Phases, length: Duration) -> Self {
        phases.silence(true);
        Blocks {
            stop,
            asked,
            phases,
            length,
            first: None,
            begun: 0,
            block: None,
            is_told: false,
            totals: [Total::default(); 2],
            spent: [Duration::ZERO; PHASES.len()],
            ended: None,
            between: (Duration::ZERO, 0),
        }
    }

    /// Whether what is seen from now on is as what follows: buffers are made, and no batch is left
    /// that was made beforehand.
    fn is_warm(&self, now: Instant) -> bool {
        let is_long = self.first.is_some_and(|first| now - first >= self.length / 4);
        self.begun > batches_held() || self.begun > 1 && is_long
    }

    /// A step is about to begin.
    fn turn(&mut self) {
        let now = Instant::now();
        self.first.get_or_insert(now);
        if self.asked.requested() {
            self.stop.request();
        }
        if let Some(ended) = self.ended.take() {
            self.between.0 += now - ended;
            self.between.1 += 1;
        }
        let is_long = |block: &Block| now - block.since >= self.length / (2 * BLOCKS);
        if self.block.as_ref().is_some_and(is_long) {
            self.close();
        }
        if self.block.is_none() && !self.stop.requested() && self.is_warm(now) {
            self.phases.silence(!self.is_told);
            // The device has done now what it was asked for before.
            self.block =
                Some(Block { since: Instant::now(), processor: processor_time(), steps: 0 });
        }
        if let Some(block) = &mut self.block {
            block.steps += 1;
        }
        self.begun += 1;
    }

    /// The last step of an epoch, or of all that are looked at, has been taken.
    fn steps_end(&mut self) {
        self.close();
        self.ended = Some(Instant::now());
    }

    /// Ends the block under way, with the steps that have begun in it.
    fn close(&mut self) {
        let Some(block) = self.block.take() else { return };
        // This waits until the device has done them.
        let spent = self.phases.take();
        let total = &mut self.totals[usize::from(self.is_told)];
        total.time += block.since.elapsed();
        total.steps += block.steps;
        if let Some((before, after)) = block.processor.zip(processor_time()) {
            total.processor += after.saturating_sub(before);
        }
        if self.is_told {
            self.spent.iter_mut().zip(spent).for_each(|(all, own)| *all += own);
        }
        let all = self.totals[0].time + self.totals[1].time;
        if self.is_told && all >= self.length {
            self.stop.request();
        }
        self.is_told = !self.is_told;
    }

    /// What was seen, once there were blocks of both kinds, at the end of the training.
    fn seen(&self, now: Instant) -> Seen {
        let [plain, told] = self.totals;
        let busy = plain.processor.as_secs_f64() / plain.time.as_secs_f64();
        let (mut between, mut epochs) = self.between;
        // Where no epoch has begun after another, that of the end alone is known.
        if let Some(ended) = self.ended.filter(|_| epochs == 0) {
            (between, epochs) = (now - ended, 1);
        }
        Seen {
            first: self.first.unwrap_or(now),
            steps: plain.steps,
            step: plain.time.as_secs_f64() / plain.steps as f64,
            phases: self.spent.map(|own| own.as_secs_f64() / told.steps as f64),
            between: between.as_secs_f64() / f64::from(epochs.max(1)),
            busy: Some(busy).filter(|busy| *busy > 0.0),
        }
    }
}
