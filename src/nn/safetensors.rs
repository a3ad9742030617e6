//! Parameters as safetensors bytes, readable by PyTorch under torchvision's names.
//!
//! Values are 32-bit floats. The counts of batch norm, `num_batches_tracked`, are 64-bit integer
//! scalars, which is what a strict `load_state_dict` asks for. Equal parameters give equal bytes.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use burn::tensor::Device;
use safetensors::tensor::{Dtype, SafeTensors, TensorView, serialize};

use super::norm::COUNT;
use super::params::Params;
use crate::device::Array;

/// Why bytes are not the weights that were asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WeightsError {
    /// Not a safetensors file, with what is wrong about it.
    Malformed(String),
    /// Every tensor that is missing, unexpected, or of another shape or element type.
    Mismatch(Vec<Mismatch>),
}

/// One tensor about which a model and a file disagree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    pub name: String,
    /// Element type and shape in the model, as `F32 [64, 3, 7, 7]`; `None` where it has no such
    /// tensor.
    pub expected: Option<String>,
    /// The same of the file.
    pub found: Option<String>,
}

impl fmt::Display for WeightsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mismatches = match self {
            WeightsError::Malformed(reason) => {
                return write!(f, "not a readable safetensors file: {reason}");
            }
            WeightsError::Mismatch(mismatches) => mismatches,
        };
        let s = if mismatches.len() == 1 { "" } else { "s" };
        write!(f, "the file does not fit the model in {} tensor{s}:", mismatches.len())?;
        table(mismatches, f)
    }
}

/// Lines of a table of tensors: beyond them, one more says nothing new.
const MOST_LINES: usize = 40;

/// A line for each tensor, behind one that says what they are.
pub(super) fn table(mismatches: &[Mismatch], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let text = |cell: &Option<String>| cell.clone().unwrap_or_else(|| "-".to_owned());
    let rows: Vec<[String; 3]> =
        mismatches.iter().map(|m| [m.name.clone(), text(&m.expected), text(&m.found)]).collect();
    let header = ["tensor", "the model has", "the file has"].map(str::to_owned);
    let width = |column: usize| {
        let cells = rows.iter().chain([&header]).map(|row| row[column].len());
        cells.max().unwrap_or_default()
    };
    let (first, second) = (width(0), width(1));
    for [name, expected, found] in [&header].into_iter().chain(rows.iter().take(MOST_LINES)) {
        write!(f, "\n  {name:first$}  {expected:second$}  {found}")?;
    }
    match rows.len().saturating_sub(MOST_LINES) {
        0 => Ok(()),
        more => write!(f, "\n  and {more} more"),
    }
}

impl std::error::Error for WeightsError {}

/// One safetensors file of several sets of parameters, each under a prefix: `encoder` makes
/// `encoder.conv1.weight`, an empty prefix leaves the names alone.
///
/// No two tensors may come to the same name. Waits for the device.
pub fn to_bytes(sets: &[(&str, &Params)]) -> Vec<u8> {
    let mut stored: BTreeMap<String, (Dtype, Vec<usize>, Vec<u8>)> = BTreeMap::new();
    for (prefix, params) in sets {
        for param in params.iter() {
            let name = qualified(prefix, param.name);
            let (shape, values) = (param.value.shape(), param.value.to_vec());
            let tensor = if is_count(&name, &shape) {
                (Dtype::I64, vec![], (values[0] as i64).to_le_bytes().to_vec())
            } else {
                (Dtype::F32, shape, values.iter().flat_map(|value| value.to_le_bytes()).collect())
            };
            assert!(!stored.contains_key(&name), "two sets of parameters both hold `{name}`");
            stored.insert(name, tensor);
        }
    }
    let views = stored.iter().map(|(name, (dtype, shape, bytes))| {
        let view = TensorView::new(*dtype, shape.clone(), bytes);
        (name, view.expect("as many bytes as the shape has elements"))
    });
    // What PyTorch's own tools look for. One pair only: the crate writes the pairs of a map whose
    // order is random.
    let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    serialize(views, Some(metadata)).expect("a header of a few thousand names is no error")
}

/// The parameters in a file, in the order and with the roles of `templates`, the sets that
/// [`to_bytes`] would write under these prefixes.
pub fn from_bytes(
    bytes: &[u8],
    templates: &[(&str, &Params)],
    device: &Device,
) -> Result<Vec<Params>, WeightsError> {
    let file = SafeTensors::deserialize(bytes).map_err(malformed)?;
    let mut left: BTreeMap<&str, TensorView<'_>> = file.iter().collect();
    let mut mismatches = Vec::new();
    let mut sets = Vec::new();
    for (prefix, template) in templates {
        let mut arrays = Vec::new();
        for param in template.iter() {
            let full = qualified(prefix, param.name);
            let shape = param.value.shape();
            let count = is_count(&full, &shape);
            let (dtype, stored) =
                if count { (Dtype::I64, vec![]) } else { (Dtype::F32, shape.clone()) };
            match left.remove(full.as_str()) {
                Some(view) if view.dtype() == dtype && view.shape() == stored => {
                    arrays.push(Array::from_vec(values(&view), &shape, device));
                }
                found => mismatches.push(Mismatch {
                    name: full,
                    expected: Some(describe(dtype, &stored)),
                    found: found.map(|view| describe(view.dtype(), view.shape())),
                }),
            }
        }
        // Where one is missing, no set is given.
        if mismatches.is_empty() {
            sets.push(Params::new(template.layout().clone(), arrays));
        }
    }
    mismatches.extend(left.into_iter().map(|(name, view)| Mismatch {
        name: name.to_owned(),
        expected: None,
        found: Some(describe(view.dtype(), view.shape())),
    }));
    if mismatches.is_empty() { Ok(sets) } else { Err(WeightsError::Mismatch(mismatches)) }
}

