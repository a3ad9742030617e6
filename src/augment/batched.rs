//! Views of many images at once, by operations on tensors: for devices on which one image is too
//! small a piece of work.
//!
//! The lots are those of views that are made one by one, so that both are the same within rounding.
//! What moves pixels is linear along each axis, and so is one after the other: consecutive changes of
//! place, size and sharpness are made in one, by two products with matrices.

use burn::tensor::{Bool, Tensor, TensorData};

use super::augmentation::Augmentation;
use super::blur::{gaussian, mirror};
use super::canvas::Normalization;
use super::change::Change;
use super::color::{LUMA, Tone};
use super::patches::Hidden;
use super::rearrange::Arrangement;
use super::resample::Taps;
use crate::random::Key;

impl Augmentation {
    /// Makes a view of each of `images`, `[n, 3, height, width]` of shares in 0..=1, from its key:
    /// normalised, `[n, 3, height, width]` of [`Augmentation::output_size`].
    pub fn render_batch(
        &self,
        images: Tensor<4>,
        keys: &[Key],
        normalization: &Normalization,
    ) -> Tensor<4> {
        let [_, _, height, width] = images.dims();
        let device = images.device();
        let mut batch = Batch { images, moves: Moves::none([height, width]) };
        for (position, transform) in self.transforms().enumerate() {
            let size = batch.moves.size();
            let draw = |key: &Key| transform.draw(size, &mut key.fold(position as u64).stream());
            let changes: Vec<Change> = keys.iter().map(draw).collect();
            batch.make(&changes, transform.output_size(size));
        }
        batch.settle();
        let of_channels =
            |values: [f32; 3]| Tensor::<1>::from_floats(values, &device).reshape([1, 3, 1, 1]);
        let Normalization { mean, std } = *normalization;
        (batch.images - of_channels(mean)) * of_channels(std.map(|std| 1.0 / std))
    }
}

/// Images on their way through a chain of transforms.
struct Batch {
    /// `[n, 3, height, width]`
    images: Tensor<4>,
    /// What moves their pixels and is not done yet.
    moves: Moves,
}

impl Batch {
    /// Makes one change of each image, after which each has that size.
    fn make(&mut self, changes: &[Change], size: [usize; 2]) {
        if changes.iter().any(moves) {
            self.moves.then(changes, size);
        }
        if changes.iter().all(|change| moves(change) || *change == Change::Nothing) {
            return;
        }
        self.settle();
        for turn in 0..4 {
            let tone = |change: &Change| match change {
                Change::Tones(tones) => Some(tones[turn]),
                _ => None,
            };
            self.tone(&changes.iter().map(tone).collect::<Vec<_>>());
        }
        let grey = |change: &Change| (*change == Change::Grayscale).then_some(1.0);
        if let Some(is_grey) = self.each(changes, grey, 0.0) {
            self.change(|images| {
                let luma = luma(&images);
                images * (1.0 - is_grey.clone()) + luma * is_grey
            });
        }
        // Nobody draws whether to make one of these two.
        if let Some(Change::Lab(part)) = changes.first() {
            self.change(|images| part.change_batch(images));
        }
        let hidden = changes.iter().filter_map(|change| match change {
            Change::Hide(hidden) => Some(*hidden),
            _ => None,
        });
        let hidden: Vec<Hidden> = hidden.collect();
        if !hidden.is_empty() {
            self.change(|images| Hidden::change_batch(&hidden, images));
        }
        let arranged = changes.iter().filter_map(|change| match change {
            Change::Rearrange(arrangement) => Some(*arrangement),
            _ => None,
        });
        let arranged: Vec<Arrangement> = arranged.collect();
        if !arranged.is_empty() {
            self.change(|images| Arrangement::change_batch(&arranged, images));
        }
        let threshold = |change: &Change| match change {
            Change::Solarize(threshold) => Some(*threshold),
            _ => None,
        };
        // Nothing is as bright as two.
        if let Some(threshold) = self.each(changes, threshold, 2.0) {
            self.change(|images| {
                let bright = images.clone().greater_equal(threshold);
                images.clone().mask_where(bright, 1.0 - images)
            });
        }
    }

