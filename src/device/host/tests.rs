use std::mem::MaybeUninit;

use burn::tensor::bf16;

use super::attention::Attention;
use super::batch_norm::{Lines, Rows};
use super::convolution::Convolution;
use super::depthwise::Depthwise;
use super::gelu;
use super::lanes::Processor;
use super::layer_norm::LayerNorm;
use super::maps::{Maps, Order};
use super::number::Number;
use super::threads::Threads;
use crate::random::Key;

fn noise<N: Number>(seed: u64, len: usize) -> Vec<N> {
    let mut stream = Key::root(seed).stream();
    (0..len).map(|_| N::narrow(stream.uniform_in(-1.0, 1.0))).collect()
}

/// What a function writes, and that it writes every number: over whatever was there.
fn written<N: Number>(len: usize, write: impl Fn(&mut [MaybeUninit<N>])) -> Vec<f32> {
    let over = |before: f32| -> Vec<f32> {
        let mut out = vec![MaybeUninit::new(N::narrow(before)); len];
        write(&mut out);
        // SAFETY: all were numbers before.
        out.into_iter().map(|own| unsafe { own.assume_init() }.wide()).collect()
    };
    let made = over(1e30);
    assert_eq!(made, over(-1e30), "something is not written");
    made
}

/// Output and gradients of a convolution.
fn convolved<N: Number>(own: &Convolution, order: Order) -> [Vec<f32>; 3] {
    let [inputs, outputs] = own.channels;
    let [positions, after] = [own.sides, own.output()].map(|[h, w]| own.images * h * w);
    let (x, gradient): (Vec<N>, Vec<N>) = (noise(1, positions * inputs), noise(2, after * outputs));
    let weight = noise(3, inputs * outputs * own.kernel * own.kernel);
    let x = Maps { values: &x, order, channels: inputs, sides: own.sides };
    let gradient = Maps { values: &gradient, order, channels: outputs, sides: own.output() };
    [
        written(after * outputs, |out| own.forward(x, &weight, out)),
        written(positions * inputs, |out| own.backward_input(gradient, &weight, out)),
        own.backward_weight(x, gradient),
    ]
}

fn convolutions() -> impl Iterator<Item = Convolution> {
    let sizes = [
        ([16, 16], [8, 8], (3, 1, 1)),
        // In tiles.
        ([32, 32], [8, 8], (3, 1, 1)),
        ([32, 48], [7, 5], (3, 1, 1)),
        ([48, 32], [1, 2], (3, 1, 1)),
        ([64, 80], [6, 5], (3, 1, 1)),
        ([3, 19], [9, 6], (3, 2, 1)),
        ([16, 33], [8, 5], (1, 2, 0)),
        ([3, 8], [17, 15], (7, 2, 3)),
        ([6, 20], [10, 11], (5, 3, 2)),
        ([4, 6], [5, 3], (2, 3, 1)),
        ([128, 16], [4, 4], (3, 1, 1)),
        ([1, 1], [1, 1], (1, 1, 0)),
        // More padding than a window reaches.
        ([2, 3], [3, 2], (1, 1, 2)),
    ];
    sizes.into_iter().flat_map(|(channels, sides, (kernel, stride, padding))| {
        [1, 17].map(|images| Convolution {
            images,
            channels,
            sides,
            kernel,
            stride,
            padding,
            processor: Processor::best(),
            threads: Threads::OWN,
        })
    })
}

/// Each product by itself, in double precision, channels last.
fn by_definition<N: Number>(own: &Convolution, x: &[N], weight: &[N]) -> Vec<f64> {
    let Convolution { channels: [inputs, outputs], sides: [h, w], kernel, stride, .. } = *own;
    let [tall, wide] = own.output();
    let mut out = Vec::new();
    for place in 0..own.images * tall * wide {
        let (image, y, x0) = (place / (tall * wide), place / wide % tall, place % wide);
        for output in 0..outputs {
            let mut sum = 0.0;
            for tap in 0..kernel * kernel {
                let from = [y * stride + tap / kernel, x0 * stride + tap % kernel];
                let [Some(y), Some(x0)] = from.map(|at| at.checked_sub(own.padding)) else {
                    continue;
                };
                for input in (0..inputs).filter(|_| y < h && x0 < w) {
                    let value = x[((image * h + y) * w + x0) * inputs + input];
                    let by = weight[(output * inputs + input) * kernel * kernel + tap];
                    sum += f64::from(value.wide()) * f64::from(by.wide());
                }
            }
            out.push(sum);
        }
    }
    out
}

