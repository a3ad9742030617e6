//! Views as one picture: a row is an example as it is, then its views, epoch by epoch.

use crate::run::views::{Seen, View};

/// A picture of which some pixels are left free.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    pub width: usize,
    pub height: usize,
    /// `[height, width]`, red, green and blue.
    pixels: Vec<Option<[u8; 3]>>,
}

/// How large images become, and how far apart they are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Layout {
    /// Pixels of the picture for one of an image.
    pub scale: f64,
    /// Pixels between two views of an epoch, and two examples.
    pub gap: usize,
}

/// Between two epochs there are so many gaps.
const EPOCH: usize = 3;

/// Sides under this are made larger for a screen.
const SEEN_WELL: usize = 96;

impl Layout {
    /// For a file: no pixel of an image is lost, and small ones become squares of several.
    pub fn whole(seen: &[Seen]) -> Self {
        let side = seen.iter().flat_map(views).map(|view| view.size[0].max(view.size[1])).max();
        let scale = SEEN_WELL.div_ceil(side.unwrap_or(1).max(1));
        Layout { scale: scale as f64, gap: 4 }
    }

    /// For a width that is given: smaller where it has to be, never larger.
    pub fn within(seen: &[Seen], width: usize) -> Self {
        let gap = 1;
        let fixed = Layout { scale: 0.0, gap };
        let row = seen.first().map_or(0, |row| fixed.width(row));
        let sides: usize = seen.first().map_or(1, |row| views(row).map(|view| view.size[1]).sum());
        let scale = width.saturating_sub(row) as f64 / sides.max(1) as f64;
        // Rounded sides may be half a pixel wider each.
        let mut layout = Layout { scale: scale.min(1.0), gap };
        while layout.scale > 0.01 && seen.first().is_some_and(|row| layout.width(row) > width) {
            layout.scale *= 0.98;
        }
        layout
    }

    /// The picture of these examples.
    pub fn draw(self, seen: &[Seen]) -> Picture {
        let width = seen.iter().map(|row| self.width(row)).max().unwrap_or(0);
        let height = seen.iter().map(|row| self.height(row) + self.gap).sum::<usize>();
        let mut picture = Picture::free(width, height.saturating_sub(self.gap));
        let mut top = 0;
        for row in seen {
            let height = self.height(row);
            let mut left = 0;
            let mut place = |view: &View, before: usize| {
                let [own, wide] = self.size(view);
                left += before * self.gap;
                picture.place(view, [top + (height - own) / 2, left], [own, wide]);
                left += wide;
            };
            place(&row.image, 0);
            for epoch in &row.epochs {
                for (position, view) in epoch.iter().enumerate() {
                    place(view, if position == 0 { EPOCH } else { 1 });
                }
            }
            top += height + self.gap;
        }
        picture
    }

    /// Height and width of a view in the picture.
    fn size(self, view: &View) -> [usize; 2] {
        view.size.map(|side| (side as f64 * self.scale).round() as usize)
    }

    /// Of a row.
    fn height(self, row: &Seen) -> usize {
        views(row).map(|view| self.size(view)[0]).max().unwrap_or(0)
    }

    fn width(self, row: &Seen) -> usize {
        let gaps = row.epochs.iter().map(|epoch| EPOCH + epoch.len().saturating_sub(1));
        let sides = views(row).map(|view| self.size(view)[1]);
        sides.sum::<usize>() + gaps.sum::<usize>() * self.gap
    }

    /// The lines of a terminal that a row takes.
    pub fn lines(self, row: &Seen) -> usize {
        (self.height(row) + self.gap).div_ceil(2)
    }
}

fn views(row: &Seen) -> impl Iterator<Item = &View> {
    std::iter::once(&row.image).chain(row.epochs.iter().flatten())
}

impl Picture {
    fn free(width: usize, height: usize) -> Self {
        Picture { width, height, pixels: vec![None; width * height] }
    }

    /// Puts a view at `[top, left]`, in `[height, width]` pixels that are the means of those under
    /// them.
    fn place(&mut self, view: &View, [top, left]: [usize; 2], [height, width]: [usize; 2]) {
        let rows = spans(view.size[0], height);
        let columns = spans(view.size[1], width);
        for (row, vertical) in rows.iter().enumerate() {
            for (column, horizontal) in columns.iter().enumerate() {
                let at = (top + row) * self.width + left + column;
                self.pixels[at] = Some(mean(view, vertical, horizontal));
            }
        }
    }

