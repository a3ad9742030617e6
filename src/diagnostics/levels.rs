//! How grave a user takes what is found to be.

use std::collections::BTreeMap;

use super::{Diagnostic, Severity, findings, suggest};

/// The levels that a user has chosen.
#[derive(Clone, Debug, Default)]
pub struct Levels {
    /// By the name of a finding; `None` where it is not to be shown.
    chosen: BTreeMap<&'static str, Option<Severity>>,
}

impl Levels {
    /// Takes a level for the finding of that name, or says why it cannot have it. `None` is not to
    /// show it at all.
    pub fn choose(&mut self, name: &str, level: Option<Severity>) -> Result<(), String> {
        let Some(finding) = findings::named(name) else {
            let names = findings::all().map(|finding| finding.name);
            let near =
                suggest::nearest(name, names).map(|near| format!(": did you mean `{near}`?"));
            let near = near.unwrap_or_else(|| "; `cpipe explain` shows every name".to_owned());
            return Err(format!("no error or warning is called `{name}`{near}"));
        };
        if !finding.is_lint && level != Some(finding.severity) {
            let what = match finding.severity {
                Severity::Error => "is always an error",
                Severity::Warning => "is found by a run, and by no check",
            };
            return Err(format!("`{name}` {what}: a level can be chosen for warnings of a check"));
        }
        match self.chosen.insert(finding.name, level) {
            Some(other) if other != level => Err(format!("`{name}` is given two levels")),
            _ => Ok(()),
        }
    }

    /// What was found, as the user takes it.
    pub fn apply(&self, diagnostics: Vec<Diagnostic>) -> Vec<Diagnostic> {
        let mut taken = diagnostics;
        taken.retain_mut(|own| match self.chosen.get(own.finding.name) {
            None => true,
            Some(None) => false,
            Some(Some(severity)) => {
                own.severity = *severity;
                true
            }
        });
        taken
    }
}
