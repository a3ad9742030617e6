//! libtorch's own operations, which other devices than the processor run, against the kernels of
//! the processor.

use burn::backend::libtorch::TchTensor;
use tch::{Kind, Tensor};

use super::{cpu, functions, library};
use crate::device::array::by_rank;
use crate::device::operations::BatchNorm;
use crate::device::{After, Array, Kernels, Mixed};
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
