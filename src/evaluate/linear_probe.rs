//! A linear classifier on frozen features.

use std::collections::BTreeMap;

use burn::tensor::{Device, Int, Tensor, TensorData};

use super::features::{argmax, to_tensor, to_vec};
use super::{Accuracy, EvaluateError, Features, Problem, Warning, accuracy, lbfgs};
use crate::diagnostics::findings;
use crate::interrupt::Interrupted;
use crate::watch::Counted;

/// The largest component of the gradient that counts as converged: two orders above what the
/// rounding of f32 leaves.
const TOLERANCE: f64 = 1e-5;

/// How the classifier is fitted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Probe {
    /// Half of this times the squared weights is added to the mean cross entropy.
    pub l2: f64,
    /// The most steps of L-BFGS.
    pub iterations: usize,
    /// The share of the examples to fit on by which the penalty is chosen, among multiples of `l2`.
    pub held_out: Option<f64>,
}

/// Penalties that are tried around the given one, the strongest first: of two that are as good it is
/// the one to take.
fn around(l2: f64) -> [f64; 5] {
    // A quotient is the number that is written so, which a product with 0.01 is not.
    [l2 * 100.0, l2 * 10.0, l2, l2 / 10.0, l2 / 100.0]
}

/// Fits multinomial logistic regression on `fit` and scores it on `on`.
///
/// Both are standardised by the mean and standard deviation of each dimension over `fit`. The fit
/// starts from zero and sees all of `fit` in every step: there is no randomness in it.
///
/// # Errors
///
/// Where there is nothing to fit, the splits do not fit together or values are not finite.
pub fn linear_probe(problem: &Problem<'_>, recipe: Probe) -> Result<Accuracy, EvaluateError> {
    let Problem { on, classes, device, .. } = *problem;
    let fit = problem.fit()?;
    Features::check_pair(fit, on, classes)?;
    let (l2, chosen) = match recipe.held_out {
        None => (recipe.l2, String::new()),
        Some(share) => {
            let (rest, held) = apart(fit, share);
            if held.is_empty() {
                return Err(EvaluateError::NoneHeldOut);
            }
            let mut best = (0, 0.0);
            let tried = around(recipe.l2);
            for l2 in tried {
                let fitted = fitted(problem, l2, recipe, &rest)?;
                let right = fitted.right(&held, classes, device);
                if right > best.0 || best.1 == 0.0 {
                    best = (right, l2);
                }
            }
            let (n, of) = (accuracy::grouped(held.len()), tried.len());
            (best.1, format!(" (of {of}, chosen on {n} of these, which were held out)"))
        }
    };
    let fitted = fitted(problem, l2, recipe, fit)?;
    let outcome = &fitted.outcome;
    let predictions = fitted.predictions(on, classes, device);
    let ending = match outcome.converged {
        true => format!("converged in {} steps", outcome.iterations),
        false => format!("stopped after {} steps, before it converged", outcome.iterations),
    };
    let protocol = format!(
        "linear probe, logistic regression, L2 penalty {l2:e}, L-BFGS {ending}, on the encoder's {} \
         standardised features, plain images; fitted on {}{chosen}; top-1 on {}; nothing was \
         selected on them",
        fit.dim,
        accuracy::examples(fit),
        accuracy::examples(on)
    );
    let warning = (!outcome.converged).then(|| Warning {
        name: findings::PROBE_NOT_CONVERGED.name.to_owned(),
        message: format!(
            "the linear probe had not converged after {} steps, and its accuracy may be too low: \
             give it more `iterations`, or a larger `l2`",
            outcome.iterations
        ),
    });
    Ok(Accuracy { warning, ..Accuracy::of(predictions, on, classes, protocol) })
}

/// A classifier.
struct Fitted {
    standard: Standard,
    weights: Vec<f64>,
    outcome: lbfgs::Outcome,
}

