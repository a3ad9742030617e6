//! libtorch's own operations, which other devices than the processor run, against the kernels of
//! the processor.

use burn::backend::libtorch::TchTensor;
use tch::{Kind, Tensor};

use super::{array, cpu, functions, library, native};
use crate::device::array::by_rank;
use crate::device::operations::BatchNorm;
use crate::device::{Adam, After, Array, Averages, FallBack, Kernels, Mixed};
use crate::random::Key;

fn noise(shape: &[i64]) -> TchTensor {
    TchTensor::new(Tensor::rand(shape, (Kind::Float, tch::Device::Cpu)) * 2.0 - 1.0)
}

fn close(found: &TchTensor, expected: &TchTensor, what: &str) {
    assert_eq!(found.tensor.size(), expected.tensor.size(), "{what}");
    let scale = f64::try_from(expected.tensor.abs().max()).unwrap();
    let apart = f64::try_from((&found.tensor - &expected.tensor).abs().max()).unwrap();
    assert!(apart <= 1e-5 * scale, "{what}: {apart} apart");
}

fn all_close(found: &[Option<TchTensor>], expected: &[Option<TchTensor>], what: &str) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert_eq!(found.is_some(), expected.is_some(), "{what}");
        if let (Some(found), Some(expected)) = (found, expected) {
            close(found, expected, what);
        }
    }
}

#[test]
fn convolutions_agree() {
    for (kernel, stride, padding) in [(1, 2, 0), (3, 1, 1), (3, 2, 1)] {
        let (x, weight) = (noise(&[3, 5, 9, 8]), noise(&[4, 5, kernel, kernel]));
        let options = [stride, padding];
        let expected = functions::convolution(&x, &weight, options);
        let found = TchTensor::new(library::convolution(&x.tensor, &weight.tensor, options));
        let what = format!("{kernel} {stride} {padding}");
        close(&found, &expected, &what);
        let gradient = noise(&expected.tensor.size());
        for wanted in [[true, true], [true, false], [false, true]] {
            let expected =
                functions::convolution_backward(&gradient, [&x, &weight], options, wanted);
            let inputs = [&x.tensor, &weight.tensor];
            let found = library::convolution_backward(&gradient.tensor, inputs, options, wanted)
                .map(|own| own.map(TchTensor::new));
            all_close(&found, &expected, &what);
        }
    }
}

#[test]
fn batch_norms_agree() {
    let x = noise(&[6, 4, 5, 3]);
    let [scale, shift, mean] = [(); 3].map(|()| noise(&[4]));
    let variance = TchTensor::new(&noise(&[4]).tensor + 1.5);
    for (groups, relu, joins) in
        [(1, false, false), (1, true, false), (1, true, true), (2, false, true), (2, true, true)]
    {
        let how = BatchNorm { groups, relu, epsilon: 1e-5 };
        let shortcut = joins.then(|| noise(&[6, 4, 5, 3]));
        let parts = || [scale.clone(), shift.clone()];
        let (expected, made) =
            functions::batch_norm(x.clone(), parts(), shortcut.clone(), (how, false));
        let (found, own) = library::batch_norm(x.clone(), parts(), shortcut.clone(), how);
        let what = format!("{how:?} {joins}");
        close(&found, &expected, &what);
        close(&own.mean, &made.mean, &what);
        close(&own.deviation, &made.deviation, &what);
        let gradient = noise(&[6, 4, 5, 3]);
        for by_x in [true, false] {
            let expected = functions::batch_norm_backward(gradient.clone(), &made, joins, by_x);
            all_close(&own.backward(&gradient, joins, by_x), &expected, &what);
        }
        let fixed = || [scale.clone(), shift.clone(), mean.clone(), variance.clone()];
        let how = BatchNorm { groups: 1, ..how };
        let expected = functions::batch_norm_fixed(x.clone(), fixed(), shortcut.clone(), how);
        let given = fixed();
        let given = given.each_ref().map(|own| &own.tensor);
        let onto = shortcut.as_ref().map(|own| &own.tensor);
        let found = library::batch_norm_fixed(&x.tensor, given, onto, how);
        close(&TchTensor::new(found), &expected, &what);
    }
}

