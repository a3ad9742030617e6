//! `cpipe doc`

use std::path::Path;
use std::process::ExitCode;

use super::{BAD_INPUT, html, output};
use crate::check::types::TypeName;
use crate::diagnostics::{Diagnostic, Diagnostics, findings, render_all, visible};
use crate::docs::guides::{self, GUIDES};
use crate::resolve::catalog::{self, Entry, Named};
use crate::resolve::{self, Disk};
use crate::source::{self, Sources, Span};
use crate::syntax::lossless::SyntaxKind;
use crate::syntax::parse::{self, Parsed};

#[derive(clap::Args)]
pub struct Arguments {
    /// A name such as moco_v2 or std.datasets.cifar10, a type such as Schedule, a module such as
    /// std.augment, a guide such as guide.method, or a .cpipe file, of which every name is shown.
    /// Without one, the guides and the modules of the library.
    name: Option<String>,
    /// Look the name up in this .cpipe file first.
    #[arg(short, long, value_name = "FILE")]
    file: Option<String>,
    /// Show all that is written of it, with its body.
    #[arg(short, long, requires = "name")]
    text: bool,
    /// Write all of the library, and the file with those that it uses, as one page of HTML with a
    /// search, DIR/index.html.
    #[arg(long, value_name = "DIR")]
    html: Option<String>,
}

pub fn run(arguments: &Arguments) -> ExitCode {
    let shape = Shape { width: output::width(), whole: arguments.text };
    let width = shape.width;
    let name = arguments.name.as_deref();
    let file = arguments.file.as_deref().or(name.filter(|name| name.ends_with(".cpipe")));
    let name = name.filter(|name| Some(*name) != file);
    if let Some(folder) = &arguments.html {
        if let Some(name) = name {
            output::diagnostic(&not_a_file(name), &Sources::default());
            return ExitCode::from(BAD_INPUT);
        }
        return html::write(folder, file);
    }
    let of_file = match file.map(|file| in_file(file, name, shape)).transpose() {
        Ok(found) => found.unwrap_or_default(),
        Err(error) => {
            output::diagnostic(&error, &Sources::default());
            return ExitCode::from(BAD_INPUT);
        }
    };
    let text = match name {
        _ if !of_file.is_empty() => of_file,
        Some(name) => match guide(name, width)
            .or_else(|| in_library(name, shape))
            .or_else(|| of_type(name, width))
        {
            Some(text) => text,
            None => {
                output::diagnostic(&unknown(name), &Sources::default());
                return ExitCode::from(BAD_INPUT);
            }
        },
        None if file.is_some() => "this file declares nothing\n".to_owned(),
        None => modules(width),
    };
    output::write(&text)
}

/// How a page is made.
#[derive(Clone, Copy)]
struct Shape {
    width: usize,
    /// With the body.
    whole: bool,
}

/// What a file of the user says of a name, or of all that it declares.
fn in_file(file: &str, name: Option<&str>, shape: Shape) -> Result<String, Box<Diagnostic>> {
    let text = resolve::read(&Disk, Path::new(file))?;
    let mut sources = Sources::default();
    let id = sources.add(file, text);
    let Parsed { file: tree, diagnostics, .. } = parse::file(&sources, id);
    let faults = Diagnostics::sorted(diagnostics);
    output::error(&render_all(&faults, &sources, output::style()));
    let names = catalog::names(&tree).into_iter();
    let wanted = names.filter(|own| name.is_none_or(|name| own.name == name));
    let pages: Vec<String> = wanted.map(|own| page(&own, file, &sources, shape)).collect();
    Ok(pages.join("\n"))
}

/// What the library says of a name, a path or a module.
fn in_library(name: &str, shape: Shape) -> Option<String> {
    let width = shape.width;
    let entries = catalog::entries();
    let is_it = |entry: &&Entry| {
        let whole = format!("{}.{}", entry.module, entry.named.name);
        entry.named.name == name || entry.path() == name || whole == name
    };
    let pages: Vec<String> =
        entries.iter().filter(is_it).map(|own| entry_page(own, shape)).collect();
    if !pages.is_empty() {
        return Some(pages.join("\n"));
    }
    let inner = format!("{name}.");
    let within = table(width, |module| module.starts_with(&inner));
    let Some(file) = source::embedded(name) else {
        return (!within.is_empty()).then(|| format!("{name}\n\n{within}"));
    };
    let own: Vec<&Named<'_>> =
        entries.iter().filter(|entry| entry.module == name).map(|entry| &entry.named).collect();
    let longest = own.iter().map(|own| own.name.len()).max().unwrap_or_default();
    let mut text = format!("{name}\n\n{}", output::reflow(catalog::module_doc(file), width));
    for (index, own) in own.into_iter().enumerate() {
        let line = format!("{:<longest$}  {}", own.name, own.summary());
        text += if index == 0 { "\n" } else { "" };
        text += &format!("{}\n", output::cut(line.trim_end(), width));
    }
    if !within.is_empty() {
        text += &format!("\n{within}");
    }
    Some(text)
}

