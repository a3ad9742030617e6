//! What each kind of stage does.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::failure::Cause;
use super::inputs::Examples;
use super::{Run, State};
use crate::augment::Augmentation;
use crate::check::{StageKind, declared_size};
use crate::data::DataError;
use crate::data::loader::{Loader, default_threads};
use crate::device::{Precision, Processes};
use crate::evaluate::{Better, Counts, Extractor, Judged, Quantity, Warning};
use crate::graph::Stage;
use crate::graph::flow::chain;
use crate::nn::{self, Architecture, Params, safetensors};
use crate::objective::{Learner, encoder_key};
use crate::random::Key;
use crate::resolve::{declaration, loaded};
use crate::store::error::RunError;
use crate::store::events::Event;
use crate::store::{Finished, Partial};
use crate::term::objective::{ENCODER, ModuleNode, ObjectiveGraph};
use crate::term::{Args, Call, Output, Split, Term, Unit};
use crate::train::{
    DeviceFeed, Feed, HostFeed, Session, TrainError, Training, build_optimizer, kept_name,
};

const MODEL: &str = "model.safetensors";

/// The file of a picture of features.
const MAP: &str = "map.svg";
/// The name of the last layer in torchvision's residual networks.
const HEAD: &str = "fc";

/// Those of a run: so far one, which owns the store and the record.
const PROCESSES: Processes = Processes::ONE;

/// The most bytes of images that lie on a device: a small part of what any that trains has.
const MOST_ON_A_DEVICE: u64 = 2 << 30;

/// One result of an evaluation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// In the field's words: `kNN top-1`.
    pub what: String,
    /// The epochs of training before it, for the encoders that a training kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<u64>,
    /// In its unit.
    pub value: f64,
    pub unit: Quantity,
    pub better: Better,
    /// What was done, in a sentence for people.
    pub protocol: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counts: Option<Counts>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warning: Option<Warning>,
}

impl Measured {
    /// What a protocol has found of a network, after so many epochs where it is one of several.
    pub(super) fn of(protocol: &Call, epoch: Option<u64>, found: Judged) -> Self {
        let Judged { value, protocol: how, counts, warning } = found;
        let measures = measures(protocol);
        let what = match epoch {
            Some(epoch) => format!("{measures} after epoch {epoch}"),
            None => measures.to_owned(),
        };
        let (unit, better) = direction(protocol);
        Measured { what, epoch, value, unit, better, protocol: how, counts, warning }
    }

    /// The number as people read it.
    pub fn shown(&self) -> String {
        self.unit.show(self.value).to_string()
    }
}

