//! Loads a file and what it uses.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Files;
use super::imports;
use super::library::{self, Declaration};
use crate::diagnostics::{Diagnostic, Diagnostics, findings};
use crate::source::{self, FileId, Sources, Span};
use crate::syntax::lossless;
use crate::syntax::parse::{self, Parsed};
use crate::syntax::tree::{self, Name, Use};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ModuleId(usize);

/// What a name at the top of a module stands for.
#[derive(Clone, Copy)]
pub enum Item {
    /// The define at that position of that module.
    Define(ModuleId, usize),
    /// What the library declares and Rust implements.
    Extern(&'static Declaration),
    /// A pipeline: it is run, not called.
    Pipeline(ModuleId, usize),
}

pub struct Module {
    /// `std.objectives.moco_v2`, or a path.
    pub name: String,
    pub file: FileId,
    /// Whether its text is one of the library's, wherever it was read.
    pub is_library: bool,
    pub tree: Arc<tree::File>,
    /// All of its text.
    pub lossless: Arc<lossless::Tree>,
    /// Its own definitions and its imports.
    pub scope: BTreeMap<String, Item>,
    /// Imported names that could not be found, and were reported, and the names that were offered
    /// in their place.
    pub missing: BTreeSet<String>,
}

/// A file and everything that it uses, directly or not.
pub struct Program {
    pub modules: Vec<Module>,
    pub root: ModuleId,
    /// What this module defines and uses is in scope everywhere.
    prelude: ModuleId,
}

impl Program {
    pub fn module(&self, id: ModuleId) -> &Module {
        // A `ModuleId` is only made by `load`, and nothing is ever removed.
        &self.modules[id.0]
    }

    /// What a name stands for in a module, if anything.
    pub fn item(&self, module: ModuleId, name: &str) -> Option<Item> {
        let prelude = || self.prelude().get(name);
        self.module(module).scope.get(name).or_else(prelude).copied()
    }

    /// Brings a declaration into the scope of a module.
    #[cfg(test)]
    pub fn declare(&mut self, module: ModuleId, declaration: &'static Declaration) {
        let scope = &mut self.modules[module.0].scope;
        scope.insert(declaration.name().to_owned(), Item::Extern(declaration));
    }

    /// What is in scope everywhere.
    pub fn prelude(&self) -> &BTreeMap<String, Item> {
        &self.module(self.prelude).scope
    }

    pub fn ids(&self) -> impl Iterator<Item = ModuleId> {
        (0..self.modules.len()).map(ModuleId)
    }

    /// The modules that a user can change: those of the library are not, but for the one that was
    /// asked for.
    pub fn users(&self) -> impl Iterator<Item = ModuleId> {
        self.ids().filter(|id| *id == self.root || !source::is_embedded(self.module(*id).file))
    }

    pub fn define(&self, module: ModuleId, index: usize) -> &tree::Define {
        &self.module(module).tree.defines[index]
    }
}

/// Files that use one another in a row. A program takes a handful; without a limit a long enough
/// row of them would exhaust the stack.
const DEEPEST: usize = 128;

/// Where a module's text comes from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Library(String),
    File(PathBuf),
}

/// Loads the program whose root is the file at `path`, or the embedded module of that name.
pub fn load(
    sources: &mut Sources,
    files: &dyn Files,
    path: &str,
) -> (Option<Program>, Diagnostics) {
    let mut loader = Loader {
        sources,
        files,
        modules: Vec::new(),
        loaded: BTreeMap::new(),
        loading: Vec::new(),
        diagnostics: Diagnostics::default(),
    };
    let prelude = loader.module(Place::Library(PRELUDE.to_owned())).ok();
    let place = match source::embedded(path) {
        Some(_) => Place::Library(path.to_owned()),
        None => Place::File(PathBuf::from(path)),
    };
    let root = match loader.loaded.get(&place) {
        Some(root) => Some(*root),
        None => {
            loader.module(place).map_err(|diagnostic| loader.diagnostics.push(*diagnostic)).ok()
        }
    };
    let diagnostics = loader.diagnostics;
    let program = prelude.zip(root);
    let program = program.map(|(prelude, root)| Program { modules: loader.modules, root, prelude });
    (program, diagnostics)
}

/// The module of what is in scope everywhere.
const PRELUDE: &str = "std.prelude";

struct Loader<'a> {
    sources: &'a mut Sources,
    files: &'a dyn Files,
    modules: Vec<Module>,
    loaded: BTreeMap<Place, ModuleId>,
    /// The modules whose imports are being followed, outermost first.
    loading: Vec<Place>,
    diagnostics: Diagnostics,
}

