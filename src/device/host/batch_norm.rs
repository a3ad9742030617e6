//! Batch normalisation on the processor, with the addition of a shortcut and a ReLU in the same
//! pass: two reads and one write forward.
//!
//! Sums go over a few rows in single precision, over all of them in double and in their order: the
//! number of threads changes no bit.

use std::mem::MaybeUninit;

use super::lanes::{Lanes, Loop, Processor};
use super::number::Number;
use super::threads::Threads;

/// Rows that are summed in single precision.
const ROWS: usize = 128;
/// Rows that one task takes where all are in one group: several times [`ROWS`].
const TASK: usize = 512;
/// Numbers that an inner loop goes over at least: several rows, where channels are few.
const WIDE: usize = 64;

/// Rows of numbers, one for each channel: the positions of images, of which `image` is in group
/// `image % groups`.
#[derive(Clone, Copy, Debug)]
pub struct Rows {
    pub images: usize,
    pub positions: usize,
    pub channels: usize,
    pub groups: usize,
    pub processor: Processor,
    pub threads: Threads,
}

/// Of each channel of each group, `[groups * channels]`.
#[derive(Clone, Debug)]
pub struct Statistics {
    pub mean: Vec<f32>,
    /// One over the square root of variance and epsilon.
    pub deviation: Vec<f32>,
}

/// The gradients by scale and shift, `[channels]`, and what the one by the input takes of them.
pub struct Slopes {
    pub scale: Vec<f32>,
    pub shift: Vec<f32>,
    /// For each group, one after the other.
    constant: Vec<f32>,
    slope: Vec<f32>,
}

/// What a normalisation makes of a number, `(x - mean) * gain + shift`, and of that what is above
/// `least`: for each group the channels, as often as an inner loop reads them.
pub struct Lines {
    groups: Vec<[Vec<f32>; 3]>,
    least: f32,
}

impl Rows {
    /// The numbers of a task, all of one group.
    fn task(&self) -> usize {
        let rows = if self.groups == 1 { TASK } else { self.positions };
        rows * self.channels
    }

    fn group(&self, task: usize) -> usize {
        task % self.groups
    }

    /// How often an inner loop reads the channels.
    fn repeats(&self) -> usize {
        WIDE.div_ceil(self.channels)
    }

    fn in_group(&self) -> f64 {
        (self.images / self.groups * self.positions) as f64
    }

    fn repeated(&self, channels: &[f32]) -> Vec<f32> {
        channels.repeat(self.repeats())
    }

    /// The mean and the biased variance of each channel of each group.
    pub fn measure<N: Number>(&self, x: &[N], epsilon: f64) -> Statistics {
        let processor = self.processor;
        // What is near the mean, so that its square does not drown the variance: the mean of the
        // first rows of each group.
        let zero = vec![0.0; self.channels * self.repeats()];
        let near: Vec<Vec<f32>> = (x.chunks(self.task()).take(self.groups))
            .map(|x| {
                let x = &x[..x.len().min(ROWS * self.channels)];
                let [sum, _] =
                    self.sums(x, |x, sums| processor.run(Moments { x, base: &zero, sums }));
                let rows = (x.len() / self.channels) as f64;
                let mean: Vec<f32> = sum.iter().map(|own| (own / rows) as f32).collect();
                self.repeated(&mean)
            })
            .collect();
        let tasks: Vec<&[N]> = x.chunks(self.task()).collect();
        let sums = self.threads.map(tasks.len(), |task| {
            let base = &near[self.group(task)];
            self.sums(tasks[task], |x, sums| processor.run(Moments { x, base, sums }))
        });
        let mut made = Statistics { mean: Vec::new(), deviation: Vec::new() };
        for ([sum, square], base) in self.by_group(sums).iter().zip(&near) {
            for ((sum, square), base) in sum.iter().zip(square).zip(base) {
                let from = sum / self.in_group();
                let variance = (square / self.in_group() - from * from).max(0.0);
                made.mean.push((f64::from(*base) + from) as f32);
                made.deviation.push((1.0 / (variance + epsilon).sqrt()) as f32);
            }
        }
        made
    }