fn fitted(
    problem: &Problem<'_>,
    l2: f64,
    recipe: Probe,
    fit: &Features,
) -> Result<Fitted, EvaluateError> {
    let Problem { classes, device, watch, .. } = *problem;
    let standard = Standard::of(fit);
    let x = to_tensor(standard.apply(&fit.values), fit.dim, device);
    let regression = Regression::new(x, &fit.labels, classes, l2);
    let mut weights = vec![0.0; (fit.dim + 1) * classes];
    let steps = Some(recipe.iterations as u64);
    let task = watch.start("fitting the probe".to_owned(), 0, steps, Counted::Steps);
    let outcome = lbfgs::minimize(&mut weights, recipe.iterations, TOLERANCE, |w, gradient| {
        task.advance(1)?;
        Ok::<f64, Interrupted>(regression.evaluate(w, gradient))
    })?;
    Ok(Fitted { standard, weights, outcome })
}

impl Fitted {
    fn predictions(&self, on: &Features, classes: usize, device: &Device) -> Vec<usize> {
        let (weight, bias) = split(&self.weights, on.dim, classes, device);
        let x = to_tensor(self.standard.apply(&on.values), on.dim, device);
        let logits = to_vec(x.matmul(weight) + bias);
        logits.chunks_exact(classes).map(argmax).collect()
    }

    /// How many it is right about.
    fn right(&self, on: &Features, classes: usize, device: &Device) -> usize {
        let predictions = self.predictions(on, classes, device);
        let pairs = predictions.iter().zip(&on.labels);
        pairs.filter(|(found, label)| **found == **label as usize).count()
    }
}

/// All but a share of the examples, and that share: of every class the same, evenly among its
/// examples, and one at least. A class of one example keeps it.
fn apart(all: &Features, share: f64) -> (Features, Features) {
    let empty = || Features { values: Vec::new(), labels: Vec::new(), ..*all };
    let (mut rest, mut held) = (empty(), empty());
    let mut sizes: BTreeMap<u32, u32> = BTreeMap::new();
    all.labels.iter().for_each(|label| *sizes.entry(*label).or_default() += 1);
    let mut seen: BTreeMap<u32, u32> = BTreeMap::new();
    for (index, label) in all.labels.iter().enumerate() {
        let before = seen.entry(*label).or_default();
        let size = sizes[label];
        // How many are held out of so many; of all of a class one at least.
        let count = |examples: u32| {
            let least = u32::from(examples == size && size > 1);
            ((f64::from(examples) * share) as u32).max(least)
        };
        let to = if count(*before + 1) > count(*before) { &mut held } else { &mut rest };
        *before += 1;
        to.values.extend_from_slice(all.row(index));
        to.labels.push(*label);
    }
    (rest, held)
}

/// Mean and inverse standard deviation of each dimension.
struct Standard {
    mean: Vec<f64>,
    scale: Vec<f64>,
}

impl Standard {
    /// Of features with at least one row.
    fn of(features: &Features) -> Self {
        let n = features.len() as f64;
        let mut mean = vec![0.0; features.dim];
        for row in features.values.chunks_exact(features.dim) {
            mean.iter_mut().zip(row).for_each(|(m, &v)| *m += f64::from(v) / n);
        }
        let mut variance = vec![0.0; features.dim];
        for row in features.values.chunks_exact(features.dim) {
            for ((variance, mean), &v) in variance.iter_mut().zip(&mean).zip(row) {
                *variance += (f64::from(v) - mean).powi(2) / n;
            }
        }
        // A dimension that never varies says nothing, and is only centred.
        let scale = |(v, m): (&f64, &f64)| match v.sqrt() {
            deviation if deviation > 1e-6 * m.abs() && deviation > 0.0 => 1.0 / deviation,
            _ => 1.0,
        };
        let scale = variance.iter().zip(&mean).map(scale).collect();
        Self { mean, scale }
    }

    fn apply(&self, values: &[f32]) -> Vec<f32> {
        let columns = self.mean.iter().zip(&self.scale).cycle();
        let standard =
            |(&v, (mean, scale)): (&f32, (&f64, &f64))| ((f64::from(v) - mean) * scale) as f32;
        values.iter().zip(columns).map(standard).collect()
    }
}

