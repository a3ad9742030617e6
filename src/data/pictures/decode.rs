//! A picture from its file.

use std::io::Cursor;

use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageReader};

use crate::augment::{Canvas, Pixels};

/// What stands in a JPEG before a scan of its picture, and after the last one (ITU-T T.81, table
/// B.1). A preview within its head has both, and comes before.
const START_OF_SCAN: [u8; 2] = [0xff, 0xda];
const END_OF_IMAGE: [u8; 2] = [0xff, 0xd9];

/// How many times as long as the other a side of a picture may be, all of which is held at the size
/// that its shorter side is resized to.
const MOST_ELONGATED: usize = 200;

/// The central square of a picture, `[3, size, size]`, after its shorter side was resized to `size`:
/// torchvision's `Resize` and `CenterCrop`. Turned as its EXIF data say; grey becomes colour, what is
/// transparent is shown as if it were not, and 16 bits become 8.
pub fn square(file: &[u8], size: usize, canvas: &mut Canvas) -> Result<Vec<u8>, String> {
    let picture = decode(file)?;
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    if width.max(height) > MOST_ELONGATED * width.min(height) {
        return Err(format!("its sides are {width} and {height} pixels long"));
    }
    let mut planes = vec![0; 3 * height * width];
    let (red, rest) = planes.split_at_mut(height * width);
    let (green, blue) = rest.split_at_mut(height * width);
    let places = red.iter_mut().zip(green).zip(blue);
    for (((red, green), blue), pixel) in places.zip(picture.pixels()) {
        [*red, *green, *blue] = pixel.0;
    }
    canvas.load(Pixels { bytes: &planes, height, width });
    canvas.central_square(size);
    Ok(canvas.pixels().iter().map(|share| (255.0 * share).round() as u8).collect())
}

fn decode(file: &[u8]) -> Result<image::RgbImage, String> {
    let reader = ImageReader::new(Cursor::new(file)).with_guessed_format();
    let reader = reader.map_err(|error| error.to_string())?;
    let format = reader.format();
    if format.is_none() {
        let is_empty = file.is_empty();
        return Err(if is_empty { "it is empty" } else { "it is neither JPEG nor PNG" }.into());
    }
    // The decoder would fill in what a file lacks that was cut short.
    let last = |marker| file.windows(2).rposition(|two| two == marker);
    let is_whole = last(END_OF_IMAGE) > last(START_OF_SCAN);
    if format == Some(image::ImageFormat::Jpeg) && !is_whole {
        return Err("it is cut short".into());
    }
    let mut decoder = reader.into_decoder().map_err(|error| error.to_string())?;
    // A picture is shown as it lies where nothing readable says otherwise.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let picture = DynamicImage::from_decoder(decoder);
    let mut picture = picture.map_err(|error| error.to_string())?;
    picture.apply_orientation(orientation);
    Ok(picture.into_rgb8())
}
