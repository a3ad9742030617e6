//! Loops over pixels in wide vectors, where the processor has them.

/// Declares functions whose loops are compiled for AVX2, too, and that run as what the machine has.
///
/// What they call is to be marked `#[inline(always)]`. Products are rounded before they are added
/// either way, so that no bit of a view depends on the processor.
macro_rules! vectorized {
    ($($(#[$meta:meta])* $vis:vis fn $name:ident($($arg:ident: $type:ty),* $(,)?) $body:block)*) => {$(
        $(#[$meta])*
        $vis fn $name($($arg: $type),*) {
            #[inline(always)]
            fn plain($($arg: $type),*) $body

            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx2")]
                fn avx2($($arg: $type),*) {
                    plain($($arg),*);
                }

                if is_x86_feature_detected!("avx2") {
                    // SAFETY: the processor has it, as was just found.
                    return unsafe { avx2($($arg),*) };
                }
            }
            plain($($arg),*);
        }
    )*};
}
pub(super) use vectorized;

/// Numbers that are summed at once.
const LANES: usize = 16;

/// `to[i] = sum(weights[tap] * row(tap)[i])`, over the taps in their order.
#[inline(always)]
pub(super) fn mix<'a>(to: &mut [f32], weights: &[f32], row: impl Fn(usize) -> &'a [f32]) {
    let (blocks, rest) = to.as_chunks_mut::<LANES>();
    let start = blocks.len() * LANES;
    for (block, to) in blocks.iter_mut().enumerate() {
        let mut sums = [0.0; LANES];
        for (tap, &weight) in weights.iter().enumerate() {
            let from = &row(tap)[block * LANES..][..LANES];
            for lane in 0..LANES {
                sums[lane] += weight * from[lane];
            }
        }
        *to = sums;
    }
    for (index, to) in rest.iter_mut().enumerate() {
        let taps = weights.iter().enumerate();
        *to = taps.fold(0.0, |sum, (tap, &weight)| sum + weight * row(tap)[start + index]);
    }
}
