//! The pieces that a training step is made of, at the sizes of ResNet-18 and of a tiny vision
//! transformer on CIFAR-10.
//!
//! ```text
//! cargo bench --bench kernels
//! cargo bench --bench kernels -- convolution
//! ```
//!
//! Every backend of the build is measured, on the processor, and in bf16 where that is to be had. Items are multiplications of a
//! convolution, and numbers of everything else.

use std::sync::OnceLock;

use cpipe::device::{self, Adam, After, Array, Averages, Descent, Precision, Selected};
use divan::counter::ItemsCount;
use divan::{Bencher, black_box};

fn main() {
    device::keep_memory();
    divan::main();
}

const BATCH: usize = 256;
const BACKENDS: &[&str] = &[
    #[cfg(feature = "flex")]
    "flex",
    #[cfg(feature = "libtorch")]
    "libtorch-cpu",
    #[cfg(feature = "libtorch")]
    "libtorch-cpu bf16",
];
/// Channels of input and output, side of the input, kernel, stride: at a width of 16.
const LAYERS: [(usize, usize, usize, usize, usize); 6] = [
    (3, 16, 32, 3, 1),
    (16, 16, 32, 3, 1),
    (16, 32, 32, 3, 2),
    (16, 32, 32, 1, 2),
    (32, 32, 16, 3, 1),
    (128, 128, 4, 3, 1),
];
/// Channels and side.
const MAPS: [(usize, usize); 3] = [(16, 32), (32, 16), (128, 4)];

#[derive(Clone, Copy)]
struct Layer(&'static str, (usize, usize, usize, usize, usize));

#[derive(Clone, Copy)]
struct Normal(&'static str, (usize, usize));

#[derive(Clone, Copy)]
struct Linear(&'static str, [usize; 3]);

impl std::fmt::Display for Linear {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Linear(backend, [rows, input, output]) = self;
        write!(f, "{backend}: {rows} of {input} to {output}")
    }
}

impl std::fmt::Display for Layer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Layer(backend, (input, output, side, kernel, stride)) = self;
        write!(f, "{backend}: {input} to {output}, {side}x{side}, kernel {kernel}, stride {stride}")
    }
}

impl std::fmt::Display for Normal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Normal(backend, (channels, side)) = self;
        write!(f, "{backend}: {channels} channels, {side}x{side}")
    }
}

fn layers() -> Vec<Layer> {
    let of = |backend: &'static str| LAYERS.map(|own| Layer(backend, own));
    backends().flat_map(of).collect()
}

fn maps() -> Vec<Normal> {
    let of = |backend: &'static str| MAPS.map(|own| Normal(backend, own));
    backends().flat_map(of).collect()
}

type Named = (&'static str, Selected);

/// Those that this machine has.
fn all() -> &'static [Named] {
    static ALL: OnceLock<Vec<Named>> = OnceLock::new();
    ALL.get_or_init(|| {
        let of = |name: &&'static str| {
            let (device, precision) = name.split_once(' ').unwrap_or((name, "f32"));
            let precision = Precision::named(precision).expect("one of the language");
            let device = device::select(device).expect("it is built in");
            Some((*name, device.in_precision(precision).ok()?))
        };
        BACKENDS.iter().filter_map(of).collect()
    })
}

fn backends() -> impl Iterator<Item = &'static str> {
    all().iter().map(|(name, _)| *name)
}

fn selected(name: &str) -> &'static Selected {
    let (_, own) = all().iter().find(|(own, _)| *own == name).expect("one of them");
    own
}

fn noise(shape: &[usize], on: &Selected) -> Array {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    Array::from_vec((0..shape.iter().product()).map(|_| next()).collect(), shape, &on.device)
}

/// Waits for the device.
fn done(own: Array) {
    black_box(own.tensor::<4>().slice([0..1, 0..1, 0..1, 0..1]).into_data());
}

/// The output alone, maps as convolutions leave them.
#[divan::bench(args = layers())]
fn convolution(bencher: Bencher<'_, '_>, layer: &Layer) {
    let (on, x, weight, stride, padding) = of(layer);
    let bencher = bencher.counter(ItemsCount::new(products(layer)));
    bencher.bench_local(|| done(on.kernels.conv2d(x.clone(), weight.clone(), stride, padding)));
}

/// The output and both gradients, three times the multiplications, and the sum that they are of.
#[divan::bench(args = layers())]
fn convolution_and_gradients(bencher: Bencher<'_, '_>, layer: &Layer) {
    let (on, x, weight, stride, padding) = of(layer);
    let bencher = bencher.counter(ItemsCount::new(3 * products(layer)));
    bencher.bench_local(|| {
        let (x, weight) = (x.leaf(), weight.leaf());
        let output = on.kernels.conv2d(x.clone(), weight.clone(), stride, padding);
        let sum: Array = output.tensor::<4>().sum().into();
        let mut gradients = sum.backward();
        black_box(x.take_gradient(&mut gradients));
        black_box(weight.take_gradient(&mut gradients));
    });
}

