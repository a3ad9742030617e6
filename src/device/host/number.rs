//! The kinds of numbers that maps hold, f32 and bfloat16, and how inner loops multiply them.

use std::cell::Cell;
use std::fmt::Debug;
use std::mem::MaybeUninit;

use burn::tensor::{DType, Element, bf16};
use bytemuck::Pod;

use super::lanes::{LANES, Lanes};

/// Numbers of maps, which are summed in single precision, whatever they are.
pub trait Number: Element + Pod + Copy + Default + Debug + Send + Sync + 'static {
    /// What a lane multiplies and adds at once: as many numbers as 32 bits hold.
    type Factor: Copy + Default + Debug + Send + Sync + 'static;
    /// Factors in registers, one in each lane.
    type Held<L: Lanes>: Copy;
    const KIND: DType;
    /// The numbers of a factor.
    const EACH: usize;

    fn wide(self) -> f32;

    /// The nearest number, of two the even one.
    fn narrow(value: f32) -> Self;

    /// The numbers of factors, one factor's after another's.
    fn flat(factors: &mut [Self::Factor]) -> &mut [Self];

    /// Of rows of numbers so far apart, as many as a factor has, those above each other.
    fn joined(rows: &[Self], apart: usize) -> [Self::Factor; LANES];

    /// As many numbers as there is room for, each and those that are once, twice, … so far behind it;
    /// zeros behind the last.
    fn join(numbers: &[Self], apart: usize, to: &mut [Self::Factor]);

    fn hold<L: Lanes>(factors: &[Self::Factor; LANES]) -> Self::Held<L>;

    /// In each lane `sum` and the products of the numbers of `x` with those that are held.
    fn multiply_add<L: Lanes>(x: &Self::Factor, held: Self::Held<L>, sum: L) -> L;

    fn load<L: Lanes>(numbers: &[Self; LANES]) -> L;

    fn store<L: Lanes>(sums: L, to: &mut [MaybeUninit<Self>; LANES]);

    #[inline(always)]
    fn store_over<L: Lanes>(sums: L, to: &mut [Self; LANES]) {
        let to: *mut [Self; LANES] = to;
        // SAFETY: the same place, in which `store` leaves numbers.
        Self::store(sums, unsafe { &mut *to.cast::<[MaybeUninit<Self>; LANES]>() });
    }

    /// Calls a function with what the last one on this thread has left.
    fn with_scratch<T>(function: impl FnOnce(&mut Scratch<Self::Factor>) -> T) -> T;
}

/// What a task needs besides, one after another's.
#[derive(Default)]
pub struct Scratch<F> {
    /// Images with borders.
    pub framed: Vec<F>,
    /// What tiles read at their points, by channels and by tiles.
    pub read: Vec<F>,
    pub joined: Vec<F>,
    /// What the points make.
    pub made: Vec<f32>,
}

/// [`Number::with_scratch`] of factors of a type.
macro_rules! with_scratch {
    ($Factor:ty) => {
        fn with_scratch<T>(function: impl FnOnce(&mut Scratch<$Factor>) -> T) -> T {
            thread_local! {
                static SCRATCH: Cell<Scratch<$Factor>> = Cell::default();
            }
            let mut scratch = SCRATCH.take();
            let made = function(&mut scratch);
            SCRATCH.set(scratch);
            made
        }
    };
}

impl Number for f32 {
    type Factor = f32;
    type Held<L: Lanes> = L;
    const KIND: DType = DType::F32;
    const EACH: usize = 1;

    #[inline(always)]
    fn wide(self) -> f32 {
        self
    }

    #[inline(always)]
    fn narrow(value: f32) -> Self {
        value
    }

    fn flat(factors: &mut [f32]) -> &mut [f32] {
        factors
    }

    #[inline(always)]
    fn joined(rows: &[f32], _: usize) -> [f32; LANES] {
        *rows.first_chunk().expect("a number for each lane")
    }

    #[inline(always)]
    fn join(numbers: &[f32], _: usize, to: &mut [f32]) {
        to.copy_from_slice(&numbers[..to.len()]);
    }

    #[inline(always)]
    fn hold<L: Lanes>(factors: &[f32; LANES]) -> L {
        L::load(factors)
    }

    #[inline(always)]
    fn multiply_add<L: Lanes>(x: &f32, held: L, sum: L) -> L {
        L::splat(*x).multiply_add(held, sum)
    }

    #[inline(always)]
    fn load<L: Lanes>(numbers: &[f32; LANES]) -> L {
        L::load(numbers)
    }

    #[inline(always)]
    fn store<L: Lanes>(sums: L, to: &mut [MaybeUninit<f32>; LANES]) {
        sums.store(to);
    }

    with_scratch!(f32);
}