    /// As a PNG, free where nothing is shown.
    pub fn png(&self) -> Result<Vec<u8>, png::EncodingError> {
        let mut bytes = Vec::new();
        let side = |side: usize| u32::try_from(side).unwrap_or(u32::MAX);
        let mut encoder = png::Encoder::new(&mut bytes, side(self.width), side(self.height));
        encoder.set_color(png::ColorType::Rgba);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.set_source_srgb(png::SrgbRenderingIntent::Perceptual);
        let opaque = |pixel: &Option<[u8; 3]>| match pixel {
            Some([red, green, blue]) => [*red, *green, *blue, u8::MAX],
            None => [0; 4],
        };
        let data: Vec<u8> = self.pixels.iter().flat_map(opaque).collect();
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&data)?;
        writer.finish()?;
        Ok(bytes)
    }

    /// For a terminal of 24-bit colours: each character is two pixels, one above the other.
    pub fn blocks(&self) -> String {
        let at = |row: usize, column: usize| match row < self.height {
            true => self.pixels[row * self.width + column],
            false => None,
        };
        let mut text = String::new();
        for row in (0..self.height).step_by(2) {
            for column in 0..self.width {
                text += &match (at(row, column), at(row + 1, column)) {
                    (None, None) => " ".to_owned(),
                    (Some(upper), None) => format!("{}▀\x1b[0m", code(38, upper)),
                    (None, Some(lower)) => format!("{}▄\x1b[0m", code(38, lower)),
                    (Some(upper), Some(lower)) => {
                        format!("{}{}▀\x1b[0m", code(38, upper), code(48, lower))
                    }
                };
            }
            text.push('\n');
        }
        text
    }
}

/// What sets the colour of a character, 38, or of what is behind it, 48 (ECMA-48, SGR).
fn code(which: u8, [red, green, blue]: [u8; 3]) -> String {
    format!("\x1b[{which};2;{red};{green};{blue}m")
}

/// For each of `to` pixels the ones of `from` under it and their shares, which sum to one.
fn spans(from: usize, to: usize) -> Vec<Vec<(usize, f64)>> {
    let step = from as f64 / to as f64;
    let span = |pixel: usize| {
        let [start, end] = [pixel as f64 * step, (pixel + 1) as f64 * step];
        let last = (end.ceil() as usize).clamp(1, from);
        let shares = (start as usize..last).map(|own| {
            let covered = end.min((own + 1) as f64) - start.max(own as f64);
            (own, covered / step)
        });
        shares.collect()
    };
    (0..to).map(span).collect()
}

