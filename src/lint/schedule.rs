//! Rates, decays, momenta and lengths far from where they work.

use super::Subject;
use crate::diagnostics::{Diagnostic, Diagnostics, findings};
use crate::graph::flow::Flow;
use crate::resolve::declaration;
use crate::term::objective::{NetworkBody, ObjectiveGraph};
use crate::term::{Args, Call, Term, Unit, batches};

/// The share of an epoch that may be left out: each example still has its turn in most of them.
const MOST_LEFT_OUT: f64 = 0.25;

/// Of an average of a network: below it the newest weights count more than all before.
const LEAST_MOMENTUM: f64 = 0.5;

pub(super) fn check(subject: &Subject<'_>, found: &mut Diagnostics) {
    lengths(subject, found);
    if let Some(Term::Call(optimizer)) = subject.stage.fields.get("optimizer") {
        // A linear classifier on features that stay takes rates of its own: 30 in He et al. 2019,
        // arXiv:1911.05722, section 4.1.
        let most = most_of(subject.stage.fields.get("schedule"));
        if most == 0.0 {
            let place = subject.places.field("schedule");
            let message = "the learning rate is zero throughout: nothing is learned";
            let warning = Diagnostic::new(findings::UNUSUAL_LEARNING_RATE, place, message);
            found.push(warning.help("the rate of the optimizer is multiplied by it: go from 1.0"));
        } else if !subject.objective().is_some_and(leaves_the_encoder) {
            learning_rate(subject, optimizer, most, found);
        }
        weight_decay(subject, &optimizer.name, &optimizer.args, found);
        if let Some(Term::Float(momentum)) = optimizer.args.get("momentum")
            && *momentum >= 1.0
        {
            let place = subject.places.argument("optimizer", "momentum");
            let message = "with a momentum of 1 no step is ever forgotten";
            let warning = Diagnostic::new(findings::MOMENTUM_AT_THE_EDGE, place, message);
            found.push(warning.help("the usual one is 0.9"));
        }
        if let (Some(Term::Bool(true)), Some(Term::Float(0.0))) =
            (optimizer.args.get("nesterov"), optimizer.args.get("momentum"))
        {
            let place = subject.places.argument("optimizer", "nesterov");
            let message = "`nesterov` changes nothing where there is no momentum";
            let warning = Diagnostic::new(findings::MOMENTUM_AT_THE_EDGE, place, message);
            found.push(warning.help("give it one: `momentum: 0.9`"));
        }
    }
    let Some(objective) = subject.objective() else { return };
    for (index, network) in objective.networks.iter().enumerate() {
        let NetworkBody::Ema { momentum, .. } = &network.body else { continue };
        let message = match momentum {
            Term::Float(1.0) => {
                "with a momentum of 1 the average stays the random network that it begins as"
            }
            Term::Float(0.0) => "with a momentum of 0 the average is the network itself",
            Term::Call(schedule) if schedule.args.get("to") == Some(&Term::Float(0.0)) => {
                "the momentum goes to 0, where the average is the network itself"
            }
            _ if most_of(Some(momentum)) < LEAST_MOMENTUM => {
                "with so low a momentum the newest weights count more than all before"
            }
            _ => continue,
        };
        let place = subject.places.networks[index].argument("momentum");
        let warning = Diagnostic::new(findings::MOMENTUM_AT_THE_EDGE, place, message);
        found.push(warning.help(
            "published ones lie between 0.99 and 0.9999; where the share of the new weights is \
             named, it is one minus that",
        ));
    }
}

/// Whether the features stay as they are.
fn leaves_the_encoder(graph: &ObjectiveGraph) -> bool {
    let trained = Flow::of(graph).trained;
    !graph.modules.iter().zip(trained).any(|(module, trained)| module.encoder && trained)
}

/// The most that a schedule reaches.
fn most_of(schedule: Option<&Term>) -> f64 {
    match schedule {
        Some(Term::Float(value)) => *value,
        Some(Term::Call(call)) => call.scheduled().into_iter().reduce(f64::max).unwrap_or(1.0),
        _ => 1.0,
    }
}

