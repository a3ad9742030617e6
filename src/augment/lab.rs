//! Lightness and colours of pixels apart: CIE L*a*b* of sRGB under D65, as scikit-image has it.

use burn::tensor::Tensor;

use super::augmentation::Transform;
use super::change::Change;
use super::color::for_each_pixel;
use crate::random::Rng;

/// What is left of each pixel.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Lab {
    /// L*, 0..=100 as 0..=1, in all three channels.
    Lightness,
    /// a* and b*, -128..=127 as 0..=1, and a half in the third channel.
    Colors,
}

/// One of the two, of every image.
pub(super) struct OneOf(pub Lab);

impl Transform for OneOf {
    fn draw(&self, _: [usize; 2], _: &mut Rng) -> Change {
        Change::Lab(self.0)
    }
}

/// X, Y and Z of linear red, green and blue, each by that of white.
const TO_WHITE: [[f32; 3]; 3] = [
    [0.412453 / 0.95047, 0.357580 / 0.95047, 0.180423 / 0.95047],
    [0.212671, 0.715160, 0.072169],
    [0.019334 / 1.08883, 0.119193 / 1.08883, 0.950227 / 1.08883],
];

/// Below these sRGB and the cube root are straight lines.
const DARK: f32 = 0.04045;
const SMALL: f32 = 0.008856;

impl Lab {
    pub(super) fn change(self, channels: [&mut [f32]; 3]) {
        for_each_pixel(channels, |pixel| {
            let [l, a, b] = lab(pixel);
            match self {
                Lab::Lightness => [(l / 100.0).clamp(0.0, 1.0); 3],
                Lab::Colors => [share(a), share(b), 0.5],
            }
        });
    }

    /// The same of images, `[n, 3, height, width]`.
    pub(super) fn change_batch(self, images: Tensor<4>) -> Tensor<4> {
        let is_dark = images.clone().lower_equal_elem(DARK);
        let bright = ((images.clone() + 0.055) / 1.055).powf_scalar(2.4);
        let linear = bright.mask_where(is_dark, images / 12.92);
        let [x, y, z] = TO_WHITE.map(|row| {
            let parts = [0, 1, 2].map(|at| linear.clone().narrow(1, at, 1) * row[at]);
            let [red, green, blue] = parts;
            let own: Tensor<4> = red + green + blue;
            let is_small = own.clone().lower_equal_elem(SMALL);
            own.clone().powf_scalar(1.0 / 3.0).mask_where(is_small, own * 7.787 + 16.0 / 116.0)
        });
        match self {
            Lab::Lightness => ((y * 116.0 - 16.0) / 100.0).clamp(0.0, 1.0).repeat_dim(1, 3),
            Lab::Colors => {
                let share = |own: Tensor<4>| ((own + 128.0) / 255.0).clamp(0.0, 1.0);
                let (a, b) = ((x - y.clone()) * 500.0, (y.clone() - z) * 200.0);
                Tensor::cat(vec![share(a), share(b), y.full_like(0.5)], 1)
            }
        }
    }
}

fn share(value: f32) -> f32 {
    ((value + 128.0) / 255.0).clamp(0.0, 1.0)
}

/// L*, a* and b* of red, green and blue in 0..=1.
fn lab(pixel: [f32; 3]) -> [f32; 3] {
    let linear = pixel.map(|value| match value <= DARK {
        true => value / 12.92,
        false => libm::powf((value + 0.055) / 1.055, 2.4),
    });
    let [x, y, z] = TO_WHITE.map(|row| {
        let own: f32 = row.iter().zip(linear).map(|(share, value)| share * value).sum();
        if own > SMALL { libm::cbrtf(own) } else { 7.787 * own + 16.0 / 116.0 }
    });
    [116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As published of the corners of sRGB.
    #[test]
    fn corners_of_the_cube_are_where_they_should_be() {
        let corners = [
            ([0.0, 0.0, 0.0], [0.0, 0.0, 0.0]),
            ([1.0, 1.0, 1.0], [100.0, 0.0, 0.0]),
            ([1.0, 0.0, 0.0], [53.2408, 80.0925, 67.2032]),
            ([0.0, 1.0, 0.0], [87.7347, -86.1827, 83.1793]),
            ([0.0, 0.0, 1.0], [32.2970, 79.1875, -107.8602]),
            ([0.5, 0.5, 0.5], [53.3890, 0.0, 0.0]),
        ];
        for (pixel, expected) in corners {
            let found = lab(pixel);
            let near = |(a, b): (f32, f32)| (a - b).abs() < 0.02;
            assert!(found.into_iter().zip(expected).all(near), "{found:?} {expected:?}");
        }
    }

    #[test]
    fn each_part_leaves_the_other_out() {
        let made = |part: Lab, mut pixel: [f32; 3]| {
            let [red, green, blue] = &mut pixel;
            part.change([red, green, blue].map(std::slice::from_mut));
            pixel
        };
        let [l, again, last] = made(Lab::Lightness, [1.0, 0.0, 0.0]);
        assert!((l - 0.5324).abs() < 1e-3 && l == again && l == last, "{l} {again} {last}");
        let grey = made(Lab::Colors, [0.2; 3]);
        let lighter = made(Lab::Colors, [0.9; 3]);
        let near = |(a, b): (f32, f32)| (a - b).abs() < 1e-3;
        assert!(grey.into_iter().zip(lighter).all(near), "{grey:?} {lighter:?}");
        assert!((grey[0] - 128.0 / 255.0).abs() < 1e-3 && grey[2] == 0.5);
    }
}
