//! What a run leaves in its folder.

use std::path::PathBuf;

use serde::Serialize;
use serde_json::json;

use super::Run;
use super::folder::RunFolder;
use super::inputs::Datasets;
use super::measured::Measured;
use crate::check::Resolved;
use crate::graph::Stage;
use crate::source::Sources;
use crate::store::Finished;
use crate::store::error::RunError;

/// The graph, the values and their origins, what the files that they name hold, and what computes:
/// written before anything runs.
pub fn beginning(folder: &RunFolder, run: &Run<'_>, sources: &Sources) -> Result<(), RunError> {
    let graph = run.graph;
    folder.write("graph.ron", graph.to_ron().as_bytes())?;
    let value = |resolved: &Resolved| json!({ "name": resolved.path, "value": resolved.value, "from": resolved.origin.show(sources) });
    let record = json!({
        "pipeline": graph.name,
        "graph": graph.hash(),
        "seed": run.seed,
        "device": run.device.kind,
        "cpipe": env!("CARGO_PKG_VERSION"),
        "values": run.values.iter().map(value).collect::<Vec<_>>(),
        "contents": run.contents.known(),
    });
    folder.write("values.json", pretty(&record).as_bytes())
}

/// What names the pictures that a run leaves out.
pub const LEFT_OUT: &str = "left_out.json";

/// The pictures that cannot be read, of each dataset that leaves them out, with the reasons.
pub fn left_out(folder: &RunFolder, datasets: &Datasets<'_>) -> Result<(), RunError> {
    let of = |(name, left_out): (&str, &[(PathBuf, String)])| {
        let each = left_out.iter().map(|(picture, problem)| {
            json!({ "picture": picture.to_string_lossy(), "problem": problem })
        });
        json!({ "dataset": name, "pictures": each.collect::<Vec<_>>() })
    };
    let all: Vec<_> = datasets.left_out().map(of).collect();
    if all.is_empty() {
        return Ok(());
    }
    folder.write(LEFT_OUT, pretty(&all).as_bytes())
}

/// The outputs and measurements of a finished stage, under its name.
pub fn stage(folder: &RunFolder, stage: &Stage, finished: &Finished) -> Result<(), RunError> {
    let outputs: Vec<String> = finished.outputs().map(str::to_owned).collect();
    for output in outputs.iter().map(String::as_str).chain(["metrics.jsonl"]) {
        if let Some(path) = finished.output(output) {
            folder.add(&path, &format!("{}.{output}", stage.name))?;
        }
    }
    Ok(())
}

/// Every number that the run was for.
#[derive(Default)]
pub struct Results(Vec<Entry>);

/// A number and the stage that has found it.
#[derive(Serialize)]
pub struct Entry {
    pub stage: String,
    hash: String,
    #[serde(flatten)]
    pub measured: Measured,
}

impl Results {
    pub fn add(&mut self, stage: &Stage, measured: Measured) {
        self.push(&stage.name, &stage.hash, measured);
    }

    /// Adds what the stage of that name and hash has found.
    pub fn push(&mut self, stage: &str, hash: &str, measured: Measured) {
        self.0.push(Entry { stage: stage.to_owned(), hash: hash.to_owned(), measured });
    }

    pub fn entries(&self) -> &[Entry] {
        &self.0
    }

    pub fn write(&self, folder: &RunFolder) -> Result<(), RunError> {
        folder.write("results.json", pretty(&self.0).as_bytes())?;
        let line = |entry: &Entry| {
            let Measured { what, protocol, .. } = &entry.measured;
            format!("{}: {what} {}\n  {protocol}\n", entry.stage, entry.measured.shown())
        };
        folder.write("report.txt", self.0.iter().map(line).collect::<String>().as_bytes())
    }
}

fn pretty(value: &impl Serialize) -> String {
    // Names, numbers and lists: nothing that JSON cannot hold.
    serde_json::to_string_pretty(value).expect("a record is plain data") + "\n"
}
