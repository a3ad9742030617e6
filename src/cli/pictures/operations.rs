//! What operations on images make of them, to be drawn.

use burn::tensor::Device;

use crate::device::{Array, FallBack, Processes};
use crate::objective::{Context, Operands, operation};
use crate::random::Key;
use crate::run::views::{Seen, View};
use crate::schedule::Progress;
use crate::term::{Args, Term};

/// Pieces of a side of an image, pixels of a window, and of a patch.
const GRID: usize = 3;
const WINDOW: usize = 16;
const PATCH: usize = 4;

/// The defaults of `random_blocks`.
const RANGES: [(&str, f64, f64); 2] = [("scale", 0.08, 0.4), ("ratio", 0.3, 3.3333333333333335)];

/// What is shown of an operation that draws at random, or is told what to make.
const TIMES: usize = 5;

/// Images of which the operation of that name has made their views; `None` where that are no images.
/// They are squares of one size.
pub fn seen(name: &str, images: &[View]) -> Option<Vec<Seen>> {
    let [height, width] = images.first()?.size;
    let views: Vec<Vec<View>> = match name {
        "quarter_turns" => views(&made(name, &[], &[stacked(images)]), images.len()),
        "pieces" => views(&made(name, &[("grid", GRID)], &[stacked(images)]), images.len()),
        "windows" => {
            let args = [("grid", GRID), ("side", WINDOW)];
            views(&made(name, &args, &[stacked(images)]), images.len())
        }
        "arrange" => images.iter().map(arranged).collect(),
        "random_blocks" => {
            let orders = made(name, &[("side", PATCH)], &[stacked(&[images; TIMES].concat())]);
            let patches = (height / PATCH) * (width / PATCH);
            let orders = orders.to_vec();
            let of = |at: usize| {
                let rows = orders.chunks(patches).skip(at).step_by(images.len());
                rows.map(|order| without(&images[at], &order[patches * 2 / 5..])).collect()
            };
            (0..images.len()).map(of).collect()
        }
        _ => return None,
    };
    let all = images.iter().zip(views).zip(0..);
    let row = |((image, views), index): ((&View, _), _)| Seen {
        index,
        image: image.clone(),
        epochs: vec![views],
    };
    Some(all.map(row).collect())
}

/// What an operation yields.
fn made(name: &str, args: &[(&str, usize)], inputs: &[Array]) -> Array {
    let sizes = args.iter().map(|(name, size)| ((*name).to_owned(), Term::Int(*size as i64)));
    let args =
        sizes.chain(RANGES.map(|(name, low, high)| (name.to_owned(), Term::Range(low, high))));
    let args = args.collect();
    let context = Context {
        kernels: &FallBack,
        progress: Progress { step: 0, steps: 1, steps_per_epoch: 1 },
        processes: Processes::ONE,
        key: Key::root(0),
        phases: None,
    };
    let operation = operation(name).expect("it is among the library's");
    operation(&Operands { context, args: &Args(args), inputs, node: 0 })
}

/// `[n, 3, height, width]`.
fn stacked(images: &[View]) -> Array {
    let [height, width] = images.first().map_or([0, 0], |own| own.size);
    let pixels = images.iter().flat_map(|own| &own.pixels).copied().collect();
    Array::from_vec(pixels, &[images.len(), 3, height, width], &Device::default())
}

/// For each of so many images the results that are its own: the first of all, then the second.
fn views(made: &Array, images: usize) -> Vec<Vec<View>> {
    let shape = made.shape();
    let [.., height, width] = shape[..] else { panic!("{shape:?} are no images") };
    let pixels = made.to_vec();
    let all: Vec<View> = pixels
        .chunks(3 * height * width)
        .map(|own| View { pixels: own.to_vec(), size: [height, width] })
        .collect();
    (0..images).map(|at| all.iter().skip(at).step_by(images).cloned().collect()).collect()
}