/// The function to minimize.
struct Regression {
    /// `[n, d]`
    x: Tensor<2>,
    /// `[n, 1]`
    labels: Tensor<2, Int>,
    /// One at each label, `[n, c]`.
    targets: Tensor<2>,
    l2: f64,
    device: Device,
}

impl Regression {
    fn new(x: Tensor<2>, labels: &[u32], classes: usize, l2: f64) -> Self {
        let device = x.device();
        let n = labels.len();
        let indices: Vec<i64> = labels.iter().map(|&label| i64::from(label)).collect();
        let labels = Tensor::from_data(TensorData::new(indices, [n, 1]), &device);
        let columns = Tensor::<1, Int>::arange(0..classes as i64, &device).reshape([1, classes]);
        let targets = labels.clone().equal(columns).float();
        Self { x, labels, targets, l2, device }
    }

    /// Mean cross entropy plus penalty, and its gradient, at weights `[d + 1, c]`, whose last row
    /// are the biases.
    fn evaluate(&self, weights: &[f64], gradient: &mut [f64]) -> f64 {
        let [n, d] = self.x.dims();
        let classes = self.targets.dims()[1];
        let (weight, bias) = split(weights, d, classes, &self.device);
        let logits = self.x.clone().matmul(weight) + bias;
        let correct = logits.clone().gather(1, self.labels.clone());
        let max = logits.clone().max_dim(1);
        let exp = (logits - max.clone()).exp();
        let sum = exp.clone().sum_dim(1);
        let loss = (sum.clone().log() + max - correct).mean();
        let residual = (exp / sum - self.targets.clone()) / n as f64;
        let slopes = self.x.clone().transpose().matmul(residual.clone());
        // One transfer for all.
        let all = vec![slopes.reshape([d * classes]), residual.sum_dim(0).reshape([classes]), loss];
        let all = to_vec(Tensor::cat(all, 0));

        let penalised = d * classes;
        for (index, slope) in gradient.iter_mut().enumerate() {
            let penalty = if index < penalised { self.l2 * weights[index] } else { 0.0 };
            *slope = f64::from(all[index]) + penalty;
        }
        let square: f64 = weights[..penalised].iter().map(|w| w * w).sum();
        f64::from(all[all.len() - 1]) + 0.5 * self.l2 * square
    }
}

