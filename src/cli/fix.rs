//! `cpipe check --fix`: the safe changes, made.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;

use super::rewrite;
use crate::diagnostics::{Diagnostic, Edit, Levels, edit, findings, visible};
use crate::resolve::{Disk, Files, load};
use crate::source::{self, Sources};
use crate::syntax::tree::Member;
use crate::{Compilation, Request, compile};

/// What one change makes possible the next round makes; none needs as many.
const MOST_ROUNDS: usize = 10;

/// What was done to each file.
#[derive(Default)]
pub struct Fixes(Vec<(String, Result<Counts, String>)>);

/// How often each finding was answered.
type Counts = BTreeMap<&'static str, usize>;

impl Fixes {
    /// Whether a file could not be changed.
    pub fn has_failed(&self) -> bool {
        self.0.iter().any(|(_, outcome)| outcome.is_err())
    }

    /// A line for each file that was changed, or could not be.
    pub fn report(&self) -> String {
        let mut lines = String::new();
        for (file, outcome) in &self.0 {
            let line = match outcome {
                Ok(counts) => {
                    let total: usize = counts.values().sum();
                    let names: Vec<&str> = counts.keys().copied().collect();
                    format!("fixed {total} in {file}: {}", names.join(", "))
                }
                Err(reason) => format!("{file} is left as it was: {reason}"),
            };
            lines += &format!("{}\n", visible(&line));
        }
        lines
    }
}

/// The safe changes of the file that was checked.
pub fn edits(checked: &Compilation) -> impl Iterator<Item = (&Diagnostic, &Edit)> {
    let root = checked.root.filter(|root| !source::is_embedded(*root));
    checked.diagnostics.iter().filter_map(move |own| {
        let edit = own.edit.as_ref()?;
        (edit.is_safe && Some(edit.place.file) == root).then_some((own, edit))
    })
}

/// Makes them in every file, again and again, until there are no more.
pub fn fix(files: &[String], levels: &Levels) -> Fixes {
    let mut fixes = Vec::new();
    for file in files {
        match one(file, levels) {
            Ok(counts) if counts.is_empty() => {}
            outcome => fixes.push((file.clone(), outcome)),
        }
    }
    Fixes(fixes)
}

fn one(file: &str, levels: &Levels) -> Result<Counts, String> {
    let checked = |files: &dyn Files| {
        let mut compilation = compile(&Request { file, ..Request::default() }, files);
        compilation.diagnostics = levels.apply(compilation.diagnostics);
        compilation
    };
    let mut counts = Counts::new();
    let first = checked(&Disk);
    let Some(root) = first.root.filter(|_| edits(&first).next().is_some()) else {
        return Ok(counts);
    };
    let read = first.sources.get(root).text.to_string();
    let mut text = read.clone();
    let mut graphs = graphs(file, &Disk);
    let mut now = first;
    for _ in 0..MOST_ROUNDS {
        let made: Vec<(&Diagnostic, &Edit)> = edits(&now).collect();
        let next = edit::apply(&text, made.iter().map(|(_, edit)| *edit));
        if next == text {
            break;
        }
        let edited = Edited { path: Path::new(file), text: &next };
        let then = checked(&edited);
        let after = self::graphs(file, &edited);
        if let Some(reason) = regression((&now, &graphs), (&then, &after)) {
            return Err(reason.to_owned());
        }
        let answered = answered(&made, &now, &then);
        if answered.is_empty() {
            return Err("a change that was to be safe answers nothing".to_owned());
        }
        for (name, count) in answered {
            *counts.entry(name).or_default() += count;
        }
        (text, now, graphs) = (next, then, after);
    }
    if !counts.is_empty() {
        rewrite::replace(Path::new(file), &read, &text).map_err(|error| error.to_string())?;
    }
    Ok(counts)
}

/// What a change that was to be safe has done to a text, where it was not: the compilations and the
/// graphs before and after it.
fn regression(
    before: (&Compilation, &Graphs),
    after: (&Compilation, &Graphs),
) -> Option<&'static str> {
    let unread = |checked: &Compilation| {
        let unread = [findings::SYNTAX_ERROR, findings::NESTING_TOO_DEEP, findings::CHAIN_TOO_LONG];
        checked.diagnostics.iter().filter(|own| unread.contains(&own.finding)).count()
    };
    if after.0.root.is_none() || unread(after.0) > unread(before.0) {
        return Some("a change that was to be safe makes it unreadable");
    }
    // What was no program before may be any now.
    match before.1.iter().all(|(own, graph)| after.1.get(own) == Some(graph)) {
        false => Some("a change that was to be safe makes another program of it"),
        true => None,
    }
}

