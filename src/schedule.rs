//! Schedules: numbers that change over a run.

use crate::term::{Args, Term, Unit};

/// How far a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The steps taken before this one.
    pub step: usize,
    /// The steps of the whole run.
    pub steps: usize,
    pub steps_per_epoch: usize,
}

/// The value at a step, from the arguments of a schedule.
pub type Schedule = fn(&Args, Progress) -> f64;

/// The schedules, by the names under which `std.schedules` declares them.
pub static SCHEDULES: &[(&str, Schedule)] =
    &[("cosine", cosine), ("ramp", ramp), ("step", step), ("constant", constant)];

/// The value of a schedule, or of a plain number, at this step.
///
/// # Panics
///
/// If `term` is neither: the checker lets nothing else through.
pub fn value(term: &Term, progress: Progress) -> f64 {
    match term {
        Term::Float(value) => *value,
        Term::Call(call) => call.implementation("a schedule", SCHEDULES)(&call.args, progress),
        other => panic!("a schedule is a number or a call, not {other:?}"),
    }
}

fn cosine(args: &Args, progress: Progress) -> f64 {
    progress.way(args, |from, to, share| {
        to + (from - to) * 0.5 * (1.0 + libm::cos(std::f64::consts::PI * share))
    })
}

fn ramp(args: &Args, progress: Progress) -> f64 {
    progress.way(args, |from, to, share| from + (to - from) * share)
}

fn step(args: &Args, progress: Progress) -> f64 {
    let every = progress.length(args, "every").max(1.0);
    let passed = progress.step as f64 - progress.length(args, "start");
    let drops = (passed / every).floor().max(0.0);
    let rise = progress.rise(progress.length(args, "warmup")).unwrap_or(1.0);
    rise * libm::pow(args.float("factor"), drops)
}

fn constant(args: &Args, progress: Progress) -> f64 {
    let rise = progress.rise(progress.length(args, "warmup")).unwrap_or(1.0);
    rise * args.float("value")
}

impl Progress {
    /// Whether this step is the last of an epoch.
    pub fn ends_epoch(self) -> bool {
        (self.step + 1).is_multiple_of(self.steps_per_epoch.max(1))
    }

    /// The warm-up of `args` to `from`, then what `between` says from `from` to `to` of the share of
    /// the way, which takes `over` where that is given, else the rest of the run.
    fn way(self, args: &Args, between: fn(f64, f64, f64) -> f64) -> f64 {
        let (from, to) = (args.float("from"), args.float("to"));
        let warmup = self.length(args, "warmup");
        if let Some(share) = self.rise(warmup) {
            return from * share;
        }
        let step = match args.symbol("per") {
            "epoch" => self.step - self.step % self.steps_per_epoch.max(1),
            _ => self.step,
        };
        let rest = || self.steps as f64 - warmup;
        let length = args.get("over").map_or_else(rest, |_| self.length(args, "over"));
        // A rest of zero only arises where the warm-up takes the whole run.
        between(from, to, ((step as f64 - warmup) / length.max(1.0)).clamp(0.0, 1.0))
    }

    /// The length in steps of the `Duration` called `name`.
    fn length(self, args: &Args, name: &str) -> f64 {
        self.steps_in(args.duration(name))
    }

    /// A length in steps.
    pub fn steps_in(self, length: (f64, Unit)) -> f64 {
        match length {
            (amount, Unit::Epochs) => amount * self.steps_per_epoch as f64,
            (amount, Unit::Steps) => amount,
        }
    }

    /// How far a warm-up of `warmup` steps has come, in `[0, 1)`; `None` once it is over.
    fn rise(self, warmup: f64) -> Option<f64> {
        let step = self.step as f64;
        (step < warmup).then(|| step / warmup)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::term::Call;

    fn schedule(name: &str, args: &[(&str, Term)]) -> impl Fn(usize) -> f64 + use<> {
        let args = args.iter().map(|(name, term)| ((*name).to_owned(), term.clone())).collect();
        let term = Term::Call(Call { name: name.to_owned(), args: Args(args) });
        move |step| value(&term, Progress { step, steps: 100, steps_per_epoch: 10 })
    }

    fn cosine(from: f64, to: f64, warmup: (f64, Unit), per: &str) -> impl Fn(usize) -> f64 + use<> {
        let args = [
            ("from", Term::Float(from)),
            ("to", Term::Float(to)),
            ("warmup", Term::Duration(warmup.0, warmup.1)),
            ("per", Term::Symbol(per.to_owned())),
        ];
        schedule("cosine", &args)
    }

    fn close(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-12, "{found} is not {expected}");
    }