fn of(layer: &Layer) -> (&'static Selected, Array, Array, usize, usize) {
    let Layer(backend, (input, output, side, kernel, stride)) = *layer;
    let on = selected(backend);
    let x = laid_out(on, noise(&[BATCH, input, side, side], on));
    (on, x, noise(&[output, input, kernel, kernel], on), stride, kernel / 2)
}

/// The maps in the order in memory in which a convolution leaves them.
fn laid_out(on: &Selected, x: Array) -> Array {
    let channels = x.shape()[1];
    let same = (0..channels * channels).map(|at| f32::from(u8::from(at % (channels + 1) == 0)));
    let weight = Array::from_vec(same.collect(), &[channels, channels, 1, 1], &on.device);
    on.kernels.conv2d(x, weight, 1, 0)
}

fn products(layer: &Layer) -> usize {
    let Layer(_, (input, output, side, kernel, stride)) = *layer;
    BATCH * input * output * kernel * kernel * side.div_ceil(stride).pow(2)
}

/// With the shortcut and the rectifier behind it.
#[divan::bench(args = maps())]
fn batch_norm(bencher: Bencher<'_, '_>, own: &Normal) {
    let (on, x, parts) = normal(own);
    let bencher = bencher.counter(ItemsCount::new(x.len()));
    bencher.bench_local(|| {
        let after = After { shortcut: Some(x.clone()), relu: true };
        done(on.kernels.batch_norm(x.clone(), parts.clone(), (1, 1e-5), after).output);
    });
}

#[divan::bench(args = maps())]
fn batch_norm_and_gradients(bencher: Bencher<'_, '_>, own: &Normal) {
    let (on, x, parts) = normal(own);
    let bencher = bencher.counter(ItemsCount::new(x.len()));
    bencher.bench_local(|| {
        let (given, parts) = (x.leaf(), parts.each_ref().map(Array::leaf));
        let after = After { shortcut: None, relu: true };
        let output = on.kernels.batch_norm(given.clone(), parts, (1, 1e-5), after).output;
        let sum: Array = output.tensor::<4>().sum().into();
        black_box(given.take_gradient(&mut sum.backward()));
    });
}

fn normal(own: &Normal) -> (&'static Selected, Array, [Array; 2]) {
    let Normal(backend, (channels, side)) = *own;
    let on = selected(backend);
    let x = laid_out(on, noise(&[BATCH, channels, side, side], on));
    (on, x, [noise(&[channels], on), noise(&[channels], on)])
}

/// 11 million numbers in 62 arrays, as ResNet-18 of width 64 has them.
const PARAMETERS: [usize; 2] = [62, 180_224];

fn parameters(on: &Selected) -> Vec<Array> {
    (0..PARAMETERS[0]).map(|_| noise(&PARAMETERS[1..], on)).collect()
}

fn counted<'a, 'b>(bencher: Bencher<'a, 'b>) -> Bencher<'a, 'b> {
    bencher.counter(ItemsCount::new(PARAMETERS[0] * PARAMETERS[1]))
}

/// A step of SGD with momentum and one of an average.
#[divan::bench(args = backends())]
fn optimizer_and_average(bencher: Bencher<'_, '_>, backend: &str) {
    let on = selected(backend);
    let [mut values, gradients, mut averages] = [(); 3].map(|()| parameters(on));
    let mut buffers = Vec::new();
    let how = Descent { lr: 1e-9, weight_decay: 5e-4, momentum: 0.9, nesterov: false };
    counted(bencher).bench_local(|| {
        on.kernels.descend_many(&mut values, gradients.clone(), &mut buffers, how);
        on.kernels.lerp_many(&mut averages, &values.iter().collect::<Vec<_>>(), 0.99);
    });
}

#[divan::bench(args = backends())]
fn adam(bencher: Bencher<'_, '_>, backend: &str) {
    let on = selected(backend);
    let [mut values, gradients] = [(); 2].map(|()| parameters(on));
    let mut moments = vec![Vec::new(); values.len()];
    let averages = Averages { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };
    let how = Adam { averages, lr: 1e-9, weight_decay: 0.05, decoupled: true, number: 1 };
    counted(bencher).bench_local(|| {
        on.kernels.adam_many(&mut values, gradients.clone(), &mut moments, how);
    });
}