/// The results that a finished stage holds.
pub fn results(stage: &Stage, finished: &Finished) -> Result<Vec<Measured>, RunError> {
    if stage.kind != StageKind::Evaluate {
        return Ok(Vec::new());
    }
    let results = finished.result().get("results").cloned().unwrap_or_default();
    serde_json::from_value(results).map_err(|error| RunError::StageDamaged {
        path: finished.folder().to_owned(),
        what: error.to_string(),
    })
}

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
        let trained = trained.map_err(|error| match error {
            TrainError::Full(full) => Cause::Run(self.device_full(stage, full)),
            other => Cause::Train(other),
        })?;
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
        for epoch in self.candidates(state, Fields(stage).get("model")) {
            let known = epoch.and_then(|epoch| state.online.remove(&(stage.name.clone(), epoch)));
            if let Some(known) = known {
                results.push(known);
                continue;
            }
            let candidate = self.candidate(state, stage, epoch)?;
            results.push(self.judged(state, stage, &judging, &candidate)?);
            // Of several, the numbers say more than as many pictures.
            if epoch.is_none() {
                let drawn = self.drawn(state, stage, &judging, &candidate)?;
                partial.write(MAP, drawn.as_bytes())?;
            }
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
        let (on, classes) = (examples(on)?, declared(&on.dataset, "Label"));
        Ok(Judging { protocol, recipes: fields.recipes(), on, fit: fit.transpose()?, classes })
    }

    fn split(&self, state: &mut State<'_>, split: &Split) -> Result<Examples, DataError> {
        let key = state.key;
        self.watched(|watch| state.datasets.split(split, key, watch))
    }

    // ------------------------------------------------------------ training

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

    // ------------------------------------------------------------ networks

    /// The constructor of an encoder and its weights: fresh, those of a file, or what another stage
    /// has made.
    fn encoder(&self, state: &State<'_>, term: &Term) -> Result<(Term, Params), Cause> {
        if let Some(call) = loaded(term) {
            return Ok((term.clone(), self.weights(call)?));
        }
        let Term::Output(output) = term else {
            let module = nn::build(term, None);
            let params = module.init(encoder_key(state.key, term), &self.device.device);
            return Ok((term.clone(), params));
        };
        let architecture = self.architecture(output);
        let module = nn::build(&architecture, None);
        let params = match state.stands_in(output.stage) {
            true => module.init(state.key, &self.device.device),
            false => {
                let exports = Fields(self.maker(output)).objective();
                let name = exports.export(&output.output).map_or(ENCODER, |_| &output.output);
                self.read(state, output, &file(name), module.as_ref())?
            }
        };
        Ok((architecture, params))
    }

    /// The stage that an output is of.
    fn maker(&self, output: &Output) -> &Stage {
        self.graph.stage(output.stage).expect("an output names a stage of its own graph")
    }

    /// The constructor behind an output that is an encoder.
    pub(super) fn architecture(&self, output: &Output) -> Term {
        let objective = Fields(self.maker(output)).objective();
        let exported = |name: &str| {
            let module = chain(objective, objective.export(name)?).first()?;
            Some(&objective.modules[*module])
        };
        let module = exported(&output.output).or_else(|| exported(ENCODER));
        let module = module.or_else(|| objective.modules.iter().find(|module| module.encoder));
        match &module.expect("the checker wants an encoder in every objective").term {
            Term::Output(inner) => self.architecture(inner),
            term => term.clone(),
        }
    }

    /// The classifier that another stage has tuned.
    fn classifier(&self, state: &State<'_>, output: &Output) -> Result<Extractor, Cause> {
        let encoder = nn::build(&self.architecture(output), None);
        let (_, head) = head(Fields(self.maker(output)).objective());
        let head = nn::build(&head.term, head.input);
        let [of_encoder, of_head] =
            [&encoder, &head].map(|module| module.init(state.key, &self.device.device));
        if state.stands_in(output.stage) {
            return Ok(Extractor { parts: vec![(encoder, of_encoder), (head, of_head)] });
        }
        let bytes = self.bytes(state, output, MODEL)?;
        let templates = [("", &of_encoder), (HEAD, &of_head)];
        let mut sets = safetensors::from_bytes(&bytes, &templates, &self.device.device)?;
        let of_head = sets.remove(1);
        Ok(Extractor { parts: vec![(encoder, sets.remove(0)), (head, of_head)] })
    }

    /// Weights from an output file of a finished stage.
    fn read(
        &self,
        state: &State<'_>,
        output: &Output,
        file: &str,
        module: &dyn Architecture,
    ) -> Result<Params, Cause> {
        let template = module.init(state.key, &self.device.device);
        let bytes = self.bytes(state, output, file)?;
        let mut sets = safetensors::from_bytes(&bytes, &[("", &template)], &self.device.device)?;
        Ok(sets.remove(0))
    }

    fn bytes(&self, state: &State<'_>, output: &Output, file: &str) -> Result<Vec<u8>, Cause> {
        let finished =
            state.finished.get(&output.stage).expect("stages run after those they depend on");
        let missing = || RunError::StageDamaged {
            path: finished.folder().to_owned(),
            what: format!("it has no {file}"),
        };
        Ok(finished.read(file)?.ok_or_else(missing)?)
    }

    /// The networks that an evaluation judges: one, or those of the epochs after which a training
    /// has kept one.
    pub(super) fn candidates(&self, state: &State<'_>, model: &Term) -> Vec<Option<u64>> {
        match model {
            Term::Output(output)
                if output.output == "history" && !state.stands_in(output.stage) =>
            {
                let finished = state
                    .finished
                    .get(&output.stage)
                    .expect("stages run after those they depend on");
                let kept = finished.result().get("kept").cloned().unwrap_or_default();
                let kept: Vec<u64> = serde_json::from_value(kept).unwrap_or_default();
                kept.into_iter().map(Some).collect()
            }
            _ => vec![None],
        }
    }

    /// One of them. A training may keep more than a device has room for.
    pub(super) fn candidate(
        &self,
        state: &State<'_>,
        stage: &Stage,
        epoch: Option<u64>,
    ) -> Result<Candidate, Cause> {
        let encoder = |module, params| Extractor { parts: vec![(module, params)] };
        let network = match (Fields(stage).get("model"), epoch) {
            (Term::Output(output), Some(epoch)) => {
                let module = nn::build(&self.architecture(output), None);
                let params = self.read(state, output, &kept_name(epoch), module.as_ref())?;
                encoder(module, params)
            }
            (Term::Output(output), None) if output.output == "model" => {
                self.classifier(state, output)?
            }
            (term, _) => {
                let (architecture, params) = self.encoder(state, term)?;
                encoder(nn::build(&architecture, None), params)
            }
        };
        let mut networks = vec![network];
        if let Some(beside) = stage.fields.get("beside") {
            let (architecture, params) = self.encoder(state, beside)?;
            networks.push(encoder(nn::build(&architecture, None), params));
        }
        Ok(Candidate { epoch, networks })
    }
}

