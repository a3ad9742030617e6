//! What implementations get wrong: what a step sees, and in which order it changes things.

use super::testing::{
    BATCH, DIM, EXAMPLES, Nodes, chain, context, encoder, head, noise, rows, symbol, with,
};
use super::*;
use crate::device::testing::{backends, device};
use crate::device::{Array, Kernels, Mixed};
use crate::nn::{Params, Role};
use crate::random::Key;
use crate::schedule::Progress;
use crate::term::objective::{
    Extent, ModuleNode, NetworkBody, NetworkNode, ObjectiveGraph, TensorNode,
};
use crate::term::{Args, Call, Term, Unit};

/// An objective of one module chain: the mean of a node is minimized.
fn minimizing(
    networks: Vec<NetworkNode>,
    modules: Vec<ModuleNode>,
    mut nodes: Nodes,
    of: usize,
) -> ObjectiveGraph {
    let loss = nodes.reduce("mean", of, "all");
    ObjectiveGraph {
        views: 2,
        labels: false,
        index: true,
        modules,
        networks,
        nodes: nodes.0,
        loss,
        reports: Vec::new(),
        exports: Vec::new(),
    }
}

fn learner(graph: &ObjectiveGraph) -> Learner {
    Learner::new(graph, Key::root(1), &device(), [BATCH, EXAMPLES]).unwrap()
}

fn wrapped(body: NetworkBody) -> NetworkNode {
    NetworkNode { body, section: None }
}

fn grouped(groups: usize, shuffle: bool) -> ObjectiveGraph {
    let body = NetworkBody::Grouped { of: 0, groups, shuffle };
    let mut nodes = Nodes::default();
    let [_, features, _] = nodes.project(1, 0);
    minimizing(vec![chain(&[0, 1]), wrapped(body)], vec![encoder(), head(16)], nodes, features)
}

/// What network `network` makes of images, and the statistics that it leaves.
fn applied(program: &Learner, network: usize, x: &Array, key: u64) -> (Array, Statistics) {
    let mut statistics = Statistics::new();
    let context = Context { key: Key::root(key), ..context() };
    let encoded = &mut Vec::new();
    let with = Applying { node: 0, leaves: &[], statistics: &mut statistics, encoded };
    (program.apply(network, x.clone(), with, &context), statistics)
}

fn close(found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() <= 2e-5 * (1.0 + expected.abs()), "{found} {expected}");
    }
}

/// Rows `group`, `group + groups`, … of an array.
fn part(x: &Array, group: usize, groups: usize) -> Array {
    let places: Vec<i64> = (0..x.rows() as i64).skip(group).step_by(groups).collect();
    taken(x, &places)
}

/// Split batch norm: each group is normalised as if it were a batch of its own, and the running
/// statistics are the means of the groups' own.
#[test]
fn groups_are_normalised_apart() {
    let program = learner(&grouped(2, false));
    let x = noise(0, BATCH, 8, &device()).views[0].clone();
    let (whole, statistics) = applied(&program, 1, &x, 0);
    let alone: Vec<_> = (0..2).map(|group| applied(&program, 0, &part(&x, group, 2), 0)).collect();
    for (group, (own, _)) in alone.iter().enumerate() {
        close(&part(&whole, group, 2).to_vec(), &own.to_vec());
    }
    for (slot, value) in &statistics[&Owner::Module(0)] {
        let of = |group: usize| alone[group].1[&Owner::Module(0)][slot].to_vec();
        let mean: Vec<f32> = of(0).iter().zip(of(1)).map(|(a, b)| (a + b) / 2.0).collect();
        close(&value.to_vec(), &mean);
    }
    // One batch norm over all is another.
    let (together, _) = applied(&program, 0, &x, 0);
    assert!(together.to_vec().iter().zip(whole.to_vec()).any(|(a, b)| (a - b).abs() > 1e-3));
}

