//! Inner loops in the widest vectors of the processor: written once, compiled for each kind.
//!
//! In what order numbers are added does not depend on the processor; only whether a product is
//! rounded before it is added does, and how one instruction adds two products of bfloat16.

use std::fmt::Debug;
use std::mem::MaybeUninit;

use burn::tensor::bf16;

use super::number::Number;

/// Numbers that an inner loop makes at once: two vectors of AVX2, one of AVX-512.
pub const LANES: usize = 16;

/// So many numbers in registers.
pub trait Lanes: Copy + Debug {
    fn splat(value: f32) -> Self;
    fn load(values: &[f32; LANES]) -> Self;
    fn load_rounded(values: &[bf16; LANES]) -> Self;
    fn store(self, to: &mut [MaybeUninit<f32>; LANES]);
    fn store_over(self, to: &mut [f32; LANES]);
    /// `self * other + sum`.
    fn multiply_add(self, other: Self, sum: Self) -> Self;
    fn plus(self, other: Self) -> Self;
    fn minus(self, other: Self) -> Self;
    /// So many pairs of bfloat16 in registers: the numbers of each side by side in 32 bits.
    type Pairs: Copy + Debug;
    fn load_pairs(pairs: &[u32; LANES]) -> Self::Pairs;
    /// In each lane `sum` and both products of the numbers of `pair` with those of one of `pairs`.
    fn multiply_add_pairs(pair: &u32, pairs: Self::Pairs, sum: Self) -> Self;
    /// The nearest bfloat16 of each.
    fn store_rounded(self, to: &mut [MaybeUninit<bf16>; LANES]);
}

/// Both numbers of a pair, in single precision.
#[inline(always)]
fn parted(pair: u32) -> [f32; 2] {
    [f32::from_bits(pair << 16), f32::from_bits(pair & 0xffff_0000)]
}

/// A loop that is compiled for each processor. `run` is to be marked `#[inline(always)]`, as
/// everything that it calls.
pub trait Loop {
    /// So many [`Lanes`] can be summed at once: `PLACES`, where each is found by a pointer of its own,
    /// and `ROW`, where one is enough. There are registers for so many.
    fn run<L: Lanes, const PLACES: usize, const ROW: usize>(self);
}

