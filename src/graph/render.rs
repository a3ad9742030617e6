//! Graphs as pictures: DOT for Graphviz, Mermaid for Markdown.

use std::fmt::Write as _;

use petgraph::visit::EdgeRef;

use super::{Graph, Stage};
use crate::term::objective::{Extent, NetworkBody, ObjectiveGraph, Op, TensorNode};

/// The graph in Graphviz' language. Stages are clusters; a pretrain stage shows its tensor graph.
pub fn dot(graph: &Graph) -> String {
    let mut out = format!(
        "digraph {:?} {{\n  rankdir=LR;\n  node [shape=box, fontname=monospace];\n",
        graph.name
    );
    for (position, stage) in graph.ordered().enumerate() {
        let _ = writeln!(out, "  s{position} [label={:?}, style=bold];", title(stage));
        if let Some(objective) = stage.objective() {
            let _ = writeln!(
                out,
                "  subgraph cluster_{position} {{\n    label={:?};",
                format!("objective of {}", stage.name)
            );
            for (index, node) in objective.nodes.iter().enumerate() {
                let _ =
                    writeln!(out, "    s{position}t{index} [label={:?}];", tensor(objective, node));
            }
            for (index, node) in objective.nodes.iter().enumerate() {
                for input in &node.inputs {
                    let _ = writeln!(out, "    s{position}t{input} -> s{position}t{index};");
                }
            }
            let _ = writeln!(
                out,
                "  }}\n  s{position}t{} -> s{position} [label=minimize];",
                objective.loss
            );
        }
    }
    for edge in graph.stages.edge_references() {
        let (from, to) = (edge.source().index(), edge.target().index());
        let _ = writeln!(out, "  s{from} -> s{to} [label={:?}];", edge.weight().output);
    }
    out.push_str("}\n");
    out
}

/// The graph as a Mermaid flow chart.
pub fn mermaid(graph: &Graph) -> String {
    let mut out = String::from("flowchart LR\n");
    for (position, stage) in graph.ordered().enumerate() {
        let _ = writeln!(out, "  s{position}[\"{}\"]", escape(&title(stage)));
        if let Some(objective) = stage.objective() {
            let _ =
                writeln!(out, "  subgraph o{position} [\"objective of {}\"]", escape(&stage.name));
            for (index, node) in objective.nodes.iter().enumerate() {
                let _ = writeln!(
                    out,
                    "    s{position}t{index}[\"{}\"]",
                    escape(&tensor(objective, node))
                );
            }
            for (index, node) in objective.nodes.iter().enumerate() {
                for input in &node.inputs {
                    let _ = writeln!(out, "    s{position}t{input} --> s{position}t{index}");
                }
            }
            let _ = writeln!(
                out,
                "  end\n  s{position}t{} -- minimize --> s{position}",
                objective.loss
            );
        }
    }
    for edge in graph.stages.edge_references() {
        let (from, to) = (edge.source().index(), edge.target().index());
        let _ = writeln!(out, "  s{from} -- {} --> s{to}", edge.weight().output);
    }
    out
}

fn title(stage: &Stage) -> String {
    format!("{} {}", stage.kind.name(), stage.name)
}

fn tensor(graph: &ObjectiveGraph, node: &TensorNode) -> String {
    let name = match &node.op {
        Op::View(index) => format!("view {index}"),
        Op::Views { first, count } => format!("views {first} to {}", first + count - 1),
        Op::Labels => "labels".to_owned(),
        Op::Index => "index".to_owned(),
        Op::Scheduled(term) => term.to_string(),
        Op::Count(size) => size.to_string(),
        Op::Apply(network) => {
            let own = graph.networks.get(*network);
            let name = match own.map(|own| &own.body) {
                Some(NetworkBody::Ema { of, .. }) => format!("ema of network {of}"),
                Some(NetworkBody::Grouped { of, groups, .. }) => {
                    format!("network {of} in {groups} groups")
                }
                Some(NetworkBody::Frozen { of }) => format!("network {of}, frozen"),
                Some(NetworkBody::Encoder { of }) => format!("encoder of network {of}"),
                _ => format!("network {network}"),
            };
            match own.and_then(|own| own.section) {
                Some(section) => format!("{} of {name}", section.name()),
                None => name,
            }
        }
        Op::Primitive(name) => name.clone(),
        Op::Constant(value) => value.to_string(),
        Op::Add => "+".to_owned(),
        Op::Subtract => "-".to_owned(),
        Op::Multiply => "*".to_owned(),
        Op::Divide => "/".to_owned(),
    };
    let sizes: Vec<String> = node.shape.iter().map(Extent::to_string).collect();
    format!("{name} [{}]", sizes.join(", "))
}

/// Mermaid ends a label at a quote and reads entities.
fn escape(text: &str) -> String {
    text.replace('"', "#quot;")
}
