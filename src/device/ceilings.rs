//! What a machine does at most, to hold a training's numbers against.

use std::time::{Duration, Instant};

use burn::tensor::{Device, Distribution, Tensor};

/// The most that a device was seen to do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ceilings {
    /// Operations of a product of two matrices in f32, a second. A multiplication and an addition
    /// count as two.
    pub product: f64,
    /// Bytes that are copied from one place of its memory to another, a second.
    pub copy: f64,
}

/// The side of the matrices: large enough that their product is computing and nothing else.
const SIDE: usize = 1024;
/// The numbers that are copied, 64 MiB: more than any cache keeps.
const NUMBERS: usize = 1 << 24;

impl Ceilings {
    /// Measures a device for about so long.
    pub fn of(device: &Device, length: Duration) -> Self {
        let uniform = Distribution::Uniform(-1.0, 1.0);
        let [a, b] = [(); 2].map(|()| Tensor::<2>::random([SIDE, SIDE], uniform, device));
        let product = best(device, length / 2, || drop(a.clone().matmul(b.clone())));
        let row = Tensor::<1>::random([NUMBERS], uniform, device);
        // A product is new memory, as a copy is.
        let copy = best(device, length / 2, || drop(row.clone() * 1.0));
        Ceilings {
            product: 2.0 * (SIDE as f64).powi(3) / product,
            copy: (NUMBERS * size_of::<f32>()) as f64 / copy,
        }
    }
}

/// The seconds of the fastest of the runs that fit into so long, of which there are at least three
/// after one that does not count.
fn best(device: &Device, length: Duration, run: impl Fn()) -> f64 {
    let timed = || {
        let begun = Instant::now();
        run();
        // A device that has failed says so at the next thing that it is asked for.
        let _ = device.sync();
        begun.elapsed()
    };
    timed();
    let begun = Instant::now();
    let mut best = timed();
    let mut runs = 1;
    while runs < 3 || begun.elapsed() < length {
        best = best.min(timed());
        runs += 1;
    }
    best.as_secs_f64()
}
