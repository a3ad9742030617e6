//! What an objective gives beside its loss: encoders, by name.

use super::objective::{Body, Builder, DraftExport, DraftNetwork};
use super::stages::StageKind;
use super::value::{EncoderValue, Kind, Made, NetworkValue};
use super::{Checker, Scope};
use crate::diagnostics::{Diagnostic, findings};
use crate::syntax::tree::{Binding, Name};
use crate::term::objective::ENCODER;

/// Names that files and outputs of stages have, which an export would be taken for.
const TAKEN: [(&str, &str); 2] = [
    ("model", "the tuned classifier of a `finetune` stage"),
    ("checkpoint", "the file that a stage goes on from"),
];

impl Checker<'_> {
    /// `export name = value`: an encoder, or a network that is nothing else.
    pub(super) fn export(&mut self, binding: &Binding, scope: &Scope) {
        let name = &binding.name;
        let value = self.eval(&binding.value, scope, None, None);
        let taken = self.builder.as_ref().and_then(|builder| builder.export(&name.text));
        if let Some(first) = taken.map(|export| export.name.span) {
            let message = format!("`{}` is exported already", name.text);
            let error = Diagnostic::new(findings::DUPLICATE_NAME, name.span, message);
            self.report(error.also(first, "the first one"));
            return;
        }
        if name.text != ENCODER && StageKind::Pretrain.outputs().contains(&name.text.as_str()) {
            let message = format!("every `pretrain` stage has a `{}` of its own", name.text);
            let error = Diagnostic::new(findings::DUPLICATE_NAME, name.span, message);
            self.report(error.help("give what is exported another name"));
            return;
        }
        if let Some((_, what)) = TAKEN.iter().find(|(taken, _)| *taken == name.text) {
            let message = format!("`{}` is what {what} is called", name.text);
            let error = Diagnostic::new(findings::DUPLICATE_NAME, name.span, message);
            self.report(error.help("give what is exported another name"));
            return;
        }
        if value.is_poison() {
            return;
        }
        let network = match &value.kind {
            Kind::Encoder(_) | Kind::Network(_) => self.as_network(&value),
            _ => {
                let message =
                    format!("what an objective exports is an encoder, not {}", value.describe());
                self.report(self.blame_use(findings::TYPE_MISMATCH, &value, message));
                return;
            }
        };
        let (Some(network), Some(builder)) = (network, self.builder.as_mut()) else { return };
        let network = network.network;
        let chain = builder.chain(network);
        let begins = begins_with_an_encoder(builder, network);
        let section = builder.section(network);
        if begins && chain.len() == 1 && section.is_none() {
            builder.exports.push(DraftExport { name: name.clone(), network });
            return;
        }
        let error = match (begins, section) {
            (true, Some(section)) if chain.len() == 1 => {
                let message = format!(
                    "what an objective exports is an encoder, and not its `{}` alone",
                    section.name()
                );
                let error = self.blame_use(findings::TYPE_MISMATCH, &value, message);
                error.help("name the encoder itself")
            }
            (true, _) => {
                let message = "what an objective exports is an encoder, and this network goes on \
                               behind one";
                let error = self.blame_use(findings::TYPE_MISMATCH, &value, message);
                error.help("its encoder has the name `.encoder`")
            }
            (false, _) => {
                let message = "what an objective exports is an encoder, and this network has none";
                self.blame_use(findings::TYPE_MISMATCH, &value, message)
            }
        };
        self.report(error);
    }

    /// The encoder at the start of a network, with the weights that it has there.
    pub(super) fn encoder_in(&mut self, network: &NetworkValue, name: &Name) -> Kind {
        let written = self.written_at(name.span);
        let Some(builder) = &mut self.builder else { return Kind::Poison };
        let of = network.network;
        if !begins_with_an_encoder(builder, of) {
            let message = "this network does not begin with an encoder";
            self.error(findings::UNKNOWN_FIELD, name.span, message);
            return Kind::Poison;
        }
        let chain = builder.chain(of);
        let output = builder.modules[chain[0]].output.clone();
        let network = match chain.len() {
            1 if builder.section(of).is_none() => of,
            _ => {
                let (body, output) = (Body::Encoder { of }, output.clone());
                builder.network(DraftNetwork { body, written, output, section: None })
            }
        };
        Kind::Network(NetworkValue { network, output })
    }
}

impl Builder {
    /// What is exported under that name in so many words.
    pub fn export(&self, name: &str) -> Option<&DraftExport> {
        self.exports.iter().find(|export| export.name.text == name)
    }

    /// The encoder that an export is, as the objective was handed it.
    pub fn exported(&self, export: &DraftExport) -> EncoderValue {
        // Nothing else is exported.
        let module = &self.modules[self.chain(export.network)[0]];
        let (parameters, grid, place) = (module.parameters, module.grid, module.place);
        EncoderValue {
            term: module.term.clone(),
            channels: module.channels.clone(),
            features: module.output.clone(),
            id: module.id,
            made: Made { parameters, grid, place, written: module.written.clone() }.into(),
        }
    }
}

fn begins_with_an_encoder(builder: &Builder, network: usize) -> bool {
    let first = builder.chain(network).first();
    first.is_some_and(|module| builder.modules[*module].is_encoder)
}