fn mean(view: &View, rows: &[(usize, f64)], columns: &[(usize, f64)]) -> [u8; 3] {
    let [height, width] = view.size;
    [0, 1, 2].map(|channel| {
        let plane = &view.pixels[channel * height * width..][..height * width];
        let line = |(row, share): &(usize, f64)| {
            let pixel =
                |(column, share): &(usize, f64)| f64::from(plane[row * width + column]) * share;
            columns.iter().map(pixel).sum::<f64>() * share
        };
        (rows.iter().map(line).sum::<f64>() * 255.0).round() as u8
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A view whose red grows along the rows, green along the columns, blue not at all.
    fn view(height: usize, width: usize) -> View {
        let plane = |of: &dyn Fn(usize, usize) -> f32| {
            let at = |at: usize| of(at / width, at % width);
            (0..height * width).map(at).collect::<Vec<_>>()
        };
        let red = plane(&|row, _| (10 * row) as f32 / 255.0);
        let green = plane(&|_, column| (20 * column) as f32 / 255.0);
        View { pixels: [red, green, plane(&|_, _| 1.0)].concat(), size: [height, width] }
    }

    fn seen() -> Seen {
        let epoch = vec![view(4, 4), view(2, 2)];
        Seen { index: 0, image: view(4, 6), epochs: vec![epoch.clone(), epoch] }
    }

    #[test]
    fn a_row_is_the_image_and_then_the_views_of_each_epoch() {
        let picture = Layout { scale: 1.0, gap: 2 }.draw(&[seen(), seen()]);
        assert_eq!((picture.width, picture.height), (6 + 2 * (6 + 4 + 2 + 2), 4 + 2 + 4));
        let at = |row: usize, column: usize| picture.pixels[row * picture.width + column];
        assert_eq!(at(3, 5), Some([30, 100, 255]));
        assert_eq!([at(3, 6), at(3, 11)], [None; 2]);
        assert_eq!(at(2, 12 + 3), Some([20, 60, 255]));
        // A smaller view is in the middle of its row.
        assert_eq!([at(0, 18), at(3, 18)], [None; 2]);
        assert_eq!([at(1, 18), at(2, 19)], [Some([0, 0, 255]), Some([10, 20, 255])]);
        assert_eq!([at(4, 0), at(5, 0)], [None; 2]);
        assert_eq!(at(6 + 3, 5), Some([30, 100, 255]));
    }

    #[test]
    fn larger_pixels_are_squares_and_smaller_ones_means() {
        let draw = |scale| {
            let image = Seen { epochs: vec![], ..seen() };
            Layout { scale, gap: 0 }.draw(&[image]).pixels
        };
        let (own, large) = (draw(1.0), draw(3.0));
        for (at, pixel) in large.iter().enumerate() {
            let [row, column] = [at / 18 / 3, at % 18 / 3];
            assert_eq!(*pixel, own[row * 6 + column]);
        }
        assert_eq!(
            draw(0.5),
            [5, 25].map(|red| [10, 50, 90].map(|green| Some([red, green, 255]))).concat()
        );
    }

    #[test]
    fn shares_cover_every_pixel_once() {
        for [from, to] in [[32, 25], [7, 3], [3, 7], [5, 5], [1, 4], [224, 13]] {
            let mut covered = vec![0.0; from];
            for span in spans(from, to) {
                assert!((span.iter().map(|(_, share)| share).sum::<f64>() - 1.0).abs() < 1e-9);
                span.iter().for_each(|(pixel, share)| covered[*pixel] += share);
            }
            let even = to as f64 / from as f64;
            assert!(covered.iter().all(|own| (own - even).abs() < 1e-9), "{from} to {to}");
        }
    }

    #[test]
    fn a_terminal_s_width_is_kept() {
        for width in [1, 12, 20, 27, 33, 34, 35, 80] {
            let layout = Layout::within(&[seen()], width);
            let picture = layout.draw(&[seen()]);
            // The gaps alone are 8 wide.
            assert!(picture.width <= width.max(8), "{} in {width}", picture.width);
            assert_eq!(layout.scale == 1.0, width >= 6 + 12 + 8);
        }
    }

    #[test]
    fn a_png_holds_the_same_pixels() {
        let picture = Layout::whole(&[seen()]).draw(&[seen()]);
        assert_eq!(
            [picture.width, picture.height],
            [16 * (6 + 2 * (4 + 2)) + 2 * (12 + 4), 16 * 4]
        );
        let bytes = picture.png().expect("into memory");
        let mut reader = png::Decoder::new(std::io::Cursor::new(bytes)).read_info().expect("a PNG");
        let mut found = vec![0; reader.output_buffer_size().expect("a size")];
        let info = reader.next_frame(&mut found).expect("its pixels");
        assert_eq!(
            [info.width, info.height].map(|side| side as usize),
            [picture.width, picture.height]
        );
        for (pixel, rgba) in picture.pixels.iter().zip(found.chunks_exact(4)) {
            let expected = pixel.map_or([0; 4], |[red, green, blue]| [red, green, blue, 255]);
            assert_eq!(rgba, expected);
        }
    }

    #[test]
    fn two_pixels_are_one_character() {
        let pixels = [[1, 2, 3], [4, 5, 6], [7, 8, 9]].map(Some);
        let [a, b, c] = pixels;
        let picture = Picture { width: 2, height: 3, pixels: vec![a, None, b, c, None, a] };
        let expected = "\x1b[38;2;1;2;3m\x1b[48;2;4;5;6m▀\x1b[0m\x1b[38;2;7;8;9m▄\x1b[0m\n \
                        \x1b[38;2;1;2;3m▀\x1b[0m\n";
        assert_eq!(picture.blocks(), expected);
    }
}
