//! What a page of documentation is made of: modules, their names, and which names which.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::html;
use super::item::{self, Item};
use crate::resolve::catalog::{self, Category, Named};
use crate::resolve::{self, Item as Meaning, ModuleId, Program};
use crate::source::{self, FileId, Sources};

/// A module and what it has.
pub struct Module {
    pub id: String,
    pub name: String,
    /// As HTML.
    pub doc: String,
    pub is_own: bool,
    pub items: Vec<Item>,
}

/// A module before anything is shown of it.
pub struct Unit<'p> {
    pub program: &'p Program,
    pub module: ModuleId,
    pub sources: &'p Sources,
    id: String,
    name: String,
    is_own: bool,
    names: Vec<Place<'p>>,
}

/// A name, where it is on the page, and how it is had.
pub struct Place<'p> {
    pub named: Named<'p>,
    pub id: String,
    pub access: String,
}

/// Where each name that is on the page is found there, by the text that declares it.
pub type Ids<'p> = BTreeMap<(FileId, &'p str), String>;

/// The modules of the user's program, then those of the library.
pub fn modules(own: Option<&Program>, sources: &Sources) -> Vec<Module> {
    let library: Vec<Program> = source::library()
        .filter_map(|(_, source)| {
            // A text of the library uses no files.
            let none = BTreeMap::<PathBuf, Vec<u8>>::new();
            resolve::load(&mut Sources::default(), &none, &source.name).0
        })
        .collect();
    let mut units = own.map(|program| of_user(program, sources)).unwrap_or_default();
    units.extend(of_library(&library, sources));
    make_unique(&mut units);
    let mut ids = Ids::new();
    for unit in &units {
        let file = unit.program.module(unit.module).file;
        for place in &unit.names {
            // Of two that have one name, the first is meant.
            ids.entry((file, place.named.name)).or_insert_with(|| place.id.clone());
        }
    }
    units.iter().map(|unit| unit.shown(&ids)).collect()
}

fn of_library<'p>(programs: &'p [Program], sources: &'p Sources) -> Vec<Unit<'p>> {
    let mut names: BTreeMap<&str, Vec<Place<'p>>> = BTreeMap::new();
    for entry in catalog::entries() {
        let place = Place { named: entry.named, id: entry.path(), access: entry.access() };
        names.entry(entry.module).or_default().push(place);
    }
    let unit = |program: &'p Program| {
        let name = program.module(program.root).name.clone();
        let names = names.remove(name.as_str()).unwrap_or_default();
        let id = format!("module:{name}");
        Unit { program, module: program.root, sources, id, name, is_own: false, names }
    };
    programs.iter().map(unit).collect()
}

/// The files of the user: the one that was asked for first, then what it uses.
fn of_user<'p>(program: &'p Program, sources: &'p Sources) -> Vec<Unit<'p>> {
    let root = Path::new(&program.module(program.root).name);
    let folder = root.parent().unwrap_or(Path::new(""));
    let own = program.ids().filter(|id| !source::is_embedded(program.module(*id).file));
    let unit = |module: ModuleId| {
        let path = Path::new(&program.module(module).name);
        // The page is the same wherever the files lie.
        let path = path.strip_prefix(folder).unwrap_or(path);
        let parts: Vec<_> = path.iter().map(|part| part.to_string_lossy()).collect();
        let name = parts.join("/");
        let id = format!("file:{}", html::identifier(&name));
        let dotted = format!(".{}", parts.join(".").trim_end_matches(".cpipe"));
        let is_only = program.module(module).tree.pipelines.len() == 1;
        let place = |named: Named<'p>| Place {
            named,
            id: format!("{id}:{}", html::identifier(named.name)),
            access: match named.kind {
                Category::Pipeline if is_only => format!("cpipe run {name}"),
                Category::Pipeline => format!("cpipe run {name} --pipeline {}", named.name),
                _ if module == program.root => format!("in {name}"),
                _ => format!("use {}", catalog::path(&dotted, named.name)),
            },
        };
        let names = catalog::names(&program.module(module).tree).into_iter().map(place).collect();
        Unit { program, module, sources, id, name, is_own: true, names }
    };
    own.map(unit).collect()
}

/// A file with errors may declare a name twice.
fn make_unique(units: &mut [Unit<'_>]) {
    let mut taken: BTreeMap<String, usize> = BTreeMap::new();
    let mut claim = |id: &mut String| {
        let count = taken.entry(id.clone()).or_insert(0);
        *count += 1;
        if *count > 1 {
            *id = format!("{id}:{count}");
        }
    };
    for unit in units {
        claim(&mut unit.id);
        unit.names.iter_mut().for_each(|place| claim(&mut place.id));
    }
}

impl Unit<'_> {
    fn shown(&self, ids: &Ids<'_>) -> Module {
        let tree = &self.program.module(self.module).tree;
        let leads = |code: &str| self.id_of(code, ids);
        let parts = item::parts(tree);
        // What a file says of itself alone is said of its pipeline, too: here it is said once.
        let is_said = |place: &&Place<'_>| place.named.kind == Category::Pipeline;
        let is_said = self.names.iter().filter(is_said).any(|place| place.named.doc == tree.doc);
        let doc = if is_said { "" } else { tree.doc.as_str() };
        Module {
            id: self.id.clone(),
            name: self.name.clone(),
            doc: html::markdown(doc, 2, &leads),
            is_own: self.is_own,
            items: self.names.iter().map(|place| item::item(self, place, &parts, ids)).collect(),
        }
    }

    /// Where on the page that is which a name stands for in this module.
    pub fn id_of(&self, name: &str, ids: &Ids<'_>) -> Option<String> {
        let of = |module: ModuleId| self.program.module(module);
        let declared =
            |own: &resolve::Declaration| Some((source::embedded(own.module)?, own.name()));
        let (file, name) = match self.program.item(self.module, name) {
            Some(Meaning::Define(module, index)) => {
                (of(module).file, self.program.define(module, index).signature.name.text.as_str())
            }
            Some(Meaning::Pipeline(module, index)) => {
                (of(module).file, of(module).tree.pipelines.get(index)?.name.text.as_str())
            }
            Some(Meaning::Extern(own)) => declared(own)?,
            // A kind of stage is in no scope.
            None => declared(resolve::declaration(name).filter(|own| own.tree.outputs.is_some())?)?,
        };
        ids.get(&(file, name)).cloned()
    }
}

/// By what each name on the page is named, in the order of the page.
pub fn users(modules: &[Module]) -> BTreeMap<&str, Vec<&Item>> {
    let mut users: BTreeMap<&str, Vec<&Item>> = BTreeMap::new();
    for item in modules.iter().flat_map(|module| &module.items) {
        let others: BTreeSet<_> = item.mentions.iter().filter(|id| **id != item.id).collect();
        for id in others {
            users.entry(id).or_default().push(item);
        }
    }
    users
}
