use std::sync::Arc;

use super::testing::*;
use super::*;
use crate::device::Selected;
use crate::device::testing::{backends, device};
use crate::nn::{Layout, Role};
use crate::objective::{ObjectiveError, encoder_key};
use crate::random::Key;
use crate::term::Term;
use crate::term::objective::ObjectiveGraph;

#[test]
fn a_key_enters_the_queue_after_its_own_step() {
    let mut program = program(&moco(), 1);
    for step in 0..5 {
        let (rows, cursor) = queue(&program);
        let before = rows.to_vec();
        assert_eq!(cursor, step as usize * BATCH % QUEUE);
        let batch = views(step);
        let query = project(&program, 0, &batch.views[0]);
        let key = project(&program, 1, &batch.views[1]);

        let output = program.forward(&batch, context());
        let expected = f64::from(info_nce(&query, &key, &rows).into_scalar::<f32>());
        assert!((output.loss.to_number() - expected).abs() < 1e-5);
        assert_eq!(queue(&program).0.to_vec(), before, "the forward pass changes nothing");
        let share = output.reports[0].1.to_number();
        assert!(output.reports[0].0 == "accuracy" && (0.0..=1.0).contains(&share));

        descend(&mut program, &output.loss, &output.leaves);
        program.commit(output.effects, context());
        let mut expected = before;
        expected[cursor * DIM..][..BATCH * DIM].copy_from_slice(&key.to_vec());
        assert_eq!(queue(&program).0.to_vec(), expected);
    }
}

#[test]
fn the_queue_starts_with_unit_rows() {
    let rows = queue(&program(&moco(), 1)).0.to_vec();
    for row in rows.chunks(DIM) {
        assert!((row.iter().map(|v| v * v).sum::<f32>() - 1.0).abs() < 1e-5);
    }
    assert_ne!(rows[..DIM], rows[DIM..2 * DIM]);
}

#[test]
fn an_average_starts_equal_and_follows_exactly() {
    for m in [0.0_f32, 0.9, 1.0] {
        let mut graph = moco();
        graph.networks[1] = ema(0, Term::Float(f64::from(m)));
        let mut program = program(&graph, 2);
        for module in [0, 1] {
            let average = program.average(1, module).unwrap();
            for (own, average) in program.params()[module].iter().zip(average.values()) {
                assert_eq!(own.value.to_vec(), average.to_vec(), "{}", own.name);
            }
        }
        let old = [0, 1].map(|module| program.average(1, module).unwrap().clone());
        train(&mut program, 0);
        for module in [0, 1] {
            let average = program.average(1, module).unwrap();
            let before = old[module].values().iter().zip(average.values());
            for (own, (old, average)) in program.params()[module].iter().zip(before) {
                if own.role == Role::Buffer {
                    continue;
                }
                let new = own.value.to_vec();
                for ((a, old), new) in average.to_vec().iter().zip(old.to_vec()).zip(new) {
                    let expected = m * old + (1.0 - m) * new;
                    assert!((a - expected).abs() <= 1e-6 * expected.abs(), "{}, m {m}", own.name);
                    assert!(m != 0.0 || *a == new, "exact at 0");
                    assert!(m != 1.0 || *a == old, "exact at 1");
                }
            }
        }
    }
}

#[test]
fn an_average_keeps_its_own_running_statistics() {
    let mut program = program(&moco(), 3);
    let buffers = |params: &Params| -> Vec<Vec<f32>> {
        let buffers = params.iter().filter(|param| param.role == Role::Buffer);
        buffers.map(|param| param.value.to_vec()).collect()
    };
    let fresh = buffers(&program.params()[0]);
    assert!(!fresh.is_empty());
    train(&mut program, 0);
    let (own, average) = (buffers(&program.params()[0]), buffers(program.average(1, 0).unwrap()));
    assert_ne!(own, fresh);
    assert_ne!(average, fresh);
    // Each has seen another view.
    assert_ne!(own, average);
}

