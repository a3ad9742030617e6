//! Views of many images at once, by operations on tensors: for devices on which one image is too
//! small a piece of work.

use burn::tensor::{Bool, Device, Int, Tensor};

use super::canvas::Normalization;
use super::color::LUMA;
use super::plan::{Deed, Matrices, Plan};
use crate::device::Array;

impl Plan {
    /// Makes a view of each of `images`, `[n, 3, height, width]` of shares in 0..=1, of the height
    /// and width that it was made for: normalised, `[n, 3, height, width]` of
    /// [`Augmentation::output_size`](super::Augmentation::output_size).
    pub fn carry_out(self, mut images: Tensor<4>, normalization: &Normalization) -> Tensor<4> {
        let device = images.device();
        let count = self.images;
        for deed in self.deeds {
            images = deed.carry_out(images, count, &device);
        }
        let of_channels = |values: [f32; 3]| -> Tensor<4> {
            Array::from_vec(values.to_vec(), &[1, 3, 1, 1], &device).into_tensor()
        };
        let Normalization { mean, std } = *normalization;
        (images - of_channels(mean)) * of_channels(std.map(|std| 1.0 / std))
    }
}

impl Deed {
    fn carry_out(self, images: Tensor<4>, n: usize, device: &Device) -> Tensor<4> {
        let [_, channels, height, width] = images.dims();
        // A number for each image.
        let each = |numbers: Vec<f32>| -> Tensor<4> {
            Array::from_vec(numbers, &[n, 1, 1, 1], device).into_tensor()
        };
        match self {
            Deed::Rows(Matrices { values, to }) => {
                let rows_of = Array::from_vec(values, &[n, 1, to, height], device);
                rows_of.into_tensor::<4>().repeat_dim(1, channels).matmul(images)
            }
            Deed::Columns(Matrices { values, to }) => {
                let columns_of = Array::from_vec(values, &[n, to, width], device);
                let lines = images.reshape([n, channels * height, width]);
                let lines = lines.matmul(columns_of.into_tensor::<3>().swap_dims(1, 2));
                lines.reshape([n, channels, height, to])
            }
            Deed::Brightness(factors) => (images * each(factors)).clamp(0.0, 1.0),
            Deed::Contrast(factors) => {
                let mean = luma(&images).mean_dim(3).mean_dim(2);
                towards(images, each(factors), mean)
            }
            Deed::Saturation(factors) => {
                let luma = luma(&images);
                towards(images, each(factors), luma)
            }
            Deed::Hue(turns) => turned(images, each(turns)),
            Deed::Grey(is_grey) => {
                let is_grey = each(is_grey);
                let luma = luma(&images);
                images * (1.0 - is_grey.clone()) + luma * is_grey
            }
            Deed::Lab(part) => part.change_batch(images),
            Deed::Hide(hidden) => {
                let hidden: Tensor<4> =
                    Array::from_vec(hidden, &[n, 1, height, width], device).into_tensor();
                let mean = images.clone().mean_dim(3).mean_dim(2);
                images * (1.0 - hidden.clone()) + mean * hidden
            }
            Deed::Arrange { places, seen } => {
                let pixels = height * width;
                let places: Tensor<1, Int> = Array::from_whole(places, device).whole();
                let places = places.reshape([n, 1, pixels]).repeat_dim(1, channels);
                let moved = images.reshape([n, channels, pixels]).gather(2, places);
                let seen = Array::from_vec(seen, &[n, 1, pixels], device);
                (moved * seen.into_tensor::<3>()).reshape([n, channels, height, width])
            }
            Deed::Solarize(thresholds) => {
                let bright = images.clone().greater_equal(each(thresholds));
                images.clone().mask_where(bright, 1.0 - images)
            }
        }
    }
}

/// One channel of images, `[n, 1, height, width]`.
fn channel(images: &Tensor<4>, index: usize) -> Tensor<4> {
    images.clone().narrow(1, index, 1)
}

/// `[n, 1, height, width]`
fn luma(images: &Tensor<4>) -> Tensor<4> {
    let [red, green, blue] = [0, 1, 2].map(|index| channel(images, index) * LUMA[index]);
    red + green + blue
}

/// Between `base` (factor 0) and the images (1), or beyond them.
fn towards(images: Tensor<4>, factor: Tensor<4>, base: Tensor<4>) -> Tensor<4> {
    let base: Tensor<4> = (1.0 - factor.clone()) * base;
    (images * factor + base).clamp(0.0, 1.0)
}

/// Images with their hue turned by so many sixths of the circle: see `color::turned`.
fn turned(images: Tensor<4>, turn: Tensor<4>) -> Tensor<4> {
    let [red, green, blue] = [0, 1, 2].map(|index| channel(&images, index));
    let value = images.clone().max_dim(1);
    let chroma = value.clone() - images.min_dim(1);
    let is_grey: Tensor<4, Bool> = chroma.clone().lower_equal_elem(0.0);
    let scale: Tensor<4> = 1.0 / chroma.clone().mask_fill(is_grey, 1.0);
    let hue = (red.clone() - green.clone()) * scale.clone() + 4.0;
    let of_green = (blue.clone() - red.clone()) * scale.clone() + 2.0;
    let hue = hue.mask_where(value.clone().equal(green.clone()), of_green);
    let of_red = (green - blue) * scale;
    let hue = hue.mask_where(value.clone().equal(red), of_red) + turn;
    let hue = hue.clone().mask_where(hue.clone().lower_elem(0.0), hue + 6.0);
    let hue = hue.clone().mask_where(hue.clone().greater_equal_elem(6.0), hue - 6.0);
    let channels = [5.0, 3.0, 1.0].map(|start| {
        let position = hue.clone() + start;
        let wraps = position.clone().greater_equal_elem(6.0);
        let position = position.clone().mask_where(wraps, position - 6.0);
        let falls = position.clone().mask_where(position.clone().greater_elem(2.0), 4.0 - position);
        value.clone() - chroma.clone() * falls.clamp(0.0, 1.0)
    });
    Tensor::cat(channels.to_vec(), 1)
}

#[cfg(test)]
mod tests;