/// Shuffled batch norm: the groups are dealt by chance, and what comes out is in its own order.
#[test]
fn shuffled_rows_are_back_in_their_order() {
    let program = learner(&grouped(2, true));
    let x = noise(0, BATCH, 8, &device()).views[0].clone();
    let results: Vec<Vec<f32>> =
        (0..8).map(|key| applied(&program, 1, &x, key).0.to_vec()).collect();
    assert_eq!(results[0], applied(&program, 1, &x, 0).0.to_vec());
    assert!(results.iter().any(|own| *own != results[0]), "other groups in another step");
    // In one group the order does not matter but for rounding, if the rows are put back.
    let whole = learner(&grouped(1, true));
    let plain = applied(&whole, 0, &x, 0).0.to_vec();
    for key in 0..4 {
        close(&applied(&whole, 1, &x, key).0.to_vec(), &plain);
    }
}

#[test]
fn groups_that_do_not_divide_the_batch_are_refused() {
    let new =
        |groups| Learner::new(&grouped(groups, false), Key::root(1), &device(), [BATCH, EXAMPLES]);
    assert_eq!(
        new(3).err().unwrap().to_string(),
        "3 groups cannot be made of 4 rows: their number has to divide it"
    );
}

/// A frozen network normalises by its running statistics, which stay, and learns nothing.
#[test]
fn what_is_frozen_stays() {
    let mut nodes = Nodes::default();
    let [view, frozen, _] = nodes.project(1, 0);
    let own = nodes.op(Op::Apply(2), &[frozen]);
    let networks = vec![chain(&[0]), wrapped(NetworkBody::Frozen { of: 0 }), chain(&[1])];
    let graph = minimizing(networks, vec![encoder(), head(16)], nodes, own);
    assert_eq!(view, 0);
    let mut program = learner(&graph);
    assert_eq!(program.trained(), [false, true]);
    let before: Vec<_> = program.params()[0].values().iter().map(Array::to_vec).collect();
    let output = program.forward(&noise(0, BATCH, 8, &device()), context());
    assert!(output.leaves[0].is_none());
    program.commit(output.effects, context());
    let after: Vec<_> = program.params()[0].values().iter().map(Array::to_vec).collect();
    assert_eq!(before, after);
    // An image alone is seen as in its batch.
    let x = noise(0, BATCH, 8, &device()).views[0].clone();
    let (whole, _) = applied(&program, 1, &x, 0);
    // Nor does it see what a pass that learns has moved in the same step.
    let (_, mut statistics) = applied(&program, 0, &x, 0);
    assert!(!statistics.is_empty());
    let encoded = &mut Vec::new();
    let with = Applying { node: 0, leaves: &[], statistics: &mut statistics, encoded };
    close(&program.apply(1, x.clone(), with, &context()).to_vec(), &whole.to_vec());
    close(
        &applied(&program, 1, &part(&x, 1, BATCH), 0).0.to_vec(),
        &part(&whole, 1, BATCH).to_vec(),
    );
}

/// An average that the loss does not apply has the running statistics of what it follows.
#[test]
fn what_is_only_exported_is_an_average_of_all() {
    let mut nodes = Nodes::default();
    let [_, features, _] = nodes.project(0, 0);
    let average = NetworkBody::Ema { of: 0, momentum: Term::Float(0.75) };
    let networks = vec![
        chain(&[0, 1]),
        wrapped(average),
        wrapped(NetworkBody::Encoder { of: 1 }),
        wrapped(NetworkBody::Encoder { of: 0 }),
    ];
    let mut graph = minimizing(networks, vec![encoder(), head(16)], nodes, features);
    graph.exports = vec![("online".into(), 3), ("teacher".into(), 2)];
    let mut program = learner(&graph);
    let mut expected: Vec<_> = program.params()[0].values().iter().map(Array::to_vec).collect();
    for step in 0..3 {
        let output = program.forward(&noise(step, BATCH, 8, &device()), context());
        program.commit(output.effects, context());
        for (own, followed) in expected.iter_mut().zip(program.params()[0].values()) {
            own.iter_mut()
                .zip(followed.to_vec())
                .for_each(|(own, new)| *own = 0.75 * *own + 0.25 * new);
        }
    }
    let exported: Vec<(&str, &Params)> = program.exports().collect();
    let [("online", online), ("teacher", teacher)] = exported[..] else { panic!("two exports") };
    for ((found, expected), own) in teacher.iter().zip(&expected).zip(online.iter()) {
        close(&found.value.to_vec(), expected);
        let moves = found.role == Role::Buffer;
        assert!(!moves || found.value.to_vec() != own.value.to_vec(), "{}", found.name);
    }
    // The part is what the whole begins with.
    let x = noise(0, BATCH, 8, &device()).views[0].clone();
    let (part, statistics) = applied(&program, 2, &x, 0);
    assert_eq!(part.shape(), [BATCH, 16]);
    assert_eq!(statistics.keys().collect::<Vec<_>>(), [&Owner::Average { network: 1, module: 0 }]);
}

