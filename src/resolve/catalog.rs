//! Every name that the library gives its users, by kind.

use super::library;
use crate::source::{self, FileId, Span};
use crate::syntax::tree::{self, TypeKind};

/// What a name makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
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

impl Kind {
    pub const ALL: &[Kind] = &[
        Kind::Stage,
        Kind::Dataset,
        Kind::Augment,
        Kind::Encoder,
        Kind::Head,
        Kind::Objective,
        Kind::Operation,
        Kind::Optimizer,
        Kind::Schedule,
        Kind::Protocol,
        Kind::Pipeline,
    ];

    /// What several of them are called.
    pub fn plural(self) -> &'static str {
        match self {
            Kind::Stage => "stages",
            Kind::Dataset => "datasets",
            Kind::Augment => "augmentations",
            Kind::Encoder => "encoders",
            Kind::Head => "heads",
            Kind::Objective => "objectives",
            Kind::Operation => "operations",
            Kind::Optimizer => "optimizers",
            Kind::Schedule => "schedules",
            Kind::Protocol => "protocols",
            Kind::Pipeline => "pipelines",
        }
    }

    /// What a signature makes, by its type. A network out of a network is an operation.
    fn of(signature: &tree::Signature) -> Self {
        let TypeKind::Named(name, arguments) = &signature.result.kind else {
            return Kind::Operation;
        };
        match name.as_str() {
            "Dataset" => Kind::Dataset,
            "Augment" => Kind::Augment,
            "Encoder" => Kind::Encoder,
            "Network" if !arguments.is_empty() => Kind::Head,
            "Objective" => Kind::Objective,
            "Optimizer" => Kind::Optimizer,
            "Schedule" => Kind::Schedule,
            "Protocol" => Kind::Protocol,
            _ => Kind::Operation,
        }
    }
}

/// A name of a module: a declaration, a define or a pipeline.
#[derive(Clone, Copy, Debug)]
pub struct Named<'t> {
    pub kind: Kind,
    pub name: &'t str,
    pub doc: &'t str,
    pub parameters: &'t [tree::Parameter],
    /// From its name to what it makes; of a pipeline its name.
    pub span: Span,
}

impl<'t> Named<'t> {
    fn of(kind: Kind, signature: &'t tree::Signature) -> Self {
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
        all.push(Named::of(Kind::of(&define.signature), &define.signature));
    }
    for own in &tree.externs {
        let kind = match own.outputs {
            Some(_) => Kind::Stage,
            None => Kind::of(&own.signature),
        };
        all.push(Named::of(kind, &own.signature));
    }
    for pipeline in &tree.pipelines {
        all.push(Named {
            kind: Kind::Pipeline,
            name: &pipeline.name.text,
            // What a file says of itself it says of its pipeline.
            doc: if pipeline.doc.is_empty() { &tree.doc } else { &pipeline.doc },
            parameters: &pipeline.parameters,
            span: pipeline.name.span,
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
        match self.module.rsplit('.').next() == Some(self.named.name) {
            true => self.module.to_owned(),
            false => format!("{}.{}", self.module, self.named.name),
        }
    }
}

/// Every name of the library, by module.
pub fn entries() -> Vec<Entry> {
    let prelude = source::embedded("std.prelude").map(|file| &library::module(file).tree.uses);
    let in_prelude = |name: &str| {
        prelude.into_iter().flatten().any(|import: &tree::Use| import.name.text == name)
    };
    let of_module = |(file, source): (FileId, &'static source::Source)| {
        let named = names(&library::module(file).tree).into_iter();
        named.map(move |named| Entry {
            module: &source.name,
            named,
            is_in_scope: named.kind == Kind::Stage || in_prelude(named.name),
        })
    };
    source::library().flat_map(of_module).collect()
}

/// What a module of the library says of itself.
pub fn module_doc(file: FileId) -> &'static str {
    &library::module(file).tree.doc
}