/// How much of the largest number rounding may take, and of numbers near one.
fn unit<N: Number>() -> f64 {
    if N::EACH == 1 { 1e-4 } else { 1.0 / 128.0 }
}

fn close<N: Number>(found: &[f32], expected: &[f64], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let largest = expected.iter().fold(1.0_f64, |most, own| most.max(own.abs()));
    let most = unit::<N>() * if N::EACH == 1 { 1.0 } else { largest };
    for (found, expected) in found.iter().zip(expected) {
        let apart = (f64::from(*found) - expected).abs();
        assert!(apart < most, "{what}: {found}, not {expected}");
    }
}

fn dot<A: Number, B: Number>(a: &[A], b: &[B]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(a.wide()) * f64::from(b.wide())).sum()
}

fn are_what_they_are_defined_as<N: Number>() {
    for own in convolutions() {
        let [inputs, outputs] = own.channels;
        let taps = own.kernel * own.kernel;
        let x: Vec<N> = noise(1, own.images * inputs * own.sides[0] * own.sides[1]);
        let weight: Vec<N> = noise(3, inputs * outputs * taps);
        let [out, by_x, by_weight] = convolved::<N>(&own, Order::ChannelsLast);
        let what = format!("{:?} {own:?}", N::KIND);
        let defined = by_definition(&own, &x, &weight);
        close::<N>(&out, &defined, &what);
        // It is linear in both, so that either gradient along its input is the gradient along the
        // output.
        let gradient: Vec<N> = noise(2, out.len());
        let along: f64 =
            defined.iter().zip(&gradient).map(|(out, own)| out * f64::from(own.wide())).sum();
        for (found, by) in [(dot(&by_x, &x), "input"), (dot(&by_weight, &weight), "weight")] {
            let most = unit::<N>() * out.len() as f64;
            assert!((found - along).abs() < most, "{what}, by {by}: {found}, not {along}");
        }
    }
}

#[test]
fn convolutions_are_what_they_are_defined_as() {
    are_what_they_are_defined_as::<f32>();
    are_what_they_are_defined_as::<bf16>();
}

/// Both gradients, of numbers that are bfloat16 in either case.
#[test]
fn gradients_of_bf16_are_those_of_f32() {
    for own in convolutions() {
        let [_, rounded_by_x, by_weight] = convolved::<bf16>(&own, Order::Plain);
        let [inputs, outputs] = own.channels;
        let [positions, after] = [own.sides, own.output()].map(|[h, w]| own.images * h * w);
        let wide = |seed, len| -> Vec<f32> {
            noise::<bf16>(seed, len).into_iter().map(Number::wide).collect()
        };
        let (x, gradient) = (wide(1, positions * inputs), wide(2, after * outputs));
        let weight = wide(3, inputs * outputs * own.kernel * own.kernel);
        let order = Order::Plain;
        let x = Maps { values: &x, order, channels: inputs, sides: own.sides };
        let gradient = Maps { values: &gradient, order, channels: outputs, sides: own.output() };
        let by_x = written(positions * inputs, |out| own.backward_input(gradient, &weight, out));
        for (found, expected) in
            [(by_weight, own.backward_weight(x, gradient)), (rounded_by_x, by_x)]
        {
            let expected: Vec<f64> = expected.into_iter().map(f64::from).collect();
            close::<bf16>(&found, &expected, &format!("{own:?}"));
        }
    }
}

#[test]
fn the_order_in_memory_changes_no_bit() {
    let own = convolutions().next().unwrap();
    let [h, w] = own.sides;
    let [channels, _] = own.channels;
    let weight: Vec<f32> = noise(3, channels * channels * 9);
    let last: Vec<f32> = noise(1, own.images * h * w * channels);
    let plain: Vec<f32> = (0..last.len())
        .map(|at| {
            let (image, channel, place) =
                (at / (channels * h * w), at / (h * w) % channels, at % (h * w));
            last[(image * h * w + place) * channels + channel]
        })
        .collect();
    let of = |values: &[f32], order| {
        let maps = Maps { values, order, channels, sides: own.sides };
        let out = written(last.len(), |out| own.forward(maps, &weight, out));
        (out, own.backward_weight(maps, maps))
    };
    assert_eq!(of(&plain, Order::Plain), of(&last, Order::ChannelsLast));
}

