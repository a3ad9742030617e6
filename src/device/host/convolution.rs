//! Convolutions on the processor, forward and backward, of maps with their channels side by side.
//!
//! Nothing is unfolded: with a border of zeros around it, the rows of a window lie in memory as they
//! are multiplied, `kernel * channels` numbers each. A block of positions times [`LANES`] channels is
//! summed in registers. Each output is the sum of its products in one order, whatever the threads,
//! and so is each gradient by a weight, whose parts by image are added in theirs. What is wide enough
//! and has weights of 3 by 3 is made in tiles.

use std::mem::MaybeUninit;
use std::ops::Range;

use super::lanes::{LANES, Processor};
use super::maps::{Frame, Maps};
use super::number::Number;
use super::products::{Products, STRIP};
use super::threads::Threads;
use super::tiled::{self, Tiled};
use super::tiles::{Gather, POINTS};
use super::windows::{self, Axis, Pass, packed};

/// The parts of a gradient by weights that are summed apart: at most so many, of so many numbers.
const MOST_PARTS: usize = 16;
const MOST_APART: usize = 2 << 20;
/// Tasks for each thread, so that none waits long for another.
const TASKS: usize = 3;
/// Positions that are worth sums of their own.
const LEAST_OF_PART: usize = 2 << 10;
/// Weights of a tap that are brought into their order at once: those of all taps and channels of a
/// block stay in the cache of a core meanwhile.
const AT_ONCE: usize = 16;
/// Numbers that one task clears.
const SHARE: usize = 16 << 10;

/// A convolution of `[n, channels[0], h, w]` by square kernels, `[channels[1], channels[0], k, k]`.
#[derive(Clone, Copy, Debug)]
pub struct Convolution {
    pub images: usize,
    /// Of the input and of the output.
    pub channels: [usize; 2],
    /// Of the input's maps; with padding at least the kernel's.
    pub sides: [usize; 2],
    pub kernel: usize,
    pub stride: usize,
    pub padding: usize,
    pub processor: Processor,
    pub threads: Threads,
}

impl Convolution {
    /// The sides of the output's maps.
    pub fn output(&self) -> [usize; 2] {
        self.sides.map(|side| (side + 2 * self.padding - self.kernel) / self.stride + 1)
    }

    /// The frame of an input, and how far windows are apart in it.
    fn frame(&self) -> (Frame, usize) {
        let Convolution { kernel, stride, padding, .. } = *self;
        // Of what a single tap passes over nothing is copied.
        let (step, stride) = if kernel == 1 && padding == 0 { (stride, 1) } else { (1, stride) };
        let sides = self.output().map(|side| (side - 1) * stride + kernel);
        (Frame { before: [padding; 2], sides, step }, stride)
    }

    /// The output, channels last: every number of `out` is written.
    pub fn forward<N: Number>(&self, x: Maps<'_, N>, weight: &[f32], out: &mut [MaybeUninit<N>]) {
        let Convolution { kernel, channels: [inputs, outputs], .. } = *self;
        if self.is_tiled::<N>() {
            let (apart, how) = ([inputs * 9, 9], (self.processor, self.threads));
            let points = tiled::points::<N>(weight, [outputs, inputs], apart, false, how);
            return self.tiled([inputs, outputs]).forward(x, &points, out);
        }
        let [h, w] = self.output();
        let (frame, stride) = self.frame();
        let factors = inputs.div_ceil(N::EACH);
        let at = |y: usize, x: usize| (y * frame.sides[1] + x) * factors;
        let places = (0..h).flat_map(|y| (0..w).map(move |x| at(y * stride, x * stride)));
        let taps: Vec<usize> = (0..kernel * kernel).collect();
        let pass = Pass {
            frame,
            channels: [factors, outputs],
            rows: (0..kernel).map(|y| at(y, 0)).collect(),
            len: kernel * factors,
            weight: packed::<N>(
                weight,
                [
                    Axis { count: outputs, apart: inputs * taps.len() },
                    Axis { count: inputs, apart: taps.len() },
                ],
                &taps,
                self.threads,
            ),
            places: places.zip((0..).step_by(outputs)).collect(),
        };
        windows::run(&[pass], x, self.images, out, (self.processor, self.threads));
    }