#[test]
fn what_transformers_are_made_of_agrees() {
    let (x, gradient) = (noise(&[4, 7, 24]), noise(&[4, 7, 24]));
    let [scale, shift] = [(); 2].map(|()| noise(&[24]));
    let expected = functions::layer_norm(&x, [&scale, &shift], 1e-5);
    let found = library::layer_norm(&x.tensor, [&scale.tensor, &shift.tensor], 1e-5);
    close(&TchTensor::new(found), &expected, "layer norm");
    let expected = functions::layer_norm_backward(&gradient, [&x, &scale], 1e-5);
    let inputs = [&x.tensor, &scale.tensor];
    let found = library::layer_norm_backward(&gradient.tensor, inputs, 1e-5).map(TchTensor::new);
    for (found, expected) in found.iter().zip(&expected) {
        close(found, expected, "gradients of a layer norm");
    }
    let maps = noise(&[3, 20, 6, 5]);
    let [weight, bias] = [noise(&[20, 1, 7, 7]), noise(&[20])];
    let expected = functions::depthwise(&maps, [&weight, &bias]);
    let found = library::depthwise(&maps.tensor, [&weight.tensor, &bias.tensor]);
    close(&TchTensor::new(found), &expected, "by channel");
    let slopes = noise(&[3, 20, 6, 5]);
    for by_x in [true, false] {
        let expected = functions::depthwise_backward(&slopes, [&maps, &weight], by_x);
        let inputs = [&maps.tensor, &weight.tensor];
        let found = library::depthwise_backward(&slopes.tensor, inputs, by_x);
        all_close(&found.map(|own| own.map(TchTensor::new)), &expected, "by channel");
    }
    for (heads, causal) in [(1, false), (2, true), (4, false)] {
        let expected = functions::attention(&x, heads, causal);
        let found = TchTensor::new(library::attention(&x.tensor, heads, causal));
        let what = format!("{heads} {causal}");
        close(&found, &expected, &what);
        let gradient = noise(&expected.tensor.size());
        let expected = functions::attention_backward(&gradient, &x, heads, causal);
        let found = library::attention_backward(&gradient.tensor, &x.tensor, heads, causal);
        close(&TchTensor::new(found), &expected, &what);
    }
}

/// Values and gradients of the kernels that round, against those in f32.
#[test]
fn bf16_is_f32_but_for_rounding() {
    type Function = fn(&dyn Kernels, &[Array]) -> Array;
    let own = cpu().unwrap();
    assert!(library::convolves_bf16(tch::Device::Cpu));
    let mixed = Mixed(own.kernels);
    let noise = |name: &str, shape: &[usize]| {
        let mut rng = Key::root(0).named(name).stream();
        let values = (0..shape.iter().product()).map(|_| rng.normal()).collect();
        Array::from_vec(values, shape, &own.device)
    };
    let cases: [(&str, &[&[usize]], Function); 8] = [
        ("convolution", &[&[8, 6, 10, 9], &[5, 6, 3, 3]], |kernels, own| {
            kernels.conv2d(own[0].clone(), own[1].clone(), 2, 1)
        }),
        ("by channel", &[&[4, 20, 6, 5], &[20, 1, 3, 3], &[20]], |kernels, own| {
            kernels.depthwise(own[0].clone(), own[1].clone(), own[2].clone())
        }),
        ("linear", &[&[16, 12], &[7, 12], &[7]], |kernels, own| {
            kernels.linear(own[0].clone(), own[1].clone(), Some(own[2].clone()))
        }),
        ("batch norm", &[&[8, 4, 6, 5], &[4], &[4], &[8, 4, 6, 5]], |kernels, own| {
            let parts = [own[1].clone(), own[2].clone()];
            let after = After { shortcut: Some(own[3].clone()), relu: false };
            kernels.batch_norm(own[0].clone(), parts, (2, 1e-5), after).output
        }),
        ("layer norm", &[&[8, 5, 40], &[40], &[40]], |kernels, own| {
            kernels.layer_norm(own[0].clone(), [own[1].clone(), own[2].clone()], 1e-6)
        }),
        ("attention", &[&[4, 9, 96]], |kernels, own| {
            // As the layer before it leaves them.
            kernels.attention(kernels.add(own[0].clone(), own[0].clone()), 2, true)
        }),
        ("GELU", &[&[4, 9, 32]], |kernels, own| {
            kernels.gelu(kernels.add(own[0].clone(), own[0].clone()))
        }),
        ("pooling", &[&[3, 4, 5, 6]], |kernels, own| kernels.global_average_pool(own[0].clone())),
    ];
    for (name, shapes, function) in cases {
        let of = |kernels: &dyn Kernels| -> Vec<Vec<f32>> {
            let leaves: Vec<Array> = (shapes.iter().enumerate())
                .map(|(place, shape)| noise(&format!("{name} {place}"), shape).leaf())
                .collect();
            let output = kernels.finish(function(kernels, &leaves));
            let cotangent = noise(name, &output.shape());
            let mut gradients = by_rank!(output.rank(), D => {
                (output.tensor::<D>() * cotangent.tensor::<D>().autodiff()).sum().backward()
            });
            let slopes = leaves.iter().map(|own| own.take_gradient(&mut gradients).unwrap());
            [output.clone()].into_iter().chain(slopes).map(|own| own.to_vec()).collect()
        };
        let (expected, found) = (of(own.kernels), of(&mixed));
        for (expected, found) in expected.iter().zip(&found) {
            let most = expected.iter().fold(0.0_f32, |most, own| most.max(own.abs()));
            for (expected, found) in expected.iter().zip(found) {
                assert!((expected - found).abs() < 0.02 * most, "{name}: {found}, {expected}");
            }
        }
        assert!(name == "pooling" || found != expected, "{name}: nothing was rounded");
    }
}