/// How often a finding that was to be answered is found no more, by name.
fn answered(made: &[(&Diagnostic, &Edit)], before: &Compilation, after: &Compilation) -> Counts {
    let mut answered = Counts::new();
    let wanted: BTreeSet<(&'static str, &str)> =
        made.iter().map(|(own, _)| (own.finding.name, own.message.as_str())).collect();
    let count = |of: &Compilation, wanted: (&str, &str)| {
        let is_it = |own: &&Diagnostic| (own.finding.name, own.message.as_str()) == wanted;
        of.diagnostics.iter().filter(is_it).count()
    };
    for wanted in wanted {
        let gone = count(before, wanted).saturating_sub(count(after, wanted));
        if gone > 0 {
            *answered.entry(wanted.0).or_default() += gone;
        }
    }
    answered
}

/// The hashes of graphs by the names of a pipeline and a profile.
type Graphs = BTreeMap<(String, Option<String>), String>;

/// The graphs of every pipeline of a file, alone and under each of its profiles, of those that have
/// one.
fn graphs(file: &str, files: &dyn Files) -> Graphs {
    let (program, _) = load(&mut Sources::default(), files, file);
    let mut hashes = Graphs::new();
    let Some(program) = program else { return hashes };
    for own in &program.module(program.root).tree.pipelines {
        let profiles = own.members.iter().filter_map(|member| match member {
            Member::Profile(profile) => Some(Some(profile.name.text.as_str())),
            _ => None,
        });
        for profile in std::iter::once(None).chain(profiles) {
            let pipeline = Some(own.name.text.as_str());
            let request = Request { file, pipeline, profile, required: true, ..Request::default() };
            let key = (own.name.text.clone(), profile.map(str::to_owned));
            let graph = compile(&request, files).compiled.map(|own| own.graph.hash());
            hashes.extend(graph.map(|graph| (key, graph)));
        }
    }
    hashes
}

/// The disk, with another text in the place of one file.
struct Edited<'e> {
    path: &'e Path,
    text: &'e str,
}

impl Files for Edited<'_> {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        match path == self.path {
            true => Ok(self.text.as_bytes().to_vec()),
            false => Disk.read(path),
        }
    }

    fn is_missing(&self, path: &Path) -> bool {
        path != self.path && Disk.is_missing(path)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Edited, graphs, regression};
    use crate::{Request, compile};

    #[test]
    fn what_makes_it_worse_is_seen() {
        let right = "define one() -> Int {\n  1\n}\n";
        let pipeline = |k: &str| {
            format!(
                "use std.datasets.shapes\nuse std.encoders.convnet\npipeline p() {{\n  \
                 dataset data = shapes()\n  evaluate near {{ model: convnet(), protocol: knn(k: {k}), \
                 fit: data.train, on: data.test }}\n}}\n"
            )
        };
        let state = |text: &str| {
            let edited = Edited { path: Path::new("a.cpipe"), text };
            let request = Request { file: "a.cpipe", ..Request::default() };
            (compile(&request, &edited), graphs("a.cpipe", &edited))
        };
        let found = |before: &str, after: &str| {
            let (before, after) = (state(before), state(after));
            regression((&before.0, &before.1), (&after.0, &after.1))
        };
        let spaced = pipeline("5").replace("dataset ", "dataset   ");
        assert_eq!(state(&spaced).1.len(), 1, "it is right");
        assert_eq!(found(&pipeline("5"), &spaced), None);
        assert_eq!(found(&pipeline("\"\""), &pipeline("5")), None);
        for (before, after) in [(pipeline("5"), pipeline("6")), (pipeline("5"), pipeline("\"\""))] {
            let reason = "a change that was to be safe makes another program of it";
            assert_eq!(found(&before, &after), Some(reason));
        }
        let broken = right.replace("{", "{ {");
        let reason = "a change that was to be safe makes it unreadable";
        assert_eq!(found(right, &broken), Some(reason));
    }
}