#[test]
fn no_gradient_reaches_the_key_encoder() {
    let program = program(&moco(), 4);
    let batch = views(0);
    let output = program.forward(&batch, context());
    assert_eq!(program.trained(), [true, true]);
    assert!(output.effects.given.iter().all(|(_, given)| !given[0].is_tracked()));

    // The same loss, with the keys as numbers.
    let leaves: Vec<_> = program.params().iter().map(|params| Some(params.leaves())).collect();
    let (x, mut unused) = (batch.views[0].clone(), Statistics::new());
    let query = operate("normalize", &[], &[applied(&program, 0, &x, &leaves, &mut unused)]);
    let key = project(&program, 1, &batch.views[1]);
    assert!(!key.is_tracked());
    let loss = info_nce(&query, &key, &queue(&program).0).into();
    let (found, expected) = (gradients(&output.loss, &output.leaves), gradients(&loss, &leaves));
    assert!(found.len() > 20);
    for ((name, found), (_, expected)) in found.iter().zip(&expected) {
        let scale = expected.iter().fold(0.0_f32, |max, v| max.max(v.abs()));
        for (a, b) in found.iter().zip(expected) {
            assert!((a - b).abs() <= 1e-3 * scale + 1e-6, "{name}: {a} {b}");
        }
    }
}

fn gradients(loss: &Array, leaves: &[Option<Params>]) -> Vec<(String, Vec<f32>)> {
    let mut tape = loss.backward();
    let mut found = Vec::new();
    for params in leaves.iter().flatten() {
        let gradients = params.take_gradients(&mut tape);
        for (param, gradient) in params.iter().zip(gradients) {
            if param.role.is_trained() {
                found.push((param.name.to_owned(), gradient.expect("trained").to_vec()));
            }
        }
    }
    found
}

#[test]
fn backends_give_the_same_gradients() {
    let backends = backends();
    let [flex, libtorch] = &backends[..] else { return };
    let norm = |values: &[f32]| values.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
    for graph in [moco(), simclr(), byol()] {
        let [flex, libtorch] = [flex, libtorch].map(|Selected { device, .. }| {
            // A batch as large as the queue, so that batch norm has something to average.
            let program = Learner::new(&graph, Key::root(16), device, [QUEUE, EXAMPLES]).unwrap();
            let output = program.forward(&noise(0, QUEUE, 16, device), context());
            (output.loss.to_vec()[0], gradients(&output.loss, &output.leaves))
        });
        assert!((flex.0 - libtorch.0).abs() <= 1e-5 * flex.0, "{} {}", flex.0, libtorch.0);
        assert!(flex.1.len() > 60 && flex.1.len() == libtorch.1.len());
        let largest = flex.1.iter().map(|(_, gradient)| norm(gradient)).fold(0.0, f64::max);
        // What is added before a batch norm has no gradient but rounding.
        let rounding = 1e-6 * largest;
        for ((name, a), (other, b)) in flex.1.iter().zip(&libtorch.1) {
            assert_eq!(name, other);
            assert!(norm(a) > 100.0 * rounding || matches!(name.as_str(), "0.bias" | "3.bias"));
            let difference: Vec<f32> = a.iter().zip(b).map(|(a, b)| a - b).collect();
            let (difference, norm) = (norm(&difference), norm(a));
            assert!(difference <= 2e-4 * norm + rounding, "{name}: {difference:e} of {norm:e}");
        }
    }
}

#[test]
fn one_network_on_two_views_is_one_set_of_weights() {
    let mut program = program(&simclr(), 5);
    let batch = views(0);
    let pair = [0, 1].map(|view| project(&program, 0, &batch.views[view]));
    let output = program.forward(&batch, context());
    assert_ne!(pair[0].to_vec(), pair[1].to_vec());
    for (name, gradient) in gradients(&output.loss, &output.leaves) {
        assert!(gradient.iter().all(|value| value.is_finite()), "{name}");
    }
    // Its running statistics have moved twice, by one view after the other.
    let mut once = Statistics::new();
    applied(&program, 0, &batch.views[0], &[], &mut once);
    let mut twice = once.clone();
    applied(&program, 0, &batch.views[1], &[], &mut twice);
    let found = &output.effects.statistics[&Owner::Module(0)];
    for (slot, value) in found {
        let after = |statistics: &Statistics| statistics[&Owner::Module(0)][slot].to_vec();
        assert_eq!(value.to_vec(), after(&twice), "{slot:?}");
        assert_ne!(value.to_vec(), after(&once), "{slot:?}");
    }
    program.commit(output.effects, context());
}