/// Output, statistics and gradients of a batch norm.
fn normalised<N: Number>(rows: &Rows) -> Vec<Vec<f32>> {
    let len = rows.images * rows.positions * rows.channels;
    let (x, gradient, shortcut): (Vec<N>, Vec<N>, Vec<N>) =
        (noise(1, len), noise(2, len), noise(3, len));
    let parts = [noise(4, rows.channels), noise(5, rows.channels)];
    let statistics = rows.measure(&x, 1e-5);
    let lines = Lines::new(rows, &statistics, [&parts[0], &parts[1]], true);
    let slopes = rows.slopes(&x, &gradient, &statistics, &lines);
    vec![
        written(len, |out| rows.apply(&x, &lines, None, out)),
        written(len, |out| rows.apply(&x, &lines, Some(&shortcut), out)),
        written(len, |out| rows.descend(&x, &gradient, &lines, &slopes, out)),
        written(len, |out| {
            _ = rows.slopes_behind(&x, [&gradient, &shortcut], &statistics, &lines, out);
        }),
        statistics.mean,
        statistics.deviation,
        slopes.scale,
        slopes.shift,
    ]
}

fn norms() -> impl Iterator<Item = Rows> {
    let sizes = [(6, 700, 3, 1), (6, 25, 16, 3), (1000, 1, 33, 1), (4, 9, 128, 2)];
    sizes.into_iter().map(|(images, positions, channels, groups)| Rows {
        images,
        positions,
        channels,
        groups,
        processor: Processor::best(),
        threads: Threads::OWN,
    })
}

/// Outputs and gradients of what transformers are made of.
fn by_tokens<N: Number>(processor: Processor) -> Vec<Vec<f32>> {
    let (mut made, threads) = (Vec::new(), Threads::OWN);
    for (rows, width) in [(1, 1), (130, 7), (300, 64), (17, 200)] {
        let (x, gradient): (Vec<N>, Vec<N>) = (noise(1, rows * width), noise(2, rows * width));
        let (scale, shift) = (noise(4, width), noise::<f32>(5, width));
        let own = LayerNorm { scale: &scale, epsilon: 1e-6, processor, threads };
        made.push(written(x.len(), |out| own.forward(&x, &shift, out)));
        made.push(written(x.len(), |out| _ = own.backward(&gradient, &x, out)));
        let mut out = vec![MaybeUninit::new(N::default()); x.len()];
        made.extend(own.backward(&gradient, &x, &mut out));
        let on = (processor, threads);
        made.push(written(x.len(), |out| gelu::forward(&x, out, on)));
        made.push(written(x.len(), |out| gelu::backward(&gradient, &x, out, on)));
    }
    made
}

/// Output and gradients of convolutions by channel.
fn by_channel<N: Number>(processor: Processor) -> Vec<Vec<f32>> {
    let mut made = Vec::new();
    for (images, channels, sides, kernel) in
        [(1, 1, [1, 1], 1), (3, 16, [9, 13], 7), (17, 33, [4, 5], 3)]
    {
        let threads = Threads::OWN;
        let own = Depthwise { images, channels, sides, kernel, processor, threads };
        let len = images * channels * sides[0] * sides[1];
        let (x, gradient): (Vec<N>, Vec<N>) = (noise(1, len), noise(2, len));
        let [weight, bias] = [noise(3, channels * kernel * kernel), noise::<f32>(4, channels)];
        let maps = |values| Maps { values, order: Order::Plain, channels, sides };
        let parts = [weight.as_slice(), &bias];
        made.push(written(len, |out| own.forward(maps(&x), parts, out)));
        made.push(written(len, |out| own.backward_input(maps(&gradient), &weight, out)));
        made.extend(own.backward_weight(maps(&x), maps(&gradient)));
    }
    made
}

