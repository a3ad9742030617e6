//! Where features lie among each other, as places in a plane.

use bhtsne::tSNE;

/// A row at length one.
pub fn unit(row: &[f32]) -> Vec<f64> {
    let row: Vec<f64> = row.iter().map(|value| f64::from(*value)).collect();
    let length = row.iter().map(|value| value * value).sum::<f64>().sqrt().max(1e-12);
    row.into_iter().map(|value| value / length).collect()
}

/// The two first principal components of some rows, with signs that follow from them.
pub fn components(mut rows: Vec<Vec<f64>>) -> Vec<[f64; 2]> {
    let count = rows.len();
    let width = rows.first().map_or(0, Vec::len);
    for column in 0..width {
        let mean = rows.iter().map(|row| row[column]).sum::<f64>() / count as f64;
        rows.iter_mut().for_each(|row| row[column] -= mean);
    }
    // Of fewer rows than columns, their products with each other have the same components.
    let products: Vec<Vec<f64>> =
        rows.iter().map(|row| rows.iter().map(|other| dot(row, other)).collect()).collect();
    let mut found: Vec<Vec<f64>> = Vec::new();
    for component in 0..2 {
        let mut own: Vec<f64> =
            (0..count).map(|row| ((row * row + 3 * row + component) % 7) as f64 - 3.0).collect();
        let mut value = 0.0;
        for _ in 0..ROUNDS {
            own = products.iter().map(|row| dot(row, &own)).collect();
            for before in &found {
                let share = dot(before, &own) / dot(before, before).max(1e-300);
                own.iter_mut().zip(before).for_each(|(own, before)| *own -= share * before);
            }
            value = dot(&own, &own).sqrt();
            own.iter_mut().for_each(|own| *own /= value.max(1e-300));
        }
        let largest =
            own.iter().fold(0.0, |most: f64, v| if v.abs() > most.abs() { *v } else { most });
        let sign = if largest < 0.0 { -1.0 } else { 1.0 };
        found.push(own.into_iter().map(|own| sign * own * value.sqrt()).collect());
    }
    (0..count).map(|row| [found[0][row], found[1][row]]).collect()
}

/// Of the power method, after which two components that are alike may still be mixed.
const ROUNDS: usize = 100;

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Places at which neighbours stay neighbours: t-SNE, from the first principal components on. None of
/// so few rows that nothing is to be told of their neighbours.
///
/// Van der Maaten and Hinton 2008; that start is that of Kobak and Berens 2019,
/// doi:10.1038/s41467-019-13056-x.
pub fn neighbourhoods(rows: &[Vec<f64>], components: &[[f64; 2]]) -> Option<Vec<[f64; 2]>> {
    let perplexity = (rows.len().saturating_sub(1) / 3).min(PERPLEXITY);
    if perplexity < 3 {
        return None;
    }
    let first = components.iter().map(|[first, _]| first * first).sum::<f64>();
    let scale = START / (first / rows.len() as f64).sqrt().max(1e-12);
    let start: Vec<f64> = components.iter().flatten().map(|own| own * scale).collect();
    let apart = |a: &Vec<f64>, b: &Vec<f64>| -> f64 {
        a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum()
    };
    // On one thread, whose sums are always in the same order.
    let alone = rayon::ThreadPoolBuilder::new().num_threads(1).build().ok()?;
    let found = alone.install(|| {
        let mut own: tSNE<'_, f64, Vec<f64>, 2> = tSNE::new(rows);
        own.perplexity(perplexity as f64).epochs(EPOCHS).initial_embedding(start).exact(apart);
        own.embedding()
    });
    found.iter().all(|own| own.is_finite()).then(|| found.as_chunks().0.to_vec())
}

/// How many neighbours count, where there are as many.
pub const PERPLEXITY: usize = 30;

/// The standard deviation of the places at the start.
const START: f64 = 1e-4;

/// After which little moves of as few points.
const EPOCHS: usize = 500;

#[cfg(test)]
mod tests {
    use super::*;

    /// Three groups on a line, and a little beside it.
    #[test]
    fn components_are_the_directions_of_most_variance() {
        let rows =
            [-2.0, -1.9, 0.1, 0.0, 1.9, 2.1].into_iter().zip([0.1, -0.1].into_iter().cycle());
        // Turned by a right angle, and into a third dimension that is the same for all.
        let rows: Vec<Vec<f64>> = rows.map(|(x, y)| vec![y, x, 5.0]).collect();
        let found = components(rows.clone());
        let mean = rows.iter().map(|row| row[1]).sum::<f64>() / 6.0;
        for (row, [first, second]) in rows.iter().zip(&found) {
            assert!((first.abs() - (row[1] - mean).abs()).abs() < 0.02, "{first} {row:?}");
            assert!((second.abs() - 0.1).abs() < 0.02, "{second} {row:?}");
        }
        assert!(found[0][0] * found[5][0] < 0.0);
        // What lies in one point has no directions.
        assert_eq!(components(vec![vec![1.0, 2.0]; 3]), [[0.0; 2]; 3]);
        assert_eq!(components(Vec::new()), [[0.0; 2]; 0]);
    }

    /// Three groups far apart in many dimensions, in the plane as well: each row is nearest to one of
    /// its own.
    #[test]
    fn neighbours_stay_neighbours() {
        let row = |at: usize| -> Vec<f64> {
            (0..12)
                .map(|place| {
                    f64::from(u8::from(place % 3 == at % 3)) * 5.0
                        + ((at * 7 + place * 5) % 11) as f64 / 11.0
                })
                .collect()
        };
        let rows: Vec<Vec<f64>> = (0..60).map(row).collect();
        let found = neighbourhoods(&rows, &components(rows.clone())).expect("there are enough");
        for (at, own) in found.iter().enumerate() {
            let apart = |other: &[f64; 2]| (own[0] - other[0]).hypot(own[1] - other[1]);
            let others = (0..60).filter(|other| *other != at);
            let nearest = others.min_by(|a, b| apart(&found[*a]).total_cmp(&apart(&found[*b])));
            assert_eq!(nearest.expect("there are others") % 3, at % 3);
        }
        assert_eq!(neighbourhoods(&rows, &components(rows.clone())), Some(found));
        // Of few, or of what is the same, there is nothing to tell.
        assert_eq!(neighbourhoods(&rows[..5], &components(rows[..5].to_vec())), None);
        let same = vec![vec![1.0, 2.0]; 30];
        let places = neighbourhoods(&same, &components(same.clone()));
        assert!(places.is_none_or(|own| own.iter().flatten().all(|at| at.is_finite())));
    }
}