fn state(name: &str, shape: Vec<Extent>, inputs: &[usize], args: &[(&str, Term)]) -> TensorNode {
    let args = args.iter().map(|(name, term)| ((*name).to_owned(), term.clone()));
    TensorNode {
        op: Op::Primitive(name.into()),
        inputs: inputs.to_vec(),
        args: Args(args.collect()),
        shape,
        gradient: false,
    }
}

/// The memory of an example changes after the step that it was in, and no other does.
#[test]
fn a_bank_keeps_a_row_for_each_example() {
    let mut nodes = Nodes::default();
    let [_, features, unit] = nodes.project(0, 0);
    let index = nodes.op(Op::Index, &[]);
    let examples = Extent::try_from("examples".to_owned()).unwrap();
    let momentum = [("momentum", Term::Float(0.25))];
    let bank = nodes.put(state("bank", rows(examples), &[unit, index], &momentum));
    let columns = nodes.call("transpose", &[bank]);
    let logits = nodes.call("matmul", &[unit, columns]);
    let graph = minimizing(vec![chain(&[0, 1])], vec![encoder(), head(16)], nodes, logits);
    assert_eq!(features, 1);
    // Of a place that comes twice, the last row counts.
    let all = [[7, 2, 19, 0], [7, 2, 7, 0]];
    for (backend, places) in backends().iter().flat_map(|own| all.map(|places| (own, places))) {
        let new = || Learner::new(&graph, Key::root(1), &backend.device, [BATCH, EXAMPLES]);
        let mut program = new().unwrap();
        let memory = |program: &Learner| program.slots[&bank].arrays[0].1.to_vec();
        let before = memory(&program);
        assert_eq!(before.len(), EXAMPLES * DIM);
        let mut batch = noise(0, BATCH, 8, &backend.device);
        batch.index = Array::from_whole(places, &backend.device);
        let output = program.forward(&batch, context());
        let seen = output.effects.given[0].1[0].to_vec();
        assert_eq!(memory(&program), before, "the forward pass changes nothing");
        program.commit(output.effects, context());
        let after = memory(&program);
        for example in 0..EXAMPLES {
            let own = |all: &[f32], row: usize| all[row * DIM..][..DIM].to_vec();
            let (old, new) = (own(&before, example), own(&after, example));
            let Some(row) = places.iter().rposition(|place| *place == example as i64) else {
                assert_eq!(old, new);
                continue;
            };
            let mixed: Vec<f32> =
                old.iter().zip(own(&seen, row)).map(|(old, new)| 0.25 * old + 0.75 * new).collect();
            let length = mixed.iter().map(|value| value * value).sum::<f32>().sqrt();
            close(&new, &mixed.iter().map(|value| value / length).collect::<Vec<_>>());
        }
        // It goes on from a checkpoint.
        let mut restored = new().unwrap();
        restored.load_state(&program.state()).unwrap();
        assert_eq!(memory(&restored), after);
    }
}