    /// Makes one change of colour of each image that has one.
    fn tone(&mut self, tones: &[Option<Tone>]) {
        let brightness = |own: &Option<Tone>| match own {
            Some(Tone::Brightness(factor)) => Some(*factor),
            _ => None,
        };
        if let Some(factor) = self.each(tones, brightness, 1.0) {
            self.change(|images| (images * factor).clamp(0.0, 1.0));
        }
        let contrast = |own: &Option<Tone>| match own {
            Some(Tone::Contrast(factor)) => Some(*factor),
            _ => None,
        };
        if let Some(factor) = self.each(tones, contrast, 1.0) {
            self.change(|images| {
                let mean = luma(&images).mean_dim(3).mean_dim(2);
                towards(images, factor, mean)
            });
        }
        let saturation = |own: &Option<Tone>| match own {
            Some(Tone::Saturation(factor)) => Some(*factor),
            _ => None,
        };
        if let Some(factor) = self.each(tones, saturation, 1.0) {
            self.change(|images| {
                let luma = luma(&images);
                towards(images, factor, luma)
            });
        }
        let hue = |own: &Option<Tone>| match own {
            Some(Tone::Hue(turn)) => Some(6.0 * turn),
            _ => None,
        };
        if let Some(turn) = self.each(tones, hue, 0.0) {
            self.change(|images| turned(images, turn));
        }
    }

    /// A number for each image, `[n, 1, 1, 1]`: `none` leaves as it is an image of which nothing is
    /// wanted. Absent where nothing is wanted of any.
    fn each<T>(
        &self,
        all: &[T],
        wanted: impl Fn(&T) -> Option<f32>,
        none: f32,
    ) -> Option<Tensor<4>> {
        let wanted: Vec<Option<f32>> = all.iter().map(wanted).collect();
        wanted.iter().any(Option::is_some).then(|| {
            let numbers: Vec<f32> = wanted.iter().map(|own| own.unwrap_or(none)).collect();
            let shape = [numbers.len(), 1, 1, 1];
            Tensor::from_data(TensorData::new(numbers, shape), &self.images.device())
        })
    }

    fn change(&mut self, change: impl FnOnce(Tensor<4>) -> Tensor<4>) {
        self.images = change(self.images.clone());
    }

    /// Moves the pixels.
    fn settle(&mut self) {
        let [n, channels, height, width] = self.images.dims();
        let done = Moves::none(self.moves.size());
        let Moves { rows, columns } = std::mem::replace(&mut self.moves, done);
        let device = self.images.device();
        if let Some(matrices) = rows.matrices {
            let shape = [n, 1, rows.to, height];
            let rows_of = Tensor::<4>::from_data(TensorData::new(matrices, shape), &device);
            let rows_of = rows_of.repeat_dim(1, channels);
            self.change(|images| rows_of.matmul(images));
        }
        if let Some(matrices) = columns.matrices {
            let shape = [n, columns.to, width];
            let columns_of = Tensor::<3>::from_data(TensorData::new(matrices, shape), &device);
            let lines = self.images.clone().reshape([n, channels * rows.to, width]);
            let lines = lines.matmul(columns_of.swap_dims(1, 2));
            self.images = lines.reshape([n, channels, rows.to, columns.to]);
        }
    }
}

/// Whether a change moves pixels, and keeps colours.
fn moves(change: &Change) -> bool {
    matches!(
        change,
        Change::Resample { .. } | Change::Window { .. } | Change::Mirror | Change::Blur(_)
    )
}

/// Where the pixels of each image come from, along both axes.
struct Moves {
    rows: Axis,
    columns: Axis,
}

/// The same along one axis.
struct Axis {
    /// `[n, to, from]`; none where each stays where it is.
    matrices: Option<Vec<f32>>,
    from: usize,
    to: usize,
}

impl Moves {
    fn none([height, width]: [usize; 2]) -> Self {
        let axis = |length| Axis { matrices: None, from: length, to: length };
        Moves { rows: axis(height), columns: axis(width) }
    }

    /// Height and width afterwards.
    fn size(&self) -> [usize; 2] {
        [self.rows.to, self.columns.to]
    }

    /// Adds one change of each image.
    fn then(&mut self, changes: &[Change], [height, width]: [usize; 2]) {
        self.rows.then(changes, 0, height);
        self.columns.then(changes, 1, width);
    }
}

impl Axis {
    /// Adds one change of each image along axis 0, of rows, or 1.
    fn then(&mut self, changes: &[Change], axis: usize, to: usize) {
        // A mirror leaves rows where they are.
        let moves = |own: &Change| *own != Change::Nothing && (axis == 1 || *own != Change::Mirror);
        if to == self.to && !changes.iter().any(moves) {
            return;
        }
        let (from, middle) = (self.from, self.to);
        let mut combined = vec![0.0; changes.len() * to * from];
        let mut own = vec![0.0; to * middle];
        for (index, (change, out)) in
            changes.iter().zip(combined.chunks_exact_mut(to * from)).enumerate()
        {
            own.fill(0.0);
            matrix(change, axis, middle, to, &mut own);
            match &self.matrices {
                None => out.copy_from_slice(&own),
                Some(before) => {
                    let before = &before[index * middle * from..][..middle * from];
                    multiply(&own, before, [to, middle, from], out);
                }
            }
        }
        self.matrices = Some(combined);
        self.to = to;
    }
}

