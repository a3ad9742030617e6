//! What is done to many images at once, drawn and reckoned before any of them is there: for devices
//! that make whole batches, ahead of them.
//!
//! The lots are those of views that are made one by one, so that both are the same within rounding.
//! What moves pixels is linear along each axis, and so is one after the other: consecutive changes of
//! place, size and sharpness are made in one, by two products with matrices.

use super::augmentation::Augmentation;
use super::blur::{gaussian, mirror};
use super::change::Change;
use super::color::Tone;
use super::lab::Lab;
use super::resample::Taps;
use crate::random::Key;

/// What is done to a batch of images, in order.
pub struct Plan {
    pub(super) images: usize,
    pub(super) deeds: Vec<Deed>,
}

/// One thing that is done to all images. Numbers are of one image after the other; those that leave
/// an image as it is stand for one of which nothing is wanted.
pub(super) enum Deed {
    /// `[n, to, from]`, by which the columns of an image are multiplied.
    Rows(Matrices),
    /// The same of its rows.
    Columns(Matrices),
    Brightness(Vec<f32>),
    Contrast(Vec<f32>),
    Saturation(Vec<f32>),
    /// In sixths of the circle.
    Hue(Vec<f32>),
    /// How grey an image becomes.
    Grey(Vec<f32>),
    Lab(Lab),
    /// `[n, height * width]`: where the mean colour comes.
    Hide(Vec<f32>),
    Arrange {
        /// `[n, height * width]`: where the pixel of each place was.
        places: Vec<i64>,
        /// Whether there was one: the place is black otherwise.
        seen: Vec<f32>,
    },
    /// From which on pixels are inverted.
    Solarize(Vec<f32>),
}

pub(super) struct Matrices {
    pub values: Vec<f32>,
    pub to: usize,
}

impl Augmentation {
    /// What makes a view of each of some images of that height and width, from its key.
    pub fn plan(&self, size: [usize; 2], keys: &[Key]) -> Plan {
        let mut draft = Draft { deeds: Vec::new(), moves: Moves::none(size) };
        for (position, transform) in self.transforms().enumerate() {
            let size = draft.moves.size();
            let draw = |key: &Key| transform.draw(size, &mut key.fold(position as u64).stream());
            let changes: Vec<Change> = keys.iter().map(draw).collect();
            draft.add(&changes, transform.output_size(size));
        }
        draft.settle();
        Plan { images: keys.len(), deeds: draft.deeds }
    }
}

/// A plan in the making.
struct Draft {
    deeds: Vec<Deed>,
    /// What moves pixels and is not among them yet.
    moves: Moves,
}

impl Draft {
    /// Adds one change of each image, after which each has that size.
    fn add(&mut self, changes: &[Change], size: [usize; 2]) {
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
        self.deeds.extend(each(changes, grey, 0.0).map(Deed::Grey));
        // Nobody draws whether to make one of these three.
        if let Some(Change::Lab(part)) = changes.first() {
            self.deeds.push(Deed::Lab(*part));
        }
        let size = self.moves.size();
        let one = |is: bool| f32::from(u8::from(is));
        let hidden = changes.iter().filter_map(|change| match change {
            Change::Hide(hidden) => Some(hidden.pixels(size)),
            _ => None,
        });
        let hidden: Vec<f32> = hidden.flatten().map(one).collect();
        if !hidden.is_empty() {
            self.deeds.push(Deed::Hide(hidden));
        }
        let sources = changes.iter().filter_map(|change| match change {
            Change::Rearrange(arrangement) => Some(arrangement.sources(size)),
            _ => None,
        });
        let (places, seen): (Vec<i64>, Vec<f32>) =
            sources.flatten().map(|own| (own.unwrap_or(0) as i64, one(own.is_some()))).unzip();
        if !places.is_empty() {
            self.deeds.push(Deed::Arrange { places, seen });
        }
        let threshold = |change: &Change| match change {
            Change::Solarize(threshold) => Some(*threshold),
            _ => None,
        };
        // Nothing is as bright as two.
        self.deeds.extend(each(changes, threshold, 2.0).map(Deed::Solarize));
    }

    /// Adds one change of colour of each image that has one.
    fn tone(&mut self, tones: &[Option<Tone>]) {
        let brightness = |own: &Option<Tone>| match own {
            Some(Tone::Brightness(factor)) => Some(*factor),
            _ => None,
        };
        self.deeds.extend(each(tones, brightness, 1.0).map(Deed::Brightness));
        let contrast = |own: &Option<Tone>| match own {
            Some(Tone::Contrast(factor)) => Some(*factor),
            _ => None,
        };
        self.deeds.extend(each(tones, contrast, 1.0).map(Deed::Contrast));
        let saturation = |own: &Option<Tone>| match own {
            Some(Tone::Saturation(factor)) => Some(*factor),
            _ => None,
        };
        self.deeds.extend(each(tones, saturation, 1.0).map(Deed::Saturation));
        let hue = |own: &Option<Tone>| match own {
            Some(Tone::Hue(turn)) => Some(6.0 * turn),
            _ => None,
        };
        self.deeds.extend(each(tones, hue, 0.0).map(Deed::Hue));
    }

    /// Adds what moves the pixels.
    fn settle(&mut self) {
        let done = Moves::none(self.moves.size());
        let Moves { rows, columns } = std::mem::replace(&mut self.moves, done);
        let matrices = |axis: Axis| Some(Matrices { values: axis.matrices?, to: axis.to });
        self.deeds.extend(matrices(rows).map(Deed::Rows));
        self.deeds.extend(matrices(columns).map(Deed::Columns));
    }
}

/// A number for each image: `none` leaves as it is an image of which nothing is wanted. Absent where
/// nothing is wanted of any.
fn each<T>(all: &[T], wanted: impl Fn(&T) -> Option<f32>, none: f32) -> Option<Vec<f32>> {
    let wanted: Vec<Option<f32>> = all.iter().map(wanted).collect();
    let is_some = wanted.iter().any(Option::is_some);
    is_some.then(|| wanted.into_iter().map(|own| own.unwrap_or(none)).collect())
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
