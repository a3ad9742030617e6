//! A picture of features: where the images of a split lie among each other.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use image::ExtendedColorType;
use image::codecs::jpeg::JpegEncoder;

use super::{Features, Shown};

/// The images in a picture at most: enough to see what lies together.
const MOST: usize = 200;

/// The bytes that each of them takes at least: those of CIFAR-10 take 1.6 KB.
const LEAST: u128 = 1 << 10;

/// The bytes of a picture of so many examples, at least.
pub fn map_bytes(examples: usize) -> u128 {
    examples.min(MOST) as u128 * LEAST
}

/// The pixels of a side that an image is shown in.
pub const THUMBNAIL: usize = 40;

/// The side of the picture, the rim that is left free, and the side of an image in it.
const SIDE: f64 = 640.0;
const RIM: f64 = 24.0;
const IMAGE: f64 = 112.0;

const QUALITY: u8 = 80;

const STYLE: &str = ".map image{visibility:hidden;pointer-events:none}\
                     .map g:hover image{visibility:visible}\
                     .map:hover circle{opacity:.3}.map g:hover circle{opacity:1}\
                     .map text{font:13px system-ui,sans-serif;fill:#808080}";

/// As SVG: a point for each of some images, in the colour of its class, at the two first principal
/// components of their features at length one; an image is seen where somebody points at it.
///
/// `indices` are the places of the examples among the images, as `features` has them.
///
/// Principal components: Hotelling 1933; of as few examples as are shown.
pub fn map(features: &Features, shown: &Shown<'_>, indices: &[u32], classes: usize) -> String {
    let count = features.len().min(MOST);
    let chosen: Vec<usize> = (0..count).map(|own| own * features.len() / count).collect();
    let rows: Vec<Vec<f64>> = chosen.iter().map(|own| unit(features.row(*own))).collect();
    let places = components(rows);
    let most = places.iter().flatten().fold(1e-12, |most: f64, own| most.max(own.abs()));
    let scale = (SIDE / 2.0 - RIM) / most;
    let colour = |label: u32| 360 * label as usize / classes.max(1);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"map\" viewBox=\"0 0 {SIDE} {}\" \
         role=\"img\" aria-label=\"{count} images by the principal components of their features\">\n\
         <style>{STYLE}</style>\n",
        SIDE + 24.0
    );
    for (own, [x, y]) in chosen.iter().zip(&places) {
        let [x, y] = [x, y].map(|own| SIDE / 2.0 + own * scale);
        // On the side on which there is room.
        let beside = |at: f64| if at > SIDE / 2.0 { at - IMAGE - 8.0 } else { at + 8.0 };
        let (label, index) = (features.labels[*own], indices[*own]);
        let _ = writeln!(
            svg,
            "<g><title>class {label}, example {index}</title>\
             <circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"5\" fill=\"hsl({} 65% 50%)\"></circle>\
             <image href=\"data:image/jpeg;base64,{}\" x=\"{:.1}\" y=\"{:.1}\" width=\"{IMAGE}\" \
             height=\"{IMAGE}\"></image></g>",
            colour(label),
            STANDARD.encode(jpeg(shown, index)),
            beside(x),
            beside(y)
        );
    }
    // More than these would not be told apart.
    if classes <= 20 {
        for class in 0..classes {
            let x = RIM + class as f64 * (SIDE - 2.0 * RIM) / classes as f64;
            let _ = writeln!(
                svg,
                "<circle cx=\"{x:.1}\" cy=\"{}\" r=\"5\" fill=\"hsl({} 65% 50%)\"></circle>\
                 <text x=\"{:.1}\" y=\"{}\">{class}</text>",
                SIDE + 10.0,
                colour(class as u32),
                x + 8.0,
                SIDE + 15.0
            );
        }
    }
    svg + "</svg>\n"
}

/// A row at length one.
fn unit(row: &[f32]) -> Vec<f64> {
    let row: Vec<f64> = row.iter().map(|value| f64::from(*value)).collect();
    let length = row.iter().map(|value| value * value).sum::<f64>().sqrt().max(1e-12);
    row.into_iter().map(|value| value / length).collect()
}

