use burn::tensor::{Device, TensorData};

use super::*;
use crate::augment::{Augmentation, Canvas, Pixels};
use crate::device::testing::backends;
use crate::random::Key;
use crate::term::{Args, Call, Term};

const NORMALIZATION: Normalization =
    Normalization { mean: [0.49, 0.48, 0.45], std: [0.25, 0.24, 0.26] };
const COUNT: usize = 24;

fn call(name: &str, args: &[(&str, Term)]) -> Term {
    let args = args.iter().map(|(name, value)| (name.to_string(), value.clone())).collect();
    Term::Call(Call { name: name.into(), args: Args(args) })
}

fn percent(value: f64) -> (&'static str, Term) {
    ("probability", Term::Percent(value))
}

fn resized_crop(size: i64) -> Term {
    let scale = ("scale", Term::Range(0.08, 1.0));
    let ratio = ("ratio", Term::Range(0.75, 4.0 / 3.0));
    call("random_resized_crop", &[("size", Term::Int(size)), scale, ratio])
}

fn jitter(probability: f64) -> Term {
    let strengths = ["brightness", "contrast", "saturation"].map(|name| (name, Term::Float(0.8)));
    let hue = ("hue", Term::Float(0.4));
    call("color_jitter", &[&strengths[..], &[hue, percent(probability)]].concat())
}

fn blur(probability: f64) -> Term {
    call("gaussian_blur", &[("sigma", Term::Range(0.1, 2.0)), percent(probability)])
}

fn solarize() -> Term {
    call("solarize", &[("threshold", Term::Float(0.5)), percent(50.0)])
}

fn flip() -> Term {
    call("random_horizontal_flip", &[percent(50.0)])
}

fn random_crop(size: i64) -> Term {
    call("random_crop", &[("size", Term::Int(size)), ("padding", Term::Int(3))])
}

fn square(name: &str, size: i64) -> Term {
    call(name, &[("size", Term::Int(size))])
}

/// The views of each image one by one, and all at once.
fn both(term: &Term, [height, width]: [usize; 2], device: &Device) -> [Vec<f32>; 2] {
    let augmentation = Augmentation::from_term(term);
    let volume = 3 * height * width;
    let mut bytes: Vec<u8> =
        (0..COUNT * volume).map(|place| (place * place * 7 % 251 + place % 5) as u8).collect();
    // Some are of one colour, and one of these is black.
    bytes[..volume].fill(0);
    bytes[volume..2 * volume].fill(140);
    let keys: Vec<Key> = (0..COUNT as u64).map(|index| Key::root(3).fold(index)).collect();
    let [out_height, out_width] = augmentation.output_size(height, width);
    let mut single = vec![0.0; COUNT * 3 * out_height * out_width];
    let mut canvas = Canvas::new();
    let views = single.chunks_exact_mut(3 * out_height * out_width);
    for ((bytes, key), out) in bytes.chunks_exact(volume).zip(&keys).zip(views) {
        let image = Pixels { bytes, height, width };
        augmentation.render(image, *key, &NORMALIZATION, &mut canvas, out);
    }
    let shares: Vec<f32> = bytes.iter().map(|byte| f32::from(*byte) / 255.0).collect();
    let images = TensorData::new(shares, [COUNT, 3, height, width]);
    let images = Tensor::<4>::from_data(images, device);
    let batch = augmentation.plan([height, width], &keys).carry_out(images, &NORMALIZATION);
    assert_eq!(batch.dims(), [COUNT, 3, out_height, out_width]);
    [single, batch.into_data().try_to_vec().expect("floats")]
}

#[test]
fn views_of_a_batch_are_those_of_its_images() {
    let chains = [
        vec![call("identity", &[])],
        vec![resized_crop(6)],
        vec![resized_crop(20)],
        vec![random_crop(7)],
        vec![random_crop(30)],
        vec![square("center_crop", 5)],
        vec![square("center_crop", 40)],
        vec![square("resize", 9)],
        vec![flip()],
        vec![jitter(100.0)],
        vec![jitter(50.0)],
        vec![call("random_grayscale", &[percent(50.0)])],
        vec![blur(100.0)],
        vec![solarize()],
        vec![call("lab_lightness", &[])],
        vec![call("hide_patches", &[("patch", Term::Int(4)), ("share", Term::Percent(40.0))])],
        vec![
            resized_crop(9),
            call("hide_patches", &[("patch", Term::Int(2)), ("share", Term::Percent(75.0))]),
            flip(),
        ],
        vec![call("rotate", &[("quarters", Term::Int(1))]), resized_crop(7)],
        vec![resized_crop(9), call("random_rotate", &[]), flip()],
        vec![call("shuffle_pieces", &[("grid", Term::Int(3))]), blur(50.0)],
        vec![resized_crop(9), call("lab_colors", &[]), flip()],
        // One after the other, in one and in several moves.
        vec![resized_crop(12), flip(), blur(50.0), random_crop(10)],
        vec![flip(), resized_crop(8), flip(), square("center_crop", 11), square("resize", 5)],
        vec![
            resized_crop(16),
            jitter(80.0),
            call("random_grayscale", &[percent(20.0)]),
            blur(50.0),
            solarize(),
            flip(),
        ],
        vec![blur(50.0), jitter(50.0), blur(50.0), flip(), solarize(), resized_crop(5)],
    ];
    for backend in backends() {
        for chain in &chains {
            for size in [[12, 12], [9, 14], [1, 3]] {
                let [single, batch] = both(&Term::Chain(chain.clone()), size, &backend.device);
                for (place, (one, other)) in single.iter().zip(&batch).enumerate() {
                    // What is inverted from a threshold on may lie on either side of it.
                    let near = (one - other).abs() < 3e-5;
                    let kind = &backend.kind;
                    assert!(near, "{kind}, {size:?}, at {place}: {other}, not {one}: {chain:?}");
                }
            }
        }
    }
}
