//! The networks that a stage begins with, and those that it leaves.

use std::sync::Arc;

use super::failure::Cause;
use super::fields::Fields;
use super::{Run, State};
use crate::augment::Augmentation;
use crate::evaluate::Extractor;
use crate::graph::Stage;
use crate::graph::flow::chain;
use crate::nn::{self, Architecture, Params, safetensors};
use crate::objective::encoder_key;
use crate::resolve::loaded;
use crate::store::error::RunError;
use crate::term::objective::{ENCODER, ModuleNode, ObjectiveGraph};
use crate::term::{Output, Term};
use crate::train::kept_name;

/// The file of a tuned classifier.
pub(super) const MODEL: &str = "model.safetensors";

/// The name of the last layer in torchvision's residual networks.
pub(super) const HEAD: &str = "fc";

/// What is to be judged: the features of a network, or of several, one's behind another's.
pub(super) struct Candidate {
    pub epoch: Option<u64>,
    pub networks: Vec<Extractor>,
}

/// A network that looks at the images of a split by a recipe.
#[derive(Clone, Copy)]
pub(super) struct Look<'a> {
    pub network: &'a Extractor,
    pub recipe: &'a Augmentation,
    /// Which view of an image it is shown.
    pub view: u64,
}

impl Candidate {
    /// How its networks look at the images, each by its own recipe; of more recipes than networks,
    /// the last network by the rest.
    pub fn looks<'a>(&'a self, recipes: &'a [Arc<Augmentation>]) -> impl Iterator<Item = Look<'a>> {
        recipes.iter().zip(0..).map(|(recipe, view): (_, u64)| {
            let network = &self.networks[(view as usize).min(self.networks.len() - 1)];
            Look { network, recipe, view }
        })
    }
}

impl Run<'_> {
    /// The constructor of an encoder and its weights: fresh, those of a file, or what another stage
    /// has made.
    pub(super) fn encoder(&self, state: &State<'_>, term: &Term) -> Result<(Term, Params), Cause> {
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

/// What a classifier has beside its encoder, and its place among the modules.
pub(super) fn head(objective: &ObjectiveGraph) -> (usize, &ModuleNode) {
    let mut modules = objective.modules.iter().enumerate();
    modules.find(|(_, module)| !module.encoder).expect("`classify` has a head beside an encoder")
}

/// The file of an encoder that a training yields.
pub(super) fn file(output: &str) -> String {
    format!("{output}.safetensors")
}
