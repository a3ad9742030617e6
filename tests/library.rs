//! The standard library, and what implements its declarations.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use cpipe::resolve::catalog::{Category, entries};
use cpipe::resolve::{self, Declaration, Disk, Item, declaration, declarations};
use cpipe::source::{Sources, embedded, library};
use cpipe::syntax::tree::{Parameter, TypeArgument, TypeExpr, TypeKind};
use cpipe::term::{Args, Term, Unit};
use cpipe::{Request, compile};

use crate::support::root;

/// The stages are declared as well: the interpreter carries them out itself.
const STAGES: &[&str] = &["pretrain", "evaluate", "finetune"];

/// What a constructor makes: the checker makes a value of each, and of nothing else.
const MADE: &[&str] = &[
    "Dataset",
    "Augment",
    "Encoder",
    "Network",
    "Tensor",
    "Labels",
    "Index",
    "Optimizer",
    "Schedule",
    "Protocol",
];

/// The type that a constructor makes, without its sizes.
fn made(declaration: &Declaration) -> &str {
    match &declaration.signature().result.kind {
        TypeKind::Named(kind, _) => kind,
        TypeKind::Choices(_) => "",
    }
}

/// Whether it makes a network of another: its average, or the same weights applied in another way.
fn is_made_of_a_network(declaration: &Declaration) -> bool {
    ["averages", "groups", "freezes"].iter().any(|fact| declaration.named(fact).is_some())
}

/// Those of the declarations that are constructors, not kinds of stage.
fn constructors() -> impl Iterator<Item = &'static Declaration> {
    declarations().iter().filter(|declaration| declaration.tree.outputs.is_none())
}

#[test]
fn what_is_declared_is_of_a_known_kind() {
    for declaration in declarations().iter().filter(|own| own.tree.outputs.is_some()) {
        assert!(STAGES.contains(&declaration.name()), "nothing does `{}`", declaration.name());
    }
    for stage in STAGES {
        assert!(declaration(stage).is_some_and(|own| own.tree.outputs.is_some()), "{stage}");
    }
    for declaration in constructors() {
        let (name, made) = (declaration.name(), made(declaration));
        assert!(MADE.contains(&made), "`{name}` makes {made}");
        assert!(!is_made_of_a_network(declaration) || made == "Network", "{name}");
        let sizes = match made {
            // Without labels it is one of images alone.
            "Dataset" if sizes_of(&declaration.signature().result, "Label").is_none() => {
                vec![("Image", 3)]
            }
            "Dataset" => vec![("Image", 3), ("Label", 1)],
            "Encoder" => vec![("Image", 3), ("Feature", 1)],
            "Network" if !is_made_of_a_network(declaration) => vec![("Feature", 1)],
            _ => Vec::new(),
        };
        for (part, expected) in sizes {
            let found = sizes_of(&declaration.signature().result, part);
            assert_eq!(found, Some(expected), "{part} of `{name}`");
        }
    }
}

/// How many sizes the part of that name has in a type.
fn sizes_of(kind: &TypeExpr, part: &str) -> Option<usize> {
    let TypeKind::Named(name, arguments) = &kind.kind else { return None };
    if name == part {
        return Some(arguments.iter().flatten().count());
    }
    arguments.iter().flatten().find_map(|argument| match argument {
        TypeArgument::Type(inside) => sizes_of(inside, part),
        TypeArgument::Function(from, to) => sizes_of(from, part).or_else(|| sizes_of(to, part)),
        TypeArgument::Size(_) | TypeArgument::Rest(_) => None,
    })
}

/// The operations on tensors, and those that yield what they have kept.
#[cfg(feature = "run")]
fn of_tensors() -> Vec<&'static str> {
    let keeping = cpipe::objective::KEEPING.iter().map(|(name, _)| *name);
    cpipe::objective::operations().map(|(name, _)| *name).chain(keeping).collect()
}