/// Output and gradient.
fn attended<N: Number>(own: Attention, examples: usize) -> [Vec<f32>; 2] {
    let len = examples * own.tokens * own.heads * own.width;
    let (qkv, gradient): (Vec<N>, Vec<N>) = (noise(1, 3 * len), noise(2, len));
    [
        written(len, |out| own.forward(&qkv, out)),
        written(3 * len, |out| own.backward(&gradient, &qkv, out)),
    ]
}

fn attentions(processor: Processor) -> impl Iterator<Item = (Attention, usize)> {
    let sizes = [(1, 1, 1, 1), (2, 5, 2, 3), (9, 17, 1, 64), (5, 65, 3, 64), (3, 64, 2, 20)];
    sizes.into_iter().flat_map(move |(examples, tokens, heads, width)| {
        let threads = Threads::OWN;
        [false, true].map(|causal| {
            (Attention { tokens, heads, width, causal, processor, threads }, examples)
        })
    })
}

/// Those that multiply and add at once give the same bits.
#[test]
fn all_processors_agree() {
    for processor in Processor::all() {
        agrees::<f32>(processor);
        agrees::<bf16>(processor);
        assert_eq!(by_tokens::<f32>(processor), by_tokens::<f32>(Processor::best()));
        assert_eq!(by_tokens::<bf16>(processor), by_tokens::<bf16>(Processor::best()));
        if processor != Processor::Least {
            assert_eq!(by_channel::<f32>(processor), by_channel::<f32>(Processor::best()));
            assert_eq!(by_channel::<bf16>(processor), by_channel::<bf16>(Processor::best()));
        }
        for ((own, examples), (best, _)) in attentions(processor).zip(attentions(Processor::best()))
        {
            let [found, expected] = [own, best].map(|own| attended::<f32>(own, examples));
            for (found, expected) in found.iter().zip(&expected) {
                if processor == Processor::Least {
                    let expected: Vec<f64> = expected.iter().copied().map(f64::from).collect();
                    close::<f32>(found, &expected, &format!("{own:?}"));
                } else {
                    assert_eq!(found, expected, "{own:?}");
                }
            }
        }
        for own in norms() {
            let own = Rows { processor, ..own };
            let best = Rows { processor: Processor::best(), ..own };
            assert_eq!(normalised::<f32>(&own), normalised::<f32>(&best), "{processor:?}");
            assert_eq!(normalised::<bf16>(&own), normalised::<bf16>(&best), "{processor:?}");
        }
    }
}

fn agrees<N: Number>(processor: Processor) {
    for own in convolutions() {
        let of = |processor| convolved::<N>(&Convolution { processor, ..own }, Order::Plain);
        let (found, expected) = (of(processor), of(Processor::best()));
        // Where one instruction adds both products of a pair, it rounds otherwise.
        if processor == Processor::Least || N::EACH > 1 {
            for (found, expected) in found.iter().zip(&expected) {
                let expected: Vec<f64> = expected.iter().copied().map(f64::from).collect();
                close::<N>(found, &expected, &format!("{processor:?} {own:?}"));
            }
        } else {
            assert_eq!(found, expected, "{processor:?} {own:?}");
        }
    }
}

/// By their definitions, in double precision.
#[test]
fn tokens_are_given_of_each_other_by_definition() {
    for (own, examples) in attentions(Processor::best()) {
        let Attention { tokens, heads, width, causal, .. } = own;
        let row = heads * width;
        let qkv: Vec<f32> = noise(1, 3 * examples * tokens * row);
        let mut expected = vec![0.0; examples * tokens * row];
        for at in 0..examples * tokens * heads {
            let (example, token, head) = (at / (tokens * heads), at / heads % tokens, at % heads);
            let part = |token: usize, part: usize| -> Vec<f64> {
                let from = ((example * tokens + token) * 3 + part) * row + head * width;
                qkv[from..][..width].iter().map(|own| f64::from(*own)).collect()
            };
            let query = part(token, 0);
            let seen = if causal { token + 1 } else { tokens };
            let weights: Vec<f64> = (0..seen)
                .map(|other| {
                    let score: f64 = query.iter().zip(part(other, 1)).map(|(a, b)| a * b).sum();
                    (score / (width as f64).sqrt()).exp()
                })
                .collect();
            let sum: f64 = weights.iter().sum();
            for (other, weight) in weights.iter().enumerate() {
                for (place, value) in part(other, 2).iter().enumerate() {
                    expected[(example * tokens + token) * row + head * width + place] +=
                        weight / sum * value;
                }
            }
        }
        let [found, _] = attended::<f32>(own, examples);
        for (found, expected) in found.iter().zip(&expected) {
            assert!((f64::from(*found) - expected).abs() < 2e-6, "{own:?}: {found}, {expected}");
        }
    }
}

