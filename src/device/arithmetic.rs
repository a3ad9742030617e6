//! How the embedded backend computes on this processor, as a text.

use std::sync::OnceLock;

use burn::tensor::{Device, Tensor, activation};

use super::array::Array;

/// Rows and columns of the products, neither few enough for the loops of small matrices.
const SIDES: [usize; 2] = [72, 80];
/// How many products are summed for each number: such as are blocked otherwise by other caches.
const LENGTHS: [usize; 5] = [72, 640, 1280, 2560, 5120];

/// The digest of what it makes of the same numbers everywhere. In what order products and rows are
/// summed depends on the caches of the processor and the width of its vectors, and on nothing else
/// that could be asked for by name: so it is tried, once, in some milliseconds.
pub fn digest(device: &Device) -> String {
    static FOUND: OnceLock<String> = OnceLock::new();
    FOUND.get_or_init(|| of(device)).clone()
}

fn of(device: &Device) -> String {
    let mut hash = blake3::Hasher::new();
    for made in results(device) {
        for value in made {
            hash.update(&value.to_le_bytes());
        }
    }
    hash.finalize().to_hex().to_string()
}

fn results(device: &Device) -> Vec<Vec<f32>> {
    let [rows, columns] = SIDES;
    let mut made = Vec::new();
    for length in LENGTHS {
        let a = matrix([rows, length], device);
        let b = matrix([length, columns], device);
        let turned = matrix([columns, length], device).transpose();
        let first = a.clone().slice([0..1, 0..length]);
        made.push(a.clone().matmul(b.clone()));
        made.push(a.clone().matmul(turned));
        made.push(first.matmul(b.clone()));
        made.push(a.clone().matmul(b.slice([0..length, 0..1])));
        made.push(a.clone().sum_dim(0));
        made.push(a.clone().sum_dim(1));
        made.push(activation::softmax(a.clone(), 1));
        made.push(a.sum().reshape([1, 1]));
    }
    let x = matrix(SIDES, device);
    let above = x.clone().abs() + 0.1;
    made.extend([x.clone().exp(), x.clone().tanh(), x.clone().sin(), x.erf()]);
    made.extend([above.clone().log(), above.clone().sqrt(), above.powf_scalar(0.7)]);
    made.into_iter().map(|own| Array::from(own).to_vec()).collect()
}

/// Numbers between minus one and one, the same everywhere.
fn matrix([rows, columns]: [usize; 2], device: &Device) -> Tensor<2> {
    let values: Vec<f32> = (0..rows * columns)
        .map(|own| (own as u32).wrapping_mul(0x9e37_79b9) as f32 / (1_u32 << 31) as f32 - 1.0)
        .collect();
    Array::from_vec(values, &[rows, columns], device).into_tensor()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_same_each_time_and_of_numbers_that_are() {
        let device = crate::device::select("flex").unwrap().device;
        assert_eq!(of(&device), digest(&device));
        for made in results(&device) {
            assert!(!made.is_empty() && made.iter().all(|own| own.is_finite()), "{made:?}");
        }
    }
}
