//! Which training of a pipeline a command is about.

use crate::Compiled;
use crate::diagnostics::{Diagnostic, findings, suggest, visible};
use crate::graph::Stage;

/// The training of that name, or the first.
pub fn training<'c>(
    compiled: &'c Compiled,
    name: Option<&str>,
) -> Result<&'c Stage, Box<Diagnostic>> {
    let graph = &compiled.graph;
    let stages = graph.written.iter().filter_map(|position| graph.stage(*position));
    let trainings: Vec<&Stage> = stages.filter(|stage| stage.objective().is_some()).collect();
    if let Some(stage) = trainings.iter().find(|stage| name.is_none_or(|name| stage.name == name)) {
        return Ok(stage);
    }
    let Some(name) = name else {
        let message = format!("`{}` trains nothing", graph.name);
        return Err(Box::new(Diagnostic::general(findings::NO_STAGE, message)));
    };
    let names: Vec<&str> = trainings.iter().map(|stage| stage.name.as_str()).collect();
    let message = format!("no stage that trains is called `{name}`");
    let error = Diagnostic::general(findings::UNKNOWN_NAME, visible(&message));
    Err(Box::new(match (suggest::nearest(name, names.iter().copied()), names.is_empty()) {
        (Some(nearest), _) => error.help(format!("did you mean `{nearest}`?")),
        (None, true) => error.help("the pipeline trains nothing"),
        (None, false) => error.help(format!("those that train are `{}`", names.join("`, `"))),
    }))
}