/// Clusters are found after the last step of an epoch, of the memory as that step leaves it.
#[test]
fn clusters_are_those_of_the_memory_after_each_epoch() {
    let mut nodes = Nodes::default();
    let [_, _, unit] = nodes.project(0, 0);
    let index = nodes.op(Op::Index, &[]);
    let examples = Extent::try_from("examples".to_owned()).unwrap();
    let momentum = [("momentum", Term::Float(0.0))];
    let bank = nodes.put(state("bank", rows(examples), &[unit, index], &momentum));
    let args = |count| [("count", Term::Int(count)), ("rounds", Term::Int(20))];
    let shape = vec![Extent::fixed(3), Extent::fixed(DIM)];
    let centres = nodes.put(state("clusters", shape, &[bank], &args(3)));
    let columns = nodes.call("transpose", &[centres]);
    let logits = nodes.call("matmul", &[unit, columns]);
    let graph = minimizing(vec![chain(&[0, 1])], vec![encoder(), head(16)], nodes, logits);
    for backend in backends() {
        let new = |graph: &ObjectiveGraph| {
            Learner::new(graph, Key::root(1), &backend.device, [BATCH, EXAMPLES])
        };
        let mut program = new(&graph).unwrap();
        let of = |program: &Learner, node: usize| program.slots[&node].arrays[0].1.to_vec();
        let first = of(&program, centres);
        let steps = EXAMPLES / BATCH;
        for step in 0..steps {
            assert_eq!(of(&program, centres), first);
            let mut batch = noise(step as u64, BATCH, 8, &backend.device);
            let places = (step * BATCH..(step + 1) * BATCH).map(|place| place as i64);
            batch.index = Array::from_whole(places, &backend.device);
            let progress = Progress { step, steps: 2 * steps, steps_per_epoch: steps };
            let context = Context { progress, ..context() };
            let output = program.forward(&batch, context);
            program.commit(output.effects, context);
        }
        let (memory, middles) = (of(&program, bank), of(&program, centres));
        assert_ne!(middles, first);
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
        let nearest = |row: &[f32]| {
            let scores: Vec<f32> = middles.chunks(DIM).map(|own| dot(own, row)).collect();
            (0..3).max_by(|a, b| scores[*a].total_cmp(&scores[*b])).unwrap()
        };
        let mut belong = 0;
        for (cluster, middle) in middles.chunks(DIM).enumerate() {
            let own: Vec<&[f32]> =
                memory.chunks(DIM).filter(|row| nearest(row) == cluster).collect();
            belong += own.len();
            let sum: Vec<f32> = (0..DIM).map(|at| own.iter().map(|row| row[at]).sum()).collect();
            let length = dot(&sum, &sum).sqrt();
            close(middle, &sum.iter().map(|value| value / length).collect::<Vec<_>>());
        }
        assert_eq!(belong, EXAMPLES);
        let mut restored = new(&graph).unwrap();
        restored.load_state(&program.state()).unwrap();
        assert_eq!(of(&restored, centres), middles);
        let mut more = graph.clone();
        more.nodes[centres].shape[0] = Extent::fixed(EXAMPLES + 1);
        let refused = new(&more).err().map(|error| error.to_string());
        assert_eq!(refused.as_deref(), Some("20 rows cannot be in 21 clusters"));
    }
}

#[test]
fn a_running_mean_follows_the_batches() {
    let mut nodes = Nodes::default();
    let [_, features, _] = nodes.project(0, 0);
    let momentum = [("momentum", Term::Float(0.9))];
    let mean = nodes.put(state("running_mean", vec![Extent::fixed(DIM)], &[features], &momentum));
    let centred = nodes.op(Op::Subtract, &[features, mean]);
    let graph = minimizing(vec![chain(&[0, 1])], vec![encoder(), head(16)], nodes, centred);
    let mut program = learner(&graph);
    let mut expected = vec![0.0; DIM];
    for step in 0..3 {
        let output = program.forward(&noise(step, BATCH, 8, &device()), context());
        let rows = output.effects.given[0].1[0].to_vec();
        for (at, value) in expected.iter_mut().enumerate() {
            let mean = rows.chunks(DIM).map(|row| row[at]).sum::<f32>() / BATCH as f32;
            *value = 0.9 * *value + 0.1 * mean;
        }
        program.commit(output.effects, context());
        close(&program.slots[&mean].arrays[0].1.to_vec(), &expected);
    }
    let saved = program.state();
    let mut restored = learner(&graph);
    restored.load_state(&saved).unwrap();
    close(&restored.slots[&mean].arrays[0].1.to_vec(), &expected);
}

