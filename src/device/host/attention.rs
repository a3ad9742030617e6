//! Attention between the tokens of an example: nothing between queries and output is kept, and what
//! the way back needs of it is computed again. Vaswani et al. 2017, arXiv:1706.03762, section 3.2.
//!
//! An example is one thread's, and its numbers hang on no other.

use std::mem::MaybeUninit;

use super::elementary::exp;
use super::lanes::{LANES, Lanes, Loop, Processor};
use super::matrices::{Matrix, Product};
use super::number::Number;
use super::threads::Threads;

/// Examples that one task takes.
const SHARE: usize = 4;

/// Of `[n, tokens, 3 * heads * width]`: queries, keys and values beside each other, each of so many
/// heads.
#[derive(Clone, Copy, Debug)]
pub struct Attention {
    pub tokens: usize,
    pub heads: usize,
    pub width: usize,
    /// A token sees those before it and itself alone.
    pub causal: bool,
    pub processor: Processor,
    pub threads: Threads,
}

impl Attention {
    /// `[n, tokens, heads * width]`: every number of `out` is written.
    pub fn forward<N: Number>(&self, qkv: &[N], out: &mut [MaybeUninit<N>]) {
        let share = SHARE * self.tokens * self.heads * self.width;
        self.threads.run(qkv.chunks(3 * share).zip(out.chunks_mut(share)), |_, (qkv, out)| {
            let mut head = Head::new(*self);
            let examples = qkv.chunks_exact(3 * share / SHARE);
            for (qkv, out) in examples.zip(out.chunks_exact_mut(share / SHARE)) {
                for at in 0..self.heads {
                    head.read(qkv, at);
                    head.attend();
                    self.write(&head.made, 1.0, out, (at, self.heads));
                }
            }
        });
    }

    /// The gradient by `qkv`: every number of `out` is written.
    pub fn backward<N: Number>(&self, gradient: &[N], qkv: &[N], out: &mut [MaybeUninit<N>]) {
        let share = SHARE * self.tokens * self.heads * self.width;
        let given = qkv.chunks(3 * share).zip(gradient.chunks(share));
        self.threads.run(given.zip(out.chunks_mut(3 * share)), |_, ((qkv, gradient), out)| {
            let (mut head, mut slopes) = (Head::new(*self), Slopes::new(*self));
            let one = share / SHARE;
            let examples = qkv.chunks_exact(3 * one).zip(gradient.chunks_exact(one));
            for ((qkv, gradient), out) in examples.zip(out.chunks_exact_mut(3 * one)) {
                for at in 0..self.heads {
                    head.read(qkv, at);
                    head.weigh();
                    self.read(gradient, 1.0, (at, self.heads), &mut slopes.gradient);
                    slopes.descend(&head);
                    let parts = [&slopes.query, &slopes.key, &slopes.value];
                    for (part, made) in parts.into_iter().enumerate() {
                        // Keys have met queries that were scaled.
                        let scale = if part == 0 { self.scale() } else { 1.0 };
                        let place = (part * self.heads + at, 3 * self.heads);
                        self.write(made, scale, out, place);
                    }
                }
            }
        });
    }

    fn scale(&self) -> f32 {
        1.0 / (self.width as f32).sqrt()
    }

    /// How far rows are apart, of so many numbers each.
    fn apart(numbers: usize) -> usize {
        numbers.next_multiple_of(LANES)
    }

    /// Room for as many numbers as there are tokens, of each of so many rows.
    fn between(&self, rows: usize) -> Vec<f32> {
        vec![0.0; rows * Attention::apart(self.tokens) + LANES]
    }

    /// Room for the numbers of a head.
    fn own(&self) -> Vec<f32> {
        vec![0.0; self.tokens * Attention::apart(self.width) + LANES]
    }