/// By the linear rule, for optimizers that follow it. Goyal et al. 2017, arXiv:1706.02677.
fn learning_rate(
    subject: &Subject<'_>,
    Call { name, args }: &Call,
    most_of: f64,
    found: &mut Diagnostics,
) {
    let (Some(Term::Float(rate)), Some(declaration)) = (args.get("lr"), declaration(name)) else {
        return;
    };
    let rate = rate * most_of;
    let fact = |fact: &str| declaration.number(fact, args, None)?.ok();
    let (Some(least), Some(most)) = (fact("least_lr"), fact("most_lr")) else { return };
    let scale = match (fact("per_examples"), subject.batch()) {
        (Some(examples), Some(batch)) => batch / examples,
        (Some(_), None) => return,
        (None, _) => 1.0,
    };
    if (least * scale..=most * scale).contains(&rate) {
        return;
    }
    let place = match most_of == 1.0 {
        true => subject.places.argument("optimizer", "lr"),
        false => subject.places.field("schedule"),
    };
    // Without the digits that the product alone brings in.
    let rate = (rate * 1e12).round() / 1e12;
    let message = format!("a learning rate of {rate} is far from any in use with `{name}`");
    let warning = Diagnostic::new(findings::UNUSUAL_LEARNING_RATE, place, message);
    if most_of != 1.0 {
        let help = "the rate of the optimizer is multiplied by its schedule: go from 1.0";
        found.push(warning.help(help));
        return;
    }
    let linear = fact("base_lr").zip(fact("per_examples")).zip(subject.batch());
    found.push(match linear {
        Some(((base, examples), batch)) => warning.help(format!(
            "by the linear rule, `lr = {base} * batch / {examples}`, it is {} for this batch of {batch}",
            base * scale
        )),
        _ => warning.help(format!("rates in use lie between {least} and {most}")),
    });
}

fn weight_decay(subject: &Subject<'_>, name: &str, args: &Args, found: &mut Diagnostics) {
    let most = declaration(name).and_then(|own| own.number("most_weight_decay", args, None)?.ok());
    let decay = args.get("weight_decay").map(|own| most_of(Some(own)));
    if let (Some(decay), Some(most)) = (decay, most)
        && decay > most
    {
        let place = subject.places.argument("optimizer", "weight_decay");
        let message = format!("a weight decay of {decay} is far from any in use with `{name}`");
        let warning = Diagnostic::new(findings::UNUSUAL_WEIGHT_DECAY, place, message);
        found.push(warning.help(format!("those in use stay below {most}")));
    }
}

/// What a batch makes of an epoch, and a warm-up of the training.
fn lengths(subject: &Subject<'_>, found: &mut Diagnostics) {
    let (Some(examples), Some(batch)) = (subject.examples(), subject.batch()) else { return };
    let (batch, steps) = (batch as usize, batches(examples, batch as usize));
    let left_out = examples - steps * batch;
    if left_out as f64 > MOST_LEFT_OUT * examples as f64 {
        let even = examples / (steps + 1);
        let place = subject.places.field("batch");
        let message = format!("every epoch leaves out {left_out} of the {examples} examples");
        let warning = Diagnostic::new(findings::EXAMPLES_LEFT_OUT, place, message);
        found.push(
            warning.also(subject.places.field("data"), "these examples").help(format!(
                "only full batches are taken: {even} would take nearly all examples"
            )),
        );
    }
    let in_steps = |term: Option<&Term>| match term {
        Some(Term::Duration(amount, Unit::Epochs)) => Some(amount * steps as f64),
        Some(Term::Duration(amount, Unit::Steps)) => Some(*amount),
        _ => None,
    };
    let decay = match subject.stage.fields.get("optimizer") {
        Some(Term::Call(optimizer)) => optimizer.args.get("weight_decay"),
        _ => None,
    };
    let schedules = [
        (subject.stage.fields.get("schedule"), subject.places.field("schedule")),
        (decay, subject.places.argument("optimizer", "weight_decay")),
    ];
    for (schedule, place) in schedules {
        let (Some(Term::Call(schedule)), Some(length)) =
            (schedule, in_steps(subject.stage.fields.get("length")))
        else {
            continue;
        };
        let in_steps = |name: &str| in_steps(schedule.args.get(name));
        let message = if let Some(over) = in_steps("over")
            && over + in_steps("warmup").unwrap_or(0.0) > length
        {
            "the schedule ends behind the training, and never comes to its end"
        } else if let Some(every) = in_steps("every")
            && every + in_steps("start").unwrap_or(0.0) >= length
        {
            "the schedule drops for the first time behind the training"
        } else {
            continue;
        };
        let warning = Diagnostic::new(findings::UNFINISHED_SCHEDULE, place, message);
        let warning = warning.also(subject.places.field("length"), "the length of the training");
        found.push(warning.help("shorten it, or train for longer"));
    }
    let Some(Term::Call(schedule)) = subject.stage.fields.get("schedule") else { return };
    let warmup = in_steps(schedule.args.get("warmup"));
    let length = in_steps(subject.stage.fields.get("length"));
    if let (Some(warmup), Some(length)) = (warmup, length)
        && warmup > length / 2.0
    {
        let place = subject.places.argument("schedule", "warmup");
        let message = "the rate rises for more than half of the training";
        let warning = Diagnostic::new(findings::LONG_WARMUP, place, message);
        found.push(
            warning
                .also(subject.places.field("length"), "the length of the training")
                .help("warm-ups in use seldom take more than a tenth of it"),
        );
    }
}
