//! Hashes of terms and stages: equal work, equal hash.

use blake3::Hasher;

use super::{Stage, VERSION};
use crate::term::objective::ObjectiveGraph;
use crate::term::{Call, Part, Term, Unit};

/// The hash of a stage whose inputs have the hashes `inputs`, by position.
pub fn stage(stage: &Stage, inputs: &[Option<String>]) -> String {
    let mut state = Hasher::new();
    state.update(&VERSION.to_le_bytes());
    text(&mut state, stage.kind.name());
    for (name, value) in &stage.fields {
        text(&mut state, name);
        term(&mut state, value, inputs);
    }
    state.finalize().to_hex().to_string()
}

pub fn combine<'h>(hashes: impl Iterator<Item = &'h str>) -> String {
    let mut state = Hasher::new();
    hashes.for_each(|hash| text(&mut state, hash));
    state.finalize().to_hex().to_string()
}

// Every part is preceded by a tag or a length, so that no two terms feed the same bytes.
fn term(state: &mut Hasher, value: &Term, inputs: &[Option<String>]) {
    match value {
        Term::Bool(value) => tagged(state, b'b', &[u8::from(*value)]),
        Term::Int(value) => tagged(state, b'i', &value.to_le_bytes()),
        Term::Float(value) => tagged(state, b'f', &value.to_bits().to_le_bytes()),
        Term::Range(low, high) => {
            tagged(state, b'r', &low.to_bits().to_le_bytes());
            state.update(&high.to_bits().to_le_bytes());
        }
        Term::Percent(value) => tagged(state, b'%', &value.to_bits().to_le_bytes()),
        Term::Text(value) => {
            state.update(b"t");
            text(state, value);
        }
        Term::Symbol(value) => {
            state.update(b"s");
            text(state, value);
        }
        Term::Duration(amount, unit) => {
            tagged(state, b'd', &amount.to_bits().to_le_bytes());
            state.update(&[match unit {
                Unit::Epochs => 0,
                Unit::Steps => 1,
            }]);
        }
        Term::Call(value) => call(state, value, inputs),
        Term::Chain(parts) => {
            tagged(state, b'>', &(parts.len() as u64).to_le_bytes());
            parts.iter().for_each(|part| term(state, part, inputs));
        }
        Term::Split(split) => {
            let part = match split.part {
                Part::Train => 0,
                Part::Test => 1,
            };
            tagged(state, b'/', &[part, u8::from(split.labeled)]);
            state.update(&split.percent.to_bits().to_le_bytes());
            if let Some(each) = split.each {
                tagged(state, b'f', &(each as u64).to_le_bytes());
            }
            call(state, &split.dataset, inputs);
        }
        Term::Output(output) => {
            state.update(b"o");
            text(state, inputs.get(output.stage).and_then(Option::as_deref).unwrap_or_default());
            text(state, &output.output);
        }
        Term::Objective(value) => objective(state, value, inputs),
    }
}

fn call(state: &mut Hasher, value: &Call, inputs: &[Option<String>]) {
    state.update(b"c");
    text(state, &value.name);
    state.update(&(value.args.0.len() as u64).to_le_bytes());
    for (name, value) in &value.args.0 {
        text(state, name);
        term(state, value, inputs);
    }
}

/// The canonical graph as JSON, with each module's term replaced by its own hash, since a term may
/// name a stage, and without the names of the reports, which change no work.
fn objective(state: &mut Hasher, graph: &ObjectiveGraph, inputs: &[Option<String>]) {
    let mut graph = graph.clone();
    for module in &mut graph.modules {
        let mut inner = Hasher::new();
        term(&mut inner, &module.term, inputs);
        module.term = Term::Text(inner.finalize().to_hex().to_string());
    }
    graph.reports.iter_mut().for_each(|(name, _)| name.clear());
    graph.reports.sort();
    state.update(b"g");
    text(state, &serde_json::to_string(&graph).expect("a graph is plain data"));
}

fn tagged(state: &mut Hasher, tag: u8, bytes: &[u8]) {
    state.update(&[tag]);
    state.update(bytes);
}

fn text(state: &mut Hasher, text: &str) {
    state.update(&(text.len() as u64).to_le_bytes());
    state.update(text.as_bytes());
}
