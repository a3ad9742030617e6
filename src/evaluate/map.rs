//! A picture of features: where the images of a split lie among each other.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use image::ExtendedColorType;
use image::codecs::jpeg::JpegEncoder;

use super::places::{components, neighbourhoods, unit};
use super::{Features, Shown};
use crate::compare::record::MAP_STYLE;

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

/// The side of a panel, the rim that is left free in it, what is between the two, and the side of an
/// image there.
const SIDE: f64 = 640.0;
const RIM: f64 = 24.0;
const BETWEEN: f64 = 128.0;
const IMAGE: f64 = 112.0;

const QUALITY: u8 = 80;

/// As SVG: a point for each of some images, in the colour of its class, at the two first principal
/// components of their features at length one, and below, where t-SNE puts it; where somebody points
/// at either, the other and the image are seen.
///
/// `indices` are the places of the examples among the images, as `features` has them. Of so many
/// `classes` each has a colour; where there are none, nothing tells of labels.
///
/// Principal components: Hotelling 1933; of as few examples as are shown.
pub fn map(
    features: &Features,
    shown: &Shown<'_>,
    indices: &[u32],
    classes: Option<usize>,
) -> String {
    let count = features.len().min(MOST);
    let chosen: Vec<usize> = (0..count).map(|own| own * features.len() / count).collect();
    let rows: Vec<Vec<f64>> = chosen.iter().map(|own| unit(features.row(*own))).collect();
    let first = components(rows.clone());
    let second = neighbourhoods(&rows, &first);
    let (titles, panels): (Vec<_>, Vec<_>) = [
        Some(("principal components", panel(&first, 0.0))),
        second.map(|places| ("t-SNE", panel(&places, SIDE + BETWEEN))),
    ]
    .into_iter()
    .flatten()
    .unzip();
    let height = panels.len() as f64 * SIDE + BETWEEN;
    let colour = |label: u32| 360 * label as usize / classes.unwrap_or(1).max(1);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"map\" viewBox=\"0 0 {SIDE} {height}\" \
         role=\"img\" aria-label=\"{count} images by their features: {}\">\n\
         <style>{MAP_STYLE}</style>\n",
        titles.join(", ")
    );
    for (panel, title) in titles.iter().enumerate() {
        let y = panel as f64 * (SIDE + BETWEEN) + 18.0;
        let _ = writeln!(svg, "<text x=\"0\" y=\"{y}\">{title}</text>");
    }
    let strip = SIDE + (BETWEEN - IMAGE) / 2.0;
    for (at, own) in chosen.iter().enumerate() {
        let index = indices[*own];
        let (label, name) = match classes.map(|_| features.labels[*own]) {
            Some(label) => (label, format!("class {label}, example {index}")),
            None => (0, format!("example {index}")),
        };
        let _ = write!(svg, "<g><title>{name}</title>");
        for [x, y] in panels.iter().map(|places| places[at]) {
            let _ = write!(
                svg,
                "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"5\" fill=\"hsl({} 65% 50%)\"></circle>",
                colour(label)
            );
        }
        let (left, middle) = (SIDE - IMAGE, SIDE + BETWEEN / 2.0);
        let _ = writeln!(
            svg,
            "<text class=\"of\" x=\"{}\" y=\"{middle}\" text-anchor=\"end\">{name}</text>\
             <image href=\"data:image/jpeg;base64,{}\" x=\"{left}\" y=\"{strip}\" \
             width=\"{IMAGE}\" height=\"{IMAGE}\"></image></g>",
            left - 8.0,
            STANDARD.encode(jpeg(shown, index))
        );
    }
    // More than these would not be told apart.
    if let Some(classes) = classes.filter(|own| *own <= 20) {
        let step = (SIDE - IMAGE - RIM) / classes.max(1) as f64;
        for class in 0..classes {
            let x = RIM / 2.0 + class as f64 * step;
            let _ = writeln!(
                svg,
                "<circle cx=\"{x:.1}\" cy=\"{}\" r=\"5\" fill=\"hsl({} 65% 50%)\"></circle>\
                 <text x=\"{:.1}\" y=\"{}\">{class}</text>",
                strip + 12.0,
                colour(class as u32),
                x + 8.0,
                strip + 18.0
            );
        }
    }
    svg + "</svg>\n"
}

/// Places in a square from that height on, which they fill.
fn panel(places: &[[f64; 2]], top: f64) -> Vec<[f64; 2]> {
    let most = places.iter().flatten().fold(1e-12, |most: f64, own| most.max(own.abs()));
    let scale = (SIDE / 2.0 - RIM) / most;
    places.iter().map(|[x, y]| [SIDE / 2.0 + x * scale, top + SIDE / 2.0 + y * scale]).collect()
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
    use crate::compare::record::is_drawn;
    use crate::data::Images;
    use crate::term::Part;

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
            view: 0,
            recipe: &Augmentation::none(),
            normalization: &Normalization { mean: [0.0; 3], std: [1.0; 3] },
        };
        let svg = map(&features, &shown, &indices, Some(3));
        assert_eq!(svg.matches("<image ").count(), MOST);
        // In both panels, and three of the legend.
        assert_eq!(svg.matches("<circle ").count(), 2 * MOST + 3);
        assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
        assert!(svg.contains("<title>class 0, example 447</title>"), "from the whole split");
        for part in svg.split("cx=\"").skip(1) {
            let x: f64 = part.split('"').next().unwrap().parse().unwrap();
            assert!((0.0..=SIDE).contains(&x), "{x}");
        }
        assert_eq!(svg, map(&features, &shown, &indices, Some(3)));
        // A comparison shows it.
        assert!(is_drawn(&svg), "{svg}");
        // Of a split without labels nothing tells of them.
        let plain = map(&features, &shown, &indices, None);
        assert_eq!(plain.matches("<image ").count(), svg.matches("<image ").count());
        assert!(svg.contains("class 2") && !plain.contains("class 2"), "{plain}");
        assert_eq!(plain.matches("hsl(").count(), plain.matches("hsl(0 ").count());
        assert!(svg.len() as u128 > map_bytes(450), "{}", svg.len());
    }
}