/// What inner loops are compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Processor {
    #[cfg(target_arch = "x86_64")]
    Avx512Bf16,
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
            (
                Processor::Avx512Bf16,
                is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bf16"),
            ),
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
            Processor::Avx512Bf16 => unsafe { x86::avx512_bf16(own) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Processor::Avx512 => unsafe { x86::avx512(own) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Processor::Avx2 => unsafe { x86::avx2(own) },
            Processor::Least => own.run::<Plain, { Plain::BLOCKS }, { Plain::BLOCKS }>(),
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
    fn load_rounded(values: &[bf16; LANES]) -> Self {
        Plain(values.map(bf16::wide))
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

    #[inline(always)]
    fn plus(mut self, other: Self) -> Self {
        self.0.iter_mut().zip(other.0).for_each(|(own, other)| *own += other);
        self
    }

    #[inline(always)]
    fn minus(mut self, other: Self) -> Self {
        self.0.iter_mut().zip(other.0).for_each(|(own, other)| *own -= other);
        self
    }

    type Pairs = [u32; LANES];

    #[inline(always)]
    fn load_pairs(pairs: &[u32; LANES]) -> [u32; LANES] {
        *pairs
    }

    #[inline(always)]
    fn multiply_add_pairs(pair: &u32, pairs: [u32; LANES], sum: Self) -> Self {
        let [low, high] = parted(*pair).map(Plain::splat);
        let [lows, highs] = [0, 1].map(|own: usize| Plain(pairs.map(|pair| parted(pair)[own])));
        high.multiply_add(highs, low.multiply_add(lows, sum))
    }

    #[inline(always)]
    fn store_rounded(self, to: &mut [MaybeUninit<bf16>; LANES]) {
        *to = self.0.map(|own| MaybeUninit::new(bf16::narrow(own)));
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::asm;
    use std::arch::x86_64::*;
    use std::mem::MaybeUninit;

    use burn::tensor::bf16;

    use super::{LANES, Lanes, Loop, parted};

    #[target_feature(enable = "avx512f,avx512bf16,avx2,fma")]
    pub fn avx512_bf16(own: impl Loop) {
        own.run::<Wide<true>, 12, 16>();
    }

    #[target_feature(enable = "avx512f,avx2,fma")]
    pub fn avx512(own: impl Loop) {
        own.run::<Wide<false>, 12, 16>();
    }

    #[target_feature(enable = "avx2,fma")]
    pub fn avx2(own: impl Loop) {
        // Twelve of sixteen registers; two hold weights, one what they are multiplied with.
        own.run::<Pair, 6, 6>();
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
        fn load_rounded(values: &[bf16; LANES]) -> Self {
            let from: *const __m128i = values.as_ptr().cast();
            // SAFETY: see the type; each half has eight numbers of 16 bits.
            let [low, high] = unsafe {
                [_mm_loadu_si128(from), _mm_loadu_si128(from.add(1))].map(|own| {
                    let wide = _mm256_slli_epi32::<16>(_mm256_cvtepu16_epi32(own));
                    _mm256_castsi256_ps(wide)
                })
            };
            Pair(low, high)
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

        #[inline(always)]
        fn plus(self, other: Self) -> Self {
            // SAFETY: see the type.
            unsafe { Pair(_mm256_add_ps(self.0, other.0), _mm256_add_ps(self.1, other.1)) }
        }

        #[inline(always)]
        fn minus(self, other: Self) -> Self {
            // SAFETY: see the type.
            unsafe { Pair(_mm256_sub_ps(self.0, other.0), _mm256_sub_ps(self.1, other.1)) }
        }

        type Pairs = [__m256i; 2];

        #[inline(always)]
        fn load_pairs(pairs: &[u32; LANES]) -> [__m256i; 2] {
            let from: *const __m256i = pairs.as_ptr().cast();
            // SAFETY: see the type; each half has eight pairs.
            unsafe { [_mm256_loadu_si256(from), _mm256_loadu_si256(from.add(1))] }
        }

        #[inline(always)]
        fn multiply_add_pairs(pair: &u32, pairs: [__m256i; 2], sum: Self) -> Self {
            let [low, high] = parted(*pair).map(Pair::splat);
            // SAFETY: see the type; every 32 bits are a number.
            let [lows, highs] = unsafe {
                let low = pairs.map(|own| _mm256_castsi256_ps(_mm256_slli_epi32::<16>(own)));
                let upper = _mm256_set1_epi32(0xffff_0000_u32.cast_signed());
                let high = pairs.map(|own| _mm256_castsi256_ps(_mm256_and_si256(own, upper)));
                [Pair(low[0], low[1]), Pair(high[0], high[1])]
            };
            high.multiply_add(highs, low.multiply_add(lows, sum))
        }

        #[inline(always)]
        fn store_rounded(self, to: &mut [MaybeUninit<bf16>; LANES]) {
            // SAFETY: see the type; a vector of sixteen is written over whatever is there.
            unsafe {
                let [low, high] = [self.0, self.1].map(|own| rounded_256(own));
                // The halves of both are interleaved.
                let packed = _mm256_packus_epi32(low, high);
                let packed = _mm256_permute4x64_epi64::<0b11_01_10_00>(packed);
                _mm256_storeu_si256(to.as_mut_ptr().cast(), packed);
            }
        }
    }

    /// The nearest bfloat16 of each, in the lower half of its 32 bits: see `number::rounded`.
    #[inline(always)]
    unsafe fn rounded_256(values: __m256) -> __m256i {
        // SAFETY: the caller has AVX2.
        unsafe {
            let bits = _mm256_castps_si256(values);
            let upper = _mm256_srli_epi32::<16>(bits);
            let odd = _mm256_and_si256(upper, _mm256_set1_epi32(1));
            let half = _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff));
            let nearest = _mm256_srli_epi32::<16>(_mm256_add_epi32(bits, half));
            let quiet = _mm256_or_si256(upper, _mm256_set1_epi32(0x40));
            let is_none = _mm256_castps_si256(_mm256_cmp_ps::<_CMP_UNORD_Q>(values, values));
            _mm256_blendv_epi8(nearest, quiet, is_none)
        }
    }

    /// `_mm512_dpbf16_ps` with one pair for all lanes. The compiler would read that by an instruction
    /// of its own, which takes a third of the speed.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bf16")]
    fn dot(pair: &u32, pairs: __m512i, mut sum: __m512) -> __m512 {
        // SAFETY: the address is that of a pair, of which nothing is written.
        unsafe {
            asm!(
                "vdpbf16ps {sum}, {pairs}, dword ptr [{pair}]{{1to16}}",
                sum = inout(zmm_reg) sum,
                pairs = in(zmm_reg) pairs,
                pair = in(reg) pair,
                options(pure, readonly, nostack, preserves_flags),
            );
        }
        sum
    }

    /// Only made where the machine has AVX-512, and for `DOT` its products of bfloat16.
    #[derive(Clone, Copy, Debug)]
    struct Wide<const DOT: bool>(__m512);

    impl<const DOT: bool> Lanes for Wide<DOT> {
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
        fn load_rounded(values: &[bf16; LANES]) -> Self {
            // SAFETY: see the type; there are sixteen numbers of 16 bits.
            unsafe {
                let own = _mm256_loadu_si256(values.as_ptr().cast());
                let wide = _mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(own));
                Wide(_mm512_castsi512_ps(wide))
            }
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

        #[inline(always)]
        fn plus(self, other: Self) -> Self {
            // SAFETY: see the type.
            Wide(unsafe { _mm512_add_ps(self.0, other.0) })
        }

        #[inline(always)]
        fn minus(self, other: Self) -> Self {
            // SAFETY: see the type.
            Wide(unsafe { _mm512_sub_ps(self.0, other.0) })
        }

        type Pairs = __m512i;

        #[inline(always)]
        fn load_pairs(pairs: &[u32; LANES]) -> __m512i {
            // SAFETY: see the type; there are sixteen pairs.
            unsafe { _mm512_loadu_si512(pairs.as_ptr().cast()) }
        }

        #[inline(always)]
        fn multiply_add_pairs(pair: &u32, pairs: __m512i, sum: Self) -> Self {
            if DOT {
                // SAFETY: see the type.
                return Wide(unsafe { dot(pair, pairs, sum.0) });
            }
            let [low, high] = parted(*pair).map(Self::splat);
            // SAFETY: see the type; every 32 bits are a number.
            let [lows, highs] = unsafe {
                let upper = _mm512_set1_epi32(0xffff_0000_u32.cast_signed());
                [
                    Wide(_mm512_castsi512_ps(_mm512_slli_epi32::<16>(pairs))),
                    Wide(_mm512_castsi512_ps(_mm512_and_si512(pairs, upper))),
                ]
            };
            high.multiply_add(highs, low.multiply_add(lows, sum))
        }

        #[inline(always)]
        fn store_rounded(self, to: &mut [MaybeUninit<bf16>; LANES]) {
            // SAFETY: see the type; a vector of sixteen is written over whatever is there.
            unsafe {
                let bits = _mm512_castps_si512(self.0);
                let upper = _mm512_srli_epi32::<16>(bits);
                let odd = _mm512_and_si512(upper, _mm512_set1_epi32(1));
                let half = _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff));
                let nearest = _mm512_srli_epi32::<16>(_mm512_add_epi32(bits, half));
                let quiet = _mm512_or_si512(upper, _mm512_set1_epi32(0x40));
                let is_none = _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(self.0, self.0);
                let made = _mm512_mask_blend_epi32(is_none, nearest, quiet);
                _mm256_storeu_si256(to.as_mut_ptr().cast(), _mm512_cvtepi32_epi16(made));
            }
        }
    }
}
