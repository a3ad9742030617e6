//! The ten figures: their outlines as signed distances, and what fills them.
//!
//! Figure coordinates: the origin is the centre, x grows to the right, y downwards, and every figure
//! about fills the unit disc. All figures are symmetric under reflection or indifferent to it, so that a
//! mirrored figure is of the same class.

use std::f32::consts::{PI, TAU};

/// A figure. Its discriminant is its label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Figure {
    Disc,
    Ring,
    Square,
    Triangle,
    Cross,
    Star,
    Crescent,
    Bars,
    Pair,
    Arrow,
}

/// A point or vector in figure coordinates.
pub type Point = [f32; 2];

impl Figure {
    /// Every figure, in the order of the labels.
    pub const ALL: [Figure; 10] = [
        Figure::Disc,
        Figure::Ring,
        Figure::Square,
        Figure::Triangle,
        Figure::Cross,
        Figure::Star,
        Figure::Crescent,
        Figure::Bars,
        Figure::Pair,
        Figure::Arrow,
    ];

    /// The signed distance of `p` from the outline, negative inside. Where shapes are cut out of each
    /// other it is a bound that has the right sign, which is all that drawing an edge needs.
    pub fn distance(self, p: Point) -> f32 {
        match self {
            Figure::Disc => length(p) - 0.9,
            Figure::Ring => (length(p) - 0.68).abs() - 0.22,
            Figure::Square => rectangle(p, [0.72, 0.72]),
            Figure::Triangle => polygon(p, &TRIANGLE),
            Figure::Cross => rectangle(p, [0.95, 0.28]).min(rectangle(p, [0.28, 0.95])),
            Figure::Star => star(p),
            Figure::Crescent => (length(p) - 0.92).max(0.7 - length([p[0], p[1] + 0.48])),
            Figure::Bars => {
                let x = (p[0].abs() - 0.6).abs().min(p[0].abs());
                rectangle([x, p[1]], [0.17, 0.8])
            }
            Figure::Pair => length([p[0].abs() - 0.52, p[1]]) - 0.44,
            Figure::Arrow => polygon(p, &ARROW),
        }
    }

    /// How the inside is shaded at `p`: 0 shows the figure's first colour, 1 its second.
    pub fn shade(self, p: Point) -> f32 {
        let [x, y] = p;
        match self {
            Figure::Disc => wave(y * 1.9),
            Figure::Ring => 0.0,
            Figure::Square => 0.5 + 2.0 * (wave(x * 1.4) - 0.5) * (wave(y * 1.4) - 0.5),
            Figure::Triangle => (2.2 * wave(x * 1.6) * wave(y * 1.6) - 0.4).clamp(0.0, 1.0),
            Figure::Cross => 0.0,
            Figure::Star => (1.6 - 2.4 * length(p)).clamp(0.0, 1.0),
            Figure::Crescent => wave((x + y) * 1.6),
            Figure::Bars => 0.0,
            Figure::Pair => wave(length([x.abs() - 0.52, y]) * 2.8),
            Figure::Arrow => wave((x.abs() + y) * 1.8),
        }
    }
}

const TRIANGLE: [Point; 3] = [[0.0, -0.98], [0.92, 0.68], [-0.92, 0.68]];

const ARROW: [Point; 7] = [
    [0.0, -0.98],
    [0.85, -0.05],
    [0.32, -0.05],
    [0.32, 0.92],
    [-0.32, 0.92],
    [-0.32, -0.05],
    [-0.85, -0.05],
];

/// A five-pointed star, by folding the plane onto half of one of its points.
fn star(p: Point) -> f32 {
    const OUTER: f32 = 1.0;
    const INNER: f32 = 0.42;
    let sector = TAU / 5.0;
    let angle = libm::atan2f(p[0], -p[1]);
    let folded = (angle - sector * (angle / sector).round()).abs();
    let radius = length(p);
    let q = [radius * libm::sinf(folded), radius * libm::cosf(folded)];
    let tip = [0.0, OUTER];
    let notch = [INNER * libm::sinf(PI / 5.0), INNER * libm::cosf(PI / 5.0)];
    let edge = [notch[0] - tip[0], notch[1] - tip[1]];
    let from_tip = [q[0] - tip[0], q[1] - tip[1]];
    let side = edge[1] * from_tip[0] - edge[0] * from_tip[1];
    let distance = to_segment(q, tip, notch);
    if side < 0.0 { distance } else { -distance }
}