    /// Normalises, adds a shortcut of as many numbers, if there is one, and rectifies: every number
    /// of `out` is written.
    pub fn apply<N: Number>(
        &self,
        x: &[N],
        lines: &Lines,
        shortcut: Option<&[N]>,
        out: &mut [MaybeUninit<N>],
    ) {
        let (processor, task) = (self.processor, self.task());
        self.threads.run(x.chunks(task).zip(out.chunks_mut(task)), |own, (x, out)| {
            let lines = lines.group(self.group(own));
            match shortcut {
                None => processor.run(Apply { x, lines, out }),
                Some(shortcut) => {
                    let shortcut = &shortcut[own * task..][..x.len()];
                    processor.run(ApplyOnto { x, shortcut, lines, out });
                }
            }
        });
    }

    /// The same in the place of `x`.
    pub fn apply_in_place<N: Number>(&self, x: &mut [N], lines: &Lines, shortcut: Option<&[N]>) {
        let (processor, task) = (self.processor, self.task());
        self.threads.run(x.chunks_mut(task), |own, x| {
            let lines = lines.group(self.group(own));
            let shortcut = shortcut.map(|shortcut| &shortcut[own * task..][..x.len()]);
            processor.run(ApplyInPlace { x, shortcut, lines });
        });
    }

    /// The sums that the way back goes by. `gradient` is the one by the output, before the ReLU of
    /// `lines`.
    pub fn slopes<N: Number>(
        &self,
        x: &[N],
        gradient: &[N],
        statistics: &Statistics,
        lines: &Lines,
    ) -> Slopes {
        let (processor, task) = (self.processor, self.task());
        let tasks: Vec<_> = x.chunks(task).zip(gradient.chunks(task)).collect();
        let sums = self.threads.map(tasks.len(), |own| {
            let (x, gradient) = tasks[own];
            let lines = lines.group(self.group(own));
            let mut gradient = gradient.chunks(ROWS * self.channels);
            self.sums(x, |x, sums| {
                let gradient = gradient.next().expect("as many numbers as the input has");
                processor.run(AddSlopes { x, gradient, lines, sums });
            })
        });
        self.slopes_of(sums, statistics)
    }

    /// The same behind a ReLU that made `rectified` of the output and a shortcut. What of the gradient
    /// passes it goes to `out`: every number is written.
    pub fn slopes_behind<N: Number>(
        &self,
        x: &[N],
        [gradient, rectified]: [&[N]; 2],
        statistics: &Statistics,
        lines: &Lines,
        out: &mut [MaybeUninit<N>],
    ) -> Slopes {
        let (processor, task) = (self.processor, self.task());
        let tasks = x.chunks(task).zip(gradient.chunks(task)).zip(rectified.chunks(task));
        let mut sums: Vec<_> = x.chunks(task).map(|_| Default::default()).collect();
        let tasks = tasks.zip(out.chunks_mut(task)).zip(&mut sums);
        self.threads.run(tasks, |own, ((((x, gradient), rectified), out), sums)| {
            let lines = lines.group(self.group(own));
            let rows = ROWS * self.channels;
            let given = gradient.chunks(rows).zip(rectified.chunks(rows));
            let mut given = given.zip(out.chunks_mut(rows));
            *sums = self.sums(x, |x, sums| {
                let ((gradient, rectified), out) =
                    given.next().expect("as many numbers as the input has");
                processor.run(AddSlopesBehind { x, gradient, rectified, lines, sums, out });
            });
        });
        self.slopes_of(sums, statistics)
    }