#[test]
fn training_lowers_the_loss() {
    // Not so MoCo's on the same views again and again: its queue would fill with positives.
    for graph in [simclr(), byol()] {
        let mut program = program(&graph, 6);
        let first = train(&mut program, 0);
        let losses: Vec<_> = (0..20).map(|_| train(&mut program, 0)).collect();
        let last = losses[losses.len() - 1];
        assert!(last < first, "{first} {losses:?}");
    }
}

#[test]
fn averages_of_averages_follow_in_order() {
    let mut program = program(&byol(), 7);
    assert_eq!(program.trained(), [true, true, true]);
    let old = values_of(program.average(2, 1).unwrap());
    train(&mut program, 0);
    let online = values_of(&program.params()[1]);
    let first = values_of(program.average(2, 1).unwrap());
    let second = values_of(program.average(0, 1).unwrap());
    for i in 0..old.len() {
        let target = 0.75 * old[i] + 0.25 * online[i];
        assert!((first[i] - target).abs() < 1e-6);
        assert!((second[i] - (0.5 * old[i] + 0.5 * target)).abs() < 1e-6);
    }
    // Only what its chain applies is copied.
    assert!(program.average(2, 2).is_none());
}

fn values_of(params: &Params) -> Vec<f32> {
    let trained = params.iter().filter(|param| param.role.is_trained());
    trained.flat_map(|param| param.value.to_vec()).collect()
}

#[test]
fn a_report_leaves_no_trace() {
    // Without its report, the objective trains the same.
    let with_report = {
        let mut graph = byol();
        let mut nodes = Nodes(graph.nodes);
        let again = nodes.op(Op::Apply(1), &[0]);
        let mean = nodes.reduce("mean", again, "all");
        graph.nodes = nodes.0;
        graph.reports.push(("again".into(), mean));
        graph
    };
    let mut without = byol();
    without.reports.clear();
    without.nodes.truncate(without.loss + 1);
    let mut programs = [program(&with_report, 8), program(&without, 8)];
    for program in &mut programs {
        train(program, 0);
    }
    let [with_report, without] = programs;
    let trained = |program: &Learner| {
        let mut state = state(program);
        // The average that only a report reads has statistics of its own.
        state.retain(|(name, _)| !name.starts_with("average.0"));
        state
    };
    assert_eq!(trained(&with_report), trained(&without));
}

#[test]
fn what_the_loss_does_not_reach_is_not_trained() {
    let mut graph = simclr();
    graph.modules.push(head(16));
    graph.networks.push(chain(&[0, 2]));
    let mut nodes = Nodes(graph.nodes);
    let other = nodes.op(Op::Apply(1), &[0]);
    let mean = nodes.reduce("mean", other, "all");
    graph.nodes = nodes.0;
    graph.reports.push(("other".into(), mean));
    let program = program(&graph, 9);
    assert_eq!(program.trained(), [true, true, false]);
    let output = program.forward(&views(0), context());
    assert!(output.leaves[2].is_none());
    assert!(!output.reports[1].1.is_tracked());
}

#[test]
fn a_restored_program_continues_bit_for_bit() {
    for graph in [moco(), byol()] {
        let mut program = program(&graph, 10);
        for step in 0..2 {
            train(&mut program, step);
        }
        let saved = program.state();
        let losses = [2, 3].map(|step| train(&mut program, step).to_bits());

        let mut restored = self::program(&graph, 999);
        assert_ne!(state(&restored), state(&program));
        restored.load_state(&saved).unwrap();
        let again = [2, 3].map(|step| train(&mut restored, step).to_bits());
        assert_eq!(losses, again);
        assert_eq!(state(&restored), state(&program));
    }
}

