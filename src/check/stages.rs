//! The kinds of stage: their fields, their outputs, and what has to hold between the fields.

use std::collections::BTreeMap;

use super::Checker;
use super::bind::Fill;
use super::memory::Held;
use super::pipeline::{TypedStage, objective};
use super::size::{Relation, Size};
use super::types::TypeName;
use super::value::{EncoderValue, Kind, ModelValue, ObjectiveValue, SplitValue, Value};
use crate::diagnostics::{Diagnostic, Finding, findings};
use crate::resolve::{self, Declaration, declaration};
use crate::source::Span;
use crate::term::objective::{ENCODER, Op};
use crate::term::{Call, Output, Part, Term, Unit, batches, sampled};

/// Kinds of value declarations, and the type that each has to have.
pub const VALUE_KINDS: &[(&str, Option<TypeName>)] = &[
    ("augment", Some(TypeName::Augment)),
    ("dataset", Some(TypeName::Dataset)),
    ("encoder", Some(TypeName::Encoder)),
    ("objective", Some(TypeName::Objective)),
    ("optimizer", Some(TypeName::Optimizer)),
    ("protocol", Some(TypeName::Protocol)),
    ("schedule", Some(TypeName::Schedule)),
    ("let", None),
];

pub const STAGES: &[StageKind] = &[StageKind::Pretrain, StageKind::Evaluate, StageKind::Finetune];

/// Two to this power are more than a text can export.
const MOST_EXPORTS: u32 = 20;

/// A kind of stage. Its fields are declared as a signature, like the parameters of anything else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum StageKind {
    Pretrain,
    Evaluate,
    Finetune,
}

impl StageKind {
    pub fn name(self) -> &'static str {
        match self {
            StageKind::Pretrain => "pretrain",
            StageKind::Evaluate => "evaluate",
            StageKind::Finetune => "finetune",
        }
    }

    /// As the library declares it.
    pub fn declaration(self) -> &'static Declaration {
        // A test looks for each of them.
        declaration(self.name()).expect("a stage that the library declares")
    }

    /// The names of what it yields.
    pub fn outputs(self) -> Vec<&'static str> {
        let outputs = self.declaration().tree.outputs.iter().flatten();
        outputs.map(|output| output.name.text.as_str()).collect()
    }

    /// The value of an output, or what is wrong with asking for it and what would be right.
    pub(super) fn output(
        self,
        stage: &TypedStage,
        position: usize,
        name: &str,
    ) -> Result<Kind, (String, String)> {
        let term = Term::Output(Output { stage: position, output: name.to_owned() });
        let objective = stage.objective();
        let mut exports = objective.iter().flat_map(|own| &own.builder.exports);
        let export = exports.position(|export| export.name.text == name);
        // Ids of values start at one and stay far below; outputs need ones that stay the same.
        let id = usize::MAX - (position << MOST_EXPORTS) - export.map_or(0, |export| export + 1);
        let from = |encoder: EncoderValue| EncoderValue { term: Some(term.clone()), id, ..encoder };
        let exported = |name: &str| {
            let builder = &objective?.builder;
            Some(builder.exported(builder.export(name)?))
        };
        if let Some(encoder) = exported(name) {
            return Ok(Kind::Encoder(from(encoder)));
        }
        let encoder = match self {
            StageKind::Pretrain => {
                let handed = || objective.and_then(|own| own.encoder.clone());
                exported(ENCODER).or_else(handed)
            }
            StageKind::Finetune => encoder_of(stage.fields.get("encoder")),
            StageKind::Evaluate => None,
        };
        match (self, name, encoder) {
            (StageKind::Pretrain | StageKind::Finetune, "encoder", Some(encoder)) => {
                Ok(Kind::Encoder(from(encoder)))
            }
            (StageKind::Pretrain, "history", Some(encoder)) => {
                match stage.fields.contains_key("keep") {
                    true => Ok(Kind::History(from(encoder))),
                    false => Err((
                        format!("`{}` keeps no encoders on its way", stage.name),
                        format!("add `keep: 1 epochs` to `{}`", stage.name),
                    )),
                }
            }
            (StageKind::Finetune, "model", Some(encoder)) => {
                let classes = split_of(stage.fields.get("data")).map(|split| split.dataset.classes);
                let classes = classes.unwrap_or_default();
                Ok(Kind::Model(Box::new(ModelValue { term, classes, encoder })))
            }
            _ => {
                let help = match stage.outputs().as_slice() {
                    [] => format!(
                        "an `{}` stage has no outputs: it is where a pipeline ends",
                        self.name()
                    ),
                    outputs => format!("`{}` has {}", stage.name, outputs.join(" and ")),
                };
                Err((format!("`{}` has no output `{name}`", stage.name), help))
            }
        }
    }

    /// What completes the field of that name, known from the fields before it: a head is written
    /// without the number of classes, which the dataset knows.
    pub(super) fn fill(
        self,
        field: &str,
        before: &BTreeMap<String, Value>,
        span: Span,
    ) -> Option<Fill> {
        if self != StageKind::Finetune || field != "head" {
            return None;
        }
        let data = before.get("data");
        let kind = split_of(data).map_or(Kind::Poison, |split| Kind::Int(split.dataset.classes));
        let value = Value::new(kind, data.map_or(span, |data| data.span));
        Some(Fill { name: "out", value })
    }
}

