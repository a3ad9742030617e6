//! What a stage computes and what it holds while it does, told from its graph before it runs.

use std::sync::Arc;

use super::Run;
use super::estimate::held_memory;
use super::fields::Fields;
use super::networks::head;
use super::passes::{Gradient, Passes};
use super::plan::Plan;
use crate::augment::Augmentation;
use crate::check::{StageKind, declared_sizes, examples_at_most as examples};
use crate::data::ahead::batches_held;
use crate::evaluate;
use crate::graph::Stage;
use crate::graph::flow::{Flow, chain, is_trained, section};
use crate::nn::{self, Cost, Walk};
use crate::resolve::{Declaration, declaration, is_encoder, learned};
use crate::term::objective::{Extent, ObjectiveGraph, Op, TensorNode};
use crate::term::{Call, Split, Term};
use crate::train::build_optimizer;

/// The bytes of a number.
pub(super) const NUMBER: u128 = size_of::<f32>() as u128;

/// The bytes of the program that a run reads and a plan does not.
const PROGRAM: u128 = 12 << 20;

/// What is judged: operations and weights of its networks, and the numbers that they make of an
/// example.
struct Judged {
    cost: Cost,
    weights: u128,
    numbers: u128,
}

/// What a stage computes and holds, where its text says so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Operations of convolutions and linear layers: of a step, or of a whole evaluation. A
    /// multiplication and an addition count as two.
    pub operations: u128,
    /// Bytes of tensors where they are most: weights, gradients, what an optimizer remembers, what
    /// is kept for the gradient, batches on their way.
    pub memory: u128,
}

