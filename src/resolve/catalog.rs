//! Every name that the library gives its users, by kind.

use super::library;
use crate::source::{self, FileId, Span};
use crate::syntax::tree::{self, TypeKind};

/// What a name makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Category {
    Stage,
    Dataset,
    Augment,
    Encoder,
    Head,
    Objective,
    Operation,
    Optimizer,
    Schedule,
    Protocol,
    Pipeline,
}

impl Category {
    pub const ALL: &[Category] = &[
        Category::Stage,
        Category::Dataset,
        Category::Augment,
        Category::Encoder,
        Category::Head,
        Category::Objective,
        Category::Operation,
        Category::Optimizer,
        Category::Schedule,
        Category::Protocol,
        Category::Pipeline,
    ];

    /// What several of them are called.
    pub fn plural(self) -> &'static str {
        match self {
            Category::Stage => "stages",
            Category::Dataset => "datasets",
            Category::Augment => "augmentations",
            Category::Encoder => "encoders",
            Category::Head => "heads",
            Category::Objective => "objectives",
            Category::Operation => "operations",
            Category::Optimizer => "optimizers",
            Category::Schedule => "schedules",
            Category::Protocol => "protocols",
            Category::Pipeline => "pipelines",
        }
    }

    /// What one of them is called.
    pub fn singular(self) -> &'static str {
        // Each of the words above has a plural with an `s`.
        self.plural().trim_end_matches('s')
    }

    /// What a signature makes, by its type. A network out of a network is an operation.
    fn of(signature: &tree::Signature) -> Self {
        let TypeKind::Named(name, arguments) = &signature.result.kind else {
            return Category::Operation;
        };
        match name.as_str() {
            "Dataset" => Category::Dataset,
            "Augment" => Category::Augment,
            "Encoder" => Category::Encoder,
            "Network" if arguments.is_some() => Category::Head,
            "Objective" => Category::Objective,
            "Optimizer" => Category::Optimizer,
            "Schedule" => Category::Schedule,
            "Protocol" => Category::Protocol,
            _ => Category::Operation,
        }
    }
}

/// A name of a module: a declaration, a define or a pipeline.
#[derive(Clone, Copy, Debug)]
pub struct Named<'t> {
    pub kind: Category,
    pub name: &'t str,
    pub doc: &'t str,
    pub parameters: &'t [tree::Parameter],
    /// From its name to what it makes; of a pipeline to its parameters.
    pub span: Span,
}

impl<'t> Named<'t> {
    fn of(kind: Category, signature: &'t tree::Signature) -> Self {
        let tree::Signature { doc, name, parameters, span, .. } = signature;
        Named { kind, name: &name.text, doc, parameters, span: *span }
    }

    /// Its first sentence, on one line.
    pub fn summary(&self) -> String {
        let paragraph = self.doc.lines().take_while(|line| !line.trim().is_empty());
        let text = paragraph.collect::<Vec<_>>().join(" ");
        match text.find(". ") {
            Some(end) => text[..=end].to_owned(),
            None => text,
        }
    }
}

/// The names of a module, in the order of its text but for defines, which come first.
pub fn names(tree: &tree::File) -> Vec<Named<'_>> {
    let mut all = Vec::new();
    for define in &tree.defines {
        all.push(Named::of(Category::of(&define.signature), &define.signature));
    }
    for own in &tree.externs {
        let kind = match own.outputs {
            Some(_) => Category::Stage,
            None => Category::of(&own.signature),
        };
        all.push(Named::of(kind, &own.signature));
    }
    for pipeline in &tree.pipelines {
        all.push(Named {
            kind: Category::Pipeline,
            name: &pipeline.name.text,
            // What a file says of itself it says of its pipeline.
            doc: if pipeline.doc.is_empty() { &tree.doc } else { &pipeline.doc },
            parameters: &pipeline.parameters,
            span: pipeline.head,
        });
    }
    all
}

/// A name of the library.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    pub module: &'static str,
    pub named: Named<'static>,
    /// Whether it needs no `use`.
    pub is_in_scope: bool,
}

impl Entry {
    /// What a `use` names: the module alone where its last part is the name.
    pub fn path(&self) -> String {
        path(self.module, self.named.name)
    }

    /// How a program has it: what a `use` names, or that it needs none.
    pub fn access(&self) -> String {
        match self.named.kind {
            Category::Pipeline => format!("cpipe run {}", self.path()),
            _ if self.is_in_scope => format!("{}, in scope everywhere", self.module),
            _ => format!("use {}", self.path()),
        }
    }
}

/// What a `use` names to have a name of a module: the module alone where its last part is the name.
pub fn path(module: &str, name: &str) -> String {
    match module.rsplit('.').next() == Some(name) {
        true => module.to_owned(),
        false => format!("{module}.{name}"),
    }
}

/// Every name of the library, by module.
pub fn entries() -> Vec<Entry> {
    let prelude = source::embedded("std.prelude").map(|file| &library::module(file).tree.uses);
    let in_prelude = |module: &str, name: &str| {
        prelude.into_iter().flatten().any(|import: &tree::Use| {
            let parts: Vec<&str> = import.module.iter().map(|part| part.text.as_str()).collect();
            import.name.text == name && parts.join(".") == module
        })
    };
    let of_module = |(file, source): (FileId, &'static source::Source)| {
        let named = names(&library::module(file).tree).into_iter();
        named.map(move |named| Entry {
            module: &source.name,
            named,
            is_in_scope: named.kind == Category::Stage || in_prelude(&source.name, named.name),
        })
    };
    source::library().flat_map(of_module).collect()
}

/// What a module of the library says of itself.
pub fn module_doc(file: FileId) -> &'static str {
    &library::module(file).tree.doc
}