    fn slopes_of(&self, sums: Vec<[Vec<f64>; 2]>, statistics: &Statistics) -> Slopes {
        let mut made = Slopes {
            scale: vec![0.0; self.channels],
            shift: vec![0.0; self.channels],
            constant: Vec::new(),
            slope: Vec::new(),
        };
        for ([shift, scale], deviation) in
            self.by_group(sums).iter().zip(statistics.deviation.chunks_exact(self.channels))
        {
            for (channel, deviation) in deviation.iter().enumerate() {
                let deviation = f64::from(*deviation);
                made.shift[channel] += shift[channel] as f32;
                made.scale[channel] += (scale[channel] * deviation) as f32;
                made.constant.push((shift[channel] / self.in_group()) as f32);
                made.slope.push((scale[channel] / self.in_group() * deviation * deviation) as f32);
            }
        }
        made
    }

    /// The gradient by the input: every number of `out` is written.
    pub fn descend<N: Number>(
        &self,
        x: &[N],
        gradient: &[N],
        lines: &Lines,
        slopes: &Slopes,
        out: &mut [MaybeUninit<N>],
    ) {
        let (processor, task) = (self.processor, self.task());
        let [constant, slope] = [&slopes.constant, &slopes.slope].map(|all| -> Vec<Vec<f32>> {
            all.chunks_exact(self.channels).map(|own| self.repeated(own)).collect()
        });
        let tasks = x.chunks(task).zip(gradient.chunks(task)).zip(out.chunks_mut(task));
        self.threads.run(tasks, |own, ((x, gradient), out)| {
            let group = self.group(own);
            let slopes = [constant[group].as_slice(), &slope[group]];
            processor.run(Descend { x, gradient, lines: lines.group(group), slopes, out });
        });
    }

    /// Two sums of each channel, of what `add` has summed over some rows in single precision.
    fn sums<N>(&self, x: &[N], mut add: impl FnMut(&[N], [&mut [f32]; 2])) -> [Vec<f64>; 2] {
        let mut total = [(); 2].map(|()| vec![0.0; self.channels]);
        let mut sums = [(); 2].map(|()| vec![0.0; self.channels * self.repeats()]);
        for x in x.chunks(ROWS * self.channels) {
            sums.iter_mut().for_each(|own| own.fill(0.0));
            let [first, second] = &mut sums;
            add(x, [first, second]);
            for (total, sums) in total.iter_mut().zip(&sums) {
                for sums in sums.chunks_exact(self.channels) {
                    total.iter_mut().zip(sums).for_each(|(total, own)| *total += f64::from(*own));
                }
            }
        }
        total
    }

    fn by_group(&self, tasks: Vec<[Vec<f64>; 2]>) -> Vec<[Vec<f64>; 2]> {
        let mut tasks = tasks.into_iter();
        let mut groups: Vec<[Vec<f64>; 2]> = tasks.by_ref().take(self.groups).collect();
        for (task, more) in tasks.enumerate() {
            for (total, more) in groups[self.group(task)].iter_mut().zip(more) {
                total.iter_mut().zip(more).for_each(|(total, own)| *total += own);
            }
        }
        groups
    }
}

impl Lines {
    /// `scale` and `shift` are `[channels]`.
    pub fn new(
        rows: &Rows,
        statistics: &Statistics,
        [scale, shift]: [&[f32]; 2],
        relu: bool,
    ) -> Self {
        let of = |all: &[f32]| -> Vec<Vec<f32>> {
            all.chunks_exact(rows.channels).map(<[f32]>::to_vec).collect()
        };
        let groups = of(&statistics.mean).into_iter().zip(of(&statistics.deviation));
        let groups = groups.map(|(mean, deviation)| {
            let gain: Vec<f32> =
                deviation.iter().zip(scale).map(|(own, scale)| own * scale).collect();
            [rows.repeated(&mean), rows.repeated(&gain), rows.repeated(shift)]
        });
        Lines { groups: groups.collect(), least: if relu { 0.0 } else { f32::NEG_INFINITY } }
    }

    fn group(&self, group: usize) -> Line<'_> {
        let [mean, gain, shift] = &self.groups[group];
        Line { mean, gain, shift, least: self.least }
    }
}