#[test]
fn another_objectives_state_is_refused() {
    let mut program = program(&moco(), 11);
    let before = state(&program);
    let refusal = |program: &mut Learner, state: &[(String, Array)]| {
        program.load_state(state).unwrap_err().to_string()
    };
    let full = program.state();
    let missing = refusal(&mut program, &full[1..]);
    assert_eq!(missing, "`module.0.conv1.weight` is missing");

    let mut other = full.clone();
    other[0].1 = Array::from_vec(vec![0.0; 3], &[3], &device());
    assert_eq!(
        refusal(&mut program, &other),
        "`module.0.conv1.weight` has the shape [3] in the place of [2, 3, 3, 3]"
    );

    let mut other = full.clone();
    other.push(("module.7.weight".into(), full[0].1.clone()));
    assert_eq!(
        refusal(&mut program, &other),
        "`module.7.weight` belongs to no part of this objective"
    );

    let mut other = full;
    let cursor = other.iter_mut().find(|(name, _)| name == "state.6.position").unwrap();
    cursor.1 = Array::number(QUEUE as f64, &device());
    assert_eq!(refusal(&mut program, &other), "`state.6.position` is 12, which is no row of 12");
    assert_eq!(state(&program), before);
}

#[test]
fn an_encoder_starts_the_same_wherever_it_is_used() {
    let (a, b) = (program(&moco(), 12), program(&byol(), 12));
    assert_eq!(values_of(a.encoder().unwrap()), values_of(b.encoder().unwrap()));
    let other = program(&moco(), 13);
    assert_ne!(values_of(a.encoder().unwrap()), values_of(other.encoder().unwrap()));
    let key = Key::root(12);
    assert_ne!(encoder_key(key, &encoder().term), encoder_key(key, &head(16).term));
    // Two heads of one term are two sets of weights.
    let mut twins = byol();
    twins.modules[2] = head(16);
    let twins = program(&twins, 12);
    assert_ne!(values_of(&twins.params()[1]), values_of(&twins.params()[2]));
}

#[test]
fn two_encoders_of_one_term_are_two_networks() {
    let alone = program(&moco(), 12);
    let mut graph = moco();
    graph.modules.push(encoder());
    // The one that the stage yields need not be the first that the graph lists.
    graph.modules[0].encoder = false;
    let two = program(&graph, 12);
    let [first, yielded] = [0, 2].map(|module| values_of(&two.params()[module]));
    assert_ne!(first, yielded);
    assert_eq!(values_of(two.encoder().unwrap()), yielded);
    assert_eq!(yielded, values_of(alone.encoder().unwrap()));
}

#[test]
fn a_given_encoder_is_where_training_starts() {
    let given = program(&moco(), 14).encoder().unwrap().clone();
    let new = |encoder: &Params| {
        let given = BTreeMap::from([(0, encoder.clone())]);
        Learner::with(&moco(), Key::root(15), &device(), [BATCH, EXAMPLES], &given)
    };
    let program = new(&given).unwrap();
    assert_eq!(values_of(program.encoder().unwrap()), values_of(&given));
    assert_eq!(values_of(program.average(1, 0).unwrap()), values_of(&given));

    let mut layout = Layout::default();
    given.layout().iter().skip(1).for_each(|own| {
        layout.declare(own.clone());
    });
    let wrong = Params::new(Arc::new(layout), given.values()[1..].to_vec());
    let error = new(&wrong).err().unwrap().to_string();
    assert!(error.starts_with("the given encoder is another one"), "{error}");
    assert!(error.contains("conv1.weight"), "{error}");
}

#[test]
fn a_queue_that_batches_cannot_fill_is_refused() {
    let new = |graph: &ObjectiveGraph, batch| {
        Learner::new(graph, Key::root(0), &device(), [batch, EXAMPLES]).err()
    };
    let expected = "a queue of 12 rows cannot be filled by 5 rows a step: its size has to be a \
                    multiple of 5";
    assert_eq!(new(&moco(), 5), Some(ObjectiveError(expected.into())));
    let mut unknown = moco();
    unknown.nodes[2] = primitive("normalise", &[1]);
    let error = new(&unknown, 4).unwrap().to_string();
    assert_eq!(error, "there is no operation called `normalise`");
}