/// What is normalised in bfloat16 is what single precision makes of it, rounded.
#[test]
fn norms_of_bf16_are_those_of_f32() {
    for own in norms() {
        let len = own.images * own.positions * own.channels;
        let x: Vec<bf16> = noise(1, len);
        let wide: Vec<f32> = x.iter().map(|own| own.wide()).collect();
        let [found, expected] = [own.measure(&x, 1e-5), own.measure(&wide, 1e-5)];
        assert_eq!(found.mean, expected.mean);
        assert_eq!(found.deviation, expected.deviation);
        let parts = [noise(4, own.channels), noise(5, own.channels)];
        let lines = Lines::new(&own, &found, [&parts[0], &parts[1]], false);
        let found = written::<bf16>(len, |out| own.apply(&x, &lines, None, out));
        let expected = written::<f32>(len, |out| own.apply(&wide, &lines, None, out));
        let expected: Vec<f32> = expected.into_iter().map(|own| bf16::narrow(own).wide()).collect();
        assert_eq!(found, expected);
    }
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let with = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let wholes: Vec<_> =
                convolutions().map(|own| convolved::<f32>(&own, Order::ChannelsLast)).collect();
            let halves: Vec<_> =
                convolutions().map(|own| convolved::<bf16>(&own, Order::ChannelsLast)).collect();
            let norms: Vec<_> = norms().map(|own| normalised::<f32>(&own)).collect();
            let best = Processor::best();
            let attended: Vec<_> =
                attentions(best).map(|(own, examples)| attended::<f32>(own, examples)).collect();
            (wholes, halves, norms, by_tokens::<f32>(best), by_channel::<f32>(best), attended)
        })
    };
    let one = with(1);
    for threads in [2, 3, 8] {
        assert!(with(threads) == one, "{threads} threads");
    }
}

/// What passes a ReLU, and the sums over it, at once or one after the other.
#[test]
fn slopes_behind_a_relu_are_those_of_what_passes_it() {
    for own in norms() {
        let len = own.images * own.positions * own.channels;
        let (x, gradient, rectified): (Vec<f32>, Vec<f32>, Vec<f32>) =
            (noise(1, len), noise(2, len), noise(3, len));
        let statistics = own.measure(&x, 1e-5);
        let parts = [noise(4, own.channels), noise(5, own.channels)];
        let lines = Lines::new(&own, &statistics, [&parts[0], &parts[1]], false);
        let expected: Vec<f32> = (gradient.iter().zip(&rectified))
            .map(|(gradient, own)| if *own > 0.0 { *gradient } else { 0.0 })
            .collect();
        let both = [gradient.as_slice(), &rectified];
        let passed = written(len, |out| _ = own.slopes_behind(&x, both, &statistics, &lines, out));
        assert_eq!(passed, expected);
        let mut out = vec![MaybeUninit::new(0.0); len];
        let found = own.slopes_behind(&x, both, &statistics, &lines, &mut out);
        let expected = own.slopes(&x, &expected, &statistics, &lines);
        assert_eq!([found.scale, found.shift], [expected.scale, expected.shift]);
    }
}

#[test]
fn in_place_is_the_same() {
    for own in norms() {
        let len = own.images * own.positions * own.channels;
        let (x, shortcut): (Vec<f32>, Vec<f32>) = (noise(1, len), noise(3, len));
        let statistics = own.measure(&x, 1e-5);
        let parts = [noise(4, own.channels), noise(5, own.channels)];
        for relu in [false, true] {
            let lines = Lines::new(&own, &statistics, [&parts[0], &parts[1]], relu);
            for shortcut in [None, Some(shortcut.as_slice())] {
                let mut moved = x.clone();
                own.apply_in_place(&mut moved, &lines, shortcut);
                assert_eq!(moved, written(len, |out| own.apply(&x, &lines, shortcut, out)));
            }
        }
    }
}