impl Run<'_> {
    /// What a stage takes that reads the features of these splits, where it is an evaluation.
    /// `None` where its dataset does not say how large it is.
    pub(super) fn work(&self, stage: &Stage, reads: &[&Split]) -> Option<Work> {
        let fields = Fields(stage);
        match stage.kind {
            StageKind::Pretrain | StageKind::Finetune => {
                let (batch, parts) = (fields.args().size("batch"), fields.parts());
                let own = self.training_work(&fields, batch, parts)?;
                Some(Work { memory: own.memory + self.judging_memory(stage), ..own })
            }
            StageKind::Evaluate => {
                Some(self.with_gaps(self.evaluation_work(&fields, reads)?, [6, 5]))
            }
        }
    }

    /// What evaluations of the encoders that a training keeps take beside it, one after the other.
    pub(super) fn judging_memory(&self, training: &Stage) -> u128 {
        let stages = self.graph.to_run().into_iter().filter_map(|own| self.graph.stage(own));
        let judged = stages.filter(|own| own.kind == StageKind::Evaluate).filter(|own| {
            let Some(Term::Output(model)) = own.fields.get("model") else { return false };
            let of = self.graph.stage(model.stage).map(|of| &of.name);
            model.output == "history" && of == Some(&training.name)
        });
        let work = judged.filter_map(|own| self.work(own, &[]));
        work.map(|own| own.memory).max().unwrap_or(0)
    }

    /// The allocator of the host leaves gaps between the aligned tensors of libtorch.
    fn with_gaps(&self, work: Work, gaps: [u128; 2]) -> Work {
        let [more, of] = if self.device.kind == "libtorch-cpu" { gaps } else { [1, 1] };
        Work { memory: work.memory.saturating_mul(more) / of, ..work }
    }

    /// What a run of a plan would take of the memory of the host.
    pub(super) fn expected(&self, plan: &Plan<'_>, datasets: u128) -> Option<u128> {
        let to_run = plan.stages.iter().filter(|own| !own.is_cached());
        let most = to_run
            .map(|own| Some(own.work?.memory))
            .try_fold(0, |most, own| Some(own?.max(most)))?;
        let stages = if self.device.is_host() { most } else { 0 };
        Some(u128::from(held_memory()?) + PROGRAM + datasets + stages)
    }

    /// What a training takes with such a batch, which passes the encoders in so many parts.
    pub(super) fn training_work(
        &self,
        fields: &Fields<'_>,
        batch: usize,
        parts: usize,
    ) -> Option<Work> {
        let objective = fields.objective();
        let images = viewed(fields, objective.views)?;
        let sizes = Sizes { batch, examples: examples(fields.split("data"))? };
        let mut passes = self.passes(objective, sizes, parts as u128);
        passes.batches = batches(&images, batch);
        passes.bytes = fields.precision().bytes() as u128;
        let room = self.room(fields.0);
        let moments = build_optimizer(fields.get("optimizer")).moments() as u128;
        let queues = objective.nodes.iter().filter(|node| keeps_state(node));
        let queued: u128 = queues.map(|node| sizes.numbers(&node.shape)).sum();
        // A training took 1.35 to 1.6 times what its tensors do, in the three that were measured.
        Some(self.with_gaps(passes.training(room, moments, queued), [3, 2]))
    }

    /// Every application of a network in a step whose batch passes the encoders in so many parts.
    fn passes(&self, objective: &ObjectiveGraph, sizes: Sizes, parts: u128) -> Passes {
        let flow = Flow::of(objective);
        let mut passes = Passes::default();
        for (index, node) in objective.nodes.iter().enumerate() {
            let is_differentiated = flow.differentiated[index];
            match node.op {
                Op::Apply(network) => {
                    let rows = sizes.rows(&node.shape);
                    let is_given = node.inputs.iter().any(|input| objective.nodes[*input].gradient);
                    let is_own = is_trained(objective, network);
                    let given = node.inputs.first().map(|input| &objective.nodes[*input].shape);
                    let mut at = given.map_or(nn::Extent::Features(0), |own| sizes.example(own));
                    for (position, module) in chain(objective, network).iter().enumerate() {
                        let own = &objective.modules[*module];
                        let mut walk = Walk::new(own.input.map_or(at, |own| rows_of(at, own)));
                        let built = nn::build(&self.constructor(&own.term), own.input);
                        match section(objective, network).filter(|_| position == 0) {
                            Some(section) => built.walk_section(section, &mut walk),
                            None => built.walk(&mut walk),
                        }
                        at = walk.at;
                        let gradient = (is_differentiated && is_own).then_some(Gradient {
                            of_parameters: flow.trained[*module],
                            of_input: position > 0 || is_given,
                        });
                        match parts > 1 && is_encoder(&own.term) && !is_given {
                            true => passes.add_in_parts(walk.cost, rows, parts, gradient),
                            false => passes.add(walk.cost, rows, gradient),
                        }
                    }
                }
                Op::View(_) | Op::Views { .. } | Op::Labels | Op::Index => {}
                _ if is_differentiated => passes.kept += kept(objective, node, sizes),
                _ => {}
            }
        }
        passes
    }

    fn evaluation_work(&self, fields: &Fields<'_>, reads: &[&Split]) -> Option<Work> {
        let on = fields.split("on");
        let images = imaged(&on.dataset)?;
        let largest = fields.recipes().iter().map(|own| shown(images, own).numbers()).max()?;
        let Judged { cost, weights, numbers } = self.judged_networks(fields)?;
        let fit = match fields.0.fields.get("fit") {
            Some(Term::Split(split)) => examples(split)?,
            _ => 0,
        };
        let seen = (fit + examples(on)?) as u128;
        let channels = 3;
        let batch = evaluate::batch((largest / channels) as usize) as u128;
        let flowing = cost.live * fields.precision().bytes() as u128;
        // Images as they are read and as they are on the device.
        let passed = batch.min(seen) * (flowing + NUMBER * 2 * largest);
        let read = reads.iter().map(|split| examples(split)).sum::<Option<usize>>()?;
        Some(Work {
            operations: cost.forward * read as u128 * self.candidates_of(fields.get("model")),
            memory: NUMBER * (weights + seen * numbers) + passed,
        })
    }

    /// The bytes of the features that an evaluation makes of an example.
    pub(super) fn features_of(&self, stage: &Stage) -> Option<u128> {
        if stage.kind != StageKind::Evaluate {
            return None;
        }
        Some(NUMBER * self.judged_networks(&Fields(stage))?.numbers)
    }

    /// What the networks of an evaluation take for one example.
    fn judged_networks(&self, fields: &Fields<'_>) -> Option<Judged> {
        let (images, model) = (imaged(&fields.split("on").dataset)?, fields.get("model"));
        let recipes = fields.recipes();
        let mut walk = Walk::new(shown(images, recipes.first()?));
        let encoder = self.constructor(model);
        nn::build(&encoder, None).walk(&mut walk);
        let mut cost = walk.cost;
        let mut weights = learned(&encoder, None).unwrap_or(0);
        if let Some(head) = self.head(model) {
            let nn::Extent::Features(features) = walk.at else { return None };
            walk = Walk::new(walk.at);
            nn::build(head, Some(features)).walk(&mut walk);
            cost += walk.cost;
            weights += learned(head, Some(features)).unwrap_or(0);
        }
        let mut numbers = walk.at.numbers();
        if let Some(recipe) = recipes.get(1) {
            let beside = fields.0.fields.get("beside");
            let mut walk = Walk::new(shown(images, recipe));
            let encoder = self.constructor(beside.unwrap_or(model));
            nn::build(&encoder, None).walk(&mut walk);
            cost += walk.cost;
            weights += beside.and_then(|_| learned(&encoder, None)).unwrap_or(0);
            numbers += walk.at.numbers();
        }
        Some(Judged { cost, weights, numbers })
    }

    /// The head of the classifier that a term is, if it is one.
    fn head(&self, model: &Term) -> Option<&Term> {
        let Term::Output(output) = model else { return None };
        let stage = self.graph.stage(output.stage).filter(|_| output.output == "model")?;
        Some(&head(Fields(stage).objective()).1.term)
    }

    /// How many networks a term is.
    pub(super) fn candidates_of(&self, model: &Term) -> u128 {
        let Term::Output(output) = model else { return 1 };
        let stage = self.graph.stage(output.stage).filter(|_| output.output == "history");
        stage.map_or(1, |stage| super::estimate::kept(&Fields(stage)))
    }
}

