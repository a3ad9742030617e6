//! Comments that silence what a check finds: `// cpipe: ignore[unused-name]`.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use crate::diagnostics::{Diagnostic, Edit, findings};
use crate::resolve::Program;
use crate::source::{self, FileId, Source, Sources, Span};
use crate::syntax::lossless::{Node, SyntaxKind};

/// Takes out what comments in the files of the user silence, and reports the comments of the root
/// that name nothing and, where it was checked as a whole, those that silence nothing.
pub fn apply(
    program: &Program,
    sources: &Sources,
    diagnostics: &mut Vec<Diagnostic>,
    is_whole: bool,
) {
    let root = program.module(program.root).file;
    let mut lints: BTreeMap<Option<(FileId, usize)>, BTreeSet<&str>> = BTreeMap::new();
    for own in diagnostics.iter().filter(|own| own.finding.is_lint) {
        lints.entry(line(own, sources)).or_default().insert(own.finding.name);
    }
    let mut silenced: BTreeSet<(Option<(FileId, usize)>, &str)> = BTreeSet::new();
    let mut found = Vec::new();
    for module in program.modules.iter().filter(|module| !source::is_embedded(module.file)) {
        let source = sources.get(module.file);
        let leaves = module.lossless.root().leaves();
        for comment in leaves.filter(|leaf| leaf.kind() == SyntaxKind::Comment) {
            let Some(ignore) = Ignore::read(comment, source) else { continue };
            let place = Some((module.file, ignore.line));
            let here = lints.get(&place).into_iter().flatten().copied();
            let names: BTreeSet<&str> = ignore.names.iter().map(|(name, _)| *name).collect();
            let silencing: BTreeSet<&str> = here.filter(|name| names.contains(name)).collect();
            if module.file == root {
                ignore.report(source, &silencing, is_whole, &mut found);
            }
            silenced.extend(silencing.into_iter().map(|name| (place, name)));
        }
    }
    diagnostics.retain(|own| {
        !own.finding.is_lint || !silenced.contains(&(line(own, sources), own.finding.name))
    });
    if !found.is_empty() {
        diagnostics.extend(found);
        diagnostics.sort_by_key(Diagnostic::place);
    }
}

/// One such comment.
struct Ignore<'t> {
    file: FileId,
    comment: Range<usize>,
    /// What stands between the brackets, where there are some.
    list: Option<Range<usize>>,
    /// The names in it, and where they stand.
    names: Vec<(&'t str, Range<usize>)>,
    /// What follows the list: a reason, as a rule.
    has_reason: bool,
    /// Whether nothing else stands on its line.
    is_alone: bool,
    /// The line of which it silences something, from zero.
    line: usize,
}

impl<'t> Ignore<'t> {
    fn read(comment: Node<'t>, source: &Source) -> Option<Self> {
        let text = comment.text();
        let rest = text.strip_prefix("//")?.trim_start().strip_prefix("cpipe:")?.trim_start();
        let rest = rest.strip_prefix("ignore")?;
        // `ignored` begins a sentence.
        if rest.starts_with(|c: char| c.is_alphanumeric() || c == '_' || c == '-') {
            return None;
        }
        let start = comment.range().start;
        let place = |part: &str| {
            // A part of the text of the comment.
            let at = start + (part.as_ptr() as usize - text.as_ptr() as usize);
            at..at + part.len()
        };
        let inside = rest.trim_start().strip_prefix('[');
        let (inside, reason) = match inside {
            Some(inside) => match inside.split_once(']') {
                Some((inside, reason)) => (Some(inside), reason),
                None => (Some(inside), ""),
            },
            None => (None, rest),
        };
        let names = inside.into_iter().flat_map(|inside| inside.split(',')).map(str::trim);
        let names = names.filter(|name| !name.is_empty()).map(|name| (name, place(name)));
        let line = source.line(start);
        let before = source.text.get(source.lines()[line]..start).unwrap_or_default();
        let is_alone = before.trim().is_empty();
        Some(Ignore {
            file: comment.span().file,
            comment: comment.range(),
            list: inside.map(place),
            names: names.collect(),
            has_reason: !reason.trim().is_empty(),
            is_alone,
            line: line + usize::from(is_alone),
        })
    }

    fn span(&self, range: &Range<usize>) -> Span {
        Span { file: self.file, start: range.start, end: range.end }
    }

    fn report(
        &self,
        source: &Source,
        silencing: &BTreeSet<&str>,
        is_whole: bool,
        found: &mut Vec<Diagnostic>,
    ) {
        if self.names.is_empty() {
            let message = "this comment names nothing that it silences";
            let warning =
                Diagnostic::new(findings::UNKNOWN_FINDING, self.span(&self.comment), message);
            found.push(warning.help("name it, as in `// cpipe: ignore[unused-name]`"));
        }
        let is_known = |name: &str| findings::named(name).is_some();
        let is_useless = |name: &str| is_known(name) && !silencing.contains(name);
        let useless: BTreeSet<&str> =
            self.names.iter().map(|(name, _)| *name).filter(|name| is_useless(name)).collect();
        let mut seen = BTreeSet::new();
        for (name, place) in self.names.iter().filter(|(name, _)| seen.insert(*name)) {
            let span = self.span(place);
            if !is_known(name) {
                let message = format!("no error or warning is called `{name}`");
                let warning = Diagnostic::new(findings::UNKNOWN_FINDING, span, message);
                let warning = warning.help("`cpipe explain` shows every name");
                found.push(warning.misspelled(name, findings::lints().map(|lint| lint.name)));
                continue;
            }
            let line = if self.is_alone { "the next line" } else { "this line" };
            let message = match lasting(name) {
                Some(reason) => reason,
                None if is_whole => format!("there is no `{name}` on {line}"),
                None => continue,
            };
            if useless.contains(name) {
                let mut warning = Diagnostic::new(findings::UNUSED_IGNORE, span, message);
                warning = warning.help("take it out");
                warning.edit = Some(self.without(source, &useless));
                found.push(warning);
            }
        }
    }

    /// The comment without some names, or no comment where none would be left. The same for each of
    /// the names, so that several are taken out at once.
    fn without(&self, source: &Source, useless: &BTreeSet<&str>) -> Edit {
        let left = self.names.iter().map(|(name, _)| *name).filter(|name| !useless.contains(name));
        let left: Vec<&str> = left.collect();
        let list = self.list.as_ref().filter(|_| !left.is_empty());
        if let Some(list) = list {
            return Edit { place: self.span(list), text: left.join(", "), is_safe: true };
        }
        let text = &source.text;
        let Range { start, end } = self.comment;
        let kept = text[..start].trim_end_matches([' ', '\t']).len();
        let place = match self.is_alone {
            true => kept..text[end..].find('\n').map_or(text.len(), |at| end + at + 1),
            false => kept..end,
        };
        Edit { place: self.span(&place), text: String::new(), is_safe: !self.has_reason }
    }
}

/// Why nothing of that name is ever silenced by a comment, where that is so.
fn lasting(name: &str) -> Option<String> {
    let finding = findings::named(name)?;
    match (finding.is_silenced_by_comments(), finding.is_lint) {
        (true, _) => None,
        (false, true) => {
            Some(format!("`{name}` is about such comments, and is not silenced by one"))
        }
        (false, false) => Some(format!("`{name}` cannot be ignored")),
    }
}

/// The line on which what was found begins.
fn line(diagnostic: &Diagnostic, sources: &Sources) -> Option<(FileId, usize)> {
    let place = diagnostic.place()?;
    Some((place.file, sources.get(place.file).line(place.start)))
}
