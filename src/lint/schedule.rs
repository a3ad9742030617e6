//! Rates and momenta far from where they work.

use super::Subject;
use crate::diagnostics::{Diagnostic, Diagnostics, findings};
use crate::resolve::declaration;
use crate::term::objective::NetworkBody;
use crate::term::{Args, Term};

pub(super) fn check(subject: &Subject<'_>, found: &mut Diagnostics) {
    if let Some(Term::Call(optimizer)) = subject.stage.fields.get("optimizer") {
        // A linear classifier on features that stay takes rates of its own: 30 in He et al. 2019,
        // arXiv:1911.05722, section 4.1.
        if !matches!(subject.stage.fields.get("train"), Some(Term::Symbol(part)) if part == "head")
        {
            learning_rate(subject, &optimizer.name, &optimizer.args, found);
        }
        if let Some(Term::Float(momentum)) = optimizer.args.get("momentum")
            && *momentum >= 1.0
        {
            let place = subject.places.argument("optimizer", "momentum");
            let message = "with a momentum of 1 no step is ever forgotten";
            let warning = Diagnostic::new(findings::MOMENTUM_AT_THE_EDGE, place, message);
            found.push(warning.help("the usual one is 0.9"));
        }
    }
    let Some(objective) = subject.objective() else { return };
    for (index, network) in objective.networks.iter().enumerate() {
        let NetworkBody::Ema { momentum: Term::Float(momentum), .. } = &network.body else {
            continue;
        };
        let message = match *momentum {
            1.0 => "with a momentum of 1 the average stays the random network that it begins as",
            0.0 => "with a momentum of 0 the average is the network itself",
            _ => continue,
        };
        let place = subject.places.networks[index].argument("momentum");
        let warning = Diagnostic::new(findings::MOMENTUM_AT_THE_EDGE, place, message);
        found.push(warning.help("published ones lie between 0.99 and 0.9999"));
    }
}

/// By the linear rule, for optimizers that follow it. Goyal et al. 2017, arXiv:1706.02677.
fn learning_rate(subject: &Subject<'_>, name: &str, args: &Args, found: &mut Diagnostics) {
    let (Some(Term::Float(rate)), Some(declaration)) = (args.get("lr"), declaration(name)) else {
        return;
    };
    let fact = |fact: &str| declaration.number(fact, args, None)?.ok();
    let (Some(least), Some(most)) = (fact("least_lr"), fact("most_lr")) else { return };
    let scale = match (fact("per_examples"), subject.batch()) {
        (Some(examples), Some(batch)) => batch / examples,
        (Some(_), None) => return,
        (None, _) => 1.0,
    };
    if (least * scale..=most * scale).contains(rate) {
        return;
    }
    let place = subject.places.argument("optimizer", "lr");
    let message = format!("a learning rate of {rate} is far from any in use with `{name}`");
    let warning = Diagnostic::new(findings::UNUSUAL_LEARNING_RATE, place, message);
    found.push(match (fact("per_examples"), subject.batch()) {
        (Some(examples), Some(batch)) => warning.help(format!(
            "by the linear rule, 0.03 for {examples} examples is {} for this batch of {batch}",
            0.03 * scale
        )),
        _ => warning.help(format!("rates in use lie between {least} and {most}")),
    });
}