/// The same of libtorch's own operations, which a GPU runs in bfloat16.
#[test]
fn the_library_is_f32_but_for_rounding() {
    let halves = |own: &TchTensor| TchTensor::new(own.tensor.to_kind(Kind::BFloat16));
    let near = |found: &Tensor, expected: &Tensor, what: &str| {
        assert_eq!(found.size(), expected.size(), "{what}");
        let most = f64::try_from(expected.abs().max()).unwrap();
        let apart = (found.to_kind(Kind::Float) - expected).abs().max();
        let apart = f64::try_from(apart).unwrap();
        assert!(apart <= 0.02 * most, "{what}: {apart} apart of {most}");
    };
    let all_near = |found: &[Option<TchTensor>], expected: &[Option<TchTensor>], what: &str| {
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(expected) {
            match (found, expected) {
                (Some(found), Some(expected)) => near(&found.tensor, &expected.tensor, what),
                (found, expected) => assert_eq!(found.is_some(), expected.is_some(), "{what}"),
            }
        }
    };
    let (x, weight) = (noise(&[4, 5, 9, 8]), noise(&[6, 5, 3, 3]));
    let expected = library::convolution(&x.tensor, &weight.tensor, [2, 1]);
    let [half, half_weight] = [&x, &weight].map(halves);
    let found = library::convolution(&half.tensor, &half_weight.tensor, [2, 1]);
    assert_eq!(found.kind(), Kind::BFloat16);
    near(&found, &expected, "convolution");
    let gradient = noise(&expected.size());
    let back = |[gradient, x, weight]: [&TchTensor; 3]| {
        let inputs = [&x.tensor, &weight.tensor];
        let made = library::convolution_backward(&gradient.tensor, inputs, [2, 1], [true; 2]);
        made.map(|own| own.map(TchTensor::new))
    };
    let half_gradient = halves(&gradient);
    let found = back([&half_gradient, &half, &half_weight]);
    all_near(&found, &back([&gradient, &x, &weight]), "way back of a convolution");

    let [scale, shift, mean] = [(); 3].map(|()| noise(&[5]));
    let variance = TchTensor::new(&noise(&[5]).tensor + 1.5);
    let (shortcut, gradient) = (noise(&[4, 5, 9, 8]), noise(&[4, 5, 9, 8]));
    for (groups, relu) in [(1, true), (2, true), (1, false)] {
        let how = BatchNorm { groups, relu, epsilon: 1e-5 };
        let what = format!("{how:?}");
        let of = |round: &dyn Fn(&TchTensor) -> TchTensor| {
            let parts = [scale.clone(), shift.clone()];
            let (output, made) = library::batch_norm(round(&x), parts, Some(round(&shortcut)), how);
            (output, made.backward(&round(&gradient), true, true))
        };
        let (expected, expected_back) = of(&TchTensor::clone);
        let (found, found_back) = of(&halves);
        assert_eq!(found.tensor.kind(), Kind::BFloat16);
        near(&found.tensor, &expected.tensor, &what);
        // Where a ReLU is at its edge, rounding decides whether a gradient passes.
        if !relu {
            all_near(&found_back, &expected_back, &what);
        }
    }
    let how = BatchNorm { groups: 1, relu: true, epsilon: 1e-5 };
    let fixed = [&scale, &shift, &mean, &variance].map(|own| &own.tensor);
    let expected = library::batch_norm_fixed(&x.tensor, fixed, Some(&shortcut.tensor), how);
    let half_shortcut = halves(&shortcut);
    let found = library::batch_norm_fixed(&half.tensor, fixed, Some(&half_shortcut.tensor), how);
    near(&found, &expected, "fixed batch norm");

    let (qkv, gradient) = (noise(&[3, 9, 48]), noise(&[3, 9, 16]));
    let [half, half_gradient] = [&qkv, &gradient].map(halves);
    for causal in [false, true] {
        let expected = library::attention(&qkv.tensor, 2, causal);
        near(&library::attention(&half.tensor, 2, causal), &expected, "attention");
        let expected = library::attention_backward(&gradient.tensor, &qkv.tensor, 2, causal);
        let found = library::attention_backward(&half_gradient.tensor, &half.tensor, 2, causal);
        near(&found, &expected, "way back of attention");
    }
    let maps = noise(&[3, 20, 6, 5]);
    let [weight, bias] = [noise(&[20, 1, 7, 7]), noise(&[20])];
    let expected = library::depthwise(&maps.tensor, [&weight.tensor, &bias.tensor]);
    let [half, half_weight, half_bias] = [&maps, &weight, &bias].map(halves);
    let found = library::depthwise(&half.tensor, [&half_weight.tensor, &half_bias.tensor]);
    near(&found, &expected, "by channel");
}

