//! L-BFGS, Nocedal and Wright, Numerical Optimization, 2nd edition, algorithm 7.5.

use std::collections::VecDeque;

/// How many past steps shape the next one.
const HISTORY: usize = 10;

/// How a minimization has ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outcome {
    pub iterations: usize,
    /// Whether the gradient has vanished, or no step could lower the value any more within the
    /// precision of the function.
    pub converged: bool,
}

/// Minimizes a smooth convex function from `x`, which becomes the minimum.
///
/// `f` gives the value at a point and writes the gradient there. Ends once no component of the
/// gradient exceeds `tolerance`, or after `iterations` steps. Deterministic. An error of `f` ends
/// it.
pub fn minimize<E>(
    x: &mut [f64],
    iterations: usize,
    tolerance: f64,
    mut f: impl FnMut(&[f64], &mut [f64]) -> Result<f64, E>,
) -> Result<Outcome, E> {
    let mut gradient = vec![0.0; x.len()];
    let mut value = f(x, &mut gradient)?;
    let mut history: VecDeque<Pair> = VecDeque::new();
    for iteration in 0..iterations {
        if gradient.iter().all(|g| g.abs() <= tolerance) {
            return Ok(Outcome { iterations: iteration, converged: true });
        }
        let mut direction = newton_direction(&gradient, &history);
        let mut slope = dot(&direction, &gradient);
        if slope >= 0.0 {
            // Rounding has spoilt the history: begin again downhill.
            history.clear();
            direction = gradient.iter().map(|g| -g).collect();
            slope = dot(&direction, &gradient);
        }
        // Without a history the direction has no scale yet.
        let first = if history.is_empty() { (1.0 / (-slope).sqrt()).min(1.0) } else { 1.0 };
        let line = Line { x, direction: &direction, value, slope };
        let Some(next) = backtrack(&line, first, &mut f)? else {
            return Ok(Outcome { iterations: iteration, converged: true });
        };
        let step: Vec<f64> = next.x.iter().zip(&*x).map(|(a, b)| a - b).collect();
        let change: Vec<f64> = next.gradient.iter().zip(&gradient).map(|(a, b)| a - b).collect();
        let curvature = dot(&step, &change);
        if curvature > 1e-10 * dot(&change, &change) {
            if history.len() == HISTORY {
                history.pop_front();
            }
            history.push_back(Pair { step, change, curvature });
        }
        x.copy_from_slice(&next.x);
        (value, gradient) = (next.value, next.gradient);
    }
    let converged = gradient.iter().all(|g| g.abs() <= tolerance);
    Ok(Outcome { iterations, converged })
}

/// A step and how it changed the gradient.
struct Pair {
    step: Vec<f64>,
    change: Vec<f64>,
    /// Their product, positive.
    curvature: f64,
}

/// Minus the inverse Hessian, as the history suggests it, times the gradient (algorithm 7.4).
fn newton_direction(gradient: &[f64], history: &VecDeque<Pair>) -> Vec<f64> {
    let mut direction: Vec<f64> = gradient.iter().map(|g| -g).collect();
    let mut weights = Vec::with_capacity(history.len());
    for pair in history.iter().rev() {
        let weight = dot(&pair.step, &direction) / pair.curvature;
        axpy(-weight, &pair.change, &mut direction);
        weights.push(weight);
    }
    if let Some(last) = history.back() {
        let scale = last.curvature / dot(&last.change, &last.change);
        direction.iter_mut().for_each(|d| *d *= scale);
    }
    for (pair, weight) in history.iter().zip(weights.into_iter().rev()) {
        let correction = weight - dot(&pair.change, &direction) / pair.curvature;
        axpy(correction, &pair.step, &mut direction);
    }
    direction
}

/// Where a step starts and leads.
struct Line<'a> {
    x: &'a [f64],
    direction: &'a [f64],
    value: f64,
    /// Of the function along the direction, negative.
    slope: f64,
}

/// A point with what the function says there.
struct Point {
    x: Vec<f64>,
    value: f64,
    gradient: Vec<f64>,
}

/// The first of ever shorter steps that lowers the value enough (Armijo's condition).
fn backtrack<E>(
    line: &Line<'_>,
    first: f64,
    f: &mut impl FnMut(&[f64], &mut [f64]) -> Result<f64, E>,
) -> Result<Option<Point>, E> {
    const TRIALS: usize = 30;
    let mut length = first;
    let mut gradient = vec![0.0; line.x.len()];
    for _ in 0..TRIALS {
        let mut x = line.x.to_vec();
        axpy(length, line.direction, &mut x);
        let value = f(&x, &mut gradient)?;
        if value <= line.value + 1e-4 * length * line.slope {
            return Ok(Some(Point { x, value, gradient }));
        }
        length *= 0.5;
    }
    Ok(None)
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// `y += a * x`
fn axpy(a: f64, x: &[f64], y: &mut [f64]) {
    y.iter_mut().zip(x).for_each(|(y, x)| *y += a * x);
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    #[test]
    fn finds_the_minimum_of_an_ill_conditioned_quadratic() {
        // sum c_i (x_i - i)^2 with c from 1 to 100
        let scales: Vec<f64> = (0..20).map(|i| 10_f64.powf(i as f64 / 19.0 * 2.0)).collect();
        let mut x = vec![0.0; 20];
        let outcome = minimize(&mut x, 500, 1e-8, |x, gradient| {
            let mut value = 0.0;
            for (i, c) in scales.iter().enumerate() {
                let distance = x[i] - i as f64;
                value += c * distance * distance;
                gradient[i] = 2.0 * c * distance;
            }
            Ok::<f64, Infallible>(value)
        });
        let Ok(outcome) = outcome;
        assert!(outcome.converged, "{outcome:?}");
        for (i, value) in x.iter().enumerate() {
            assert!((value - i as f64).abs() < 1e-6, "{i} {value}");
        }
    }

    #[test]
    fn stops_at_the_limit() {
        // Rosenbrock's valley is not done in three steps.
        let mut x = [-1.2, 1.0];
        let outcome = minimize(&mut x, 3, 1e-12, |x, gradient| {
            let (a, b) = (1.0 - x[0], x[1] - x[0] * x[0]);
            gradient[0] = -2.0 * a - 400.0 * x[0] * b;
            gradient[1] = 200.0 * b;
            Ok::<f64, Infallible>(a * a + 100.0 * b * b)
        });
        let Ok(outcome) = outcome;
        assert_eq!(outcome, Outcome { iterations: 3, converged: false });
    }
}
