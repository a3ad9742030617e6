//! The embedded library: its modules, and what they declare as `extern`.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, OnceLock};

use crate::diagnostics::{Diagnostic, Diagnostics, findings};
use crate::source::{self, FileId, Sources};
use crate::syntax::lossless;
use crate::syntax::parse::{self, Parsed};
use crate::syntax::tree::{self, Expr, ExprKind, TypeArgument, TypeKind};

/// What Rust implements, as the library declares it.
#[derive(Debug)]
pub struct Declaration {
    /// The module that declares it, such as `std.datasets`.
    pub module: &'static str,
    pub tree: &'static tree::Extern,
}

impl Declaration {
    pub fn name(&self) -> &'static str {
        &self.tree.signature.name.text
    }

    /// The signature, whose documentation is that of the declaration.
    pub fn signature(&self) -> &'static tree::Signature {
        &self.tree.signature
    }

    /// Whether what it makes is of that type.
    pub fn makes(&self, name: &str) -> bool {
        matches!(&self.signature().result.kind, TypeKind::Named(made, _) if made == name)
    }

    /// Whether it is declared as `{ fact: true }`.
    pub fn is(&self, fact: &str) -> bool {
        matches!(self.fact(fact), Some(ExprKind::Bool(true)))
    }

    /// Whether anything is declared as `{ fact: … }`.
    pub fn states(&self, fact: &str) -> bool {
        self.fact(fact).is_some()
    }

    /// The name in `{ fact: name }`.
    pub fn named(&self, fact: &str) -> Option<&'static str> {
        match self.fact(fact) {
            Some(ExprKind::Name(name)) => Some(name),
            _ => None,
        }
    }

    /// The text in `{ fact: "text" }`.
    pub fn text(&self, fact: &str) -> Option<&'static str> {
        match self.fact(fact) {
            Some(ExprKind::Text(text)) => Some(text),
            _ => None,
        }
    }

    fn fact(&self, name: &str) -> Option<&'static ExprKind> {
        self.tree.facts.iter().find(|fact| fact.name.text == name).map(|fact| &fact.value.kind)
    }

    /// The parameters that are tensors, in order.
    pub fn tensors(&self) -> impl Iterator<Item = &'static tree::Parameter> {
        let is_tensor = |kind: &TypeKind| matches!(kind, TypeKind::Named(name, _) if ["Tensor", "Labels", "Index"].contains(&name.as_str()));
        self.signature().parameters.iter().filter(move |parameter| is_tensor(&parameter.kind.kind))
    }

    /// Of what it is given as tensors, those whose rows come through unchanged.
    pub fn passed(&self, inputs: &[usize]) -> impl Iterator<Item = usize> {
        let passes = self.named("passes");
        let tensors = self.tensors().map(|own| own.name.text.as_str()).zip(inputs);
        tensors
            .filter(move |(name, _)| passes == Some("all") || passes == Some(name))
            .map(|(_, input)| *input)
    }

    /// Whether a gradient flows through the tensor at that position among [`Declaration::tensors`].
    pub fn carries(&self, position: usize) -> bool {
        self.tensors().nth(position).is_some_and(|own| {
            let is_whole = !matches!(&own.kind.kind, TypeKind::Named(name, _) if name == "Tensor");
            own.detached.is_none() && !is_whole
        })
    }

    /// The name of the first size of what it makes: of `Tensor[size, d]` and `Augment[size]` it is
    /// `size`.
    pub fn first_size(&self) -> Option<&'static str> {
        let TypeKind::Named(_, Some(sizes)) = &self.signature().result.kind else { return None };
        match sizes.first()? {
            TypeArgument::Size(Expr { kind: ExprKind::Name(name), .. }) => Some(name),
            _ => None,
        }
    }

    /// Whether it keeps something from one step to the next: a step reads what earlier ones left.
    pub fn keeps_state(&self) -> bool {
        self.named("keeps").is_some()
    }

    /// Whether it keeps the rows of the last batches.
    pub fn keeps_rows(&self) -> bool {
        self.named("keeps") == Some("rows")
    }

    /// `std.datasets.cifar10`
    pub fn path(&self) -> String {
        format!("{}.{}", self.module, self.name())
    }
}

/// A module of the library, read once in a process.
pub struct Embedded {
    pub tree: Arc<tree::File>,
    pub lossless: Arc<lossless::Tree>,
    pub diagnostics: Diagnostics,
}

/// The module in an embedded text, which `file` has to be.
pub fn module(file: FileId) -> &'static Embedded {
    static MODULES: LazyLock<BTreeMap<FileId, OnceLock<Embedded>>> =
        LazyLock::new(|| source::library().map(|(file, _)| (file, OnceLock::new())).collect());
    // Of every embedded text there is one, and no other file is asked for.
    MODULES[&file].get_or_init(|| {
        let Parsed { file: tree, lossless, diagnostics } = parse::file(&Sources::default(), file);
        Embedded { tree: Arc::new(tree), lossless: Arc::new(lossless), diagnostics }
    })
}

static DECLARATIONS: LazyLock<Vec<Declaration>> = LazyLock::new(|| {
    let all = source::library().filter(|(_, source)| source.text.contains("\nextern "));
    let declared = |(file, source): (FileId, &'static source::Source)| {
        let trees = module(file).tree.externs.iter();
        trees.map(|tree| Declaration { module: &source.name, tree })
    };
    all.flat_map(declared).collect()
});

/// Everything that the library declares as `extern`.
pub fn declarations() -> &'static [Declaration] {
    &DECLARATIONS
}

/// The declaration of that name, of a constructor or a kind of stage.
pub fn declaration(name: &str) -> Option<&'static Declaration> {
    static BY_NAME: LazyLock<BTreeMap<&str, &Declaration>> =
        LazyLock::new(|| DECLARATIONS.iter().map(|own| (own.name(), own)).collect());
    BY_NAME.get(name).copied()
}

/// The declaration of that name, where it is one of a constructor.
pub fn constructor(name: &str) -> Option<&'static Declaration> {
    declaration(name).filter(|own| own.tree.outputs.is_none())
}

/// What a `use` has to name for a define or a declaration of the library to be in sight.
pub fn path_of(name: &str) -> Option<String> {
    if let Some(declaration) = constructor(name) {
        return Some(declaration.path());
    }
    let head = format!("define {name}(");
    let defines = |text: &str| text.lines().any(|line| line.starts_with(&head));
    let (_, source) = source::library().find(|(_, source)| defines(&source.text))?;
    let module = &source.name;
    let is_named_so = module.rsplit('.').next() == Some(name);
    Some(if is_named_so { module.clone() } else { format!("{module}.{name}") })
}

/// Says of a name given as the program that the library has no such module.
pub fn unknown(name: &str) -> Diagnostic {
    let names = || source::library().map(|(_, source)| source.name.as_str());
    let pipelines: Vec<&str> = names().filter(|name| name.starts_with("std.pipelines.")).collect();
    Diagnostic::general(findings::UNKNOWN_MODULE, format!("the library has no module `{name}`"))
        .help(format!("its pipelines are {}", pipelines.join(", ")))
        .nearest(name, names())
}