/// The lines of one group.
#[derive(Clone, Copy)]
struct Line<'l> {
    mean: &'l [f32],
    gain: &'l [f32],
    shift: &'l [f32],
    least: f32,
}

impl Line<'_> {
    #[inline(always)]
    fn wide(&self) -> usize {
        self.mean.len()
    }

    /// Mean, gain and shift.
    #[inline(always)]
    fn each(&self) -> impl ExactSizeIterator<Item = ((f32, f32), f32)> {
        let gain = self.gain.iter().copied();
        self.mean.iter().copied().zip(gain).zip(self.shift.iter().copied())
    }

    /// A number that is none stays one.
    #[inline(always)]
    fn above(&self, made: f32) -> f32 {
        if made < self.least { self.least } else { made }
    }
}

/// Adds to sums of each channel and of its squares, both from `base`, a number near the mean.
struct Moments<'m, N> {
    x: &'m [N],
    base: &'m [f32],
    sums: [&'m mut [f32]; 2],
}

impl<N: Number> Loop for Moments<'_, N> {
    #[inline(always)]
    fn run<L: Lanes, const PLACES: usize, const ROW: usize>(self) {
        let [sum, square] = self.sums;
        for x in self.x.chunks(self.base.len()) {
            let sums = sum.iter_mut().zip(square.iter_mut());
            for ((x, base), (sum, square)) in x.iter().zip(self.base).zip(sums) {
                let from = x.wide() - base;
                *sum += from;
                *square += from * from;
            }
        }
    }
}

struct Apply<'a, N> {
    x: &'a [N],
    lines: Line<'a>,
    out: &'a mut [MaybeUninit<N>],
}

impl<N: Number> Loop for Apply<'_, N> {
    #[inline(always)]
    fn run<L: Lanes, const PLACES: usize, const ROW: usize>(self) {
        let (lines, wide) = (self.lines, self.lines.wide());
        for (x, out) in self.x.chunks(wide).zip(self.out.chunks_mut(wide)) {
            for ((x, out), ((mean, gain), shift)) in x.iter().zip(out).zip(lines.each()) {
                out.write(N::narrow(lines.above((x.wide() - mean) * gain + shift)));
            }
        }
    }
}

struct ApplyOnto<'a, N> {
    x: &'a [N],
    shortcut: &'a [N],
    lines: Line<'a>,
    out: &'a mut [MaybeUninit<N>],
}

impl<N: Number> Loop for ApplyOnto<'_, N> {
    #[inline(always)]
    fn run<L: Lanes, const PLACES: usize, const ROW: usize>(self) {
        let (lines, wide) = (self.lines, self.lines.wide());
        let from = self.x.chunks(wide).zip(self.shortcut.chunks(wide));
        for ((x, shortcut), out) in from.zip(self.out.chunks_mut(wide)) {
            let from = x.iter().zip(shortcut);
            for (((x, shortcut), out), ((mean, gain), shift)) in from.zip(out).zip(lines.each()) {
                let made = (x.wide() - mean) * gain + shift + shortcut.wide();
                out.write(N::narrow(lines.above(made)));
            }
        }
    }
}

struct ApplyInPlace<'a, N> {
    x: &'a mut [N],
    shortcut: Option<&'a [N]>,
    lines: Line<'a>,
}

impl<N: Number> Loop for ApplyInPlace<'_, N> {
    #[inline(always)]
    fn run<L: Lanes, const PLACES: usize, const ROW: usize>(self) {
        let (lines, wide) = (self.lines, self.lines.wide());
        match self.shortcut {
            None => {
                for x in self.x.chunks_mut(wide) {
                    for (x, ((mean, gain), shift)) in x.iter_mut().zip(lines.each()) {
                        *x = N::narrow(lines.above((x.wide() - mean) * gain + shift));
                    }
                }
            }
            Some(shortcut) => {
                for (x, shortcut) in self.x.chunks_mut(wide).zip(shortcut.chunks(wide)) {
                    let onto = x.iter_mut().zip(shortcut);
                    for ((x, shortcut), ((mean, gain), shift)) in onto.zip(lines.each()) {
                        let made = (x.wide() - mean) * gain + shift + shortcut.wide();
                        *x = N::narrow(lines.above(made));
                    }
                }
            }
        }
    }
}

