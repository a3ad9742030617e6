//! The kinds of stage: their fields, their outputs, and what has to hold between the fields.

use std::collections::BTreeMap;

use super::Checker;
use super::bind::Fill;
use super::memory::Held;
use super::pipeline::{TypedStage, objective};
use super::size::Size;
use super::types::TypeName;
use super::value::{EncoderValue, Kind, ModelValue, ObjectiveValue, SplitValue, Value};
use crate::diagnostics::{Diagnostic, Finding, findings};
use crate::resolve::{Declaration, declaration};
use crate::source::Span;
use crate::term::objective::{ENCODER, Op};
use crate::term::{Output, Part, Term};

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

/// What to do where a dataset has no labels at all.
const NO_LABELS: &str = "its dataset has no labels: name one that has, such as a `folder`";

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
pub(super) fn channels(value: Option<&Value>) -> Vec<Size> {
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
            self.check_orders(&objective.builder);
            self.check_classes(data.as_ref(), &objective.builder);
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
                // Under the name of another split it may be right elsewhere.
                let help = match stage.fields.get("data") {
                    _ if !data.dataset.labeled => NO_LABELS,
                    Some(value) if value.span != self.written(value) => {
                        "give it the split without `.unlabeled`"
                    }
                    _ => "leave out `.unlabeled`",
                };
                self.report(error.also(given, "it reads them here").help(help));
            }
            (None, true) => {
                let message = format!("`{}` reads no labels, and is handed some", objective.name);
                let mut error = self.about(findings::LABELS_UNUSED, stage, "data", message.clone());
                // Where the field names a split, others may name it, too.
                if let Some(value) = stage.fields.get("data")
                    && Some(value.span) != error.place()
                    && self.is_postfix(value.span)
                    && self.origins.is_users(value.span)
                {
                    let written = self.written(value);
                    error = Diagnostic::new(findings::LABELS_UNUSED, value.span, message);
                    error = error.also(written, "with labels here");
                }
                let written = error.place().filter(|place| self.is_postfix(*place));
                let error = match written.map(|place| Span { start: place.end, ..place }) {
                    // By another profile the objective may be one that reads them.
                    Some(end) if self.state.has_profiles => error.likely_edit(end, ".unlabeled"),
                    Some(end) => error.safe_edit(end, ".unlabeled"),
                    None => error,
                };
                self.report(error.help("write `.unlabeled`, so that no label can reach it"));
            }
            _ => {}
        }
    }

    /// Labels pick one of as many columns as there are classes, at least: those of the data, or what
    /// an operation counts.
    fn check_classes(&mut self, data: Option<&SplitValue>, builder: &super::objective::Builder) {
        let classes = |input: &usize| {
            let node = &builder.nodes[*input];
            match &node.op {
                Op::Labels => data?.dataset.classes.as_constant(),
                Op::Primitive(name) => {
                    let counts = declaration(name)?.named("counts")?;
                    match node.args.as_ref()?.get(counts) {
                        Some(Term::Int(count)) => Some(*count),
                        _ => None,
                    }
                }
                _ => None,
            }
        };
        for node in &builder.nodes {
            let Op::Primitive(name) = &node.op else { continue };
            let picks = declaration(name).is_some_and(|own| own.is("picks"));
            let Some(there) = node.inputs.iter().find_map(classes).filter(|_| picks) else {
                continue;
            };
            // What labels alone are given to makes the columns.
            let rows = node.inputs.iter().find(|input| classes(input).is_none());
            let shape = rows.map_or(&node.shape, |rows| &builder.nodes[*rows].shape);
            let columns = shape.sizes().and_then(|sizes| sizes.last()?.as_constant());
            let Some(columns) = columns.filter(|own| *own < there) else { continue };
            let message = format!("`{name}` tells {columns} classes apart, and there are {there}");
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
            self.report(error.help(format!("give it {there}")));
            return;
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
        if data.dataset.labeled && head.output != data.dataset.classes {
            let message = format!(
                "the head yields {} values for {} classes",
                head.output, data.dataset.classes
            );
            let error =
                Diagnostic::new(findings::SHAPE_MISMATCH, self.argument(value, "out"), message);
            self.report(error.help("leave out `out`: the dataset knows it"));
        }
    }

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

    pub(super) fn trains_on(&mut self, stage: &TypedStage, field: &str, split: &SplitValue) {
        if split.part == Part::Test {
            let message = "the test examples would be trained on";
            let error = self.about(findings::TEST_LEAK, stage, field, message);
            self.report(
                error.help("write `.train`; the test examples are for `on` of an `evaluate`"),
            );
        }
    }

    pub(super) fn needs_labels(
        &mut self,
        stage: &TypedStage,
        field: &str,
        split: &SplitValue,
        what: &str,
    ) {
        if !split.labeled {
            let message = format!("{what} needs labels, and this split has none");
            let error = self.about(findings::LABELS_MISSING, stage, field, message);
            let help = if split.dataset.labeled { "leave out `.unlabeled`" } else { NO_LABELS };
            self.report(error.help(help));
        }
    }
}