    /// The gradient by the input, channels last, from that by the output: every number of `out` is
    /// written.
    ///
    /// Of a stride of two, every second row and column of the input is met by every second tap, so
    /// that it is a convolution for each of four kinds of positions.
    pub fn backward_input<N: Number>(
        &self,
        gradient: Maps<'_, N>,
        weight: &[f32],
        out: &mut [MaybeUninit<N>],
    ) {
        let Convolution { kernel, stride, padding, channels: [inputs, outputs], .. } = *self;
        if self.is_tiled::<N>() {
            let (apart, how) = ([9, inputs * 9], (self.processor, self.threads));
            let points = tiled::points::<N>(weight, [inputs, outputs], apart, true, how);
            return self.tiled([outputs, inputs]).forward(gradient, &points, out);
        }
        let factors = outputs.div_ceil(N::EACH);
        if kernel < stride {
            let zero = MaybeUninit::new(N::default());
            self.threads.run(out.chunks_mut(SHARE), |_, out| out.fill(zero));
        }
        let mut passes = Vec::new();
        for [a, b] in (0..stride * stride).map(|own| [own / stride, own % stride]) {
            // The taps `a`, `a + stride`, … in the order of the gradient's rows: backward.
            let [tall, wide] = [a, b].map(|own| (kernel.saturating_sub(own)).div_ceil(stride));
            if tall == 0 || wide == 0 {
                continue;
            }
            // `own` of the input is met by tap `phase` of the last of these.
            let met = |side: usize, phase: usize| {
                (0..side)
                    .filter(move |own| (own + padding) % stride == phase)
                    .map(move |own| (own, (own + padding) / stride))
            };
            let sides = [0, 1].map(|axis| (self.sides[axis] - 1 + padding) / stride + 1);
            let before = [tall - 1, wide - 1];
            let sides = [sides[0] + before[0], sides[1] + before[1]];
            let frame = Frame { before, sides, step: 1 };
            let at = |y: usize, x: usize| (y * sides[1] + x) * factors;
            let places = met(self.sides[0], a).flat_map(|(y, first)| {
                met(self.sides[1], b).map(move |(x, left)| (at(first, left), (y, x)))
            });
            let places = places.map(|(from, (y, x))| (from, (y * self.sides[1] + x) * inputs));
            let taps: Vec<usize> = (0..tall)
                .rev()
                .flat_map(|y| (0..wide).rev().map(move |x| (y, x)))
                .map(|(y, x)| (y * stride + a) * kernel + x * stride + b)
                .collect();
            passes.push(Pass {
                frame,
                channels: [factors, inputs],
                rows: (0..tall).map(|y| at(y, 0)).collect(),
                len: wide * factors,
                weight: packed::<N>(
                    weight,
                    [
                        Axis { count: inputs, apart: kernel * kernel },
                        Axis { count: outputs, apart: inputs * kernel * kernel },
                    ],
                    &taps,
                    self.threads,
                ),
                places: places.collect(),
            });
        }
        windows::run(&passes, gradient, self.images, out, (self.processor, self.threads));
    }

    fn is_tiled<N: Number>(&self) -> bool {
        Tiled::takes::<N>(self.channels, [self.kernel, self.stride, self.padding])
    }

    /// In tiles, with other channels of input and output.
    fn tiled(&self, channels: [usize; 2]) -> Tiled {
        let Convolution { images, sides, processor, threads, .. } = *self;
        Tiled { images, channels, sides, processor, threads }
    }

    /// In how many parts sums of so many numbers are made, each over some of the images, and in how
    /// many groups of output blocks each, of so many blocks. The parts are fixed by the sizes alone, so
    /// that the order of sums is. Large weights are few images' worth: their blocks are shared out as
    /// well. Each task copies its images for itself.
    fn shares(&self, size: usize) -> [usize; 3] {
        let ([h, w], blocks) = (self.output(), self.channels[1].div_ceil(LANES));
        let most = (MOST_APART / size.max(1)).min(self.images * h * w / LEAST_OF_PART);
        let parts = most.clamp(1, MOST_PARTS).min(self.images.max(1));
        let tasks = TASKS * (self.threads.count)();
        let together = blocks.div_ceil(tasks.div_ceil(parts));
        [parts, blocks.div_ceil(together), together]
    }

    /// What `sums` makes of the images of each part and the blocks of each group.
    fn shared<T: Send>(
        &self,
        [parts, groups, together]: [usize; 3],
        sums: impl Fn(Range<usize>, Range<usize>) -> T + Sync,
    ) -> Vec<T> {
        let blocks = self.channels[1].div_ceil(LANES);
        self.threads.map(parts * groups, |task| {
            let (part, group) = (task / groups, task % groups);
            let images = self.images * part / parts..self.images * (part + 1) / parts;
            sums(images, group * together..blocks.min((group + 1) * together))
        })
    }