/// Writes what a change does along an axis of `from` pixels as a matrix, `[to, from]`, over zeros.
fn matrix(change: &Change, axis: usize, from: usize, to: usize, out: &mut [f32]) {
    let mut add = |row: usize, column: usize, weight: f32| out[row * from + column] += weight;
    match *change {
        Change::Resample { window, .. } => {
            let [start, length] = match axis {
                0 => [window.top, window.height],
                _ => [window.left, window.width],
            };
            let mut taps = Taps::default();
            taps.fit(length, to);
            for (row, (first, weights)) in taps.rows().enumerate() {
                for (tap, &weight) in weights.iter().enumerate() {
                    add(row, start + first + tap, weight);
                }
            }
        }
        Change::Window { start, .. } => {
            for row in 0..to {
                let column = usize::try_from(start[axis] + row as i64);
                if let Some(column) = column.ok().filter(|column| *column < from) {
                    add(row, column, 1.0);
                }
            }
        }
        Change::Blur(sigma) => {
            let mut kernel = Vec::new();
            gaussian(&mut kernel, sigma, from);
            let radius = kernel.len() / 2;
            for row in 0..to {
                for (tap, &weight) in kernel.iter().enumerate() {
                    add(row, mirror(row + tap, radius, from), weight);
                }
            }
        }
        Change::Mirror if axis == 1 => (0..to).for_each(|row| add(row, from - 1 - row, 1.0)),
        _ => (0..to).for_each(|row| add(row, row, 1.0)),
    }
}

/// `[rows, middle]` by `[middle, columns]` into zeros.
fn multiply(a: &[f32], b: &[f32], [rows, middle, columns]: [usize; 3], out: &mut [f32]) {
    for row in 0..rows {
        let out = &mut out[row * columns..][..columns];
        for (own, b) in a[row * middle..][..middle].iter().zip(b.chunks_exact(columns)) {
            // Most are zero.
            if *own != 0.0 {
                out.iter_mut().zip(b).for_each(|(out, b)| *out += own * b);
            }
        }
    }
}

/// One channel of images, `[n, 1, height, width]`.
fn channel(images: &Tensor<4>, index: usize) -> Tensor<4> {
    images.clone().narrow(1, index, 1)
}

/// `[n, 1, height, width]`
fn luma(images: &Tensor<4>) -> Tensor<4> {
    let [red, green, blue] = [0, 1, 2].map(|index| channel(images, index) * LUMA[index]);
    red + green + blue
}

/// Between `base` (factor 0) and the images (1), or beyond them.
fn towards(images: Tensor<4>, factor: Tensor<4>, base: Tensor<4>) -> Tensor<4> {
    let base: Tensor<4> = (1.0 - factor.clone()) * base;
    (images * factor + base).clamp(0.0, 1.0)
}

/// Images with their hue turned by so many sixths of the circle: see `color::turned`.
fn turned(images: Tensor<4>, turn: Tensor<4>) -> Tensor<4> {
    let [red, green, blue] = [0, 1, 2].map(|index| channel(&images, index));
    let value = images.clone().max_dim(1);
    let chroma = value.clone() - images.min_dim(1);
    let is_grey: Tensor<4, Bool> = chroma.clone().lower_equal_elem(0.0);
    let scale: Tensor<4> = 1.0 / chroma.clone().mask_fill(is_grey, 1.0);
    let hue = (red.clone() - green.clone()) * scale.clone() + 4.0;
    let of_green = (blue.clone() - red.clone()) * scale.clone() + 2.0;
    let hue = hue.mask_where(value.clone().equal(green.clone()), of_green);
    let of_red = (green - blue) * scale;
    let hue = hue.mask_where(value.clone().equal(red), of_red) + turn;
    let hue = hue.clone().mask_where(hue.clone().lower_elem(0.0), hue + 6.0);
    let hue = hue.clone().mask_where(hue.clone().greater_equal_elem(6.0), hue - 6.0);
    let channels = [5.0, 3.0, 1.0].map(|start| {
        let position = hue.clone() + start;
        let wraps = position.clone().greater_equal_elem(6.0);
        let position = position.clone().mask_where(wraps, position - 6.0);
        let falls = position.clone().mask_where(position.clone().greater_elem(2.0), 4.0 - position);
        value.clone() - chroma.clone() * falls.clamp(0.0, 1.0)
    });
    Tensor::cat(channels.to_vec(), 1)
}

#[cfg(test)]
mod tests;
