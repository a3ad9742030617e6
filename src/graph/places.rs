//! Where what a graph holds was written: beside the canonical form, which knows no text.

use std::collections::BTreeMap;

use crate::check::objective::{Builder, Written};
use crate::check::{TypedPipeline, TypedStage};
use crate::source::Span;

/// By position in the graph.
#[derive(Clone, Debug, Default)]
pub struct Places(pub Vec<StagePlaces>);

/// Of a stage, and of its objective where it has one.
#[derive(Clone, Debug)]
pub struct StagePlaces {
    pub stage: Span,
    pub fields: BTreeMap<String, Written>,
    /// By position in the objective's graph.
    pub nodes: Vec<Written>,
    pub networks: Vec<Written>,
    pub modules: Vec<Written>,
}

/// What number each part of an objective's text has in its canonical graph; none where that does
/// not need it.
#[derive(Clone, Debug, Default)]
pub struct Numbering {
    pub nodes: Vec<Option<usize>>,
    pub networks: Vec<Option<usize>>,
    pub modules: Vec<Option<usize>>,
}

impl StagePlaces {
    pub fn of(stage: &TypedStage, objective: Option<(&Builder, &Numbering)>) -> Self {
        let sorted = |written: &mut dyn Iterator<Item = &Written>, numbers: &[Option<usize>]| {
            let pairs = written.zip(numbers).filter_map(|(own, number)| {
                Some((*number, own)).filter(|(number, _)| number.is_some())
            });
            let mut pairs: Vec<_> = pairs.collect();
            pairs.sort_by_key(|(number, _)| *number);
            // Two may be one in the canonical graph.
            pairs.dedup_by_key(|(number, _)| *number);
            pairs.into_iter().map(|(_, own)| own.clone()).collect::<Vec<_>>()
        };
        let (mut nodes, mut networks, mut modules) = Default::default();
        if let Some((builder, numbering)) = objective {
            nodes = sorted(&mut builder.nodes.iter().map(|own| &own.written), &numbering.nodes);
            networks =
                sorted(&mut builder.networks.iter().map(|own| &own.written), &numbering.networks);
            modules =
                sorted(&mut builder.modules.iter().map(|own| &own.written), &numbering.modules);
        }
        StagePlaces { stage: stage.span, fields: stage.places.clone(), nodes, networks, modules }
    }

    /// The text to blame for a field.
    pub fn field(&self, name: &str) -> Span {
        self.fields.get(name).map_or(self.stage, |written| written.place)
    }

    /// The text to blame for an argument of what makes a field's value.
    pub fn argument(&self, field: &str, name: &str) -> Span {
        self.fields.get(field).map_or(self.stage, |written| written.argument(name))
    }
}

impl Places {
    /// Of the stages of a pipeline, whose places in its graph are `positions`.
    pub(super) fn of(
        pipeline: &TypedPipeline,
        numberings: &[Option<Numbering>],
        positions: &[usize],
    ) -> Self {
        let all = pipeline.stages.iter().zip(numberings).zip(positions);
        let mut all: Vec<(usize, StagePlaces)> = all
            .map(|((stage, numbering), position)| {
                let objective = stage.objective().map(|objective| &objective.builder);
                (*position, StagePlaces::of(stage, objective.zip(numbering.as_ref())))
            })
            .collect();
        all.sort_by_key(|(position, _)| *position);
        Places(all.into_iter().map(|(_, places)| places).collect())
    }
}