/// What LARS and LAMB do beside: the decay, two norms of each parameter, and the factor.
#[divan::bench(args = backends())]
fn adaptation(bencher: Bencher<'_, '_>, backend: &str) {
    let on = selected(backend);
    let [values, mut updates] = [(); 2].map(|()| parameters(on));
    let ones = Array::from_vec(vec![1.0; PARAMETERS[0]], &PARAMETERS[..1], &on.device);
    counted(bencher).bench_local(|| {
        on.kernels.add_many(&mut updates, &values, 1e-9);
        black_box([&values, &updates].map(|own| on.kernels.norms(own)));
        on.kernels.scale_many(&mut updates, &ones);
    });
}

/// Examples, tokens and the width of the tiny transformer on patches of 4.
const TOKENS: [usize; 3] = [BATCH, 65, 192];

#[divan::bench(args = backends())]
fn layer_norm_and_gradients(bencher: Bencher<'_, '_>, backend: &str) {
    let on = selected(backend);
    let parts = [noise(&TOKENS[2..], on), noise(&TOKENS[2..], on)];
    of_tokens(bencher, on, 1, |x| {
        on.kernels.layer_norm(x, parts.each_ref().map(Array::leaf), 1e-6)
    });
}

#[divan::bench(args = backends())]
fn gelu_and_gradients(bencher: Bencher<'_, '_>, backend: &str) {
    let on = selected(backend);
    of_tokens(bencher, on, 4, |x| on.kernels.gelu(x));
}

#[divan::bench(args = backends())]
fn attention_and_gradients(bencher: Bencher<'_, '_>, backend: &str) {
    let on = selected(backend);
    of_tokens(bencher, on, 3, |x| on.kernels.attention(x, 3, false));
}

/// Of tokens that are so many times as wide.
fn of_tokens(bencher: Bencher<'_, '_>, on: &Selected, times: usize, f: impl Fn(Array) -> Array) {
    let [n, tokens, width] = TOKENS;
    let x = noise(&[n, tokens, times * width], on);
    // As a layer before it leaves it, in the numbers of the precision.
    let x = on.kernels.add(x.clone(), x);
    bencher.counter(ItemsCount::new(x.len())).bench_local(|| {
        let given = x.leaf();
        let sum: Array = on.kernels.finish(f(given.clone())).tensor::<3>().sum().into();
        black_box(given.take_gradient(&mut sum.backward()));
    });
}

/// Rows, and the numbers of each before and behind the layer: a block of the tiny transformer, and
/// heads of a batch.
const LINEAR: [[usize; 3]; 6] = [
    [BATCH * 65, 192, 576],
    [BATCH * 65, 192, 192],
    [BATCH * 65, 192, 768],
    [BATCH * 65, 768, 192],
    [BATCH, 512, 128],
    [BATCH, 2048, 2048],
];

fn linear_layers() -> Vec<Linear> {
    backends().flat_map(|backend| LINEAR.map(|own| Linear(backend, own))).collect()
}

#[divan::bench(args = linear_layers())]
fn linear_and_gradients(bencher: Bencher<'_, '_>, Linear(backend, own): &Linear) {
    let [rows, input, output] = *own;
    let on = selected(backend);
    let (x, weight) = (noise(&[rows, input], on), noise(&[output, input], on));
    let x = on.kernels.add(x.clone(), x);
    bencher.counter(ItemsCount::new(3 * rows * input * output)).bench_local(|| {
        let (given, weight) = (x.leaf(), weight.leaf());
        let output = on.kernels.linear(given.clone(), weight.clone(), None);
        let sum: Array = on.kernels.finish(output).tensor::<2>().square().sum().into();
        let mut gradients = sum.backward();
        black_box(given.take_gradient(&mut gradients));
        black_box(weight.take_gradient(&mut gradients));
    });
}

/// As ConvNeXt has it: seven by seven, of maps as its layers leave them.
#[divan::bench(args = backends())]
fn by_channel_and_gradients(bencher: Bencher<'_, '_>, backend: &str) {
    let on = selected(backend);
    let shape = [BATCH, 96, 8, 8];
    let x = laid_out(on, noise(&shape, on));
    let [weight, bias] = [noise(&[96, 1, 7, 7], on), noise(&[96], on)];
    bencher.counter(ItemsCount::new(3 * x.len() * 49)).bench_local(|| {
        let (given, weight) = (x.leaf(), weight.leaf());
        let output = on.kernels.depthwise(given.clone(), weight.clone(), bias.leaf());
        let sum: Array = on.kernels.finish(output).tensor::<4>().sum().into();
        let mut gradients = sum.backward();
        black_box(given.take_gradient(&mut gradients));
        black_box(weight.take_gradient(&mut gradients));
    });
}