/// The numbers that an operation keeps for its gradient: what it yields, and functions of what it
/// reduces.
fn kept(objective: &ObjectiveGraph, node: &TensorNode, size: Sizes) -> u128 {
    let numbers = |node: &TensorNode| match is_places(node) {
        true => size.rows(&node.shape),
        false => size.numbers(&node.shape),
    };
    let yielded = numbers(node);
    let given = node.inputs.iter().map(|input| numbers(&objective.nodes[*input]));
    let most = given.max().unwrap_or(0);
    if most > yielded { yielded + most } else { yielded }
}

/// What a head is given of an example: features of that size, or several rows of them.
fn rows_of(given: nn::Extent, size: usize) -> nn::Extent {
    match usize::try_from(given.numbers()).unwrap_or(size) / size.max(1) {
        0 | 1 => nn::Extent::Features(size),
        rows => nn::Extent::Tokens([rows, size]),
    }
}

/// Numbers of the batches that are made, wait, or are on the device.
fn batches(views: &[nn::Extent], batch: usize) -> u128 {
    (batches_held() * batch) as u128 * views.iter().map(|view| view.numbers()).sum::<u128>()
}

/// Whether it is places among rows, whose shape says how many rows there are.
fn is_places(node: &TensorNode) -> bool {
    match &node.op {
        Op::Index => true,
        Op::Primitive(name) => declaration(name).is_some_and(|own| own.makes("Index")),
        _ => false,
    }
}

fn keeps_state(node: &TensorNode) -> bool {
    let keeps = |name| declaration(name).is_some_and(Declaration::keeps_state);
    matches!(&node.op, Op::Primitive(name) if keeps(name))
}

/// What the sizes of an objective are numbers of.
#[derive(Clone, Copy)]
struct Sizes {
    batch: usize,
    examples: usize,
}

impl Sizes {
    fn rows(self, shape: &[Extent]) -> u128 {
        shape.first().map_or(1, |size| size.number(self.batch, self.examples) as u128)
    }

    /// One row of a tensor that a network is given.
    fn example(self, shape: &[Extent]) -> nn::Extent {
        let sizes = shape.iter().skip(1).map(|size| size.number(self.batch, self.examples));
        match sizes.collect::<Vec<_>>()[..] {
            [channels, height, width] => nn::Extent::Maps([channels, height, width]),
            [count, width] => nn::Extent::Tokens([count, width]),
            ref sizes => nn::Extent::Features(sizes.iter().product()),
        }
    }

    fn numbers(self, shape: &[Extent]) -> u128 {
        shape.iter().map(|size| size.number(self.batch, self.examples) as u128).product()
    }
}

/// The images of each of so many views of a stage's data.
fn viewed(fields: &Fields<'_>, views: usize) -> Option<Vec<nn::Extent>> {
    let Split { dataset, .. } = fields.split("data");
    let nn::Extent::Maps([channels, height, width]) = imaged(dataset)? else { return None };
    let views = Augmentation::of_views(fields.get("views"), views);
    let view = |recipe: &Arc<Augmentation>| {
        let [height, width] = recipe.output_size(height, width);
        nn::Extent::Maps([channels, height, width])
    };
    Some(views.iter().map(view).collect())
}

/// Images as an evaluation looks at them.
fn shown(image: nn::Extent, recipe: &Augmentation) -> nn::Extent {
    match image {
        nn::Extent::Maps([channels, height, width]) => {
            let [height, width] = recipe.output_size(height, width);
            nn::Extent::Maps([channels, height, width])
        }
        image => image,
    }
}

/// An image of a dataset.
fn imaged(dataset: &Call) -> Option<nn::Extent> {
    let sizes: [usize; 3] = declared_sizes(dataset, "Image")?.try_into().ok()?;
    Some(nn::Extent::Maps(sizes))
}
