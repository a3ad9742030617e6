//! A picture from its file.

use std::io::Cursor;
use std::sync::{Mutex, MutexGuard, PoisonError};

use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageReader, Limits};

use crate::augment::{Canvas, Pixels};

/// How many times as long as the other a side of a picture may be, all of which is held at the size
/// that its shorter side is resized to.
const MOST_ELONGATED: usize = 200;

/// The central square of a picture, `[3, size, size]`, after its shorter side was resized to `size`:
/// torchvision's `Resize` and `CenterCrop`. Turned as its EXIF data say; grey becomes colour, what is
/// transparent is shown as if it were not, and 16 bits become 8.
pub fn square(file: &[u8], size: usize, canvas: &mut Canvas) -> Result<Vec<u8>, String> {
    let (picture, alone) = decode(file)?;
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let mut planes = vec![0; 3 * height * width];
    let (red, rest) = planes.split_at_mut(height * width);
    let (green, blue) = rest.split_at_mut(height * width);
    let places = red.iter_mut().zip(green).zip(blue);
    for (((red, green), blue), pixel) in places.zip(picture.pixels()) {
        [*red, *green, *blue] = pixel.0;
    }
    drop(picture);
    canvas.load(Pixels { bytes: &planes, height, width });
    canvas.central_square(size);
    drop(alone);
    Ok(canvas.pixels().iter().map(|share| (255.0 * share).round() as u8).collect())
}

/// Held while a large picture is made smaller: each takes some twenty bytes a pixel on its way.
static LARGE: Mutex<()> = Mutex::new(());
/// The pixels of a picture that is large.
const LARGE_PIXELS: u64 = 1 << 25;

/// The picture of a file, and while that is large, that there is no other.
fn decode(file: &[u8]) -> Result<(image::RgbImage, Option<MutexGuard<'static, ()>>), String> {
    let reader = ImageReader::new(Cursor::new(file)).with_guessed_format();
    let reader = reader.map_err(|error| error.to_string())?;
    let format = reader.format();
    if format.is_none() {
        let is_empty = file.is_empty();
        return Err(if is_empty { "it is empty" } else { "it is neither JPEG nor PNG" }.into());
    }
    // The decoder would fill in what a file lacks that was cut short.
    if format == Some(image::ImageFormat::Jpeg) && !is_whole(file) {
        return Err("it is cut short".into());
    }
    let mut decoder = reader.into_decoder().map_err(|error| error.to_string())?;
    // Asked before there is memory for its pixels.
    let (width, height) = decoder.dimensions();
    if width.max(height) as usize > MOST_ELONGATED * width.min(height) as usize {
        let most = format!("one may be {MOST_ELONGATED} times as long as the other");
        return Err(format!("its sides are {width} and {height} pixels long, and {most}"));
    }
    let room = Limits::default().reserve(decoder.total_bytes());
    room.map_err(|_| format!("{width} by {height} pixels are too many"))?;
    let is_large = u64::from(width) * u64::from(height) >= LARGE_PIXELS;
    let alone = is_large.then(|| LARGE.lock().unwrap_or_else(PoisonError::into_inner));
    // A picture is shown as it lies where nothing readable says otherwise.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let picture = DynamicImage::from_decoder(decoder);
    let mut picture = picture.map_err(|error| error.to_string())?;
    picture.apply_orientation(orientation);
    Ok((picture.into_rgb8(), alone))
}

/// Whether a JPEG goes on to the end of its picture, segment by segment (ITU-T T.81, annex B). What
/// lies behind that, such as the film of a phone's picture, and within a segment, such as a preview,
/// is not looked at.
fn is_whole(file: &[u8]) -> bool {
    let mut rest = file;
    loop {
        // Up to a marker: behind the head of a scan there are its numbers.
        let Some(at) = rest.windows(2).position(|two| two[0] == 0xff && two[1] != 0xff) else {
            return false;
        };
        let marker = rest[at + 1];
        rest = &rest[at + 2..];
        match marker {
            // A number of 0xff, what stands alone, and the start.
            0x00 | 0x01 | 0xd0..=0xd8 => {}
            0xd9 => return true,
            _ => match rest {
                [high, low, ..] => {
                    let length = usize::from(u16::from_be_bytes([*high, *low]));
                    let Some(behind) = rest.get(length..) else { return false };
                    rest = behind;
                }
                _ => return false,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_ends_where_its_own_end_is() {
        let start = [0xff, 0xd8];
        // A preview with an end of its own, in a segment of seven bytes.
        let preview = [0xff, 0xe1, 0, 9, 0xff, 0xd8, 0xff, 0xda, 5, 0xff, 0xd9];
        let scan = [0xff, 0xda, 0, 3, 1, 7, 0xff, 0x00, 8, 0xff, 0xd3, 9];
        let end = [0xff, 0xff, 0xd9];
        let head = [&start[..], &preview].concat();
        assert!(!is_whole(&head));
        let cut = [&head[..], &scan].concat();
        assert!(!is_whole(&cut));
        let whole = [&cut[..], &end].concat();
        assert!(is_whole(&whole));
        let film = [0, 0xff, 0xda, 0xff, 0xda, 1];
        assert!(is_whole(&[&whole[..], &film].concat()));
        for length in 0..whole.len() {
            assert!(!is_whole(&whole[..length]), "{length}");
        }
    }

    #[test]
    fn more_pixels_than_there_may_be_are_told_before_they_are_decoded() {
        let picture = |width: u32, height: u32| {
            let mut file = Vec::new();
            let mut encoder = png::Encoder::new(&mut file, width, height);
            encoder.set_color(png::ColorType::Rgb);
            let mut writer = encoder.write_header().unwrap();
            writer.write_chunk(png::chunk::IDAT, &[0]).unwrap();
            drop(writer);
            square(&file, 8, &mut Canvas::new()).unwrap_err()
        };
        assert_eq!(picture(30_000, 30_000), "30000 by 30000 pixels are too many");
        let told = picture(10_000, 2);
        let expected = "its sides are 10000 and 2 pixels long, and one may be 200 times as long";
        assert!(told.starts_with(expected), "{told}");
    }
}