impl Loader<'_> {
    /// Reads a module and follows its imports.
    fn module(&mut self, place: Place) -> Result<ModuleId, Box<Diagnostic>> {
        let mut copied = None;
        let (name, file, tree, lossless) = match &place {
            Place::Library(name) => {
                // Only made of names that are there.
                let file = source::embedded(name).expect("an embedded module");
                let embedded = library::module(file);
                self.diagnostics.extend(embedded.diagnostics.clone());
                let (tree, lossless) = (&embedded.tree, &embedded.lossless);
                (name.clone(), file, Arc::clone(tree), Arc::clone(lossless))
            }
            Place::File(path) => {
                let text = read(self.files, path)?;
                let name = path.display().to_string();
                // A copy of a text of the library, such as its own source, may declare what that does.
                copied = source::library().find(|(_, source)| *source.text == *text);
                let file = self.sources.add(name.clone(), text);
                let Parsed { file: tree, lossless, diagnostics } = parse::file(self.sources, file);
                self.diagnostics.extend(diagnostics);
                (name, file, Arc::new(tree), Arc::new(lossless))
            }
        };
        let id = ModuleId(self.modules.len());
        let scope = self.own_items(id, &tree);
        let missing = BTreeSet::new();
        let embedded = match &place {
            Place::Library(name) => Some(name.as_str()),
            Place::File(_) => copied.map(|(_, source)| source.name.as_str()),
        };
        let is_library = embedded.is_some();
        let mut module =
            Module { name, file, is_library, tree: Arc::clone(&tree), lossless, scope, missing };
        let is_prelude = embedded == Some(PRELUDE);
        match embedded {
            Some(name) => self.declared(name, &mut module),
            None => self.refuse_externs(&mut module),
        }
        self.modules.push(module);
        self.loaded.insert(place.clone(), id);
        self.loading.push(place.clone());
        self.imports(id, &place, &tree);
        // What could not be read may have used them; what the prelude uses, it gives to all.
        if tree.whole && !is_prelude {
            self.unused_imports(id, &tree);
        }
        self.loading.pop();
        Ok(id)
    }

    /// Adds what a module of the library declares to its scope.
    fn declared(&mut self, name: &str, module: &mut Module) {
        let own = library::declarations().iter().filter(|own| own.module == name);
        let constructors = own.filter(|own| own.tree.outputs.is_none());
        module.scope.extend(constructors.map(|own| (own.name().to_owned(), Item::Extern(own))));
    }

    /// Only what comes with cpipe has an implementation in Rust.
    fn refuse_externs(&mut self, module: &mut Module) {
        for own in &module.tree.externs {
            let name = &own.signature.name;
            let message = format!("`{}` cannot be declared as `extern` here", name.text);
            let error = Diagnostic::new(findings::EXTERN_OUTSIDE_LIBRARY, name.span, message);
            let error = error.label("nothing implements it");
            self.diagnostics.push(error.help(
                "`extern` declares what cpipe itself implements: write a `define` of what there is",
            ));
            module.missing.insert(name.text.clone());
        }
    }

    fn own_items(&mut self, id: ModuleId, tree: &tree::File) -> BTreeMap<String, Item> {
        let defines = tree.defines.iter().enumerate();
        let defines =
            defines.map(|(index, define)| (&define.signature.name, Item::Define(id, index)));
        let pipelines = tree.pipelines.iter().enumerate();
        let pipelines =
            pipelines.map(|(index, pipeline)| (&pipeline.name, Item::Pipeline(id, index)));
        let mut scope = BTreeMap::new();
        let mut places: BTreeMap<&str, Span> = BTreeMap::new();
        for (name, item) in defines.chain(pipelines) {
            match places.get(name.text.as_str()) {
                Some(first) => self.taken(name, *first),
                None => {
                    places.insert(&name.text, name.span);
                    scope.insert(name.text.clone(), item);
                }
            }
        }
        scope
    }

    fn imports(&mut self, id: ModuleId, place: &Place, tree: &tree::File) {
        let mut places: BTreeMap<&str, Span> = BTreeMap::new();
        for import in &tree.uses {
            let Some(item) = self.import(id, place, import) else {
                self.modules[id.0].missing.insert(import.name.text.clone());
                continue;
            };
            let name = &import.name;
            let own = self.modules[id.0].scope.get(&name.text).map(|item| self.place_of(item));
            match places.get(name.text.as_str()).copied().or(own.flatten()) {
                Some(first) => self.taken(name, first),
                None => {
                    places.insert(&name.text, name.span);
                    self.modules[id.0].scope.insert(name.text.clone(), item);
                }
            }
        }
    }

    fn unused_imports(&mut self, id: ModuleId, tree: &tree::File) {
        let used = used_names(tree);
        let module = &self.modules[id.0];
        // One that was not found is wrong for that alone.
        let is_unused = |name: &Name| {
            !module.missing.contains(&name.text) && !used.contains(name.text.as_str())
        };
        let names = tree.uses.iter().map(|import| &import.name);
        let unused: Vec<&Name> = names.filter(|name| is_unused(name)).collect();
        let places: BTreeSet<Span> = unused.iter().map(|name| name.span).collect();
        for name in unused {
            let message = format!("`{}` is imported and never used", name.text);
            let warning = Diagnostic::new(findings::UNUSED_IMPORT, name.span, message);
            let mut warning = warning.help("remove it from the `use`");
            warning.edit =
                imports::without(&module.lossless, name.span, |own| !places.contains(&own));
            self.diagnostics.push(warning);
        }
    }

    fn place_of(&self, item: &Item) -> Option<Span> {
        match item {
            Item::Define(module, index) => {
                Some(self.modules[module.0].tree.defines[*index].signature.name.span)
            }
            Item::Pipeline(module, index) => {
                Some(self.modules[module.0].tree.pipelines[*index].name.span)
            }
            Item::Extern(own) => Some(own.tree.signature.name.span),
        }
    }

    fn taken(&mut self, name: &Name, first: Span) {
        let message = format!("`{}` already has a meaning here", name.text);
        let error = Diagnostic::new(findings::DUPLICATE_NAME, name.span, message);
        self.diagnostics.push(error.label("the second meaning").also(first, "the first meaning"));
    }

    /// What a `use` names: an item of the module it names, or of the module of its own name.
    fn import(&mut self, id: ModuleId, from: &Place, import: &Use) -> Option<Item> {
        let dotted =
            |names: &[&Name]| -> Vec<String> { names.iter().map(|n| n.text.clone()).collect() };
        let parent: Vec<&Name> = import.module.iter().collect();
        let mut own = parent.clone();
        own.push(&import.name);
        let span = own.first().map_or(import.name.span, |first| {
            if first.span.start <= import.name.span.start {
                first.span.to(import.name.span)
            } else {
                import.name.span
            }
        });
        let mut offered: Vec<String> = Vec::new();
        let mut found_module = None;
        for path in [dotted(&own), dotted(&parent)] {
            if path.is_empty() {
                continue;
            }
            let place = locate(from, import.relative, &path);
            if self.loading.contains(&place) {
                let message = format!("`{}` uses this file in turn", path.join("."));
                let error = Diagnostic::new(findings::IMPORT_CYCLE, span, message)
                    .label("the circle closes here");
                self.diagnostics.push(error.help("move what both need into a third file"));
                return None;
            }
            let found = match self.loaded.get(&place) {
                Some(found) => *found,
                None if self.is_missing(&place) => continue,
                None if self.loading.len() == DEEPEST => {
                    let message = format!("more than {DEEPEST} files use one another in a row");
                    let error = Diagnostic::new(findings::NESTING_TOO_DEEP, span, message);
                    self.diagnostics
                        .push(error.help("use what is needed from where it is defined"));
                    return None;
                }
                None => match self.module(place) {
                    Ok(found) => found,
                    Err(unreadable) => {
                        let error = Diagnostic::new(unreadable.finding, span, unreadable.message);
                        self.diagnostics.push(error);
                        return None;
                    }
                },
            };
            let module = &self.modules[found.0];
            let is_own = |item: &Item| match item {
                Item::Define(owner, _) | Item::Pipeline(owner, _) => *owner == found,
                Item::Extern(own) => own.module == module.name,
            };
            if let Some(item) = module.scope.get(&import.name.text).filter(|item| is_own(item)) {
                return Some(*item);
            }
            // It may be defined where that text could not be read.
            if !module.tree.items_whole {
                return None;
            }
            found_module = Some(module.name.clone());
            if self.diagnostics.wants_suggestions() {
                let names = module.scope.iter().filter(|(_, item)| is_own(item));
                offered.extend(names.map(|(name, _)| name.clone()));
            }
        }
        let mut paths = [dotted(&own), dotted(&parent)].into_iter().filter(|path| !path.is_empty());
        let is_beside = !import.relative
            && matches!(from, Place::File(_))
            && paths.any(|path| !self.is_missing(&locate(from, true, &path)));
        if let Some(near) = self.not_found(import, span, found_module, &offered, is_beside) {
            let name = near.rsplit('.').next().unwrap_or(&near).to_owned();
            self.modules[id.0].missing.insert(name);
        }
        None
    }

    /// Reports an import, and gives the name that is offered in its place. A file that lies beside the
    /// one with the import wants a dot.
    fn not_found(
        &mut self,
        import: &Use,
        span: Span,
        module: Option<String>,
        offered: &[String],
        is_beside: bool,
    ) -> Option<String> {
        let path: Vec<&str> = import.module.iter().map(|name| name.text.as_str()).collect();
        let prefix = if import.relative { "." } else { "" };
        let (error, near) = match module {
            Some(module) => {
                let message = format!("`{module}` has nothing called `{}`", import.name.text);
                let error = Diagnostic::new(findings::IMPORT_NOT_FOUND, import.name.span, message);
                // Of a file full of names the first are enough to know it by.
                let list = offered.iter().take(20).map(String::as_str).collect::<Vec<_>>();
                let list = match offered.len().saturating_sub(list.len()) {
                    0 => format!("it has {}", list.join(", ")),
                    more => format!("it has {} and {more} more", list.join(", ")),
                };
                let near = crate::diagnostics::suggest::nearest(
                    &import.name.text,
                    offered.iter().map(String::as_str),
                );
                match near {
                    Some(near) => (error, Some(near.to_owned())),
                    None if offered.is_empty() => (error, None),
                    None => (error.help(list), None),
                }
            }
            None => {
                let whole =
                    format!("{prefix}{}", [&path[..], &[&import.name.text]].concat().join("."));
                let message = format!("there is no module or definition `{whole}`");
                let known = source::library().map(|(_, source)| source.name.as_str());
                let declared: Vec<String> =
                    library::declarations().iter().map(Declaration::path).collect();
                let error = Diagnostic::new(findings::IMPORT_NOT_FOUND, span, message);
                let known = known.chain(declared.iter().map(String::as_str));
                let near = match self.diagnostics.wants_suggestions() {
                    _ if is_beside => Some(format!(".{whole}")),
                    true => crate::diagnostics::suggest::nearest(&whole, known).map(str::to_owned),
                    false => None,
                };
                (error, near)
            }
        };
        self.diagnostics.push(match &near {
            Some(near) => error.help(format!("did you mean `{near}`?")),
            None => error,
        });
        near
    }

    /// Whether there is no text at all. One that is there and cannot be read is not missing.
    fn is_missing(&self, place: &Place) -> bool {
        match place {
            Place::Library(name) => source::embedded(name).is_none(),
            Place::File(path) => self.files.is_missing(path),
        }
    }
}

