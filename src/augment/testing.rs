//! What the tests of the transforms share.

use super::canvas::{Canvas, Pixels};

/// The `[3, 4, 4]` image that the reference values belong to: byte `i` is `37 i² + 91 i + 13`, but
/// for one pixel of pure grey.
pub fn tiny() -> Canvas {
    image(4, 4)
}

/// The same pattern for other sizes, the grey pixel aside.
pub fn image(height: usize, width: usize) -> Canvas {
    let mut bytes: Vec<u8> =
        (0..3 * height * width).map(|i| (37 * i * i + 91 * i + 13) as u8).collect();
    if (height, width) == (4, 4) {
        for channel in bytes.chunks_exact_mut(16) {
            channel[5] = 120;
        }
    }
    let mut canvas = Canvas::new();
    canvas.load(Pixels { bytes: &bytes, height, width });
    canvas
}

/// An image of one colour.
pub fn plain(height: usize, width: usize, [r, g, b]: [u8; 3]) -> Canvas {
    let area = height * width;
    let bytes = [vec![r; area], vec![g; area], vec![b; area]].concat();
    let mut canvas = Canvas::new();
    canvas.load(Pixels { bytes: &bytes, height, width });
    canvas
}

/// Compares with reference values, given as channel, position within it, value.
///
/// Those of colour and blur come from the formulas of torchvision 0.24.0, run on a NumPy stand-in for torch
/// (`transforms/_functional_tensor.py`), those of resizing by `Image.resize` of Pillow.
#[track_caller]
pub fn assert_reference(canvas: &Canvas, expected: &[(usize, usize, f32)]) {
    let [height, width] = canvas.size();
    assert_eq!(canvas.pixels().len(), 3 * height * width);
    for &(channel, position, expected) in expected {
        let found = canvas.pixels()[channel * height * width + position];
        let near = (found - expected).abs() < 2e-6;
        assert!(near, "channel {channel}, position {position}: {found}, not {expected}");
    }
}

#[track_caller]
pub fn assert_near(found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len());
    for (index, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert!((found - expected).abs() < 2e-6, "at {index}: {found}, not {expected}");
    }
}
