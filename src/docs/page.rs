//! The page: one file of HTML that needs nothing else.

use std::fmt::Write as _;

use serde::Serialize;

use super::guides::{GUIDES, Guide};
use super::html::{self, escape, link};
use super::item::{Item, Parameter};
use super::model::{self, Module};
use crate::diagnostics::{Finding, findings, visible};
use crate::resolve::Program;
use crate::resolve::catalog;
use crate::source::{self, Sources};

const STYLE: &str = include_str!("page.css");
const SEARCH: &str = include_str!("search.js");
const SCRIPT: &str = include_str!("page.js");

/// Nothing is loaded from anywhere.
const POLICY: &str = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'; \
                      base-uri 'none'; form-action 'none'";

/// A page and how much is on it.
pub struct Page {
    pub html: String,
    pub names: usize,
    pub findings: usize,
}

/// What the search knows of a place of the page beside the text that stands there.
#[derive(Serialize)]
struct Indexed {
    id: String,
    name: String,
    kind: &'static str,
}

/// What a name of the library makes of images, by its path, as a PNG in base64: two of them and five
/// views of each.
pub type Pictures<'p> = &'p dyn Fn(&str) -> Option<String>;

/// The documentation of the user's modules, the library and the findings.
pub fn page(own: Option<&Program>, sources: &Sources, pictures: Pictures<'_>) -> Page {
    let modules = model::modules(own, sources);
    let users = model::users(&modules);
    let mut main = String::from("<section id=\"guides\">\n<h2>Guides</h2>\n");
    let mut index = Vec::new();
    for guide in GUIDES {
        index.push(indexed(guide.name, guide.title, "guide"));
        main += &self::guide(guide);
    }
    main += "</section>\n";
    for module in &modules {
        index.push(indexed(&module.id, &module.name, "module"));
        let _ = write!(
            main,
            "<section id=\"{}\">\n<h2>{}</h2>\n{}",
            escape(&module.id),
            escape(&module.name),
            module.doc
        );
        for item in &module.items {
            index.push(indexed(&item.id, &item.name, item.kind));
            let users = users.get(item.id.as_str()).map(Vec::as_slice).unwrap_or_default();
            main += &self::item(item, users, pictures);
        }
        main += "</section>\n";
    }
    for (group, findings) in findings::GROUPS {
        let _ = write!(main, "<section id=\"{}\">\n<h2>Findings: {group}</h2>\n", group_id(group));
        for finding in *findings {
            index.push(indexed(&finding_id(finding), finding.name, finding.severity.word()));
            main += &self::finding(finding);
        }
        main += "</section>\n";
    }
    let html = whole(&navigation(&modules), &main, &json(&index));
    let names = modules.iter().map(|module| module.items.len()).sum();
    Page { html, names, findings: findings::all().count() }
}

fn whole(navigation: &str, main: &str, index: &str) -> String {
    let version = env!("CARGO_PKG_VERSION");
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>cpipe {version}: documentation</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n\
         <a class=\"skip\" href=\"#content\">Skip to the content</a>\n\
         <header>\n<h1>cpipe <small>{version}</small></h1>\n\
         <div id=\"find\" role=\"search\" hidden>\n<label for=\"query\">Search</label>\n\
         <input id=\"query\" type=\"search\" autocomplete=\"off\" spellcheck=\"false\" \
         role=\"combobox\" aria-expanded=\"false\" aria-controls=\"results\" \
         aria-autocomplete=\"list\" placeholder=\"a name, a word or a finding  ( / )\">\n\
         <p id=\"count\" role=\"status\"></p>\n\
         <div id=\"results\" role=\"listbox\" aria-label=\"Results\" hidden></div>\n\
         </div>\n</header>\n<div class=\"columns\">\n\
         <nav aria-label=\"Modules and findings\">\n{navigation}</nav>\n\
         <main id=\"content\">\n{main}</main>\n</div>\n\
         <script type=\"application/json\" id=\"index\">{index}</script>\n\
         <script>\n{SEARCH}{SCRIPT}</script>\n</body>\n</html>\n"
    )
}