/// The pieces of an image in several orders, put together.
fn arranged(image: &View) -> Vec<View> {
    let pieces = made("pieces", &[("grid", GRID)], &[stacked(&vec![image.clone(); TIMES])]);
    let shape = pieces.shape();
    let [_, _, height, width] = shape[..] else { panic!("{shape:?} are no images") };
    let size = 3 * height * width;
    let rows = pieces.reshape(&[GRID * GRID, TIMES, size]);
    // Apart from each other among all that there are.
    let labels = Array::from_whole((0..TIMES as i64).map(|own| 2 * own + 1), &Device::default());
    let orders = made("arrange", &[("count", 2 * TIMES)], &[rows, labels]).to_vec();
    let of = |pieces: &[f32]| {
        let mut view =
            View { pixels: vec![0.0; GRID * GRID * size], size: [GRID * height, GRID * width] };
        for (place, piece) in pieces.chunks(size).enumerate() {
            let [top, left] = [place / GRID * height, place % GRID * width];
            for (at, value) in piece.iter().enumerate() {
                let [channel, row, column] =
                    [at / (height * width), at / width % height, at % width];
                let row = channel * GRID * height + top + row;
                view.pixels[row * GRID * width + left + column] = *value;
            }
        }
        view
    };
    orders.chunks(GRID * GRID * size).map(of).collect()
}

/// An image whose patches at these places are grey.
fn without(image: &View, places: &[f32]) -> View {
    let [height, width] = image.size;
    let mut view = image.clone();
    for place in places {
        let place = *place as usize;
        let [top, left] = [place / (width / PATCH) * PATCH, place % (width / PATCH) * PATCH];
        for channel in 0..3 {
            for row in top..top + PATCH {
                view.pixels[(channel * height + row) * width + left..][..PATCH].fill(0.5);
            }
        }
    }
    view
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resolve::catalog::entries;
    use crate::source::Sources;

    fn image() -> View {
        let pixels = (0..3 * 32 * 32).map(|at| (at * at % 97) as f32 / 97.0).collect();
        View { pixels, size: [32, 32] }
    }

    fn views(name: &str) -> Vec<View> {
        let seen = seen(name, &[image(), image()]).expect("it makes images");
        assert_eq!(seen.len(), 2);
        seen[1].epochs[0].clone()
    }

    #[test]
    fn ranges_are_those_of_the_library() {
        let entries = entries();
        let blocks =
            entries.iter().find(|own| own.named.name == "random_blocks").expect("it is there");
        let text = |name: &str| {
            let own = blocks.named.parameters.iter().find(|own| own.name.text == name);
            own.and_then(|own| own.default.as_ref())
                .map(|own| Sources::default().text(own.span).to_owned())
        };
        for (name, low, high) in RANGES {
            assert_eq!(text(name), Some(format!("{low:?}..={high:?}")));
        }
    }

    #[test]
    fn pictures_are_of_what_operations_make() {
        let turns = views("quarter_turns");
        assert_eq!((turns.len(), &turns[0]), (4, &image()));
        assert_eq!(turns[2].pixels[0], image().pixels[32 * 32 - 1]);
        assert_eq!(views("pieces").len(), 9);
        assert!(views("windows").iter().all(|own| own.size == [16, 16]));
        // An order that is no order of all pieces would lose some.
        let sum = |view: &View| view.pixels.iter().map(|own| f64::from(*own)).sum::<f64>();
        let arranged = views("arrange");
        assert_eq!(arranged.len(), TIMES);
        for other in &arranged[1..] {
            assert_eq!(other.size, [30, 30]);
            assert!((sum(other) - sum(&arranged[0])).abs() < 1e-3 && *other != arranged[0]);
        }
        // In blocks: few of those beside each other are told apart.
        for hidden in views("random_blocks") {
            let is_grey = |row: usize, column: usize| hidden.pixels[4 * (row * 32 + column)] == 0.5;
            let pairs = (0..8).flat_map(|row| (0..7).map(move |column| (row, column)));
            let edges =
                pairs.filter(|(row, column)| is_grey(*row, *column) != is_grey(*row, column + 1));
            assert!(edges.count() < 20);
            assert_eq!(hidden.pixels.iter().filter(|own| **own == 0.5).count() / 48, 39);
        }
        assert_eq!(seen("normalize", &[image()]), None);
    }
}
