//! Inner loops in the widest vectors of the processor: written once, compiled for each kind.
//!
//! In what order numbers are added does not depend on the processor; only whether a product is
//! rounded before it is added does.

use std::fmt::Debug;
use std::mem::MaybeUninit;

/// Numbers that an inner loop makes at once: two vectors of AVX2, one of AVX-512.
pub const LANES: usize = 16;

/// So many numbers in registers.
pub trait Lanes: Copy + Debug {
    fn splat(value: f32) -> Self;
    fn load(values: &[f32; LANES]) -> Self;
    fn store(self, to: &mut [MaybeUninit<f32>; LANES]);
    fn store_over(self, to: &mut [f32; LANES]);
    /// `self * other + sum`.
    fn multiply_add(self, other: Self, sum: Self) -> Self;
}

/// A loop that is compiled for each processor. `run` is to be marked `#[inline(always)]`, as
/// everything that it calls.
pub trait Loop {
    /// `BLOCKS` of [`Lanes`] can be summed at once: there are registers for so many.
    fn run<L: Lanes, const BLOCKS: usize>(self);
}

/// What inner loops are compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Processor {
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// What every processor of the architecture has.
    Least,
}

impl Processor {
    /// What this machine has, the best first.
    pub fn all() -> impl Iterator<Item = Processor> {
        let all = [
            #[cfg(target_arch = "x86_64")]
            (Processor::Avx512, is_x86_feature_detected!("avx512f")),
            #[cfg(target_arch = "x86_64")]
            (Processor::Avx2, is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")),
            (Processor::Least, true),
        ];
        all.into_iter().filter_map(|(processor, is_there)| is_there.then_some(processor))
    }

    pub fn best() -> Self {
        Processor::all().next().unwrap_or(Processor::Least)
    }

    /// Runs a loop as compiled for this processor.
    ///
    /// # Panics
    ///
    /// If this machine is none.
    pub fn run(self, own: impl Loop) {
        assert!(Processor::all().any(|there| there == self), "{self:?} on a machine without it");
        match self {
            // SAFETY: the machine has the features, as was just asserted.
            #[cfg(target_arch = "x86_64")]
            Processor::Avx512 => unsafe { x86::avx512(own) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Processor::Avx2 => unsafe { x86::avx2(own) },
            Processor::Least => own.run::<Plain, { Plain::BLOCKS }>(),
        }
    }
}

/// Numbers that the compiler finds registers for.
#[derive(Clone, Copy, Debug)]
struct Plain([f32; LANES]);

impl Plain {
    const BLOCKS: usize = if cfg!(target_arch = "aarch64") { 6 } else { 3 };
}

impl Lanes for Plain {
    #[inline(always)]
    fn splat(value: f32) -> Self {
        Plain([value; LANES])
    }

    #[inline(always)]
    fn load(values: &[f32; LANES]) -> Self {
        Plain(*values)
    }

    #[inline(always)]
    fn store(self, to: &mut [MaybeUninit<f32>; LANES]) {
        *to = self.0.map(MaybeUninit::new);
    }

    #[inline(always)]
    fn store_over(self, to: &mut [f32; LANES]) {
        *to = self.0;
    }

    #[inline(always)]
    fn multiply_add(self, other: Self, mut sum: Self) -> Self {
        for ((sum, own), other) in sum.0.iter_mut().zip(self.0).zip(other.0) {
            // One instruction on every 64-bit ARM, a call elsewhere.
            *sum = if cfg!(target_arch = "aarch64") {
                own.mul_add(other, *sum)
            } else {
                own * other + *sum
            };
        }
        sum
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;
    use std::mem::MaybeUninit;

    use super::{LANES, Lanes, Loop};

    #[target_feature(enable = "avx512f,avx2,fma")]
    pub fn avx512(own: impl Loop) {
        own.run::<Wide, 12>();
    }

    #[target_feature(enable = "avx2,fma")]
    pub fn avx2(own: impl Loop) {
        // Twelve of sixteen registers; two hold weights, one what they are multiplied with.
        own.run::<Pair, 6>();
    }

    /// Only made where the machine has AVX2 and FMA.
    #[derive(Clone, Copy, Debug)]
    struct Pair(__m256, __m256);

    impl Lanes for Pair {
        #[inline(always)]
        fn splat(value: f32) -> Self {
            // SAFETY: see the type.
            let one = unsafe { _mm256_set1_ps(value) };
            Pair(one, one)
        }

        #[inline(always)]
        fn load(values: &[f32; LANES]) -> Self {
            // SAFETY: see the type; each half has eight numbers.
            unsafe {
                Pair(_mm256_loadu_ps(values.as_ptr()), _mm256_loadu_ps(values.as_ptr().add(8)))
            }
        }

        #[inline(always)]
        fn store(self, to: &mut [MaybeUninit<f32>; LANES]) {
            let to = to.as_mut_ptr().cast();
            // SAFETY: as in `load`; a vector is written over whatever is there.
            unsafe {
                _mm256_storeu_ps(to, self.0);
                _mm256_storeu_ps(to.add(8), self.1);
            }
        }

        #[inline(always)]
        fn store_over(self, to: &mut [f32; LANES]) {
            let to = to.as_mut_ptr();
            // SAFETY: as in `load`.
            unsafe {
                _mm256_storeu_ps(to, self.0);
                _mm256_storeu_ps(to.add(8), self.1);
            }
        }

        #[inline(always)]
        fn multiply_add(self, other: Self, sum: Self) -> Self {
            // SAFETY: see the type.
            unsafe {
                Pair(
                    _mm256_fmadd_ps(self.0, other.0, sum.0),
                    _mm256_fmadd_ps(self.1, other.1, sum.1),
                )
            }
        }
    }

    /// Only made where the machine has AVX-512.
    #[derive(Clone, Copy, Debug)]
    struct Wide(__m512);

    impl Lanes for Wide {
        #[inline(always)]
        fn splat(value: f32) -> Self {
            // SAFETY: see the type.
            Wide(unsafe { _mm512_set1_ps(value) })
        }

        #[inline(always)]
        fn load(values: &[f32; LANES]) -> Self {
            // SAFETY: see the type; there are sixteen numbers.
            Wide(unsafe { _mm512_loadu_ps(values.as_ptr()) })
        }

        #[inline(always)]
        fn store(self, to: &mut [MaybeUninit<f32>; LANES]) {
            // SAFETY: as in `load`; a vector is written over whatever is there.
            unsafe { _mm512_storeu_ps(to.as_mut_ptr().cast(), self.0) }
        }

        #[inline(always)]
        fn store_over(self, to: &mut [f32; LANES]) {
            // SAFETY: as in `load`.
            unsafe { _mm512_storeu_ps(to.as_mut_ptr(), self.0) }
        }

        #[inline(always)]
        fn multiply_add(self, other: Self, sum: Self) -> Self {
            // SAFETY: see the type.
            Wide(unsafe { _mm512_fmadd_ps(self.0, other.0, sum.0) })
        }
    }
}