fn navigation(modules: &[Module]) -> String {
    let mut html = String::new();
    let mut list = |title: &str, links: Vec<String>| {
        if !links.is_empty() {
            let _ = writeln!(html, "<p>{title}</p>\n<ul>\n{}</ul>", links.concat());
        }
    };
    let entry = |id: &str, name: &str| format!("<li>{}</li>\n", link(id, &escape(name)));
    let of = |is_own: bool| {
        let modules = modules.iter().filter(|module| module.is_own == is_own);
        modules.map(|module| entry(&module.id, &module.name)).collect()
    };
    list("Guides", GUIDES.iter().map(|guide| entry(guide.name, guide.title)).collect());
    list("Your files", of(true));
    list("Library", of(false));
    let groups = findings::GROUPS.iter();
    list("Findings", groups.map(|(group, _)| entry(&group_id(group), group)).collect());
    html
}

fn guide(guide: &Guide) -> String {
    let text = html::markdown(guide.text, 2, &leads);
    format!("{}{text}</section>\n", head(guide.name, guide.title, "guide"))
}

fn item(item: &Item, users: &[&Item], pictures: Pictures<'_>) -> String {
    let mut html = head(&item.id, &item.name, item.kind);
    let _ = write!(
        html,
        "<pre><code>{}</code></pre>\n<p class=\"access\"><code>{}</code></p>\n{}",
        item.signature,
        escape(&item.access),
        item.doc
    );
    html += &pictures(&item.id).map(|own| figure(&own)).unwrap_or_default();
    if !item.parameters.is_empty() {
        let parameters: Vec<String> = item.parameters.iter().map(parameter).collect();
        let _ = write!(html, "<dl>\n{}</dl>\n", parameters.concat());
    }
    if let Some(body) = &item.body {
        let _ = write!(
            html,
            "<details>\n<summary>What it is made of</summary>\n<pre><code>{body}</code></pre>\n\
             </details>\n"
        );
    }
    if !users.is_empty() {
        let links: Vec<String> =
            users.iter().map(|user| link(&user.id, &escape(&user.name))).collect();
        let _ = writeln!(html, "<p class=\"users\">Used by {}</p>", links.join(", "));
    }
    html + "</section>\n"
}

/// What it makes of images.
fn figure(picture: &str) -> String {
    format!(
        "<figure><img alt=\"Two images, each in front of what is made of it\" \
         src=\"data:image/png;base64,{picture}\"></figure>\n"
    )
}

fn parameter(own: &Parameter) -> String {
    let default = own.default.as_ref().map(|default| format!(", {default}")).unwrap_or_default();
    format!(
        "<dt><code>{}</code></dt>\n<dd><p><code>{}</code>{default}</p>\n{}</dd>\n",
        escape(&own.name),
        own.kind,
        own.doc
    )
}

fn finding(finding: &Finding) -> String {
    format!(
        "{}<p>{}</p>\n{}{}</section>\n",
        head(&finding_id(finding), finding.name, finding.severity.word()),
        html::inline(finding.summary, &leads),
        html::markdown(finding.page, 3, &leads),
        html::markdown(&finding.choice(), 3, &leads),
    )
}

/// The beginning of what is found by the search, with a link to itself.
fn head(id: &str, name: &str, kind: &str) -> String {
    let name = link(id, &escape(name));
    format!(
        "<section class=\"entry\" id=\"{}\">\n<h3>{name} <span class=\"kind\">{kind}</span></h3>\n",
        escape(id)
    )
}

/// What inline code of a page of a finding is the name of: a finding, a module or a whole path.
fn leads(code: &str) -> Option<String> {
    let name = code.strip_prefix("cpipe explain ").unwrap_or(code);
    if let Some(finding) = findings::named(name) {
        return Some(finding_id(finding));
    }
    let name = code.strip_prefix("use ").unwrap_or(code);
    // Most inline code is no path at all.
    if !name.starts_with("std.") {
        return None;
    }
    let is_name = catalog::entries().iter().any(|entry| entry.path() == name);
    let module = || source::embedded(name).map(|_| format!("module:{name}"));
    is_name.then(|| name.to_owned()).or_else(module)
}

fn finding_id(finding: &Finding) -> String {
    format!("finding.{}", finding.name)
}

fn group_id(group: &str) -> String {
    format!("group:{}", html::identifier(&group.replace(' ', "-")))
}

fn indexed(id: &str, name: &str, kind: &'static str) -> Indexed {
    Indexed { id: id.to_owned(), name: visible(name).into_owned(), kind }
}

/// The index as it may stand in a script, of which nothing in it is the end.
fn json(index: &[Indexed]) -> String {
    // Strings in a list are always JSON.
    let text = serde_json::to_string(index).unwrap_or_default();
    text.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}
