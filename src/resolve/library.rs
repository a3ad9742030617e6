//! The embedded library: `stdlib/` as `std.*`, `pipelines/` as `std.pipelines.*`.

use crate::diagnostics::{Diagnostic, findings};

include!(concat!(env!("OUT_DIR"), "/library.rs"));

/// The text of an embedded module, by its dotted path: `std.objectives.moco_v2`.
pub fn text(path: &str) -> Option<&'static str> {
    LIBRARY.iter().find(|(name, _)| *name == path).map(|(_, text)| *text)
}

/// Every embedded module, as dotted path and text, sorted by path.
pub fn embedded() -> &'static [(&'static str, &'static str)] {
    LIBRARY
}

/// What a `use` has to name for a define of the library to be in sight.
pub fn path_of(define: &str) -> Option<String> {
    let head = format!("define {define}(");
    let defines = |text: &str| text.lines().any(|line| line.starts_with(&head));
    let (module, _) = LIBRARY.iter().find(|(_, text)| defines(text))?;
    let is_named_so = module.rsplit('.').next() == Some(define);
    Some(if is_named_so { (*module).to_owned() } else { format!("{module}.{define}") })
}

/// Says of a name given as the program that the library has no such module.
pub fn unknown(name: &str) -> Diagnostic {
    let names = || embedded().iter().map(|(name, _)| *name);
    let pipelines: Vec<&str> = names().filter(|name| name.starts_with("std.pipelines.")).collect();
    Diagnostic::general(findings::UNKNOWN_MODULE, format!("the library has no module `{name}`"))
        .help(format!("its pipelines are {}", pipelines.join(", ")))
        .nearest(name, names())
}