/// Reads the text of a file of the user.
pub fn read(files: &dyn Files, path: &Path) -> Result<String, Box<Diagnostic>> {
    let shown = path.display();
    let bytes = files.read(path).map_err(|error| {
        let named = path.to_str().filter(|name| {
            name.starts_with("std.")
                && !name.ends_with(".cpipe")
                && error.kind() == std::io::ErrorKind::NotFound
        });
        if let Some(name) = named {
            return Box::new(match source::embedded(name) {
                Some(_) => Diagnostic::general(
                    findings::FILE_UNREADABLE,
                    format!("`{name}` is a module of the library, and no file"),
                )
                .help("give the path of a .cpipe file"),
                None => library::unknown(name),
            });
        }
        let unreadable = Diagnostic::general(findings::FILE_UNREADABLE, format!("cannot read {shown}: {error}"));
        Box::new(unreadable.help("give the path of a .cpipe file, or the name of a pipeline of the library, such as std.pipelines.moco_cifar10"))
    })?;
    // Before it is read as text, of which the last character may be cut in two.
    if bytes.len() > parse::LARGEST {
        return Err(Box::new(parse::too_large(&shown.to_string())));
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let message = format!("{shown} is no text: byte {at} is not valid UTF-8");
        Box::new(
            Diagnostic::general(findings::NOT_TEXT, message)
                .help("a program is UTF-8 text: is this the right file?"),
        )
    })?;
    // A byte-order mark is no part of the text; some editors write one.
    Ok(text.strip_prefix('\u{feff}').map_or_else(|| text.clone(), str::to_owned))
}