/// The two first principal components of some rows, with signs that follow from them.
fn components(mut rows: Vec<Vec<f64>>) -> Vec<[f64; 2]> {
    let count = rows.len();
    let width = rows.first().map_or(0, Vec::len);
    for column in 0..width {
        let mean = rows.iter().map(|row| row[column]).sum::<f64>() / count as f64;
        rows.iter_mut().for_each(|row| row[column] -= mean);
    }
    // Of fewer rows than columns, their products with each other have the same components.
    let products: Vec<Vec<f64>> =
        rows.iter().map(|row| rows.iter().map(|other| dot(row, other)).collect()).collect();
    let mut found: Vec<Vec<f64>> = Vec::new();
    for component in 0..2 {
        let mut own: Vec<f64> =
            (0..count).map(|row| ((row * row + 3 * row + component) % 7) as f64 - 3.0).collect();
        let mut value = 0.0;
        for _ in 0..ROUNDS {
            own = products.iter().map(|row| dot(row, &own)).collect();
            for before in &found {
                let share = dot(before, &own) / dot(before, before).max(1e-300);
                own.iter_mut().zip(before).for_each(|(own, before)| *own -= share * before);
            }
            value = dot(&own, &own).sqrt();
            own.iter_mut().for_each(|own| *own /= value.max(1e-300));
        }
        let largest =
            own.iter().fold(0.0, |most: f64, v| if v.abs() > most.abs() { *v } else { most });
        let sign = if largest < 0.0 { -1.0 } else { 1.0 };
        found.push(own.into_iter().map(|own| sign * own * value.sqrt()).collect());
    }
    (0..count).map(|row| [found[0][row], found[1][row]]).collect()
}

/// Of the power method, after which two components that are alike may still be mixed.
const ROUNDS: usize = 100;

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// An image as it is shown, as JPEG.
fn jpeg(shown: &Shown<'_>, index: u32) -> Vec<u8> {
    let (planes, [height, width]) = (shown.pixels(&[index]), shown.size());
    let area = height * width;
    let byte = |value: f32| (value.clamp(0.0, 1.0) * 255.0).round() as u8;
    let pixels: Vec<u8> = (0..area)
        .flat_map(|at| [0, 1, 2].map(|channel| byte(planes[channel * area + at])))
        .collect();
    let mut bytes = Vec::new();
    let side = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
    let mut encoder = JpegEncoder::new_with_quality(&mut bytes, QUALITY);
    let encoded = encoder.encode(&pixels, side(width), side(height), ExtendedColorType::Rgb8);
    encoded.expect("a few pixels, into memory");
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::augment::{Augmentation, Normalization};
    use crate::data::Images;
    use crate::term::Part;

    /// Three groups on a line, and a little beside it.
    #[test]
    fn components_are_the_directions_of_most_variance() {
        let rows =
            [-2.0, -1.9, 0.1, 0.0, 1.9, 2.1].into_iter().zip([0.1, -0.1].into_iter().cycle());
        // Turned by a right angle, and into a third dimension that is the same for all.
        let rows: Vec<Vec<f64>> = rows.map(|(x, y)| vec![y, x, 5.0]).collect();
        let found = components(rows.clone());
        let mean = rows.iter().map(|row| row[1]).sum::<f64>() / 6.0;
        for (row, [first, second]) in rows.iter().zip(&found) {
            assert!((first.abs() - (row[1] - mean).abs()).abs() < 0.02, "{first} {row:?}");
            assert!((second.abs() - 0.1).abs() < 0.02, "{second} {row:?}");
        }
        assert!(found[0][0] * found[5][0] < 0.0);
        // What lies in one point has no directions.
        assert_eq!(components(vec![vec![1.0, 2.0]; 3]), [[0.0; 2]; 3]);
        assert_eq!(components(Vec::new()), [[0.0; 2]; 0]);
    }

    #[test]
    fn a_picture_has_a_point_and_an_image_for_each_of_some_examples() {
        let count = 450_u32;
        let pixels: Vec<u8> = (0..count * 12).map(|at| (at * 7 % 251) as u8).collect();
        let labels: Vec<u32> = (0..count).map(|own| own % 3).collect();
        let images = Images::new(pixels, labels.clone(), [2, 2]);
        let values = (0..count).flat_map(|own| [own as f32, (own % 3) as f32, 1.0]).collect();
        let features = Features { values, dim: 3, labels, part: Part::Test };
        let indices: Vec<u32> = (0..count).collect();
        let shown = Shown {
            images: &images,
            recipe: &Augmentation::none(),
            normalization: &Normalization { mean: [0.0; 3], std: [1.0; 3] },
        };
        let svg = map(&features, &shown, &indices, 3);
        assert_eq!(svg.matches("<image ").count(), MOST);
        // And three of the legend.
        assert_eq!(svg.matches("<circle ").count(), MOST + 3);
        assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
        assert!(svg.contains("<title>class 0, example 447</title>"), "from the whole split");
        for part in svg.split("cx=\"").skip(1) {
            let x: f64 = part.split('"').next().unwrap().parse().unwrap();
            assert!((0.0..=SIDE).contains(&x), "{x}");
        }
        assert_eq!(svg, map(&features, &shown, &indices, 3));
        assert!(svg.len() as u128 > map_bytes(450), "{}", svg.len());
    }
}
