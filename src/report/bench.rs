//! Where the time of a training goes, as people and scripts read it.

use serde_json::{Value, json};

use super::line::duration;
use crate::device::Precision;
use crate::diagnostics::amount;
use crate::objective::{PHASES, Phase};
use crate::run::bench::{Bench, Recipe};
pub use crate::table::Style;
use crate::table::{self, Align};

/// Of the JSON form. Grows when a field goes or changes its meaning; a new field leaves it as it is.
const VERSION: u32 = 1;

/// A share of the time under which nothing is worth a change.
const MATTERS: f64 = 0.05;

/// Tables of a step and of a view, what the machine does at most, and what is worth a change. None
/// of it is wider than `width`.
pub fn render(bench: &Bench, style: Style, width: usize) -> String {
    let mut text = String::new();
    let mut say = |line: &str| {
        for line in table::wrap(line, width) {
            text.push_str(&line);
            text.push('\n');
        }
    };
    let Bench { stage, device, batch, views, steps, .. } = bench;
    let views_of = if *views == 1 { "one view".to_owned() } else { format!("{views} views") };
    say(&format!(
        "{:.0} images/s: `{stage}` on {device} in {}, batches of {batch} in {views_of}, {} a step \
         (mean of {steps})",
        bench.rate(),
        bench.precision.name(),
        time(bench.step),
    ));
    say(&whole(bench));
    text.push('\n');
    text += &table::render(
        &[("a step", Align::Left), ("time", Align::Right), ("share", Align::Right)],
        &phases(bench),
        style,
        width,
    );
    for recipe in &bench.recipes {
        text.push('\n');
        let title = match recipe.views {
            _ if bench.recipes.len() == 1 => "a view".to_owned(),
            1 => "one of the views".to_owned(),
            views => format!("{views} of the views"),
        };
        text += &table::render(
            &[(title.as_str(), Align::Left), ("time", Align::Right), ("share", Align::Right)],
            &parts(recipe),
            style,
            width,
        );
    }
    text.push('\n');
    let mut say = |line: &str| {
        for line in table::wrap(line, width) {
            text.push_str(&line);
            text.push('\n');
        }
    };
    machine(bench).iter().for_each(|line| say(line));
    let advice = advice(bench);
    if advice.is_empty() {
        let share = percent(networks(bench) / bench.step);
        say(&format!("nothing stands out: {share} of the time goes into the networks"));
    }
    advice.iter().for_each(|line| say(&format!("to change: {line}")));
    match style {
        Style::Ascii => text.replace('µ', "u"),
        Style::Unicode => text,
    }
}

/// How long all of it would take.
fn whole(bench: &Bench) -> String {
    let [steps, epochs] = bench.whole;
    format!(
        "all {steps} steps would take {}: {} to begin, and {} at the end of each of {epochs} epochs, \
         where the state is stored",
        duration(bench.whole_seconds()),
        time(bench.start),
        time(bench.between),
    )
}

/// What a phase is called.
fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Views => "wait for views",
        Phase::Copy => "bring the batch to the device",
        Phase::Forward => "networks forward",
        Phase::Constant => "averages and others forward, without a gradient",
        Phase::Objective => "operations of the objective",
        Phase::Backward => "backward",
        Phase::Optimizer => "optimizer",
        Phase::State => "averages, statistics, queues",
        Phase::Metrics => "read and note what is measured",
        Phase::Checkpoint => "store the state",
    }
}

/// The same for scripts.
fn key(phase: Phase) -> &'static str {
    match phase {
        Phase::Views => "views",
        Phase::Copy => "copy",
        Phase::Forward => "forward",
        Phase::Constant => "constant",
        Phase::Objective => "objective",
        Phase::Backward => "backward",
        Phase::Optimizer => "optimizer",
        Phase::State => "state",
        Phase::Metrics => "metrics",
        Phase::Checkpoint => "checkpoint",
    }
}

/// The phases that a step has: the state is stored between epochs.
fn of_a_step(bench: &Bench) -> impl Iterator<Item = (Phase, f64)> {
    PHASES.into_iter().zip(bench.phases).filter(|(phase, _)| *phase != Phase::Checkpoint)
}

fn phases(bench: &Bench) -> Vec<[String; 3]> {
    let row =
        |name: &str, seconds: f64| [name.to_owned(), time(seconds), percent(seconds / bench.step)];
    let taken = of_a_step(bench).filter(|(_, seconds)| *seconds > 0.0);
    let mut rows: Vec<_> = taken.map(|(own, seconds)| row(phase(own), seconds)).collect();
    rows.push(row("not explained", bench.unexplained() * bench.step));
    rows
}

