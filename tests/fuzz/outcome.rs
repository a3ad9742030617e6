//! What holds of every compilation, however wrong its text.

use cpipe::diagnostics::formats::{Found, concise, github, json, sarif};
use cpipe::diagnostics::{Edit, Severity, Style, edit, render_all};
use cpipe::{Compilation, Request};

use crate::support::{names, with};

/// Compiles a text, and says what is not as it has to be.
pub fn check(text: &str, overrides: &[String]) -> Result<(), String> {
    let request = Request { overrides, ..Request::default() };
    let compilation = with(text, &request);
    let errors = compilation.diagnostics.iter().filter(|own| own.severity() == Severity::Error);
    let (errors, has_graph) = (errors.count(), compilation.compiled.is_some());
    if errors > 0 && has_graph {
        return Err("a graph of what is wrong".to_owned());
    }
    shown(&compilation)?;
    if outcome(&compilation) != outcome(&with(text, &request)) {
        return Err("another outcome the second time".to_owned());
    }
    edited(text, &request, &compilation)
}

fn outcome(compilation: &Compilation) -> (Vec<&'static str>, Option<String>) {
    (names(compilation), compilation.compiled.as_ref().map(|own| own.graph.hash()))
}

/// Every form of what was found says something, of a place that is there.
fn shown(compilation: &Compilation) -> Result<(), String> {
    let Compilation { sources, diagnostics, .. } = compilation;
    for own in diagnostics {
        let labels = own.primary.iter().chain(&own.secondary);
        let spans = labels.map(|label| label.span).chain(own.edit.iter().map(|edit| edit.place));
        for span in spans {
            let text = &sources.get(span.file).text;
            if text.get(span.start..span.end).is_none() {
                return Err(format!("{} is about no text: {span:?}", own.finding.name));
            }
        }
        if own.message.is_empty() {
            return Err(format!("{} says nothing", own.finding.name));
        }
    }
    let found: Vec<Found<'_>> = diagnostics
        .iter()
        .map(|diagnostic| Found { file: "test.cpipe", diagnostic, sources })
        .collect();
    let json = json(&found, 1).map_err(|error| error.to_string())?;
    let sarif = sarif(&found, &["test.cpipe".to_owned()]).map_err(|error| error.to_string())?;
    let style = Style { width: 80, ..Style::default() };
    let texts = [render_all(diagnostics, sources, style), concise(&found), github(&found)];
    let is_silent = |text: &String| text.is_empty() != diagnostics.is_empty();
    if texts.iter().any(is_silent) || json.is_empty() || sarif.is_empty() {
        return Err("nothing is shown".to_owned());
    }
    Ok(())
}

/// Safe edits leave the graph as it is, and make nothing wrong that was right.
fn edited(text: &str, request: &Request<'_>, before: &Compilation) -> Result<(), String> {
    let root = before.root;
    let edits = before.diagnostics.iter().filter_map(|own| own.edit.as_ref());
    let safe: Vec<&Edit> =
        edits.filter(|edit| edit.is_safe && Some(edit.place.file) == root).collect();
    if safe.is_empty() {
        return Ok(());
    }
    let text = edit::apply(text, safe);
    let after = with(&text, request);
    match (&before.compiled, &after.compiled) {
        (Some(before), Some(after)) if before.graph.hash() == after.graph.hash() => Ok(()),
        (Some(_), _) => Err(format!("safe edits change the graph: {:?} of\n{text}", names(&after))),
        (None, _) => Ok(()),
    }
}