fn malformed(error: safetensors::SafeTensorError) -> WeightsError {
    WeightsError::Malformed(error.to_string())
}

fn qualified(prefix: &str, name: &str) -> String {
    if prefix.is_empty() { name.to_owned() } else { format!("{prefix}.{name}") }
}

pub(super) fn is_count(name: &str, shape: &[usize]) -> bool {
    name.rsplit('.').next() == Some(COUNT) && shape == [1]
}

fn describe(dtype: Dtype, shape: &[usize]) -> String {
    format!("{dtype} {shape:?}")
}

/// The values of an `F32` or `I64` view. safetensors has checked their number, not their place in
/// memory: they need not be aligned.
fn values(view: &TensorView<'_>) -> Vec<f32> {
    if view.dtype() == Dtype::I64 {
        let whole = view.data().as_chunks().0.iter().map(|bytes| i64::from_le_bytes(*bytes));
        whole.map(|value| value as f32).collect()
    } else {
        view.data().as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    use crate::nn::Role;
    use crate::nn::init::Fill;
    use crate::nn::params::{Declared, Layout};

    fn params(width: usize) -> Params {
        let device = Device::default();
        let weight = (0..2 * width).map(|i| i as f32 + 0.1).collect();
        given(
            vec![
                ("weight", Role::Weight, weight, vec![2, width]),
                ("bias", Role::Bias, vec![-1.5, f32::MIN_POSITIVE], vec![2]),
                ("bn.num_batches_tracked", Role::Buffer, vec![7.0], vec![1]),
            ],
            &device,
        )
    }

    fn given(parts: Vec<(&str, Role, Vec<f32>, Vec<usize>)>, device: &Device) -> Params {
        let mut layout = Layout::default();
        let mut arrays = Vec::new();
        for (name, role, values, shape) in parts {
            arrays.push(Array::from_vec(values, &shape, device));
            let fill = Fill::Constant(0.0);
            layout.declare(Declared::new(name, shape, role, fill));
        }
        Params::new(Arc::new(layout), arrays)
    }

    fn same(a: &Params, b: &Params) {
        assert_eq!(a.layout(), b.layout());
        for (a, b) in a.values().iter().zip(b.values()) {
            assert_eq!(a.shape(), b.shape());
            assert_eq!(a.to_vec(), b.to_vec());
        }
    }

    #[test]
    fn round_trip() {
        let (encoder, head) = (params(3), params(4));
        let sets = [("encoder", &encoder), ("", &head)];
        let bytes = to_bytes(&sets);
        assert_eq!(bytes, to_bytes(&sets));
        let loaded = from_bytes(&bytes, &sets, &Device::default()).unwrap();
        same(&encoder, &loaded[0]);
        same(&head, &loaded[1]);
    }

    #[test]
    fn counts_are_integer_scalars() {
        let params = params(3);
        let bytes = to_bytes(&[("", &params)]);
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let count = file.tensor("bn.num_batches_tracked").unwrap();
        assert_eq!((count.dtype(), count.shape()), (Dtype::I64, &[][..]));
        assert_eq!(count.data(), 7_i64.to_le_bytes());
    }

    #[test]
    fn every_mismatch_is_listed() {
        let template = params(4);
        let weight = || vec![0.5; 6];
        let stored = given(
            vec![
                ("weight", Role::Weight, weight(), vec![2, 3]),
                ("bn.num_batches_tracked", Role::Buffer, vec![7.0], vec![1]),
                ("fc.weight", Role::Weight, weight(), vec![2, 3]),
            ],
            &Device::default(),
        );
        let bytes = to_bytes(&[("", &stored)]);
        let error = from_bytes(&bytes, &[("", &template)], &Device::default()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the file does not fit the model in 3 tensors:
  tensor     the model has  the file has
  weight     F32 [2, 4]     F32 [2, 3]
  bias       F32 [2]        -
  fc.weight  -              F32 [2, 3]"
        );
    }

    #[test]
    fn broken_bytes_are_an_error() {
        let params = params(3);
        let bytes = to_bytes(&[("", &params)]);
        for broken in [&bytes[..0], &bytes[..5], &bytes[..bytes.len() - 1], b"not safetensors"] {
            let error = from_bytes(broken, &[("", &params)], &Device::default()).unwrap_err();
            assert!(matches!(error, WeightsError::Malformed(_)), "{error}");
        }
    }
}
