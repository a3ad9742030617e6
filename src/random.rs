//! Counter-based random numbers: a value depends on its key and its position, never on what was
//! drawn before it elsewhere, by which thread, or on which device.
//!
//! Philox4x32-10 of Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3".

/// Names a stream of random numbers. Keys are derived from keys, by what the numbers are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key(u64);

impl Key {
    /// The key from which a run derives all others.
    pub fn root(seed: u64) -> Self {
        Key(0).fold(seed)
    }

    /// The key of item `index` under this one.
    pub fn fold(self, index: u64) -> Self {
        let [a, b, _, _] = philox([low(index), high(index), 0x666f_6c64, 0], self.0);
        Key(join(a, b))
    }

    /// The key of what is called `name` under this one.
    pub fn named(self, name: &str) -> Self {
        let mut bytes = [0; 8];
        let hash = blake3::hash(name.as_bytes());
        bytes.copy_from_slice(&hash.as_bytes()[..8]);
        self.fold(u64::from_le_bytes(bytes))
    }

    /// The numbers under this key, from the first.
    pub fn stream(self) -> Rng {
        Rng { key: self.0, counter: 0, block: [0; 4], used: 4 }
    }
}

/// A stream of random numbers.
#[derive(Clone, Debug)]
pub struct Rng {
    key: u64,
    counter: u64,
    block: [u32; 4],
    used: usize,
}

impl Rng {
    pub fn next_u32(&mut self) -> u32 {
        if self.used == 4 {
            self.block = philox([low(self.counter), high(self.counter), 0, 0], self.key);
            self.counter += 1;
            self.used = 0;
        }
        let value = self.block[self.used];
        self.used += 1;
        value
    }

    pub fn next_u64(&mut self) -> u64 {
        let low = self.next_u32();
        join(low, self.next_u32())
    }

    /// Uniform in `[0, 1)`, with 24 random bits.
    pub fn uniform(&mut self) -> f32 {
        (self.next_u32() >> 8) as f32 * (1.0 / (1 << 24) as f32)
    }

    /// Uniform in `[low, high)`; `low` where the interval is empty.
    pub fn uniform_in(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.uniform()
    }

    /// Uniform in `0..bound`, without bias (Lemire 2019). `bound` is positive.
    pub fn below(&mut self, bound: u32) -> u32 {
        let threshold = bound.wrapping_neg() % bound;
        loop {
            let product = u64::from(self.next_u32()) * u64::from(bound);
            if low(product) >= threshold {
                return high(product);
            }
        }
    }

    /// True with that probability.
    pub fn chance(&mut self, probability: f32) -> bool {
        self.uniform() < probability
    }

    /// Standard normal (Box and Muller 1958).
    pub fn normal(&mut self) -> f32 {
        let radius = libm::sqrtf(-2.0 * libm::logf(1.0 - self.uniform()));
        radius * libm::cosf(std::f32::consts::TAU * self.uniform())
    }

    /// Rows of length one, uniform on the sphere: `rows` of them, of `d` numbers.
    pub fn unit_rows(&mut self, rows: usize, d: usize) -> Vec<f32> {
        let mut values: Vec<f32> = (0..rows * d).map(|_| self.normal()).collect();
        for row in values.chunks_exact_mut(d.max(1)) {
            let length = row.iter().map(|v| v * v).sum::<f32>().sqrt().max(1e-12);
            row.iter_mut().for_each(|v| *v /= length);
        }
        values
    }

    /// Puts the items into a uniformly random order (Fisher and Yates). At most `u32::MAX` items.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let other = self.below(last as u32 + 1) as usize;
            items.swap(last, other);
        }
    }
}

fn philox(mut counter: [u32; 4], key: u64) -> [u32; 4] {
    let mut key = [low(key), high(key)];
    for _ in 0..10 {
        let a = u64::from(counter[0]) * 0xD251_1F53;
        let b = u64::from(counter[2]) * 0xCD9E_8D57;
        counter = [high(b) ^ counter[1] ^ key[0], low(b), high(a) ^ counter[3] ^ key[1], low(a)];
        key = [key[0].wrapping_add(0x9E37_79B9), key[1].wrapping_add(0xBB67_AE85)];
    }
    counter
}

fn low(value: u64) -> u32 {
    value as u32
}

fn high(value: u64) -> u32 {
    (value >> 32) as u32
}

fn join(low: u32, high: u32) -> u64 {
    u64::from(low) | u64::from(high) << 32
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The known answers published with Random123.
    #[test]
    fn philox_known_answers() {
        assert_eq!(philox([0; 4], 0), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        assert_eq!(
            philox([u32::MAX; 4], u64::MAX),
            [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]
        );
    }

    #[test]
    fn keys_separate_streams() {
        let key = Key::root(7);
        assert_ne!(key.fold(0).stream().next_u64(), key.fold(1).stream().next_u64());
        assert_ne!(key.named("a").stream().next_u64(), key.named("b").stream().next_u64());
        assert_eq!(key.named("a").stream().next_u64(), key.named("a").stream().next_u64());
    }

    #[test]
    fn normal_has_unit_variance() {
        let mut rng = Key::root(1).stream();
        let values: Vec<f32> = (0..100_000).map(|_| rng.normal()).collect();
        let mean = values.iter().sum::<f32>() / 1e5;
        let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / 1e5;
        assert!(mean.abs() < 0.02 && (variance - 1.0).abs() < 0.02, "{mean} {variance}");
    }
}