    #[test]
    fn a_number_is_constant() {
        let progress = Progress { step: 3, steps: 4, steps_per_epoch: 2 };
        assert_eq!(value(&Term::Float(0.99), progress), 0.99);
    }

    #[test]
    fn cosine_by_step() {
        let lr = cosine(1.0, 0.0, (0.0, Unit::Epochs), "step");
        close(lr(0), 1.0);
        close(lr(25), 0.5 + 0.5 * 0.5_f64.sqrt());
        close(lr(50), 0.5);
        close(lr(100), 0.0);
    }

    /// The momentum of BYOL: 1 - (1 - base) * (cos(pi k / K) + 1) / 2.
    #[test]
    fn cosine_upwards() {
        let momentum = cosine(0.996, 1.0, (0.0, Unit::Epochs), "step");
        close(momentum(0), 0.996);
        close(momentum(50), 0.998);
        close(momentum(100), 1.0);
    }

    #[test]
    fn cosine_by_epoch_moves_at_epochs() {
        let lr = cosine(1.0, 0.0, (0.0, Unit::Epochs), "epoch");
        assert_eq!(lr(59), lr(50));
        close(lr(59), 0.5);
        assert!(lr(60) < lr(59));
    }

    #[test]
    fn warmup_rises_then_the_rest_descends() {
        let lr = cosine(2.0, 0.0, (2.0, Unit::Epochs), "step");
        close(lr(0), 0.0);
        close(lr(5), 0.5);
        close(lr(20), 2.0);
        close(lr(60), 1.0);
        close(lr(100), 0.0);
        // A warm-up in the middle of an epoch does not lift the descent above its start.
        let lr = cosine(1.0, 0.0, (15.0, Unit::Steps), "epoch");
        close(lr(16), 1.0);
    }

    #[test]
    fn warmup_as_long_as_the_run() {
        let lr = cosine(1.0, 0.0, (10.0, Unit::Epochs), "step");
        close(lr(99), 0.99);
        close(lr(100), 1.0);
    }

    #[test]
    fn a_ramp_is_straight_and_stays_at_its_end() {
        let ramp = |args: &[(&str, Term)]| {
            let rest = [
                ("from", Term::Float(0.04)),
                ("to", Term::Float(0.08)),
                ("warmup", Term::Duration(0.0, Unit::Steps)),
                ("per", Term::Symbol("step".to_owned())),
            ];
            schedule("ramp", &[&rest, args].concat())
        };
        let whole = ramp(&[]);
        [0.04, 0.05, 0.08]
            .into_iter()
            .zip([0, 25, 100])
            .for_each(|(own, at)| close(whole(at), own));
        let short = ramp(&[("over", Term::Duration(4.0, Unit::Epochs))]);
        [0.04, 0.05, 0.08].into_iter().zip([0, 10, 40]).for_each(|(own, at)| close(short(at), own));
        close(short(99), 0.08);
        let by_epoch = [
            ("over", Term::Duration(4.0, Unit::Epochs)),
            ("per", Term::Symbol("epoch".to_owned())),
            ("warmup", Term::Duration(10.0, Unit::Steps)),
        ];
        let slow = ramp(&by_epoch);
        [0.02, 0.04, 0.05, 0.05].into_iter().zip([5, 19, 20, 29]).for_each(|(own, at)| {
            close(slow(at), own);
        });
    }

    #[test]
    fn step_drops() {
        let duration = |epochs| Term::Duration(epochs, Unit::Epochs);
        let lr = schedule(
            "step",
            &[
                ("every", duration(2.0)),
                ("factor", Term::Float(0.1)),
                ("start", duration(4.0)),
                ("warmup", duration(1.0)),
            ],
        );
        close(lr(5), 0.5);
        close(lr(10), 1.0);
        close(lr(59), 1.0);
        close(lr(60), 0.1);
        close(lr(80), 0.01);
    }

    #[test]
    fn constant_after_warmup() {
        let lr = schedule(
            "constant",
            &[("value", Term::Float(0.5)), ("warmup", Term::Duration(10.0, Unit::Steps))],
        );
        close(lr(5), 0.25);
        close(lr(10), 0.5);
        close(lr(99), 0.5);
    }
}