pub(super) fn encoder_of(value: Option<&Value>) -> Option<EncoderValue> {
    match value.map(|value| &value.kind) {
        Some(Kind::Encoder(encoder) | Kind::History(encoder)) => Some(encoder.clone()),
        Some(Kind::Model(model)) => Some(model.encoder.clone()),
        _ => None,
    }
}

impl TypedStage {
    /// The names of what it yields, with what its objective exports.
    pub fn outputs(&self) -> Vec<&str> {
        let exports = self.objective().into_iter().flat_map(|own| &own.builder.exports);
        let exports = exports.map(|export| export.name.text.as_str());
        let declared = self.kind.outputs();
        let others = exports.filter(|name| !declared.contains(name)).collect::<Vec<_>>();
        [declared, others].concat()
    }
}

/// Those of the images that an encoder takes.
fn channels(value: Option<&Value>) -> Vec<Size> {
    encoder_of(value).and_then(|encoder| encoder.channels).into_iter().collect()
}

pub(super) fn split_of(value: Option<&Value>) -> Option<SplitValue> {
    match value.map(|value| &value.kind) {
        Some(Kind::Split(split)) => Some(split.clone()),
        _ => None,
    }
}

impl Checker<'_> {
    /// What has to hold between the fields of a stage. A field that is wrong is poison and was
    /// reported: what hangs on it is not judged, and everything else is.
    pub(super) fn check_stage(&mut self, stage: &TypedStage) {
        match stage.kind {
            StageKind::Pretrain => self.check_pretrain(stage),
            StageKind::Evaluate => self.check_evaluate(stage),
            StageKind::Finetune => self.check_finetune(stage),
        }
    }

    fn check_pretrain(&mut self, stage: &TypedStage) {
        let data = split_of(stage.fields.get("data"));
        let objective = objective(stage.fields.get("objective"));
        if let Some(data) = &data {
            self.trains_on(stage, "data", data);
        }
        if let (Some(data), Some(objective)) = (&data, &objective) {
            self.check_labels(stage, data, objective);
        }
        let modules = objective.iter().flat_map(|objective| &objective.builder.modules);
        let channels: Vec<Size> = modules.filter_map(|module| module.channels.clone()).collect();
        self.check_images(stage, ("data", data.as_ref()), &channels);
        self.check_batch(stage, data.as_ref());
        self.check_length(stage, data.as_ref());
        if let Some(objective) = &objective {
            let flow = self.flow(&objective.builder);
            self.check_encoders(stage, objective, &flow);
            self.check_queues(stage, &objective.builder);
            if let Some(data) = &data {
                self.check_classes(data, &objective.builder);
            }
            self.check_groups(stage, &objective.builder);
            self.check_parts(stage, &objective.builder);
            self.check_sizes(stage, &objective.builder);
            self.leaves_something(stage, &objective.builder);
            self.check_networks(stage, &Held::objective(&objective.builder, &flow));
        }
    }

    /// An objective is handed labels where it reads some, and else none.
    fn check_labels(&mut self, stage: &TypedStage, data: &SplitValue, objective: &ObjectiveValue) {
        match (objective.builder.labels, data.labeled) {
            (Some(given), false) => {
                let message = format!("`{}` reads labels, and this split has none", objective.name);
                let error = self.about(findings::LABELS_MISSING, stage, "data", message);
                self.report(error.also(given, "it reads them here").help("leave out `.unlabeled`"));
            }
            (None, true) => {
                let message = format!("`{}` reads no labels, and is handed some", objective.name);
                let error = self.about(findings::LABELS_UNUSED, stage, "data", message);
                let written = error.place().filter(|place| self.is_postfix(*place));
                let error = match written {
                    Some(place) => {
                        error.safe_edit(Span { start: place.end, ..place }, ".unlabeled")
                    }
                    None => error,
                };
                self.report(error.help("write `.unlabeled`, so that no label can reach it"));
            }
            _ => {}
        }
    }

    /// Labels pick one of as many columns as there are classes, at least.
    fn check_classes(&mut self, data: &SplitValue, builder: &super::objective::Builder) {
        let Some(classes) = data.dataset.classes.as_constant() else { return };
        for node in &builder.nodes {
            let Op::Primitive(name) = &node.op else { continue };
            let is_labels = |input: &usize| builder.nodes[*input].op == Op::Labels;
            let picks = declaration(name).is_some_and(|own| own.is("picks"));
            if !picks || !node.inputs.iter().any(is_labels) {
                continue;
            }
            // What labels alone are given to makes the columns.
            let rows = node.inputs.iter().find(|input| !is_labels(input));
            let shape = rows.map_or(&node.shape, |rows| &builder.nodes[*rows].shape);
            let columns = shape.sizes().and_then(|sizes| sizes.last()?.as_constant());
            let Some(columns) = columns.filter(|columns| *columns < classes) else { continue };
            let message =
                format!("`{name}` tells {columns} classes apart, and there are {classes}");
            let made = rows.and_then(|rows| builder.maker(*rows));
            let place = match made {
                Some(module) => builder.modules[module].written.argument("out"),
                None => node.written.argument("classes"),
            };
            let error = Diagnostic::new(findings::SHAPE_MISMATCH, place, message);
            let error = match place.holds(node.span) || node.span.holds(place) {
                true => error,
                false => error.also(node.span, "found here"),
            };
            self.report(error.help(format!("give it {classes}")));
            return;
        }
    }

    /// A queue holds what whole steps push, so that no step sees half of another.
    fn check_queues(&mut self, stage: &TypedStage, builder: &super::objective::Builder) {
        let Some(batch) = stage.fields.get("batch") else { return };
        let Kind::Int(batch_size) = &batch.kind else { return };
        let Some(batch_size) = batch_size.as_constant() else { return };
        for node in &builder.nodes {
            let Op::Primitive(name) = &node.op else { continue };
            let Some(declaration) = declaration(name).filter(|own| own.keeps_rows()) else {
                continue;
            };
            let Some(size) = node.shape.first().and_then(Size::as_constant) else { continue };
            let pushed =
                node.inputs.first().and_then(|pushed| builder.nodes[*pushed].shape.first());
            let rows = pushed.and_then(|rows| Some(rows.extent()?.number(batch_size as usize, 0)));
            let Some(rows) = rows.and_then(|rows| i64::try_from(rows).ok()).filter(|own| *own > 0)
            else {
                continue;
            };
            if size % rows != 0 {
                let below = size - size % rows;
                let right = match below {
                    0 => format!("{rows}"),
                    below => match below.checked_add(rows) {
                        Some(above) => format!("{below} or {above}"),
                        None => format!("{below}"),
                    },
                };
                let whole = match rows == batch_size {
                    true => format!("whole batches of {batch_size}"),
                    false => format!("the {rows} rows of whole steps"),
                };
                let message = format!("the queue of {size} does not hold {whole}");
                let argument = declaration.first_size();
                let queue = argument.and_then(|name| node.written.arguments.get(name));
                let error = match queue {
                    Some(queue) => {
                        let error = Diagnostic::new(findings::QUEUE_BATCH, *queue, message);
                        let batch = (self.written(batch), format!("the batch of {batch_size}"));
                        let error = error.also(batch.0, batch.1);
                        match node.span.holds(*queue) {
                            true => error,
                            false => error.also(node.span, "found here"),
                        }
                    }
                    None => {
                        let error = self.blame(findings::QUEUE_BATCH, batch, message);
                        error.label("the batch").also(node.span, format!("the queue of {size}"))
                    }
                };
                self.report(error.help(format!("a queue of {right} does")));
            }
        }
    }

    fn check_finetune(&mut self, stage: &TypedStage) {
        let data = split_of(stage.fields.get("data"));
        if let Some(data) = &data {
            self.trains_on(stage, "data", data);
            self.needs_labels(stage, "data", data, "fine-tuning");
            self.check_head(stage, data);
        }
        let channels = channels(stage.fields.get("encoder"));
        self.check_images(stage, ("data", data.as_ref()), &channels);
        self.check_batch(stage, data.as_ref());
        self.check_length(stage, data.as_ref());
        if let Some(objective) = objective(stage.fields.get("objective")) {
            let flow = self.flow(&objective.builder);
            self.check_parts(stage, &objective.builder);
            self.check_sizes(stage, &objective.builder);
            self.leaves_something(stage, &objective.builder);
            self.check_networks(stage, &Held::objective(&objective.builder, &flow));
        }
    }

    /// A head yields one value for each class.
    fn check_head(&mut self, stage: &TypedStage, data: &SplitValue) {
        let Some(value @ Value { kind: Kind::Head(head), .. }) = stage.fields.get("head") else {
            return;
        };
        if head.output != data.dataset.classes {
            let message = format!(
                "the head yields {} values for {} classes",
                head.output, data.dataset.classes
            );
            let error =
                Diagnostic::new(findings::SHAPE_MISMATCH, self.argument(value, "out"), message);
            self.report(error.help("leave out `out`: the dataset knows it"));
        }
    }

    fn check_evaluate(&mut self, stage: &TypedStage) {
        let call = match stage.fields.get("protocol").map(|value| &value.kind) {
            Some(Kind::Protocol(Some(Term::Call(call)))) => Some(call),
            _ => None,
        };
        if let Some(call) = call {
            self.check_protocol(stage, call);
        }
        let (fit, on) = (split_of(stage.fields.get("fit")), split_of(stage.fields.get("on")));
        if let Some(on) = &on {
            self.needs_labels(stage, "on", on, "an evaluation");
        }
        let judged = ["model", "beside"];
        let taken = judged.map(|field| channels(stage.fields.get(field))).concat();
        self.check_images(stage, ("on", on.as_ref()), &taken);
        self.check_judged_views(stage);
        self.check_beside(stage);
        if let Some(on) = &on {
            for (view, field) in judged.into_iter().enumerate() {
                self.check_judged_size(stage, on, (field, view));
            }
        }
        if let (Some(on), Some(Value { kind: Kind::Model(model), .. })) =
            (&on, stage.fields.get("model"))
            && model.classes.relation(&on.dataset.classes) == Relation::Different
        {
            let (own, there) = (&model.classes, &on.dataset.classes);
            let message = format!("the model tells {own} classes apart, and there are {there}");
            let error = self.about(findings::SHAPE_MISMATCH, stage, "on", message);
            self.report(error.help("judge it on the classes that it was tuned on"));
        }
        if let Some(fit) = &fit {
            self.needs_labels(stage, "fit", fit, "a protocol");
            self.trains_on(stage, "fit", fit);
            if let Some(call) = call {
                self.check_enough(stage, fit, call);
            }
        }
        if let (Some(fit), Some(on)) = (&fit, &on) {
            self.check_judged(stage, fit, on, call);
        }
    }

    /// Features stand beside those of one encoder.
    fn check_beside(&mut self, stage: &TypedStage) {
        let (Some(_), Some(model)) = (stage.fields.get("beside"), stage.fields.get("model")) else {
            return;
        };
        let what = match model.kind {
            Kind::Model(_) => "the classes of a model",
            Kind::History(_) => "the features of several",
            _ => return,
        };
        let message = format!("the features of an encoder do not stand beside {what}");
        let error = self.about(findings::TYPE_MISMATCH, stage, "beside", message);
        self.report(error.also(self.written(model), "beside this").help("name one encoder"));
    }

    /// A protocol judges what the model yields, and has examples to learn from if it does.
    fn check_protocol(&mut self, stage: &TypedStage, call: &Call) {
        let Some(declared) = declaration(&call.name) else { return };
        let model = stage.fields.get("model").filter(|model| !model.is_poison());
        let is_model = |model: &&Value| matches!(model.kind, Kind::Model(_));
        let judges_classes = declared.named("judges") == Some("classes");
        if let Some(model) = model.filter(|model| judges_classes != is_model(model)) {
            let (message, help) = match judges_classes {
                false => (
                    format!("`{}` judges features, and this model yields classes", call.name),
                    "name the encoder: `.encoder`",
                ),
                true => (
                    format!("`{}` judges classes, and an encoder yields features", call.name),
                    "use `knn()` or `linear_probe()`, or name a tuned `.model`",
                ),
            };
            self.report(self.blame(findings::TYPE_MISMATCH, model, message).help(help));
        }
        match (stage.fields.get("fit"), declared.is("fits")) {
            (None, true) => {
                let message =
                    format!("`{}` learns from examples: the field `fit` is missing", call.name);
                self.report(
                    Diagnostic::new(findings::MISSING_FIELD, stage.span, message)
                        .help("write `fit: data.train`"),
                );
            }
            (Some(fit), false) if !fit.is_poison() => {
                let message = format!("`{}` fits nothing, so `fit` has no use", call.name);
                let error = self.about(findings::UNKNOWN_FIELD, stage, "fit", message);
                self.report(error);
            }
            _ => {}
        }
    }

    /// A protocol has as many examples as it asks for.
    fn check_enough(&mut self, stage: &TypedStage, fit: &SplitValue, call: &Call) {
        let k = match call.args.get("k") {
            Some(Term::Int(k)) => usize::try_from(*k).ok(),
            _ => None,
        };
        if let (Some(k), Some(examples), Some(protocol)) =
            (k, examples(fit), stage.fields.get("protocol"))
            && k > examples
        {
            let message = format!("{k} neighbours of only {examples} examples");
            self.error(findings::OUT_OF_RANGE, self.argument(protocol, "k"), message);
        }
        let is_one = fit.share.is_some_and(|share| share.each == Some(1));
        if let (Some(_), Some(protocol)) = (call.args.get("held_out"), stage.fields.get("protocol"))
            && is_one
        {
            let message = "the only example of a class cannot be held out";
            let place = self.argument(protocol, "held_out");
            let error = Diagnostic::new(findings::OUT_OF_RANGE, place, message);
            let error = error.also(self.place(stage, "fit"), "one of each class");
            self.report(error.help("fit on two of each at least: `.few(2)`"));
        }
    }

    /// What a protocol is fitted on and judged on are other examples of one dataset.
    fn check_judged(
        &mut self,
        stage: &TypedStage,
        fit: &SplitValue,
        on: &SplitValue,
        call: Option<&Call>,
    ) {
        let place = self.place(stage, "fit");
        // Two samples of one part overlap, so that the part alone decides; two datasets are
        // answered below.
        let same_dataset = fit.dataset.call == on.dataset.call;
        if same_dataset && fit.part == on.part && fit.part == Part::Train {
            let name = call.map_or("the protocol".to_owned(), |call| format!("`{}`", call.name));
            let message = format!("{name} is judged on examples that it was fitted on");
            let error = self.about(findings::JUDGED_ON_ITS_OWN_EXAMPLES, stage, "on", message);
            self.report(error.also(place, "fitted on these").help("judge it `on` the `.test`"));
        }
        if !same_dataset {
            let message = "the protocol is fitted on one dataset and judged on another";
            let error = self.about(findings::JUDGED_ON_ANOTHER_DATASET, stage, "on", message);
            self.report(error.also(place, "fitted on this one"));
        }
    }

    // ------------------------------------------------------------ shared

    /// The text to blame for a field.
    pub(super) fn place(&self, stage: &TypedStage, field: &str) -> Span {
        stage.fields.get(field).map_or(stage.span, |value| self.written(value))
    }

    /// A finding about a field.
    pub(super) fn about(
        &self,
        finding: &'static Finding,
        stage: &TypedStage,
        field: &str,
        message: impl Into<String>,
    ) -> Diagnostic {
        match stage.fields.get(field) {
            Some(value) => self.blame(finding, value, message),
            None => Diagnostic::new(finding, stage.span, message),
        }
    }

    fn trains_on(&mut self, stage: &TypedStage, field: &str, split: &SplitValue) {
        if split.part == Part::Test {
            let message = "the test examples would be trained on";
            let error = self.about(findings::TEST_LEAK, stage, field, message);
            self.report(
                error.help("write `.train`; the test examples are for `on` of an `evaluate`"),
            );
        }
    }

    fn needs_labels(&mut self, stage: &TypedStage, field: &str, split: &SplitValue, what: &str) {
        if !split.labeled {
            let message = format!("{what} needs labels, and this split has none");
            let error = self.about(findings::LABELS_MISSING, stage, field, message);
            self.report(error.help("leave out `.unlabeled`"));
        }
    }

    /// A length that takes a step, a warm-up that ends before it, and encoders that are kept
    /// within it.
    fn check_length(&mut self, stage: &TypedStage, data: Option<&SplitValue>) {
        let duration = |field: &str| match stage.fields.get(field).map(|value| &value.kind) {
            Some(Kind::Duration(Some(length))) => Some(*length),
            _ => None,
        };
        let place = self.place(stage, "length");
        let mut keep = duration("keep");
        // The run keeps encoders at the ends of epochs.
        if let Some((amount, unit)) = keep
            && (unit == Unit::Steps || amount.fract() != 0.0)
        {
            let message = format!("encoders are kept after whole epochs, not after {}", {
                super::value::duration((amount, unit))
            });
            let error = self.about(findings::KEEP_WITHIN_EPOCH, stage, "keep", message);
            self.report(error.help("write `keep: 1 epochs`"));
            keep = None;
        }
        let per_epoch = data.and_then(|data| steps_per_epoch(stage, data));
        let (Some(length), Some(per_epoch)) = (duration("length"), per_epoch) else {
            return;
        };
        let in_steps = |(amount, unit): (f64, Unit)| match unit {
            Unit::Epochs => amount * per_epoch as f64,
            Unit::Steps => amount,
        };
        let steps = in_steps(length).round();
        if steps < 1.0 {
            let message = format!("{} make no step", super::value::duration(length));
            let error = self.about(findings::NO_STEP, stage, "length", message);
            self.report(error.help(format!("an epoch has {per_epoch} steps here")));
            return;
        }
        if let Some(schedule) = stage.fields.get("schedule")
            && let Kind::Schedule(Some(Term::Call(call))) = &schedule.kind
            && let Some(Term::Duration(amount, unit)) = call.args.get("warmup")
            && in_steps((*amount, *unit)) >= steps
        {
            let message = format!(
                "the warm-up of {} takes all of the {}",
                super::value::duration((*amount, *unit)),
                super::value::duration(length)
            );
            let warmup = self.argument(schedule, "warmup");
            let error = Diagnostic::new(findings::WARMUP_TOO_LONG, warmup, message);
            let error = error.also(place, "the length of the training");
            self.report(error.help("shorten the warm-up, or train for longer"));
        }
        if let Some(keep) = keep
            && in_steps(keep) > steps
        {
            let message = format!(
                "the first encoder would be kept after {}, and the training ends after {}",
                super::value::duration(keep),
                super::value::duration(length)
            );
            let error = self.about(findings::KEEP_BEYOND_LENGTH, stage, "keep", message);
            let error = error.also(place, "the length of the training");
            self.report(error.help("keep more often, or train for longer"));
        }
    }

    fn check_batch(&mut self, stage: &TypedStage, data: Option<&SplitValue>) {
        let (Some(batch), Some(data)) = (stage.fields.get("batch"), data) else { return };
        if let (Some(size), Some(examples)) = (batch.number(), examples(data))
            && size > examples as f64
        {
            let message = format!("a batch of {size} from only {examples} examples");
            let error = self.blame(findings::OUT_OF_RANGE, batch, message);
            self.report(error);
        }
    }
}

/// How many examples a split has, where its dataset says so before it is loaded.
pub fn examples(split: &SplitValue) -> Option<usize> {
    let all = resolve::examples(split.dataset.call.as_ref()?, split.part)?;
    let classes = usize::try_from(split.dataset.classes.as_constant()?).ok()?;
    Some(sampled(all, classes, split.share?))
}

/// The steps of an epoch, by the rule of the run; `None` where the split or the batch is not known
/// or no batch fills.
fn steps_per_epoch(stage: &TypedStage, data: &SplitValue) -> Option<usize> {
    let examples = examples(data)?;
    let batch = stage.fields.get("batch")?;
    let Kind::Int(batch) = &batch.kind else { return None };
    let batch = usize::try_from(batch.as_constant()?).ok().filter(|batch| *batch > 0)?;
    let steps = batches(examples, batch);
    (steps > 0).then_some(steps)
}
