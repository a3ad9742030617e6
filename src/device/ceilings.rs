//! What a machine does at most, to hold a training's numbers against.

use std::time::{Duration, Instant};

use burn::tensor::{Device, Distribution, FloatDType, Tensor};

use super::{Precision, Selected};

/// The most that a device was seen to do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ceilings {
    /// Operations of a product of two matrices in the precision that was asked for, a second. A
    /// multiplication and an addition count as two.
    pub product: f64,
    /// Bytes that are copied from one place of its memory to another, a second.
    pub copy: f64,
}

/// The side of the matrices: of a GPU's many processors each takes a part.
const SIDE: [usize; 2] = [1024, 8192];
/// The numbers that are copied, 64 MiB and 1 GiB: more than most caches keep.
const NUMBERS: [usize; 2] = [1 << 24, 1 << 28];
/// What is asked for at once takes as long at least, so that asking is no part of it.
const LONG: Duration = Duration::from_millis(10);

impl Ceilings {
    /// Measures a device, which computes in that precision, for about so long.
    pub fn of(own: &Selected, precision: Precision, length: Duration) -> Self {
        let device = &own.device;
        let [side, numbers] = [SIDE, NUMBERS].map(|sizes| sizes[usize::from(!own.is_host())]);
        let uniform = Distribution::Uniform(-1.0, 1.0);
        let [a, b] = [(); 2].map(|()| {
            let own = Tensor::<2>::random([side, side], uniform, device);
            match precision {
                Precision::F32 | Precision::Tf32 => own,
                Precision::Bf16 => own.cast(FloatDType::BF16),
            }
        });
        let product = best(device, length / 2, || drop(a.clone().matmul(b.clone())));
        let row = Tensor::<1>::random([numbers], uniform, device);
        // A product is new memory, as a copy is.
        let copy = best(device, length / 2, || drop(row.clone() * 1.0));
        Ceilings {
            product: 2.0 * (side as f64).powi(3) / product,
            copy: (numbers * size_of::<f32>()) as f64 / copy,
        }
    }
}

/// The seconds of a run among the fastest that were asked for at once, of those that fit into so
/// long: at least three times as many, after some that do not count.
fn best(device: &Device, length: Duration, run: impl Fn()) -> f64 {
    let timed = |times: u32| {
        let begun = Instant::now();
        (0..times).for_each(|_| run());
        // A device that has failed says so at the next thing that it is asked for.
        let _ = device.sync();
        begun.elapsed()
    };
    let mut times = 1;
    timed(times);
    while timed(times) < LONG && times < 1 << 20 {
        times *= 2;
    }
    let begun = Instant::now();
    let mut best = timed(times);
    let mut rounds = 1;
    while rounds < 3 || begun.elapsed() < length {
        best = best.min(timed(times));
        rounds += 1;
    }
    (best / times).as_secs_f64()
}
