//! libtorch's own operations, which other devices than the processor run, against the kernels of
//! the processor.

use burn::backend::libtorch::TchTensor;
use tch::{Kind, Tensor};

use super::{functions, library};
use crate::device::operations::BatchNorm;

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
