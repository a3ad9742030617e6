//! Images turned by right angles, or cut into pieces that are put in another order.

use super::augmentation::Transform;
use super::canvas::Canvas;
use super::change::Change;
use crate::random::{Key, Rng};

/// Turns an image by right angles.
pub(super) struct Rotate {
    /// Counter-clockwise.
    pub quarters: usize,
}

impl Transform for Rotate {
    fn draw(&self, _: [usize; 2], _: &mut Rng) -> Change {
        Change::Rearrange(Arrangement::Turned(self.quarters))
    }
}

/// Turns an image by a number of right angles that is drawn, all as likely.
pub(super) struct RandomRotate;

impl Transform for RandomRotate {
    fn draw(&self, _: [usize; 2], rng: &mut Rng) -> Change {
        Change::Rearrange(Arrangement::Turned(rng.below(4) as usize))
    }
}

/// Puts pieces of one size in an order that is drawn.
pub(super) struct ShufflePieces {
    /// Pieces along either side.
    pub grid: usize,
}

impl Transform for ShufflePieces {
    fn draw(&self, _: [usize; 2], rng: &mut Rng) -> Change {
        let (grid, key) = (self.grid, Key::root(rng.next_u64()));
        Change::Rearrange(Arrangement::Shuffled { grid, key })
    }
}

/// Where the pixels of an image of any size go.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Arrangement {
    /// By so many right angles, counter-clockwise, about the middle. One that is no square keeps its
    /// size: what comes to lie outside is cut off, and what is left free is black.
    Turned(usize),
    /// Pieces in another order. What is left at the right and below, where the size is no multiple
    /// of the grid, stays.
    Shuffled { grid: usize, key: Key },
}

impl Arrangement {
    /// For each pixel, row after row, the place of the one that comes there; none for black.
    pub(super) fn sources(self, [height, width]: [usize; 2]) -> Vec<Option<usize>> {
        let each = |source: &dyn Fn(usize, usize) -> [usize; 2]| {
            let places = (0..height).flat_map(|row| (0..width).map(move |column| [row, column]));
            let places = places.map(|[row, column]| source(row, column));
            let inside = |[row, column]: &[usize; 2]| *row < height && *column < width;
            let place = |[row, column]: [usize; 2]| row * width + column;
            places.map(|own| Some(own).filter(inside).map(place)).collect()
        };
        // Between the middles of the image and of one that lies on its side; what would be below
        // zero wraps, and lies outside as well.
        let [down, across] = [(height as i64 - width as i64), (width as i64 - height as i64)]
            .map(|own| own.div_euclid(2) as usize);
        match self {
            Arrangement::Turned(quarters) => each(&|row, column| match quarters % 4 {
                0 => [row, column],
                1 => {
                    [column.wrapping_add(down), (width - 1).wrapping_sub(row.wrapping_add(across))]
                }
                2 => [height - 1 - row, width - 1 - column],
                _ => {
                    [(height - 1).wrapping_sub(column.wrapping_add(down)), row.wrapping_add(across)]
                }
            }),
            Arrangement::Shuffled { grid, key } => {
                let [high, wide] = [height / grid, width / grid];
                if high == 0 || wide == 0 {
                    // Finer than the image.
                    return each(&|row, column| [row, column]);
                }
                let mut order: Vec<usize> = (0..grid * grid).collect();
                key.stream().shuffle(&mut order);
                each(&|row, column| {
                    if row >= high * grid || column >= wide * grid {
                        return [row, column];
                    }
                    let piece = order[row / high * grid + column / wide];
                    [piece / grid * high + row % high, piece % grid * wide + column % wide]
                })
            }
        }
    }

    pub(super) fn change(self, canvas: &mut Canvas) {
        let sources = self.sources(canvas.size());
        canvas.spare.clear();
        for plane in canvas.pixels.chunks_exact(sources.len()) {
            let pixel = |source: &Option<usize>| source.map_or(0.0, |source| plane[source]);
            canvas.spare.extend(sources.iter().map(pixel));
        }
        std::mem::swap(&mut canvas.pixels, &mut canvas.spare);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::augment::Pixels;

    /// What becomes of the first plane of an image that counts its pixels, from 1 on.
    fn made(transform: &dyn Transform, [height, width]: [usize; 2], seed: u64) -> Vec<u8> {
        let bytes: Vec<u8> = (0..3 * height * width).map(|own| own as u8 + 1).collect();
        let mut canvas = Canvas::new();
        canvas.load(Pixels { bytes: &bytes, height, width });
        transform.apply(&mut canvas, &mut Key::root(seed).stream());
        assert_eq!(canvas.size(), [height, width]);
        let plane = |channel: usize| {
            let values = &canvas.pixels()[channel * height * width..][..height * width];
            values.iter().map(|own| (255.0 * own).round() as u8).collect::<Vec<u8>>()
        };
        // All channels go the same way.
        let apart = |own: &u8| if *own == 0 { 0 } else { own + (height * width) as u8 };
        assert_eq!(plane(1), plane(0).iter().map(apart).collect::<Vec<_>>());
        plane(0)
    }

    /// As `numpy.rot90` turns `[[1, 2], [3, 4]]`, and `[[1, 2, 3, 4], [5, 6, 7, 8]]` about its middle.
    #[test]
    fn quarters_turn_counter_clockwise() {
        for (quarters, square, wide) in [
            (0, [1, 2, 3, 4], [1, 2, 3, 4, 5, 6, 7, 8]),
            (1, [2, 4, 1, 3], [0, 3, 7, 0, 0, 2, 6, 0]),
            (2, [4, 3, 2, 1], [8, 7, 6, 5, 4, 3, 2, 1]),
            (3, [3, 1, 4, 2], [0, 6, 2, 0, 0, 7, 3, 0]),
        ] {
            assert_eq!(made(&Rotate { quarters }, [2, 2], 0), square);
            assert_eq!(made(&Rotate { quarters }, [2, 4], 0), wide);
        }
    }

    #[test]
    fn every_turn_is_drawn() {
        let mut seen: Vec<_> = (0..64).map(|seed| made(&RandomRotate, [4, 4], seed)).collect();
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), 4);
    }

    /// Whole pieces change places; what the grid does not divide stays.
    #[test]
    fn pieces_are_shuffled_whole() {
        let mut seen = Vec::new();
        for seed in 0..20 {
            let found = made(&ShufflePieces { grid: 2 }, [4, 5], seed);
            for row in 0..4 {
                assert_eq!(found[5 * row + 4], (5 * row + 5) as u8);
            }
            let corner = |row: usize, column: usize| {
                let first = found[5 * row + column];
                let piece = [first, first + 1, first + 5, first + 6];
                let own = [0, 1, 5, 6].map(|step| found[5 * row + column + step]);
                assert_eq!(own, piece);
                first
            };
            let order = [corner(0, 0), corner(0, 2), corner(2, 0), corner(2, 2)];
            let mut sorted = order;
            sorted.sort();
            assert_eq!(sorted, [1, 3, 11, 13]);
            seen.push(order);
        }
        seen.sort();
        seen.dedup();
        assert!(seen.len() > 8, "{seen:?}");
        // Finer than the image, nothing moves.
        assert_eq!(made(&ShufflePieces { grid: 4 }, [2, 3], 1), [1, 2, 3, 4, 5, 6]);
    }
}