/// Declarations and tables, each against the other.
#[test]
#[cfg(feature = "run")]
fn what_is_declared_is_implemented_and_the_reverse() {
    fn names<F>(table: &[(&'static str, F)]) -> Vec<&'static str> {
        table.iter().map(|(name, _)| *name).collect()
    }
    let tables: [(&[&str], Vec<&str>); 7] = [
        (&["Dataset"], names(cpipe::data::DATASETS)),
        (&["Augment"], names(cpipe::augment::TRANSFORMS)),
        (&["Encoder", "Network"], names(cpipe::nn::MODULES)),
        (&["Tensor", "Labels", "Index"], of_tensors()),
        (&["Optimizer"], names(cpipe::train::OPTIMIZERS)),
        (&["Schedule"], names(cpipe::schedule::SCHEDULES)),
        (&["Protocol"], names(cpipe::evaluate::PROTOCOLS)),
    ];
    // The step applies what is made of a network itself, views are dealt their recipes where they
    // are made, and an encoder with weights of a file is the one that it is made of.
    let of_a_table = || {
        let own = constructors().filter(|own| !is_made_of_a_network(own));
        own.filter(|own| own.named("deals").is_none() && own.named("into").is_none())
    };
    assert!(declaration(cpipe::augment::PER_VIEW).is_some_and(|own| own.named("deals").is_some()));
    for declaration in of_a_table() {
        let name = declaration.name();
        let own = tables.iter().filter(|(_, names)| names.contains(&name));
        let kinds: Vec<_> = own.map(|(kinds, _)| *kinds).collect();
        let [kinds] = kinds[..] else { panic!("`{name}` is implemented as {kinds:?}") };
        assert!(kinds.contains(&made(declaration)), "`{name}` is implemented as {kinds:?}");
    }
    let implemented: Vec<&str> = tables.iter().flat_map(|(_, names)| names).copied().collect();
    for name in &implemented {
        assert!(of_a_table().any(|own| own.name() == *name), "`{name}` is declared nowhere");
        let times = implemented.iter().filter(|own| *own == name).count();
        assert_eq!(times, 1, "`{name}` is implemented {times} times");
    }
}

#[test]
fn declarations_are_documented_and_have_names_of_their_own() {
    let mut names = BTreeSet::new();
    for declaration in declarations() {
        let name = declaration.name();
        assert!(names.insert(name), "`{name}` is declared twice");
        assert!(!declaration.signature().doc.is_empty(), "`{name}` has no documentation");
    }
}

/// What a declaration states beside its types: the facts that are read somewhere, as they are read.
#[test]
fn facts_are_those_that_the_checker_knows() {
    for declaration in declarations() {
        let name = declaration.name();
        let kind = made(declaration);
        let is_loaded = declaration.named("loads").is_some();
        let is_module = matches!(kind, "Encoder" | "Network")
            && !is_made_of_a_network(declaration)
            && !is_loaded;
        let parameter = |fact: &str| {
            let of = declaration.named(fact);
            of.is_some_and(|of| {
                declaration.signature().parameters.iter().any(|own| own.name.text == of)
            })
        };
        for fact in &declaration.tree.facts {
            let is_right = match fact.name.text.as_str() {
                "cuts" | "fits" | "labels" | "pairs" => declaration.is(&fact.name.text),
                "chance" => declaration.is("chance") || is_count(declaration, "chance", None),
                "spreads" => {
                    let way = declaration.named("spreads");
                    let is_known =
                        declaration.is("spreads") || matches!(way, Some("rising" | "falling"));
                    kind == "Tensor" && is_known
                }
                "picks" => matches!(kind, "Tensor" | "Index") && declaration.is("picks"),
                "draws" => matches!(kind, "Tensor" | "Labels" | "Index") && declaration.is("draws"),
                "pads" | "covers" | "deals" | "averages" | "groups" | "freezes" | "orders"
                | "takes" | "follows" => parameter(&fact.name.text),
                "passes" => declaration.named("passes") == Some("all") || parameter("passes"),
                "reduces" => parameter("reduces") && states_over(declaration),
                "yields" => {
                    matches!(declaration.named("yields"), Some("unit" | "order" | "logarithms"))
                }
                "attends" => kind == "Network" && declaration.is("attends"),
                "batch_norms" => kind == "Encoder" && declaration.is("batch_norms"),
                "leads" | "blocks" => kind == "Encoder",
                "loads" | "into" => kind == "Encoder" && parameter(&fact.name.text),
                "tiles" => ["Encoder", "Tensor", "Augment"].contains(&kind) && parameter("tiles"),
                "spans" => kind == "Encoder" && parameter("spans"),
                "divides" => kind == "Encoder" && is_count(declaration, "divides", None),
                "least_lr" | "most_lr" | "base_lr" | "per_examples" | "most_weight_decay" => {
                    let number = declaration.number(&fact.name.text, &Args::default(), None);
                    kind == "Optimizer" && matches!(number, Some(Ok(number)) if number > 0.0)
                }
                "keeps" => {
                    let kept = ["rows", "examples", "mean", "clusters"];
                    declaration.named("keeps").is_some_and(|own| kept.contains(&own))
                }
                "counts" => kind == "Labels" && parameter("counts"),
                "even" | "streams" => kind == "Dataset" && declaration.is(&fact.name.text),
                "judges" => matches!(declaration.named("judges"), Some("features" | "classes")),
                "measures" => declaration.text("measures").is_some(),
                "unit" => matches!(declaration.named("unit"), Some("share" | "number")),
                "better" => matches!(declaration.named("better"), Some("higher" | "lower")),
                "train" | "test" => {
                    kind == "Dataset" && is_count(declaration, &fact.name.text, None)
                }
                "learns" => is_module && is_count(declaration, "learns", Some(7)),
                _ => false,
            };
            assert!(is_right, "`{name}` states `{}`", fact.name.text);
        }
        let states = |name: &str| declaration.tree.facts.iter().any(|own| own.name.text == name);
        let told = ["measures", "unit", "better", "judges"].into_iter().all(states);
        assert_eq!(told, kind == "Protocol", "{name}");
        assert_eq!(states("train"), kind == "Dataset", "{name}");
        assert_eq!(states("learns"), is_module, "{name}");
        assert_eq!(states("divides"), kind == "Encoder" && !is_loaded, "{name}");
        assert_eq!(states("into"), is_loaded, "{name}");
        assert_eq!(states("least_lr") && states("most_lr"), kind == "Optimizer", "{name}");
        assert_eq!(states("base_lr"), states("per_examples"), "{name}");
        // Of an operation on tensors a gradient flows through some parameters, or through none.
        let detached =
            declaration.signature().parameters.iter().filter(|own| own.detached.is_some());
        for own in detached {
            assert!(
                declaration.tensors().any(|tensor| tensor.name.text == own.name.text),
                "{name}"
            );
        }
    }
}

/// Whether it says what a reduction takes away.
fn states_over(declaration: &Declaration) -> bool {
    declaration.signature().parameters.iter().any(|own| match &own.kind.kind {
        TypeKind::Choices(choices) => {
            let choices: Vec<&str> = choices.iter().map(|choice| choice.text.as_str()).collect();
            own.name.text == "over" && choices == ["all", "first", "last"]
        }
        TypeKind::Named(..) => false,
    })
}

/// Whether a computed fact gives a count for a call. One call tells: every part of a fact is looked
/// at, whichever way its conditions go.
fn is_count(declaration: &Declaration, fact: &str, input: Option<usize>) -> bool {
    let argument = |parameter: &Parameter| match &parameter.kind.kind {
        TypeKind::Choices(choices) => Term::Symbol(choices[0].text.clone()),
        TypeKind::Named(kind, _) if kind == "Bool" => Term::Bool(true),
        TypeKind::Named(kind, _) if kind == "Int" => Term::Int(5),
        TypeKind::Named(kind, _) if kind == "Float" => Term::Float(0.5),
        TypeKind::Named(kind, _) if kind == "Percent" => Term::Percent(20.0),
        TypeKind::Named(kind, _) if kind == "Range" => Term::Range(0.2, 0.8),
        TypeKind::Named(kind, _) if kind == "Text" => Term::Text("a folder".to_owned()),
        TypeKind::Named(kind, _) if kind == "Duration" => Term::Duration(1.0, Unit::Epochs),
        TypeKind::Named(kind, _) => panic!("no argument is made up here for {kind}"),
    };
    let parameters = declaration.signature().parameters.iter();
    // `input` is the size of the features that a module is given.
    let arguments = parameters.map(|own| (own.name.text.clone(), argument(own)));
    let arguments = Args(arguments.collect());
    assert!(input.is_none() || arguments.get("input").is_none(), "{}", declaration.name());
    match declaration.number(fact, &arguments, input) {
        Some(Ok(count)) => count >= 1.0 && count.fract() == 0.0,
        Some(Err(wrong)) => panic!("{wrong}"),
        None => false,
    }
}

#[test]
fn the_library_has_no_findings() {
    for (_, source) in library() {
        let (name, text) = (&source.name, &source.text);
        let compilation = compile(&Request { file: name, ..Request::default() }, &Disk);
        assert!(compilation.diagnostics.is_empty(), "{name}: {:?}", compilation.diagnostics);
        assert!(text.starts_with("//!"), "{name} does not say what it is");
    }
}

#[test]
fn the_shipped_moco_is_short() {
    let text = fs::read_to_string(root().join("pipelines/moco_cifar10.cpipe")).expect("it ships");
    let lines =
        text.lines().filter(|line| !line.trim().is_empty() && !line.trim().starts_with("//"));
    assert!(lines.count() <= 60);
}

/// Methods are text: none of their names stands in the Rust, but for what fine-tunings minimize.
#[test]
fn no_method_is_written_in_rust() {
    let methods: Vec<String> = library()
        .filter_map(|(_, own)| own.name.strip_prefix("std.objectives."))
        .filter(|name| *name != "classify")
        .map(|name| format!("\"{name}\""))
        .collect();
    assert!(methods.len() > 40);
    let mut folders = vec![root().join("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder of sources") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let code = fs::read_to_string(&path).expect("a source file");
                let code = code.split("#[cfg(test)]").next().unwrap_or_default();
                let code = code.lines().filter(|line| !line.trim_start().starts_with("//"));
                let is_named = |line: &&str| methods.iter().any(|own| line.contains(own.as_str()));
                let named = code.filter(is_named);
                assert_eq!(named.count(), 0, "{}", path.display());
            }
        }
    }
}

/// A reader learns for which data the defaults are, and what the other wants.
#[test]
fn methods_say_what_they_take_on_imagenet_and_cifar_10() {
    let mut methods = 0;
    for entry in entries() {
        if entry.named.kind != Category::Objective {
            continue;
        }
        methods += 1;
        for data in ["ImageNet", "CIFAR-10"] {
            let name = entry.named.name;
            assert!(entry.named.doc.contains(data), "{name} does not speak of {data}");
        }
    }
    assert!(methods > 40, "{methods}");
}

/// What a fine-tuning minimizes is in scope everywhere, and is given what its fields name.
#[test]
fn fine_tuning_has_its_objective() {
    let file = embedded("std.objectives.classify").expect("it is there");
    let mut sources = Sources::default();
    let none = BTreeMap::<PathBuf, Vec<u8>>::new();
    let (program, _) = resolve::load(&mut sources, &none, "std.prelude");
    let program = program.expect("the prelude can be read");
    let Some(Item::Define(module, index)) = program.prelude().get("classify").copied() else {
        panic!("it is a define of the prelude")
    };
    assert_eq!(program.module(module).file, file);
    let parameters = program.define(module, index).signature.parameters.iter();
    let names: Vec<&str> = parameters.map(|own| own.name.text.as_str()).collect();
    assert_eq!(names, ["encoder", "classifier", "train"]);
}