    /// The gradient by the weights in tiles.
    fn tiled_backward_weight<N: Number>(&self, x: Maps<'_, N>, gradient: Maps<'_, N>) -> Vec<f32> {
        let [inputs, outputs] = self.channels;
        let mut copied = Vec::new();
        let gradient = tiled::channels_last(gradient, self.images, &mut copied, self.threads);
        let size = POINTS * inputs;
        let [parts, groups, together] = self.shares(size * outputs);
        let own = self.tiled(self.channels);
        let made = self.shared([parts, groups, together], |images, blocks| {
            own.by_points(x, gradient, images, blocks)
        });
        let mut total = vec![0.0; outputs * inputs * 9];
        self.threads.run(total.chunks_mut(LANES * inputs * 9), |block, total| {
            let (group, own) = (block / together, block % together);
            for input in 0..inputs {
                let mut points = [[0.0; LANES]; POINTS];
                for part in 0..parts {
                    let sums = &made[part * groups + group][own * size..][..size];
                    for (point, sum) in points.iter_mut().enumerate() {
                        let more = sums[point * inputs + input];
                        sum.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
                    }
                }
                let mut taps = [[0.0; LANES]; 9];
                self.processor.run(Gather { points: &points, taps: &mut taps });
                for (tap, sums) in taps.iter().enumerate() {
                    let total = total[input * 9 + tap..].iter_mut().step_by(inputs * 9);
                    total.zip(sums).for_each(|(total, sum)| *total = *sum);
                }
            }
        });
        total
    }

    /// The gradient by the weights, `[channels[1], channels[0], k, k]`, from that by the output.
    pub fn backward_weight<N: Number>(&self, x: Maps<'_, N>, gradient: Maps<'_, N>) -> Vec<f32> {
        if self.is_tiled::<N>() {
            return self.tiled_backward_weight(x, gradient);
        }
        let Convolution { kernel, channels: [inputs, outputs], .. } = *self;
        let [h, w] = self.output();
        let (frame, stride) = self.frame();
        let blocks = outputs.div_ceil(LANES);
        let [parts, groups, together] = self.shares(blocks * kernel * kernel * inputs * LANES);
        // Positions a power of two apart would share few places in the cache.
        let apart = if inputs % 64 == 0 { inputs + LANES } else { inputs };
        let at = |y: usize, x: usize| (y * frame.sides[1] + x) * apart;
        // Without gaps the taps of a row are one.
        let (rows, len): (Vec<usize>, _) = match apart == inputs {
            true => ((0..kernel).map(|y| at(y, 0)).collect(), kernel * inputs),
            false => {
                ((0..kernel * kernel).map(|tap| at(tap / kernel, tap % kernel)).collect(), inputs)
            }
        };
        let firsts = move |y| (0..w).step_by(N::EACH).map(move |x| at(y * stride, x * stride));
        let by = Products {
            frame,
            apart,
            next: stride * apart,
            places: (0..h).flat_map(firsts).collect(),
            together: STRIP.div_ceil(h * w),
            size: rows.len() * len,
            rows,
            len,
        };
        let made = self.shared([parts, groups, together], |images, blocks| {
            by.sums(x, gradient, images, blocks, self.processor)
        });
        let taps = kernel * kernel;
        let mut total = vec![0.0; outputs * inputs * taps];
        self.threads.run(total.chunks_mut(LANES * inputs * taps), |block, total| {
            let (group, own) = (block / together, block % together);
            let of = |part: usize| &made[part * groups + group][own * by.size..][..by.size];
            let mut sums = of(0).to_vec();
            for part in 1..parts {
                for (sum, more) in sums.iter_mut().zip(of(part)) {
                    sum.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
                }
            }
            for begin in (0..inputs).step_by(AT_ONCE) {
                let own = begin..inputs.min(begin + AT_ONCE);
                for (lane, total) in total.chunks_exact_mut(inputs * taps).enumerate() {
                    for (tap, sums) in sums.chunks_exact(inputs).enumerate() {
                        for (input, sums) in own.clone().zip(&sums[own.clone()]) {
                            total[input * taps + tap] = sums[lane];
                        }
                    }
                }
            }
        });
        total
    }
}