/// The text that a module path names, if there is one.
fn locate(from: &Place, relative: bool, path: &[String]) -> Place {
    match (relative, from) {
        (false, _) => Place::Library(path.join(".")),
        (true, Place::Library(name)) => {
            let parent = name.rsplit_once('.').map_or("", |(parent, _)| parent);
            Place::Library(format!("{parent}.{}", path.join(".")))
        }
        (true, Place::File(file)) => {
            let folder = file.parent().unwrap_or(Path::new(""));
            let mut path: PathBuf = folder.join(path.iter().collect::<PathBuf>());
            path.set_extension("cpipe");
            Place::File(path)
        }
    }
}

/// Every name that stands anywhere in a file's definitions.
fn used_names(tree: &tree::File) -> BTreeSet<&str> {
    let mut names = BTreeSet::new();
    let mut see = |expr| tree::names(expr, &mut names);
    for define in &tree.defines {
        define.signature.parameters.iter().filter_map(|p| p.default.as_ref()).for_each(&mut see);
        define.body.iter().flat_map(tree::Statement::exprs).for_each(&mut see);
    }
    for pipeline in &tree.pipelines {
        pipeline.parameters.iter().filter_map(|p| p.default.as_ref()).for_each(&mut see);
        pipeline.members.iter().flat_map(tree::Member::exprs).for_each(&mut see);
    }
    names
}