/// Prototypes are of length one whatever a step has made of them, and so are averages of them; they
/// stay as they are at first.
#[test]
fn prototypes_are_directions() {
    let frozen = ("frozen".to_owned(), Term::Duration(2.0, Unit::Steps));
    let args = Args([("count".to_owned(), Term::Int(3)), frozen].into());
    let term = Term::Call(Call { name: "prototypes".into(), args });
    let prototypes = ModuleNode { term, input: Some(DIM), output: 3, encoder: false };
    let mut nodes = Nodes::default();
    let [_, _, unit] = nodes.project(0, 0);
    let scores = nodes.op(Op::Apply(1), &[unit]);
    let average =
        NetworkNode { body: NetworkBody::Ema { of: 1, momentum: Term::Float(0.5) }, section: None };
    let networks = vec![chain(&[0, 1]), chain(&[2]), average];
    let others = nodes.op(Op::Apply(2), &[unit]);
    let both = nodes.op(Op::Add, &[scores, others]);
    let graph = minimizing(networks, vec![encoder(), head(16), prototypes], nodes, both);
    let mut program = learner(&graph);
    let lengths = |params: &Params| -> Vec<f32> {
        let weights = params.values()[0].to_vec();
        weights.chunks(DIM).map(|row| row.iter().map(|v| v * v).sum::<f32>().sqrt()).collect()
    };
    assert_eq!(program.params()[2].layout().iter().next().unwrap().role, Role::UnitRows);
    close(&lengths(&program.params()[2]), &[1.0; 3]);
    let output = program.forward(&noise(0, BATCH, 8, &device()), context());
    let longer = program.params()[2].values()[0].to_vec().iter().map(|v| v * 3.0 + 0.5).collect();
    program.params_mut()[2].values_mut()[0] = Array::from_vec(longer, &[3, DIM], &device());
    program.commit(output.effects, context());
    close(&lengths(&program.params()[2]), &[1.0; 3]);
    close(&lengths(program.average(2, 2).unwrap()), &[1.0; 3]);
    let held = |step| {
        let progress = Progress { step, steps: 10, steps_per_epoch: 5 };
        program.params()[2].held(progress).next().unwrap()
    };
    assert_eq!([0, 1, 2, 3].map(held), [true, true, false, false]);
}

/// A temperature that changes by the step is another number in each.
#[test]
fn scheduled_numbers_follow_the_steps() {
    let args = [
        ("from", Term::Float(2.0)),
        ("to", Term::Float(1.0)),
        ("warmup", Term::Duration(0.0, Unit::Steps)),
        ("per", symbol("step")),
    ];
    let args = args.into_iter().map(|(name, term)| (name.to_owned(), term)).collect();
    let schedule = Term::Call(Call { name: "cosine".into(), args: Args(args) });
    let mut nodes = Nodes::default();
    let [_, features, _] = nodes.project(0, 0);
    let temperature = nodes.op(Op::Scheduled(schedule.clone()), &[]);
    let scaled = nodes.op(Op::Multiply, &[features, temperature]);
    let soft = nodes.put(with(
        TensorNode { ..state("log_softmax", rows(Extent::batches(1)), &[features], &[]) },
        "temperature",
        schedule,
    ));
    let graph = {
        let sum = nodes.reduce("mean", soft, "all");
        let mut graph = minimizing(vec![chain(&[0, 1])], vec![encoder(), head(16)], nodes, scaled);
        graph.reports.push(("soft".into(), sum));
        graph
    };
    let program = learner(&graph);
    let at = |step| {
        let progress = Progress { step, steps: 10, steps_per_epoch: 5 };
        let output =
            program.forward(&noise(0, BATCH, 8, &device()), Context { progress, ..context() });
        (output.loss.to_number(), output.reports[0].1.to_number())
    };
    let (first, middle, last) = (at(0), at(5), at(10));
    assert!((first.0 / last.0 - 2.0).abs() < 1e-4 && (middle.0 / last.0 - 1.5).abs() < 1e-4);
    assert!(first.1 != middle.1 && middle.1 != last.1);
}