/// Adds to the sums by which shift and gain of each channel change the loss, but for the deviation.
struct AddSlopes<'a, N> {
    x: &'a [N],
    gradient: &'a [N],
    lines: Line<'a>,
    sums: [&'a mut [f32]; 2],
}

impl<N: Number> Loop for AddSlopes<'_, N> {
    #[inline(always)]
    fn run<L: Lanes, const PLACES: usize, const ROW: usize>(self) {
        let (lines, wide) = (self.lines, self.lines.wide());
        let [by_shift, by_gain] = self.sums;
        for (x, gradient) in self.x.chunks(wide).zip(self.gradient.chunks(wide)) {
            let sums = by_shift.iter_mut().zip(by_gain.iter_mut());
            let from = x.iter().zip(gradient).zip(lines.each());
            for (((x, gradient), ((mean, gain), shift)), (by_shift, by_gain)) in from.zip(sums) {
                let from = x.wide() - mean;
                let is_out = from * gain + shift <= lines.least;
                let passed = if is_out { 0.0 } else { gradient.wide() };
                *by_shift += passed;
                *by_gain += passed * from;
            }
        }
    }
}

/// `gain * (gradient - constant - (x - mean) * slope)`, of the gradient what has passed the ReLU.
struct Descend<'a, N> {
    x: &'a [N],
    gradient: &'a [N],
    lines: Line<'a>,
    slopes: [&'a [f32]; 2],
    out: &'a mut [MaybeUninit<N>],
}

impl<N: Number> Loop for Descend<'_, N> {
    #[inline(always)]
    fn run<L: Lanes, const PLACES: usize, const ROW: usize>(self) {
        let (lines, wide) = (self.lines, self.lines.wide());
        let [constant, slope] = self.slopes;
        let from = self.x.chunks(wide).zip(self.gradient.chunks(wide));
        for ((x, gradient), out) in from.zip(self.out.chunks_mut(wide)) {
            let slopes = constant.iter().zip(slope).zip(lines.each());
            for (((x, gradient), out), ((constant, slope), ((mean, gain), shift))) in
                x.iter().zip(gradient).zip(out).zip(slopes)
            {
                let from = x.wide() - mean;
                let is_out = from * gain + shift <= lines.least;
                let passed = if is_out { 0.0 } else { gradient.wide() };
                out.write(N::narrow(gain * (passed - constant - from * slope)));
            }
        }
    }
}

/// The same sums of what passes a ReLU, which is written.
struct AddSlopesBehind<'a, N> {
    x: &'a [N],
    gradient: &'a [N],
    rectified: &'a [N],
    lines: Line<'a>,
    sums: [&'a mut [f32]; 2],
    out: &'a mut [MaybeUninit<N>],
}

impl<N: Number> Loop for AddSlopesBehind<'_, N> {
    #[inline(always)]
    fn run<L: Lanes, const PLACES: usize, const ROW: usize>(self) {
        let wide = self.lines.wide();
        let [by_shift, by_gain] = self.sums;
        let from = self.gradient.chunks(wide).zip(self.rectified.chunks(wide));
        for ((x, (gradient, rectified)), out) in
            self.x.chunks(wide).zip(from).zip(self.out.chunks_mut(wide))
        {
            let sums = by_shift.iter_mut().zip(by_gain.iter_mut());
            let from = x.iter().zip(gradient).zip(rectified).zip(out).zip(self.lines.mean);
            for (((((x, gradient), y), out), mean), (by_shift, by_gain)) in from.zip(sums) {
                let passed = if y.wide() <= 0.0 { N::default() } else { *gradient };
                out.write(passed);
                *by_shift += passed.wide();
                *by_gain += passed.wide() * (x.wide() - mean);
            }
        }
    }
}