/// Of a name and a shape the same each time.
fn named(name: &str, shape: &[usize]) -> Array {
    let mut rng = Key::root(0).named(name).stream();
    let values = (0..shape.iter().product()).map(|_| rng.normal()).collect();
    Array::from_vec(values, shape, &cpu().unwrap().device)
}

const SHAPES: [&[usize]; 3] = [&[5, 4], &[7], &[3, 2, 3, 3]];

/// By the functions that only a GPU is given otherwise.
#[test]
fn norms_sums_and_factors_agree() {
    let all = |name: &str| -> Vec<Array> { SHAPES.map(|shape| named(name, shape)).into() };
    let near = |found: Vec<f32>, expected: Vec<f32>| {
        assert_eq!(found.len(), expected.len());
        let mut pairs = found.iter().zip(&expected);
        assert!(pairs.all(|(a, b)| (a - b).abs() <= 1e-6 * b.abs().max(0.1)), "{found:?}");
    };
    let of = |arrays: &[Array]| super::handles(&super::tensors(arrays));
    let (own, other, factors) = (all("own"), all("other"), named("factors", &[3]));
    let norms = array(TchTensor::new(library::norms(&of(&own))), 1);
    near(norms.to_vec(), FallBack.norms(&own).to_vec());

    let mut expected = own.clone();
    FallBack.add_many(&mut expected, &other, -0.3);
    let found: Vec<Array> = own.iter().map(Array::deep_copy).collect();
    library::add_many(&mut of(&found), &of(&other), -0.3);
    expected.iter().zip(&found).for_each(|(one, other)| near(other.to_vec(), one.to_vec()));

    for factors in [factors, named("one", &[1])] {
        FallBack.scale_many(&mut expected, &factors);
        library::scale_many(&mut of(&found), &native(factors).tensor);
        expected.iter().zip(&found).for_each(|(one, other)| near(other.to_vec(), one.to_vec()));
    }
}

#[test]
fn steps_of_adam_agree() {
    for decoupled in [false, true] {
        let averages = Averages { beta1: 0.9, beta2: 0.99, epsilon: 1e-8 };
        let start = || SHAPES.map(|shape| named("value", shape));
        let (mut expected, mut found) = (start(), start());
        let [mut kept, mut own] = [(); 2].map(|()| vec![Vec::new(); SHAPES.len()]);
        for number in 1..4 {
            let gradients = || -> Vec<Array> {
                let name = format!("gradient {number}");
                SHAPES.iter().map(|shape| named(&name, shape)).collect()
            };
            let how = Adam { averages, lr: 0.1, weight_decay: 0.02, decoupled, number };
            FallBack.adam_many(&mut expected, gradients(), &mut kept, how);
            super::adam_at_once(&mut found, gradients(), &mut own, how);
            let pairs = expected.iter().chain(kept.iter().flatten());
            for (expected, found) in pairs.zip(found.iter().chain(own.iter().flatten())) {
                let (expected, found) = (expected.to_vec(), found.to_vec());
                for (expected, found) in expected.into_iter().zip(found) {
                    assert!((expected - found).abs() <= 1e-5 * expected.abs().max(0.1), "{how:?}");
                }
            }
        }
    }
}