/// Two in each lane, side by side in 32 bits.
impl Number for bf16 {
    type Factor = u32;
    type Held<L: Lanes> = L::Pairs;
    const KIND: DType = DType::BF16;
    const EACH: usize = 2;

    #[inline(always)]
    fn wide(self) -> f32 {
        f32::from_bits(u32::from(self.to_bits()) << 16)
    }

    #[inline(always)]
    fn narrow(value: f32) -> Self {
        bf16::from_bits(rounded(value))
    }

    fn flat(factors: &mut [u32]) -> &mut [bf16] {
        bytemuck::cast_slice_mut(factors)
    }

    #[inline(always)]
    fn joined(rows: &[bf16], apart: usize) -> [u32; LANES] {
        let [first, second]: [&[bf16; LANES]; 2] =
            [0, apart].map(|from| rows[from..].first_chunk().expect("a number for each lane"));
        std::array::from_fn(|lane| pair(first[lane], second[lane]))
    }

    #[inline(always)]
    fn join(numbers: &[bf16], apart: usize, to: &mut [u32]) {
        let whole = numbers.len().saturating_sub(apart).min(to.len());
        let (first, last) = to.split_at_mut(whole);
        let behind = &numbers[apart.min(numbers.len())..];
        for ((to, own), behind) in first.iter_mut().zip(numbers).zip(behind) {
            *to = pair(*own, *behind);
        }
        for (to, own) in last.iter_mut().zip(&numbers[first.len()..]) {
            *to = pair(*own, bf16::ZERO);
        }
    }

    #[inline(always)]
    fn hold<L: Lanes>(factors: &[u32; LANES]) -> L::Pairs {
        L::load_pairs(factors)
    }

    #[inline(always)]
    fn multiply_add<L: Lanes>(x: &u32, held: L::Pairs, sum: L) -> L {
        L::multiply_add_pairs(x, held, sum)
    }

    #[inline(always)]
    fn load<L: Lanes>(numbers: &[bf16; LANES]) -> L {
        L::load_rounded(numbers)
    }

    #[inline(always)]
    fn store<L: Lanes>(sums: L, to: &mut [MaybeUninit<bf16>; LANES]) {
        sums.store_rounded(to);
    }

    with_scratch!(u32);
}

/// Two numbers as one factor.
#[inline(always)]
fn pair(first: bf16, second: bf16) -> u32 {
    let [[a, b], [c, d]] = [first, second].map(bf16::to_ne_bytes);
    u32::from_ne_bytes([a, b, c, d])
}

/// The bits of the nearest bfloat16. A number that is none stays one.
#[inline(always)]
fn rounded(value: f32) -> u16 {
    let bits = value.to_bits();
    // Half of the last place, a little less where that is even; what overflows becomes infinite.
    let nearest = bits.wrapping_add(0x7fff + ((bits >> 16) & 1)) >> 16;
    let quiet = (bits >> 16) | 0x40;
    (if value.is_nan() { quiet } else { nearest }) as u16
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::host::lanes::{Loop, Processor};

    #[test]
    fn numbers_are_rounded_to_the_nearest() {
        let special =
            [0.0, -0.0, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, f32::MIN_POSITIVE, 1e-40];
        let between = (0..2000).map(|own| f32::from_bits(0x3f80_0000 + own * 0x2001));
        for value in special.into_iter().chain(between).flat_map(|own| [own, -own]) {
            assert_eq!(bf16::narrow(value), bf16::from_f32(value), "{value}");
            assert_eq!(bf16::narrow(value).wide(), bf16::from_f32(value).to_f32(), "{value}");
        }
        for bits in [0x7f80_0001, 0xffc0_0000, 0x7fff_ffff] {
            assert!(bf16::narrow(f32::from_bits(bits)).wide().is_nan(), "{bits:x}");
        }
    }

    struct Store<'s>(&'s [f32; LANES], &'s mut [MaybeUninit<bf16>; LANES]);

    impl Loop for Store<'_> {
        #[inline(always)]
        fn run<L: Lanes, const PLACES: usize, const ROW: usize>(self) {
            L::load(self.0).store_rounded(self.1);
        }
    }

    #[test]
    fn all_processors_round_alike() {
        let special = [f32::NAN, f32::INFINITY, -f32::INFINITY, f32::MAX, -0.0, 1e-40];
        let between = (0..250).map(|own| f32::from_bits(0x3f7f_0000 + own * 0x1fff) - 0.7);
        let values: Vec<f32> = special.into_iter().chain(between).collect();
        for processor in Processor::all() {
            for values in values.as_chunks().0 {
                let mut stored = [MaybeUninit::new(bf16::ZERO); LANES];
                processor.run(Store(values, &mut stored));
                // SAFETY: all were numbers before.
                let stored = stored.map(|own| unsafe { own.assume_init() }.to_bits());
                assert_eq!(stored, values.map(rounded), "{processor:?}, {values:?}");
            }
        }
    }
}