fn parts(recipe: &Recipe) -> Vec<[String; 3]> {
    let all = recipe.seconds();
    let row =
        |(name, seconds): &(String, f64)| [name.clone(), time(*seconds), percent(seconds / all)];
    recipe.parts.iter().map(row).chain([["in all".into(), time(all), String::new()]]).collect()
}

/// What the machine gives, and what it could.
fn machine(bench: &Bench) -> Vec<String> {
    let viewing = bench.viewing();
    let views = (bench.batch * bench.views) as f64;
    let mut lines = vec![match bench.threads {
        _ if bench.recipes.is_empty() => {
            let seconds = bench.phases[Phase::Views as usize];
            format!("views: {:.0} a second, made on the device", views / seconds)
        }
        threads => format!(
            "views: {:.0} a second on one core; those of a step take {} of {}, which is {} of its \
             time",
            views / viewing,
            time(viewing),
            match threads {
                1 => "one thread".to_owned(),
                threads => format!("{threads} threads together"),
            },
            percent(viewing / threads as f64 / bench.step),
        ),
    }];
    if let Some(busy) = bench.busy {
        lines.push(format!("cores: {busy:.1} of {} at work", bench.cores));
    }
    let (product, precision) = (bench.ceilings.product, bench.precision.name());
    let ceiling =
        format!("{}FLOP/s of a product of two large matrices in {precision}", giga(product));
    lines.push(match reached(bench) {
        Some(reached) => {
            let share = percent(reached / product);
            format!("networks: {}FLOP/s, {share} of the {ceiling}", giga(reached))
        }
        None => ceiling,
    });
    let held = bench.memory.map(|held| format!("{} held at most; ", amount(u128::from(held))));
    lines.push(format!(
        "memory: {}copied at {}B/s on the device",
        held.unwrap_or_default(),
        giga(bench.ceilings.copy)
    ));
    lines
}

/// The seconds of a step in which networks are at work.
fn networks(bench: &Bench) -> f64 {
    let networks = [Phase::Forward, Phase::Constant, Phase::Backward];
    networks.iter().map(|phase| bench.phases[*phase as usize]).sum()
}

/// The operations of networks that are made a second, while they are at work.
fn reached(bench: &Bench) -> Option<f64> {
    let seconds = networks(bench);
    bench.operations.filter(|_| seconds > 0.0).map(|operations| operations as f64 / seconds)
}

/// What is worth a change, the greatest gain first.
fn advice(bench: &Bench) -> Vec<String> {
    let share = |phase: Phase| bench.phases[phase as usize] / bench.step;
    let mut found = Vec::new();
    let mut advise = |gain: f64, line: String| {
        if gain >= MATTERS {
            found.push((gain, line));
        }
    };
    let of_all = |own: &Recipe| {
        let views = own.views as f64;
        let each = own.parts.iter().map(move |(name, seconds)| (name.clone(), views * seconds));
        each.collect::<Vec<_>>()
    };
    let slowest = bench.recipes.iter().flat_map(of_all).max_by(|a, b| a.1.total_cmp(&b.1));
    let waits = percent(share(Phase::Views));
    advise(
        share(Phase::Views),
        match slowest {
            Some((name, _)) => format!(
                "the step waits for views {waits} of its time; of their recipe `{name}` takes the \
                 most"
            ),
            None => format!("the device makes views {waits} of the step's time"),
        },
    );
    advise(
        share(Phase::Copy),
        format!("bringing batches to the device takes {}", percent(share(Phase::Copy))),
    );
    advise(
        share(Phase::Objective) - 2.0 * MATTERS,
        format!(
            "the operations of the objective take {}: fewer negatives or narrower features cost \
             less",
            percent(share(Phase::Objective))
        ),
    );
    advise(
        share(Phase::Optimizer) + share(Phase::State) - MATTERS,
        format!(
            "optimizer and averages take {}, whatever the batch: a larger one has them less often",
            percent(share(Phase::Optimizer) + share(Phase::State))
        ),
    );
    advise(
        share(Phase::Metrics),
        format!("what is measured takes {}: report less", percent(share(Phase::Metrics))),
    );
    let stored = bench.whole[1] as f64 * bench.between / bench.whole_seconds();
    advise(
        stored,
        format!(
            "the ends of epochs take {} of the whole, as epochs have {} steps: a larger dataset, or \
             a smaller batch",
            percent(stored),
            bench.per_epoch
        ),
    );
    if bench.parts > 1 {
        let line = format!(
            "with `accumulate: {}` the encoders pass once more for the gradient: take fewer parts \
             where memory allows it",
            bench.parts
        );
        advise(share(Phase::Forward), line);
    }
    advise(
        bench.unexplained().abs() - MATTERS,
        format!(
            "a step and its phases, seen one after the other, differ by {}: something else was at work \
             on the machine, or `--seconds` is too few",
            percent(bench.unexplained().abs())
        ),
    );
    if bench.has_bf16 && bench.precision != Precision::Bf16 {
        let line = format!("`-o {}.precision=bf16`: the device has it", bench.stage);
        advise(MATTERS, line);
    }
    found.sort_by(|a, b| b.0.total_cmp(&a.0));
    found.into_iter().map(|(_, line)| line).collect()
}