/// An axis-aligned rectangle of the given half widths.
fn rectangle(p: Point, half: Point) -> f32 {
    let dx = p[0].abs() - half[0];
    let dy = p[1].abs() - half[1];
    length([dx.max(0.0), dy.max(0.0)]) + dx.max(dy).min(0.0)
}

/// A simple polygon, by the nearest edge and the parity of the edges crossed on the way right.
fn polygon(p: Point, corners: &[Point]) -> f32 {
    let mut nearest = f32::INFINITY;
    let mut inside = false;
    for (index, &a) in corners.iter().enumerate() {
        let b = corners[(index + 1) % corners.len()];
        nearest = nearest.min(to_segment(p, a, b));
        if (a[1] > p[1]) != (b[1] > p[1]) {
            let crossing = a[0] + (p[1] - a[1]) / (b[1] - a[1]) * (b[0] - a[0]);
            inside ^= p[0] < crossing;
        }
    }
    if inside { -nearest } else { nearest }
}

/// The distance of `p` from the segment between `a` and `b`.
pub fn to_segment(p: Point, a: Point, b: Point) -> f32 {
    let ab = [b[0] - a[0], b[1] - a[1]];
    let ap = [p[0] - a[0], p[1] - a[1]];
    let along = (ap[0] * ab[0] + ap[1] * ab[1]) / (ab[0] * ab[0] + ab[1] * ab[1]);
    let along = along.clamp(0.0, 1.0);
    length([ap[0] - along * ab[0], ap[1] - along * ab[1]])
}

pub fn length(p: Point) -> f32 {
    (p[0] * p[0] + p[1] * p[1]).sqrt()
}

/// A smooth wave of period one between 0 and 1.
fn wave(phase: f32) -> f32 {
    0.5 + 0.5 * libm::cosf(TAU * phase)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid() -> impl Iterator<Item = Point> {
        (0..81 * 81).map(|i| [(i % 81) as f32 / 40.0 - 1.0, (i / 81) as f32 / 40.0 - 1.0])
    }

    #[test]
    fn labels_are_positions() {
        for (label, figure) in Figure::ALL.into_iter().enumerate() {
            assert_eq!(figure as usize, label);
        }
    }

    #[test]
    fn figures_are_of_one_size_and_differ() {
        let masks: Vec<Vec<bool>> = Figure::ALL
            .iter()
            .map(|figure| grid().map(|p| figure.distance(p) < 0.0).collect())
            .collect();
        for (figure, mask) in Figure::ALL.iter().zip(&masks) {
            let outside = grid().zip(mask).filter(|(p, inside)| **inside && length(*p) > 1.2);
            assert_eq!(outside.count(), 0, "{figure:?}");
            let area = mask.iter().filter(|inside| **inside).count() as f32 / mask.len() as f32;
            assert!((0.2..0.7).contains(&area), "{figure:?} {area}");
        }
        for a in 0..10 {
            for b in 0..a {
                let union = masks[a].iter().zip(&masks[b]).filter(|(a, b)| **a || **b).count();
                let same = masks[a].iter().zip(&masks[b]).filter(|(a, b)| **a && **b).count();
                assert!(same * 100 < union * 90, "{a} {b}: {same} of {union}");
            }
        }
    }

    #[test]
    fn mirroring_keeps_the_outline() {
        for figure in Figure::ALL {
            for p in grid() {
                let (here, there) = (figure.distance(p), figure.distance([-p[0], p[1]]));
                assert!((here - there).abs() < 1e-4, "{figure:?} {p:?} {here} {there}");
            }
        }
    }
}