/// A training that ends before it has begun.
pub(super) fn no_step(stage: &Stage, examples: usize, batch: usize) -> Cause {
    Cause::Empty(format!(
        "`{}` has no step to take: {examples} examples in batches of {batch}",
        stage.name
    ))
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

/// What is to be judged: the features of a network, or of several, one's behind another's.
pub(super) struct Candidate {
    pub epoch: Option<u64>,
    pub networks: Vec<Extractor>,
}

/// Typed access to the fields of a checked stage.
pub(super) struct Fields<'s>(pub &'s Stage);

impl<'s> Fields<'s> {
    pub fn get(&self, name: &str) -> &'s Term {
        let field = self.0.fields.get(name);
        field.unwrap_or_else(|| {
            panic!("the checker lets no `{}` through without `{name}`", self.0.kind.name())
        })
    }

    pub fn args(&self) -> Args {
        Args(self.0.fields.clone())
    }

    /// The recipe of its views, where it has one.
    pub fn views(&self) -> Option<&'s Term> {
        self.0.fields.get("views")
    }

    /// What an evaluation makes of an image, for each network that looks at it.
    pub fn recipes(&self) -> Vec<Arc<Augmentation>> {
        let networks = 1 + usize::from(self.0.fields.contains_key("beside"));
        match self.views() {
            Some(views) => Augmentation::of_views(views, networks),
            None => (0..networks).map(|_| Arc::new(Augmentation::none())).collect(),
        }
    }

    /// In how many parts a batch passes the encoders.
    pub fn parts(&self) -> usize {
        self.args().size("accumulate")
    }

    /// In which numbers its networks compute.
    pub fn precision(&self) -> Precision {
        match self.0.fields.get("precision") {
            Some(Term::Symbol(name)) => Precision::named(name),
            _ => None,
        }
        .unwrap_or(Precision::F32)
    }

    pub fn split(&self, name: &str) -> &'s Split {
        match self.get(name) {
            Term::Split(split) => split,
            other => panic!("`{name}` passed the checker as a split and is {other}"),
        }
    }

    pub fn objective(&self) -> &'s ObjectiveGraph {
        match self.get("objective") {
            Term::Objective(objective) => objective,
            other => panic!("`objective` passed the checker and is {other}"),
        }
    }
}

/// What a classifier has beside its encoder, and its place among the modules.
pub(super) fn head(objective: &ObjectiveGraph) -> (usize, &ModuleNode) {
    let mut modules = objective.modules.iter().enumerate();
    modules.find(|(_, module)| !module.encoder).expect("`classify` has a head beside an encoder")
}

/// The file of an encoder that a training yields.
fn file(output: &str) -> String {
    format!("{output}.safetensors")
}

/// What a protocol measures, in the field's words.
fn measures(protocol: &Call) -> &'static str {
    // A test looks for it in every protocol.
    declaration(&protocol.name).and_then(|own| own.text("measures")).unwrap_or_default()
}

/// What the number of a protocol counts, and which of two is the better.
fn direction(protocol: &Call) -> (Quantity, Better) {
    // A test looks for both in every protocol.
    let declared = declaration(&protocol.name);
    let of = declared.and_then(|own| Some((Quantity::of(own)?, Better::of(own)?)));
    of.unwrap_or((Quantity::Number, Better::Higher))
}

/// A size that the signature of a checked constructor declares.
fn declared(call: &Call, part: &str) -> usize {
    let size = declared_size(call, part);
    size.unwrap_or_else(|| panic!("the signature of `{}` declares no {part}[…]", call.name))
}