/// An encoder and a head, with or without groups of the encoder's batch: each of two views is told
/// from the other one's whole batch, and an average of both sees a view besides.
fn contrast(groups: usize) -> ObjectiveGraph {
    let mut nodes = Nodes::default();
    let mut project = |networks: [usize; 2], view| {
        let [_, features, _] = nodes.project(networks[0], view);
        let own = nodes.op(Op::Apply(networks[1]), &[features]);
        nodes.call("normalize", &[own])
    };
    let [first, second] = [0, 1].map(|view| project([1, 2], view));
    let followed = project([4, 5], 1);
    let loss = nodes.info_nce([first, second, followed], 0.5);
    let wrap = |of| NetworkBody::Grouped { of, groups, shuffle: false };
    let momentum = Term::Float(0.9);
    let networks = vec![
        chain(&[0]),
        wrapped(wrap(0)),
        chain(&[1]),
        wrapped(NetworkBody::Ema { of: 0, momentum: momentum.clone() }),
        wrapped(wrap(3)),
        wrapped(NetworkBody::Ema { of: 2, momentum }),
    ];
    minimizing(networks, vec![encoder(), head(16)], nodes, loss)
}

/// An encoder in parts is one whose batch norms see as many groups: loss, gradients, statistics.
/// What comes after it sees the whole batch.
#[test]
fn parts_are_groups_that_keep_nothing() {
    for backend in backends() {
        // Of sixteen examples, so that no group is so small that rounding decides.
        let learner = |groups: usize, parts: usize| {
            let new =
                Learner::new(&contrast(groups), Key::root(1), &backend.device, [16, EXAMPLES]);
            new.unwrap().in_parts(parts).unwrap()
        };
        let batch = noise(0, 16, 16, &backend.device);
        let context = Context { kernels: backend.kernels, ..context() };
        for (groups, parts) in [(2, 2), (4, 2), (4, 4), (2, 4)] {
            // Where the parts are more than the groups, there are as many groups as parts.
            let whole = learner(groups.max(parts), 1);
            let parted = learner(groups, parts);
            let [expected, found] =
                [&whole, &parted].map(|program| program.forward(&batch, context));
            close(&found.loss.to_vec(), &expected.loss.to_vec());
            assert!(expected.encoded.is_empty());
            // Each of two views; the average is not trained.
            assert_eq!(found.encoded.len(), 2);
            let of = |program: &Learner, output: StepOutput| {
                let StepOutput { loss, leaves, encoded, effects, .. } = output;
                (program.gradients(&loss, leaves, encoded, &context), effects)
            };
            let (expected, effects) = of(&whole, expected);
            let (found, left) = of(&parted, found);
            assert!(found.iter().all(Option::is_some));
            for (expected, found) in expected.iter().flatten().zip(found.iter().flatten()) {
                for (expected, found) in expected.iter().zip(found) {
                    assert_eq!(expected.is_some(), found.is_some());
                    let values = |own: &Option<Array>| own.as_ref().map_or(vec![], Array::to_vec);
                    near(&values(found), &values(expected));
                }
            }
            for (owner, updates) in &effects.statistics {
                for (slot, value) in updates {
                    close(&left.statistics[owner][slot].to_vec(), &value.to_vec());
                }
            }
        }
    }
}