    /// The numbers of one of so many heads beside each other, from all tokens.
    fn read<N: Number>(
        &self,
        from: &[N],
        scale: f32,
        (head, heads): (usize, usize),
        to: &mut [f32],
    ) {
        let from = from.chunks_exact(heads * self.width);
        let (processor, width) = (self.processor, self.width);
        for (to, from) in to.chunks_mut(Attention::apart(width)).zip(from) {
            processor.run(Read { from: &from[head * width..][..width], scale, to });
        }
    }

    /// The other way around.
    fn write<N: Number>(
        &self,
        from: &[f32],
        scale: f32,
        to: &mut [MaybeUninit<N>],
        (head, heads): (usize, usize),
    ) {
        let to = to.chunks_exact_mut(heads * self.width);
        let (processor, width) = (self.processor, self.width);
        for (to, from) in to.zip(from.chunks(Attention::apart(width))) {
            processor.run(Write { from, scale, to: &mut to[head * width..][..width] });
        }
    }

    /// `left * right`, of as many rows as there are tokens.
    fn multiply(
        &self,
        (left, turned): (&[f32], bool),
        (right, columns): (&[f32], usize),
        terms: usize,
        out: &mut [f32],
    ) {
        let apart = Attention::apart(if turned { self.tokens } else { terms });
        let left = Matrix { values: left, apart };
        let right = Matrix { values: right, apart: Attention::apart(columns) };
        let rows = self.tokens;
        self.processor.run(Product { left, turned, right, out, rows, terms, columns });
    }

    /// Rows of a head as its columns.
    fn turn(&self, from: &[f32], to: &mut [f32]) {
        let apart = Attention::apart(self.tokens);
        for (token, from) in from.chunks(Attention::apart(self.width)).take(self.tokens).enumerate()
        {
            for (at, own) in from[..self.width].iter().enumerate() {
                to[at * apart + token] = *own;
            }
        }
    }
}

/// One head of an example.
struct Head {
    how: Attention,
    /// Scaled.
    query: Vec<f32>,
    key: Vec<f32>,
    value: Vec<f32>,
    /// Keys as columns.
    turned: Vec<f32>,
    /// How much of each token each is given, `[tokens, tokens]`.
    weights: Vec<f32>,
    made: Vec<f32>,
}

impl Head {
    fn new(how: Attention) -> Self {
        Head {
            how,
            query: how.own(),
            key: how.own(),
            value: how.own(),
            turned: how.between(how.width),
            weights: how.between(how.tokens),
            made: how.own(),
        }
    }

    fn read<N: Number>(&mut self, qkv: &[N], at: usize) {
        let Attention { heads, .. } = self.how;
        let parts = [&mut self.query, &mut self.key, &mut self.value];
        for (part, own) in parts.into_iter().enumerate() {
            let scale = if part == 0 { self.how.scale() } else { 1.0 };
            self.how.read(qkv, scale, (part * heads + at, 3 * heads), own);
        }
    }

    fn weigh(&mut self) {
        let Attention { tokens, width, .. } = self.how;
        self.how.turn(&self.key, &mut self.turned);
        let keys = (self.turned.as_slice(), tokens);
        self.how.multiply((&self.query, false), keys, width, &mut self.weights);
        let (apart, causal) = (Attention::apart(tokens), self.how.causal);
        let scores = &mut self.weights[..tokens * apart];
        self.how.processor.run(Softmax { scores, apart, tokens, causal });
    }

    fn attend(&mut self) {
        self.weigh();
        let Attention { tokens, width, .. } = self.how;
        self.how.multiply((&self.weights, false), (&self.value, width), tokens, &mut self.made);
    }
}

/// The gradients of one head of an example.
struct Slopes {
    gradient: Vec<f32>,
    /// Values as columns.
    turned: Vec<f32>,
    /// By the weights, then by the scores.
    scores: Vec<f32>,
    query: Vec<f32>,
    key: Vec<f32>,
    value: Vec<f32>,
}

impl Slopes {
    fn new(how: Attention) -> Self {
        Slopes {
            gradient: how.own(),
            turned: how.between(how.width),
            scores: how.between(how.tokens),
            query: how.own(),
            key: how.own(),
            value: how.own(),
        }
    }

