//! `cpipe show`

use std::collections::BTreeMap;
use std::process::ExitCode;

use super::{BAD_INPUT, Selected, output};
use crate::check::Resolved;
use crate::diagnostics::visible;

#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    selected: Selected,
    /// Say of each value where it came from: a place in a text, a profile, `-o` or a default.
    #[arg(long)]
    origin: bool,
}

pub fn run(arguments: &Arguments) -> ExitCode {
    let Some((compiled, sources)) = arguments.selected.compile() else {
        return ExitCode::from(BAD_INPUT);
    };
    let mut text = String::new();
    for resolved in in_order(&compiled.resolved) {
        text += &visible(&format!("{} = {}", resolved.path, resolved.value));
        if arguments.origin {
            text += &format!("  // {}", visible(&resolved.origin.show(&sources)));
        }
        text.push('\n');
    }
    output::write(&text)
}

/// As the text has them, and each before its own arguments, which were evaluated before it.
fn in_order(resolved: &[Resolved]) -> Vec<&Resolved> {
    let mut first: BTreeMap<&str, usize> = BTreeMap::new();
    for (position, own) in resolved.iter().enumerate() {
        for prefix in prefixes(&own.path) {
            first.entry(prefix).or_insert(position);
        }
    }
    let mut all: Vec<&Resolved> = resolved.iter().collect();
    // Every prefix of every path has been seen above.
    all.sort_by_key(|own| prefixes(&own.path).map(|prefix| first[prefix]).collect::<Vec<_>>());
    all
}

/// `base`, `base.optimizer`, `base.optimizer.lr`
fn prefixes(path: &str) -> impl Iterator<Item = &str> {
    let ends = path.match_indices('.').map(|(at, _)| at);
    ends.chain([path.len()]).map(|end| &path[..end])
}