/// One object, for scripts: seconds, bytes, operations and shares of one.
pub fn json(bench: &Bench) -> String {
    let phases = of_a_step(bench).map(|(own, time)| (key(own).to_owned(), time.into()));
    let phases: serde_json::Map<String, Value> = phases.collect();
    let recipe = |own: &Recipe| {
        let part = |(name, seconds): &(String, f64)| json!({ "name": name, "seconds": seconds });
        let parts: Vec<Value> = own.parts.iter().map(part).collect();
        json!({ "views": own.views, "seconds": own.seconds(), "parts": parts })
    };
    let [steps, epochs] = bench.whole;
    let value = json!({
        "version": VERSION,
        "stage": bench.stage,
        "device": bench.device,
        "precision": bench.precision.name(),
        "batch": bench.batch,
        "views": bench.views,
        "accumulate": bench.parts,
        "measured_steps": bench.steps,
        "images_per_second": bench.rate(),
        "step": bench.step,
        "phases": phases,
        "unexplained": bench.unexplained(),
        "between_epochs": bench.between,
        "start": bench.start,
        "steps": steps,
        "epochs": epochs,
        "steps_per_epoch": bench.per_epoch,
        "seconds": bench.whole_seconds(),
        "busy": bench.busy,
        "cores": bench.cores,
        "feed_threads": bench.threads,
        "recipes": bench.recipes.iter().map(recipe).collect::<Vec<_>>(),
        "flops": bench.operations.map(|own| own as f64),
        "ceilings": { "product": bench.ceilings.product, "copy": bench.ceilings.copy },
        "memory": bench.memory,
        "advice": advice(bench),
    });
    format!("{value:#}")
}

/// A time from microseconds to hours, in few characters.
fn time(seconds: f64) -> String {
    match seconds.abs() {
        small if small < 0.9995e-3 => format!("{:.1} µs", seconds * 1e6),
        small if small < 0.09995 => format!("{:.1} ms", seconds * 1e3),
        small if small < 0.9995 => format!("{:.0} ms", seconds * 1e3),
        small if small < 99.5 => format!("{seconds:.2} s"),
        _ => duration(seconds),
    }
}

fn percent(share: f64) -> String {
    format!("{:.1}%", 100.0 * share)
}