fn guide(name: &str, width: usize) -> Option<String> {
    let guide = guides::named(name)?;
    Some(format!("{}\n\n{}", guide.title, output::reflow(guide.text, width)))
}

fn of_type(name: &str, width: usize) -> Option<String> {
    let doc = guides::of_type(TypeName::parse(name)?)?;
    Some(format!(
        "{name}\n\n{}\n`cpipe doc guide.language` says more of types.\n",
        output::reflow(doc, width)
    ))
}

fn entry_page(entry: &Entry, shape: Shape) -> String {
    page(&entry.named, &entry.access(), &Sources::default(), shape)
}

/// The signature as it is written, where it is, and what it says of itself.
fn page(named: &Named<'_>, place: &str, sources: &Sources, shape: Shape) -> String {
    let width = shape.width;
    let whole = if shape.whole { whole(named.span, sources) } else { None };
    let lines: Vec<_> =
        whole.as_deref().unwrap_or(sources.text(named.span)).lines().map(visible).collect();
    let mut text = format!("{}\n    {}\n", lines.join("\n"), visible(place));
    if !named.doc.is_empty() {
        text += &format!("\n{}", output::reflow(named.doc, width));
    }
    let documented = named.parameters.iter().filter(|parameter| !parameter.doc.is_empty());
    for parameter in documented {
        text += &format!("\n{}: {}", parameter.name.text, output::reflow(&parameter.doc, width));
    }
    text
}

/// All of the define, the pipeline or the declaration that a signature belongs to.
fn whole(signature: Span, sources: &Sources) -> Option<String> {
    let lossless = parse::file(sources, signature.file).lossless;
    let mut node = lossless.covering(signature.start..signature.end);
    while !matches!(node.kind(), SyntaxKind::Define | SyntaxKind::Extern | SyntaxKind::Pipeline) {
        node = node.parent()?;
    }
    // Without its documentation, which is shown below it.
    let text = lossless.text().get(..node.range().end)?;
    let before = text.get(..signature.start)?.trim_end();
    let keyword = before.rfind(char::is_whitespace).map_or(0, |at| at + 1);
    // Of a line on which something else ends, the rest.
    let line = before.rfind('\n').map_or(0, |at| at + 1);
    let is_indent = text.get(line..keyword)?.trim().is_empty();
    text.get(if is_indent { line } else { keyword }..).map(str::to_owned)
}

/// The modules of the library and what each is about.
fn modules(width: usize) -> String {
    let mut text = String::new();
    for guide in GUIDES {
        text += &output::cut(&format!("{}  {}", guide.name, guide.title), width);
        text.push('\n');
    }
    text.push('\n');
    text += &table(width, |_| true);
    text + "\n`cpipe doc MODULE` lists its names, `cpipe list` all of them.\n"
}

/// Modules of the library, each with the first sentence about it.
fn table(width: usize, is_wanted: impl Fn(&str) -> bool) -> String {
    let wanted: Vec<_> = source::library().filter(|(_, source)| is_wanted(&source.name)).collect();
    let longest = wanted.iter().map(|(_, source)| source.name.len()).max().unwrap_or_default();
    let mut text = String::new();
    for (file, source) in wanted {
        let doc = catalog::module_doc(file);
        let first = doc.lines().take_while(|line| !line.is_empty()).collect::<Vec<_>>().join(" ");
        text += &output::cut(&format!("{:<longest$}  {first}", source.name), width);
        text.push('\n');
    }
    text
}

/// Names of the library are on the page in any case.
fn not_a_file(name: &str) -> Diagnostic {
    let message = format!("`{name}` is no .cpipe file, and the page has every name");
    Diagnostic::general(findings::FILE_UNREADABLE, message)
        .help("give `--html` with a file of your own, or alone")
}

fn unknown(name: &str) -> Diagnostic {
    let entries = catalog::entries();
    let paths: Vec<String> = entries.iter().map(Entry::path).collect();
    let names = entries.iter().map(|entry| entry.named.name);
    let guides = GUIDES.iter().map(|guide| guide.name);
    let error = Diagnostic::general(findings::UNKNOWN_NAME, format!("nothing is called `{name}`"));
    if let Some(here) = resolve::here(name) {
        return error.help(format!("for what has this name elsewhere there is `{here}`"));
    }
    error
        .help("`cpipe list` shows every name")
        .nearest(name, names.chain(paths.iter().map(String::as_str)).chain(guides))
}