    fn descend(&mut self, head: &Head) {
        let how = head.how;
        let Attention { tokens, width, .. } = how;
        how.multiply((&head.weights, true), (&self.gradient, width), tokens, &mut self.value);
        how.turn(&head.value, &mut self.turned);
        how.multiply((&self.gradient, false), (&self.turned, tokens), width, &mut self.scores);
        let apart = Attention::apart(tokens);
        let (scores, weights) = (&mut self.scores[..tokens * apart], &head.weights);
        how.processor.run(Unweigh { scores, weights, apart, tokens });
        how.multiply((&self.scores, false), (&head.key, width), tokens, &mut self.query);
        how.multiply((&self.scores, true), (&head.query, width), tokens, &mut self.key);
    }
}

struct Read<'r, N> {
    from: &'r [N],
    scale: f32,
    to: &'r mut [f32],
}

impl<N: Number> Loop for Read<'_, N> {
    #[inline(always)]
    fn run<L: Lanes, const PLACES: usize, const ROW: usize>(self) {
        for (to, from) in self.to.iter_mut().zip(self.from) {
            *to = from.wide() * self.scale;
        }
    }
}

struct Write<'w, N> {
    from: &'w [f32],
    scale: f32,
    to: &'w mut [MaybeUninit<N>],
}

impl<N: Number> Loop for Write<'_, N> {
    #[inline(always)]
    fn run<L: Lanes, const PLACES: usize, const ROW: usize>(self) {
        for (to, from) in self.to.iter_mut().zip(self.from) {
            to.write(N::narrow(from * self.scale));
        }
    }
}

/// Rows of scores to weights that sum to one.
struct Softmax<'s> {
    scores: &'s mut [f32],
    apart: usize,
    tokens: usize,
    causal: bool,
}

impl Loop for Softmax<'_> {
    #[inline(always)]
    fn run<L: Lanes, const PLACES: usize, const ROW: usize>(self) {
        for (token, row) in self.scores.chunks_exact_mut(self.apart).enumerate() {
            let seen = if self.causal { token + 1 } else { self.tokens };
            row[seen..].fill(f32::NEG_INFINITY);
            let mut most = [f32::NEG_INFINITY; LANES];
            for block in row.as_chunks::<LANES>().0 {
                for (most, own) in most.iter_mut().zip(block) {
                    *most = if *own > *most { *own } else { *most };
                }
            }
            let most = most.into_iter().fold(f32::NEG_INFINITY, f32::max);
            let mut sums = [0.0; LANES];
            for block in row.as_chunks_mut::<LANES>().0 {
                for (sum, own) in sums.iter_mut().zip(block) {
                    *own = exp(*own - most);
                    *sum += *own;
                }
            }
            let share = 1.0 / sums.into_iter().sum::<f32>();
            row.iter_mut().for_each(|own| *own *= share);
            row[seen..].fill(0.0);
        }
    }
}

/// Gradients by weights to those by the scores that they were made of.
struct Unweigh<'u> {
    scores: &'u mut [f32],
    weights: &'u [f32],
    apart: usize,
    tokens: usize,
}

impl Loop for Unweigh<'_> {
    #[inline(always)]
    fn run<L: Lanes, const PLACES: usize, const ROW: usize>(self) {
        let rows = self.scores.chunks_exact_mut(self.apart).take(self.tokens);
        for (row, weights) in rows.zip(self.weights.chunks_exact(self.apart)) {
            // Behind the last token all weights are zero.
            let mut sums = [0.0; LANES];
            let blocks = row.as_chunks::<LANES>().0.iter().zip(weights.as_chunks::<LANES>().0);
            for (row, weights) in blocks {
                for (sum, (own, weight)) in sums.iter_mut().zip(row.iter().zip(weights)) {
                    *sum += own * weight;
                }
            }
            let sum = sums.into_iter().sum::<f32>();
            for (own, weight) in row.iter_mut().zip(weights) {
                *own = (*own - sum) * weight;
            }
        }
    }
}