/// Whichever encoder a stage hands on: of two that are trained both pass in parts.
#[test]
fn every_encoder_passes_in_parts() {
    let mut nodes = Nodes::default();
    let [.., one] = nodes.project(0, 0);
    let [.., other] = nodes.project(1, 1);
    let likeness = nodes.dot(one, other);
    let second = ModuleNode { encoder: false, ..encoder() };
    let graph =
        minimizing(vec![chain(&[0]), chain(&[1])], vec![encoder(), second], nodes, likeness);
    let program = learner(&graph).in_parts(2).unwrap();
    let output = program.forward(&noise(0, BATCH, 8, &device()), context());
    assert_eq!(output.encoded.len(), 2);
    let StepOutput { loss, leaves, encoded, .. } = output;
    let found = program.gradients(&loss, leaves, encoded, &context());
    let is_reached = |own: &Option<Vec<Option<Array>>>| own.iter().flatten().any(Option::is_some);
    assert!(found.len() == 2 && found.iter().all(is_reached));
}

/// Within a thousandth of the largest.
fn near(found: &[f32], expected: &[f32]) {
    let most = expected.iter().fold(0.0_f32, |most, value| most.max(value.abs()));
    // Gradients of biases before a batch norm are rounding alone.
    let tolerance = 1e-3 * most + 1e-6;
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() <= tolerance, "{found} is not {expected} ({most})");
    }
}

#[test]
fn parts_that_do_not_divide_the_batch_are_refused() {
    let refused = |groups, parts| {
        let learner = Learner::new(&contrast(groups), Key::root(1), &device(), [8, EXAMPLES]);
        learner.unwrap().in_parts(parts).err().map(|error| error.to_string())
    };
    let message = "3 parts cannot be made of 8 rows: 3 has to divide it";
    assert_eq!(refused(1, 3).as_deref(), Some(message));
    assert_eq!(
        refused(1, 0).as_deref(),
        Some("0 parts cannot be made of 8 rows: 0 has to divide it")
    );
    assert_eq!(refused(4, 8), None);
    assert_eq!(refused(4, 2), None);
}

/// A step in bfloat16 is the one in f32 but for rounding, and what it hands on is f32: the loss, the
/// gradients, the running statistics.
#[test]
fn a_step_in_bf16_is_one_in_f32_but_for_rounding() {
    for backend in backends().into_iter().filter(|own| own.kind.starts_with("libtorch")) {
        let sizes = [16, EXAMPLES];
        let program = Learner::new(&contrast(1), Key::root(1), &backend.device, sizes).unwrap();
        let batch = noise(0, 16, 16, &backend.device);
        let mixed = Mixed(backend.kernels);
        let of = |kernels: &dyn Kernels| {
            let context = Context { kernels, ..context() };
            let StepOutput { loss, leaves, encoded, effects, .. } =
                program.forward(&batch, context);
            let gradients = program.gradients(&loss, leaves, encoded, &context);
            let gradients: Vec<Array> =
                gradients.into_iter().flatten().flatten().flatten().collect();
            let updates = effects.statistics.into_values().flat_map(|own| own.into_values());
            let all: Vec<Array> = gradients.iter().cloned().chain(updates).collect();
            for own in all.iter().chain([&loss]) {
                let dtype = by_rank!(own.rank(), D => own.tensor::<D>().dtype());
                assert_eq!(dtype, burn::tensor::DType::F32);
            }
            (loss.to_number(), gradients)
        };
        let ((expected, slopes), (found, rounded)) = (of(backend.kernels), of(&mixed));
        assert!((found - expected).abs() < 0.02 * expected.abs(), "{found} is not {expected}");
        assert_ne!(found, expected, "nothing was rounded");
        assert_eq!(slopes.len(), rounded.len());
        let flat = |own: &[Array]| own.iter().flat_map(Array::to_vec).collect::<Vec<f32>>();
        let (slopes, rounded) = (flat(&slopes), flat(&rounded));
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
        let cosine =
            dot(&slopes, &rounded) / (dot(&slopes, &slopes) * dot(&rounded, &rounded)).sqrt();
        // Rounding moves what is near the kinks of rectifiers to their other side.
        assert!(cosine > 0.9, "{cosine}");
    }
}