fn giga(number: f64) -> String {
    format!("{:.1} G", number / 1e9)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::Ceilings;

    /// A step of 100 ms, all of it explained but a millisecond.
    fn bench() -> Bench {
        let part = |name: &str, micros: f64| (name.to_owned(), micros * 1e-6);
        let recipe = |views, parts| Recipe { views, parts };
        Bench {
            stage: "base".to_owned(),
            device: "libtorch-cpu".to_owned(),
            precision: Precision::F32,
            batch: 250,
            views: 3,
            parts: 1,
            steps: 40,
            step: 0.1,
            phases: [0.0, 0.0, 0.03, 0.01, 0.004, 0.05, 0.002, 0.001, 0.002, 0.0],
            between: 0.02,
            start: 1.5,
            busy: Some(1.9),
            cores: 2,
            threads: 1,
            recipes: vec![
                recipe(2, vec![part("(load)", 1.0), part("color_jitter", 9.0)]),
                recipe(1, vec![part("(load)", 1.0), part("identity", 1.0)]),
            ],
            operations: Some(9_000_000_000),
            ceilings: Ceilings { product: 150e9, copy: 8e9 },
            memory: Some(3 << 28),
            whole: [1000, 10],
            per_epoch: 100,
            has_bf16: false,
        }
    }

    fn near(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-9, "{found} {expected}");
    }

    #[test]
    fn a_bench_s_numbers_follow_from_what_was_seen() {
        let seen = bench();
        near(seen.rate(), 2500.0);
        near(seen.unexplained(), 0.01);
        near(seen.viewing(), 250.0 * 22e-6);
        near(seen.whole_seconds(), 1.5 + 100.0 + 10.0 * 0.02);
        near(reached(&seen).expect("known"), 100e9);
    }

    #[test]
    fn the_tables_as_they_are_shown() {
        let text = render(&bench(), Style::Ascii, 80);
        for line in [
            "2500 images/s: `base` on libtorch-cpu in f32, batches of 250 in 3 views, 100 ms",
            "averages and others forward, without a gradient  10.0 ms  10.0%",
            "operations of the objective                       4.0 ms   4.0%",
            "not explained                                     1.0 ms   1.0%",
            "2 of the views     time  share",
            "color_jitter     9.0 us  90.0%",
            "one of the views    time  share",
            "cores: 1.9 of 2 at work",
            "networks: 100.0 GFLOP/s, 66.7% of the 150.0 GFLOP/s of a product of two large",
            "memory: 768 MiB held at most; copied at 8.0 GB/s on the device",
            "nothing stands out: 90.0% of the time goes into the networks",
        ] {
            assert!(text.lines().any(|own| own == line), "`{line}` is not in\n{text}");
        }
        assert!(!text.contains("wait for views") && text.is_ascii(), "{text}");
        assert!(
            render(&bench(), Style::Unicode, 40).lines().all(|line| line.chars().count() <= 40)
        );
    }

    #[test]
    fn what_is_slow_is_named_and_the_slowest_first() {
        assert_eq!(advice(&bench()), [""; 0]);
        let with = |change: fn(&mut Bench)| {
            let mut seen = bench();
            change(&mut seen);
            // What a phase takes more, another takes less.
            let more = seen.phases.iter().sum::<f64>() - 0.99 * 0.1;
            seen.phases[Phase::Backward as usize] -= more;
            advice(&seen)
        };
        let said = with(|own| own.phases[Phase::Views as usize] = 0.03);
        let expected = "the step waits for views 30.0% of its time; of their recipe \
                        `color_jitter` takes the most";
        assert_eq!(said[0], expected);
        let there = |own: &mut Bench| {
            own.recipes.clear();
            own.phases[Phase::Views as usize] = 0.03;
        };
        assert_eq!(with(there)[0], "the device makes views 30.0% of the step's time");
        let mut seen = bench();
        there(&mut seen);
        assert_eq!(machine(&seen)[0], "views: 25000 a second, made on the device");
        let said = with(|own| {
            own.phases[Phase::Metrics as usize] = 0.006;
            own.phases[Phase::Copy as usize] = 0.02;
        });
        assert!(said[0].starts_with("bringing batches") && said[1].contains("report less"));
        assert!(with(|own| own.phases[Phase::Objective as usize] = 0.2)[0].contains("negatives"));
        assert!(with(|own| own.phases[Phase::Optimizer as usize] = 0.1)[0].contains("larger one"));
        assert!(with(|own| own.parts = 4)[0].contains("`accumulate: 4`"));
        assert!(with(|own| own.between = 2.0)[0].contains("epochs have 100 steps"));
        assert!(with(|own| own.step = 0.2)[0].contains("differ by 50.5%"));
        // Few views of a slow recipe take less than many of a fast one.
        let said = with(|own| {
            own.phases[Phase::Views as usize] = 0.03;
            own.recipes[1] = Recipe { views: 9, parts: vec![("blur".to_owned(), 3e-6)] };
        });
        assert!(said[0].contains("`blur` takes the most"), "{said:?}");
        assert_eq!(
            with(|own| own.has_bf16 = true),
            ["`-o base.precision=bf16`: the device has it"]
        );
    }

    #[test]
    fn scripts_get_every_number() {
        let value: Value = serde_json::from_str(&json(&bench())).expect("JSON");
        assert_eq!(value["version"], 1);
        assert_eq!(value["phases"].as_object().expect("phases").len(), PHASES.len() - 1);
        assert_eq!(value["recipes"][0]["parts"][1]["name"], "color_jitter");
        near(value["images_per_second"].as_f64().expect("a number"), 2500.0);
    }
}
