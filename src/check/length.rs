//! The length of a training, its batch, and the examples that there are.

use super::Checker;
use super::declared::taken;
use super::pipeline::TypedStage;
use super::value::{Kind, SplitValue, duration};
use crate::diagnostics::{Diagnostic, findings};
use crate::resolve::declaration;
use crate::source::Span;
use crate::term::{Term, Unit, batches};

/// The most epochs or steps of a length: steps are counted exactly in `f64` and `u64`.
const LONGEST: f64 = 1e9;

impl Checker<'_> {
    /// A length of time, which a run counts in steps.
    pub(super) fn length(&mut self, amount: f64, unit: Unit, span: Span) -> Kind {
        let error = |message| Diagnostic::new(findings::OUT_OF_RANGE, span, message);
        if !amount.is_finite() || amount < 0.0 {
            self.report(error("this is no length"));
            return Kind::Poison;
        }
        if amount > LONGEST {
            let error = error("this length is too large");
            self.report(error.help(format!("a run counts {LONGEST:e} steps or epochs at most")));
            return Kind::Poison;
        }
        Kind::Duration(Some((amount, unit)))
    }

    /// A length that takes a step, a warm-up that ends before it, and encoders that are kept
    /// within it.
    pub(super) fn check_length(&mut self, stage: &TypedStage, data: Option<&SplitValue>) {
        let written = |field: &str| match stage.fields.get(field).map(|value| &value.kind) {
            Some(Kind::Duration(Some(length))) => Some(*length),
            _ => None,
        };
        let place = self.place(stage, "length");
        let mut keep = written("keep");
        // The run keeps encoders at the ends of epochs.
        if let Some((amount, unit)) = keep
            && (unit == Unit::Steps || amount.fract() != 0.0)
        {
            let message = format!("encoders are kept after whole epochs, not after {}", {
                duration((amount, unit))
            });
            let error = self.about(findings::KEEP_WITHIN_EPOCH, stage, "keep", message);
            self.report(error.help("write `keep: 1 epochs`"));
            keep = None;
        }
        let per_epoch = data.and_then(|data| steps_per_epoch(stage, data));
        let (Some(length), Some(per_epoch)) = (written("length"), per_epoch) else {
            return;
        };
        let in_steps = |(amount, unit): (f64, Unit)| match unit {
            Unit::Epochs => amount * per_epoch as f64,
            Unit::Steps => amount,
        };
        let steps = in_steps(length).round();
        if steps < 1.0 {
            let message = format!("{} make no step", duration(length));
            let error = self.about(findings::NO_STEP, stage, "length", message);
            self.report(error.help(format!("an epoch has {per_epoch} steps here")));
            return;
        }
        for (schedule, warmup) in self.warmups(stage) {
            if in_steps(warmup) < steps {
                continue;
            }
            let message = format!(
                "the warm-up of {} takes all of the {}",
                duration(warmup),
                duration(length)
            );
            let error = Diagnostic::new(findings::WARMUP_TOO_LONG, schedule, message);
            let error = error.also(place, "the length of the training");
            self.report(error.help("shorten the warm-up, or train for longer"));
        }
        if let Some(keep) = keep
            && in_steps(keep) > steps
        {
            let message = format!(
                "the first encoder would be kept after {}, and the training ends after {}",
                duration(keep),
                duration(length)
            );
            let error = self.about(findings::KEEP_BEYOND_LENGTH, stage, "keep", message);
            let error = error.also(place, "the length of the training");
            self.report(error.help("keep more often, or train for longer"));
        }
    }

    /// How long the rate and the weight decay rise, and where that is written.
    fn warmups(&self, stage: &TypedStage) -> Vec<(Span, (f64, Unit))> {
        let of = |term: &Term| match term {
            Term::Call(call) => match call.args.get("warmup") {
                Some(Term::Duration(amount, unit)) => Some((*amount, *unit)),
                _ => None,
            },
            _ => None,
        };
        let rate = stage.fields.get("schedule").and_then(|value| match &value.kind {
            Kind::Schedule(Some(term)) => Some((self.argument(value, "warmup"), of(term)?)),
            _ => None,
        });
        let decay = stage.fields.get("optimizer").and_then(|value| match &value.kind {
            Kind::Optimizer(Some(Term::Call(call))) => {
                let decay = call.args.get("weight_decay")?;
                Some((self.argument(value, "weight_decay"), of(decay)?))
            }
            _ => None,
        });
        rate.into_iter().chain(decay).collect()
    }

    pub(super) fn check_batch(&mut self, stage: &TypedStage, data: Option<&SplitValue>) {
        let (Some(batch), Some(data)) = (stage.fields.get("batch"), data) else { return };
        if let (Some(size), Some(examples)) = (batch.number(), examples(data))
            && size > examples as f64
        {
            let message = format!("a batch of {size} from only {examples} examples");
            let error = self.blame(findings::OUT_OF_RANGE, batch, message);
            self.report(error);
        }
    }
}

/// How many examples a split has, where its dataset says so before it is loaded.
pub fn examples(split: &SplitValue) -> Option<usize> {
    let classes = split.dataset.classes.as_constant();
    let classes = classes.and_then(|classes| usize::try_from(classes).ok());
    taken(split.dataset.call.as_ref()?, split.part, classes, split.share?)
}

/// How many examples of a split a class has at most: of those that are not `even`, all.
pub fn most_of_a_class(split: &SplitValue) -> Option<usize> {
    let all = examples(split)?;
    let classes = usize::try_from(split.dataset.classes.as_constant()?).ok()?;
    let is_even = declaration(&split.dataset.call.as_ref()?.name)?.is("even");
    Some(if is_even { all.div_ceil(classes.max(1)) } else { all })
}

/// The steps of an epoch, by the rule of the run; `None` where the split or the batch is not known
/// or no batch fills.
fn steps_per_epoch(stage: &TypedStage, data: &SplitValue) -> Option<usize> {
    let examples = examples(data)?;
    let batch = stage.fields.get("batch")?;
    let Kind::Int(batch) = &batch.kind else { return None };
    let batch = usize::try_from(batch.as_constant()?).ok().filter(|batch| *batch > 0)?;
    let steps = batches(examples, batch);
    (steps > 0).then_some(steps)
}
