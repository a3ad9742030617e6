//! SARIF 2.1.0, which code scanning services read.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Component, Path};

use serde_json::{Value, json};

use super::{Found, position};
use crate::diagnostics::{Edit, Finding, Label, findings, visible};
use crate::source::{self, Source, Sources, Span};

const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

/// All of them as the log of one run, which has checked these files.
pub fn sarif(found: &[Found<'_>], files: &[String]) -> serde_json::Result<String> {
    let mut artifacts = Artifacts::default();
    for file in files {
        artifacts.location(file);
    }
    // The rules of what is found, in the order of the table.
    let rules: Vec<&Finding> = findings::all()
        .filter(|finding| found.iter().any(|own| own.diagnostic.finding == *finding))
        .collect();
    let results: Vec<Value> = found.iter().map(|own| result(own, &rules, &mut artifacts)).collect();
    let artifacts: Vec<Value> =
        artifacts.uris.iter().map(|uri| json!({"location": {"uri": uri}})).collect();
    let log = json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "cpipe",
                "version": env!("CARGO_PKG_VERSION"),
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": rules.iter().map(|finding| rule(finding)).collect::<Vec<_>>(),
            }},
            "columnKind": "utf16CodeUnits",
            "artifacts": artifacts,
            "results": results,
        }],
    });
    Ok(serde_json::to_string_pretty(&log)? + "\n")
}

/// The files that are named, each once.
#[derive(Default)]
struct Artifacts {
    uris: Vec<String>,
    positions: BTreeMap<String, usize>,
}

impl Artifacts {
    fn location(&mut self, path: &str) -> Value {
        let uri = uri(path);
        let index = *self.positions.entry(uri.clone()).or_insert_with(|| {
            self.uris.push(uri.clone());
            self.uris.len() - 1
        });
        json!({"uri": uri, "index": index})
    }

    fn physical(&mut self, span: Span, sources: &Sources) -> Value {
        let source = sources.get(span.file);
        json!({"artifactLocation": self.location(&source.name), "region": region(span, source)})
    }
}

fn rule(finding: &Finding) -> Value {
    let group = findings::GROUPS.iter().find(|(_, findings)| findings.contains(&finding));
    let tags: Vec<&str> = group.map(|(group, _)| *group).into_iter().collect();
    let opening = finding.page.split("\n\n").next().unwrap_or_default();
    let level = finding.severity.word();
    json!({
        "id": finding.name,
        "shortDescription": {"text": finding.summary},
        "fullDescription": {"text": opening.replace('\n', " ")},
        "help": {"text": finding.page, "markdown": finding.page},
        "defaultConfiguration": {"level": level},
        "properties": {"tags": tags, "problem.severity": level},
    })
}

fn result(found: &Found<'_>, rules: &[&Finding], artifacts: &mut Artifacts) -> Value {
    let Found { file, diagnostic, sources } = found;
    let mut message = visible(&diagnostic.message).into_owned();
    if let Some(help) = &diagnostic.help {
        message += &format!("\n{}", visible(help));
    }
    let place = match &diagnostic.primary {
        Some(label) => location(label, sources, artifacts),
        // Every result has to have a place.
        None => json!({"physicalLocation": {
            "artifactLocation": artifacts.location(file),
            "region": {"startLine": 1, "startColumn": 1, "endLine": 1, "endColumn": 1},
        }}),
    };
    let mut related = Vec::new();
    for label in &diagnostic.secondary {
        if source::is_embedded(label.span.file) {
            // No file of the repository that is scanned.
            message += &format!("\n{}: {}", sources.place(label.span), visible(&label.text));
            continue;
        }
        let mut other = location(label, sources, artifacts);
        other["id"] = json!(related.len() + 1);
        related.push(other);
    }
    let mut result = json!({
        "ruleId": diagnostic.finding.name,
        "ruleIndex": rules.iter().position(|rule| *rule == diagnostic.finding),
        "level": diagnostic.severity().word(),
        "message": {"text": message},
        "locations": [place],
    });
    if !related.is_empty() {
        result["relatedLocations"] = json!(related);
    }
    let edit = diagnostic.edit.as_ref();
    let edit = edit.filter(|edit| edit.is_safe && !source::is_embedded(edit.place.file));
    if let Some(edit) = edit {
        result["fixes"] = json!([fix(edit, diagnostic.help.as_deref(), sources, artifacts)]);
    }
    result
}

fn location(label: &Label, sources: &Sources, artifacts: &mut Artifacts) -> Value {
    let mut location = json!({"physicalLocation": artifacts.physical(label.span, sources)});
    if !label.text.is_empty() {
        location["message"] = json!({"text": visible(&label.text)});
    }
    location
}

fn fix(edit: &Edit, help: Option<&str>, sources: &Sources, artifacts: &mut Artifacts) -> Value {
    let source = sources.get(edit.place.file);
    json!({
        "description": {"text": visible(help.unwrap_or("make the safe change"))},
        "artifactChanges": [{
            "artifactLocation": artifacts.location(&source.name),
            "replacements": [{
                "deletedRegion": region(edit.place, source),
                "insertedContent": {"text": edit.text},
            }],
        }],
    })
}

fn region(span: Span, source: &Source) -> Value {
    let (start, end) = (position(source, span.start), position(source, span.end));
    json!({
        "startLine": start.line,
        "startColumn": start.units,
        "endLine": end.line,
        "endColumn": end.units,
    })
}

/// A path as a URI reference: relative where the path is.
fn uri(path: &str) -> String {
    let mut uri = String::new();
    for component in Path::new(path).components() {
        let part = match component {
            Component::CurDir => continue,
            Component::RootDir => {
                // Before it, where there is something, stands the name of a drive.
                let drive = if uri.is_empty() { "" } else { "/" };
                uri = format!("file://{drive}{uri}/");
                continue;
            }
            Component::Prefix(prefix) => prefix.as_os_str().to_string_lossy(),
            Component::ParentDir => "..".into(),
            Component::Normal(part) => part.to_string_lossy(),
        };
        if !uri.is_empty() && !uri.ends_with('/') {
            uri.push('/');
        }
        for byte in part.bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                    uri.push(char::from(byte))
                }
                _ => write!(uri, "%{byte:02X}").expect("a String takes writes"),
            }
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::uri;

    #[test]
    fn paths_are_uris() {
        assert_eq!(uri("./a/b.cpipe"), "a/b.cpipe");
        assert_eq!(uri("../é 1%.cpipe"), "../%C3%A9%201%25.cpipe");
        assert_eq!(uri("a:b.cpipe"), "a%3Ab.cpipe");
        #[cfg(unix)]
        assert_eq!(uri("/a/b.cpipe"), "file:///a/b.cpipe");
    }
}