/// Weights `[d, c]` and biases `[1, c]` of `[d + 1, c]` numbers.
fn split(weights: &[f64], d: usize, classes: usize, device: &Device) -> (Tensor<2>, Tensor<2>) {
    let (weight, bias) = weights.split_at(d * classes);
    let tensor =
        |values: &[f64]| to_tensor(values.iter().map(|&v| v as f32).collect(), classes, device);
    (tensor(weight), tensor(bias))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::testing::device;
    use crate::random::{Key, Rng};
    use crate::term::Part;
    use crate::watch::testing::unwatched;

    const RECIPE: Probe = Probe { l2: 1e-4, iterations: 500, held_out: None };

    fn linear_probe(
        fit: &Features,
        on: &Features,
        classes: usize,
        recipe: Probe,
        device: &Device,
    ) -> Result<Accuracy, EvaluateError> {
        let fit = Some(fit);
        super::linear_probe(&Problem { fit, on, classes, device, watch: unwatched() }, recipe)
    }

    #[test]
    fn a_fit_that_ends_too_early_says_so() {
        let mut rng = Key::root(7).stream();
        let fit = clouds(400, 0.8, Part::Train, &mut rng);
        let few = Probe { iterations: 2, ..RECIPE };
        let accuracy = linear_probe(&fit, &fit, 4, few, &device()).unwrap();
        let warning = accuracy.warning.expect("two steps do not suffice");
        assert_eq!(warning.name, "probe-not-converged");
        assert!(warning.message.contains("after 2 steps"), "{}", warning.message);
        assert!(accuracy.protocol.contains("before it converged"), "{}", accuracy.protocol);
        assert_eq!(linear_probe(&fit, &fit, 4, RECIPE, &device()).unwrap().warning, None);
    }

    /// Gaussian clouds whose dimensions have very different scales and offsets.
    fn clouds(n: usize, noise: f32, part: Part, rng: &mut Rng) -> Features {
        let labels: Vec<u32> = (0..n).map(|i| (i % 4) as u32).collect();
        let mut values = Vec::new();
        for &label in &labels {
            for d in 0..6 {
                let centre = if d == label as usize { 1.0 } else { 0.0 };
                let scale = 10_f32.powi(d as i32 - 3);
                values.push(scale * (7.0 + centre + noise * rng.normal()));
            }
        }
        Features { values, dim: 6, labels, part }
    }

    #[test]
    fn separates_what_can_be_separated() {
        let mut rng = Key::root(1).stream();
        let fit = clouds(400, 0.1, Part::Train, &mut rng);
        let on = clouds(200, 0.1, Part::Test, &mut rng);
        let accuracy = linear_probe(&fit, &on, 4, RECIPE, &device()).unwrap();
        assert_eq!(accuracy.correct, 200);
        assert!(accuracy.protocol.contains("L2 penalty 1e-4, L-BFGS converged in "));
        assert!(accuracy.protocol.ends_with(
            "on the encoder's 6 standardised features, plain images; fitted on the 400 training \
             examples; top-1 on the 200 test examples; nothing was selected on them"
        ));
    }

    #[test]
    fn beats_chance_where_classes_overlap_and_repeats_itself() {
        let mut rng = Key::root(2).stream();
        let fit = clouds(2000, 0.8, Part::Train, &mut rng);
        let on = clouds(1000, 0.8, Part::Test, &mut rng);
        let first = linear_probe(&fit, &on, 4, RECIPE, &device()).unwrap();
        // The best possible classifier is right in about 66 of 100 cases.
        assert!(first.top1 > 0.6 && first.top1 < 0.75, "{}", first.top1);
        let second = linear_probe(&fit, &on, 4, RECIPE, &device()).unwrap();
        assert_eq!(first, second);
    }

    #[test]
    fn the_scored_split_changes_nothing_in_the_fit() {
        let mut rng = Key::root(5).stream();
        let fit = clouds(300, 0.8, Part::Train, &mut rng);
        let on = clouds(100, 0.8, Part::Test, &mut rng);
        let all = linear_probe(&fit, &on, 4, RECIPE, &device()).unwrap();
        // The halves, one of them among strangers, are judged as they are in the whole.
        let half = |range: std::ops::Range<usize>| {
            let values = on.values[range.start * 6..range.end * 6].to_vec();
            let part = Features { values, labels: on.labels[range].to_vec(), ..on.clone() };
            linear_probe(&fit, &part, 4, RECIPE, &device()).unwrap().correct
        };
        assert_eq!(half(0..50) + half(50..100), all.correct);
    }

    #[test]
    fn the_penalty_is_chosen_on_what_is_held_out() {
        let mut rng = Key::root(9).stream();
        // As many dimensions as examples: without a penalty it learns the noise by heart.
        let wide = |n: usize, rng: &mut Rng| {
            let labels: Vec<u32> = (0..n).map(|i| (i % 2) as u32).collect();
            let row = |label: &u32, rng: &mut Rng| {
                let mut row: Vec<f32> = (0..80).map(|_| rng.normal()).collect();
                row[0] += 3.0 * *label as f32;
                row
            };
            let values = labels.iter().flat_map(|label| row(label, rng)).collect();
            Features { values, dim: 80, labels, part: Part::Train }
        };
        let (fit, on) = (wide(100, &mut rng), wide(10, &mut rng));
        let swept = Probe { l2: 0.01, held_out: Some(0.3), ..RECIPE };
        let found = linear_probe(&fit, &on, 2, swept, &device()).unwrap();
        let (rest, held) = apart(&fit, 0.3);
        let right = |l2: f64| {
            let recipe = Probe { l2, held_out: None, ..RECIPE };
            linear_probe(&rest, &held, 2, recipe, &device()).unwrap().correct
        };
        let penalties = around(0.01);
        let rights = penalties.map(right);
        let best = rights.iter().max().expect("five");
        let strongest = penalties.iter().zip(&rights).find(|(_, right)| *right == best);
        let penalty = strongest.expect("one of them").0;
        assert!(rights.iter().any(|right| right < best), "the choice is none: {rights:?}");
        let said = format!("L2 penalty {penalty:e}, ");
        assert!(found.protocol.contains(&said), "{said}: {}", found.protocol);
        let said = "fitted on the 100 training examples (of 5, chosen on 30 of these, which were";
        assert!(found.protocol.contains(said), "{}", found.protocol);
    }

    #[test]
    fn every_class_is_held_out_alike() {
        let labels = vec![0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2];
        let values = (0..13).map(|at| at as f32).collect();
        let all = Features { values, dim: 1, labels, part: Part::Train };
        let (rest, held) = apart(&all, 0.25);
        assert_eq!(held.values, [3.0, 7.0, 11.0]);
        assert_eq!(rest.labels, [0, 0, 0, 0, 0, 0, 1, 1, 1, 2]);
        assert_eq!(rest.values, [0.0, 1.0, 2.0, 4.0, 5.0, 6.0, 8.0, 9.0, 10.0, 12.0]);
        // Of a few of each class one at least, whatever the share and the number, but the only one.
        for count in 1..120_u32 {
            let labels = vec![0; count as usize];
            let values = vec![0.0; count as usize];
            let few = Features { values, dim: 1, labels, part: Part::Train };
            let expected = if count == 1 { 0 } else { (count / 100).max(1) as usize };
            assert_eq!(apart(&few, 0.01).1.len(), expected, "{count}");
        }
    }

    #[test]
    fn one_example_of_each_class_leaves_none_to_choose_by() {
        let labels = vec![0, 1, 2];
        let few = Features { values: vec![0.0, 1.0, 2.0], dim: 1, labels, part: Part::Train };
        let on = Features { part: Part::Test, ..few.clone() };
        let recipe = Probe { held_out: Some(0.1), ..RECIPE };
        let found = linear_probe(&few, &on, 3, recipe, &device());
        assert_eq!(found.unwrap_err(), EvaluateError::NoneHeldOut);
    }

    #[test]
    fn the_gradient_is_that_of_the_value() {
        let mut rng = Key::root(4).stream();
        let fit = clouds(50, 0.8, Part::Train, &mut rng);
        let x = to_tensor(Standard::of(&fit).apply(&fit.values), 6, &device());
        let problem = Regression::new(x, &fit.labels, 4, 0.1);
        let mut weights: Vec<f64> = (0..28).map(|_| f64::from(rng.normal())).collect();
        let mut gradient = vec![0.0; 28];
        problem.evaluate(&weights, &mut gradient);
        for index in 0..28 {
            let (at, h) = (weights[index], 0.01);
            let mut value = |w| {
                weights[index] = w;
                problem.evaluate(&weights, &mut [0.0; 28])
            };
            let slope = (value(at + h) - value(at - h)) / (2.0 * h);
            weights[index] = at;
            assert!((slope - gradient[index]).abs() < 2e-3, "{index}: {slope} {gradient:?}");
        }
    }

    #[test]
    fn constant_dimensions_do_no_harm() {
        let mut fit = clouds(100, 0.1, Part::Train, &mut Key::root(6).stream());
        fit.values.chunks_exact_mut(6).for_each(|row| row[5] = 3.0e5);
        let accuracy = linear_probe(&fit, &fit, 4, RECIPE, &device()).unwrap();
        assert_eq!(accuracy.correct, 100);
    }

    #[test]
    fn other_sizes_of_features_are_an_error() {
        let fit = clouds(10, 0.1, Part::Train, &mut Key::root(7).stream());
        let on = Features { values: vec![0.0; 10], dim: 5, labels: vec![0, 1], part: Part::Test };
        let error = linear_probe(&fit, &on, 4, RECIPE, &device()).unwrap_err();
        assert_eq!(error, EvaluateError::Size { expected: 6, found: 5 });
    }
}
