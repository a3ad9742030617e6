//! Weights that others have trained, from their files: safetensors, and what `torch.save` writes. A
//! pickle is read, never run.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::{fmt, fs, io};

use burn::tensor::Device;
use half::{bf16, f16};
use pytorch_reader::{DType, PytorchReader};
use safetensors::tensor::{Dtype, SafeTensors};

use super::names;
use super::params::{Param, Params};
use super::safetensors::{Mismatch, table};
use crate::device::Array;

/// Why the weights of a network are not taken from a file.
#[derive(Debug)]
pub enum FileError {
    /// There is no such file in any of these places.
    Missing {
        path: PathBuf,
        searched: Vec<PathBuf>,
    },
    Unreadable {
        path: PathBuf,
        cause: io::Error,
    },
    /// It is not what it was when the run began.
    Changed {
        path: PathBuf,
    },
    /// It holds no tensors that can be read.
    NoWeights {
        path: PathBuf,
        reason: String,
    },
    /// It holds no network of these names, but tensors of those.
    AnotherNetwork {
        path: PathBuf,
        wanted: String,
        found: Vec<String>,
    },
    /// It holds the network in no part of that name, or in several parts.
    Part {
        path: PathBuf,
        asked: Option<String>,
        parts: Vec<String>,
    },
    Mismatch {
        path: PathBuf,
        part: String,
        mismatches: Vec<Mismatch>,
    },
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FileError::Missing { path, searched } => {
                let places = searched.iter().map(|place| format!("`{}`", place.display()));
                let places = places.collect::<Vec<_>>().join(", ");
                write!(f, "there are no weights `{}`; looked for {places}", path.display())
            }
            FileError::Unreadable { path, cause } => {
                write!(f, "the weights `{}` cannot be read: {cause}", path.display())
            }
            FileError::Changed { path } => {
                write!(f, "the weights `{}` have changed since the run began", path.display())
            }
            FileError::NoWeights { path, reason } => {
                write!(f, "`{}` holds no weights that can be read: {reason}", path.display())
            }
            FileError::AnotherNetwork { path, wanted, found } => write!(
                f,
                "`{}` has no tensor of this network, such as `{wanted}`: it has {}",
                path.display(),
                listed(found)
            ),
            FileError::Part { path, asked: Some(asked), parts } => write!(
                f,
                "`{}` has no part `{asked}` with this network: it is in {}",
                path.display(),
                listed(parts)
            ),
            FileError::Part { path, asked: None, parts } => {
                write!(f, "`{}` has this network {} times", path.display(), parts.len())
            }
            FileError::Mismatch { path, part, mismatches } => {
                let of = if part.is_empty() { String::new() } else { format!("`{part}` of ") };
                let s = if mismatches.len() == 1 { "" } else { "s" };
                let (path, count) = (path.display(), mismatches.len());
                write!(f, "{of}`{path}` does not fit the network in {count} tensor{s}:")?;
                table(mismatches, f)
            }
        }
    }
}

impl std::error::Error for FileError {}

impl FileError {
    pub fn help(&self) -> Option<String> {
        match self {
            FileError::Missing { .. } => Some(
                "a relative path is looked for in `--data-dir`, or else in `CPIPE_DATA` and where \
                 the command runs"
                    .to_owned(),
            ),
            FileError::Changed { .. } => {
                Some("run again: what was computed from the earlier ones is kept".to_owned())
            }
            FileError::Part { asked: None, parts, .. } => {
                Some(format!("say which with `part`: {}", listed(parts)))
            }
            FileError::NoWeights { .. } => Some(
                "save the tensors alone, by `torch.save(model.state_dict(), …)` or as safetensors"
                    .to_owned(),
            ),
            _ => None,
        }
    }
}

/// The first few of several names.
fn listed(names: &[String]) -> String {
    const MOST: usize = 4;
    let shown = names.iter().take(MOST).map(|name| format!("`{name}`"));
    let shown = shown.collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(MOST) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// The tensors of a file, by name.
pub struct Weights {
    path: PathBuf,
    tensors: BTreeMap<String, Tensor>,
}

struct Tensor {
    /// As `F32`.
    kind: String,
    shape: Vec<usize>,
    /// What the file calls it, where that is not its name here.
    stored: Option<String>,
    /// `None` where its numbers are no floats and no whole numbers of 64 bits.
    values: Option<Read>,
}

/// The numbers that bytes are.
type Decode = fn(&[u8]) -> Vec<f32>;

/// Reads the numbers of a tensor, row-major.
type Read = Box<dyn Fn() -> io::Result<Vec<f32>>>;

impl Weights {
    /// # Errors
    ///
    /// Where the file cannot be read, or holds no tensors.
    pub fn open(path: &Path) -> Result<Self, FileError> {
        let unreadable = |cause| FileError::Unreadable { path: path.to_owned(), cause };
        let bytes = fs::read(path).map_err(unreadable)?;
        // After the length of its header, safetensors begins with JSON.
        let tensors = match bytes.get(8) == Some(&b'{') {
            true => of_safetensors(&bytes),
            false => of_pytorch(path),
        };
        let tensors = tensors.and_then(|tensors| match tensors.is_empty() {
            true => Err("it has no tensors".to_owned()),
            false => Ok(tensors),
        });
        let no_weights = |reason| FileError::NoWeights { path: path.to_owned(), reason };
        Ok(Weights::under_names_of_here(path, tensors.map_err(no_weights)?))
    }

    fn under_names_of_here(path: &Path, mut tensors: BTreeMap<String, Tensor>) -> Self {
        for (from, to) in names::timms(tensors.keys().map(String::as_str)) {
            if let Some(mut tensor) = tensors.remove(&from) {
                // torchvision scales maps, by channel.
                if to.ends_with(".gamma") && tensor.shape.ends_with(&[1, 1]) {
                    tensor.shape.truncate(1);
                }
                tensor.stored = Some(from);
                tensors.insert(to, tensor);
            }
        }
        Weights { path: path.to_owned(), tensors }
    }

    /// The parameters of a network that has the names of `template`, in the part of the file that
    /// has it: everything before these names. A head behind the network is left out.
    ///
    /// # Errors
    ///
    /// Where no part has it, or several have and `part` does not say which; and where a tensor is
    /// missing, is one too many inside of the network, or has another shape.
    pub fn of(
        &self,
        template: &Params,
        part: Option<&str>,
        device: &Device,
    ) -> Result<Params, FileError> {
        let own = self.fitting(template, part)?;
        let array = |param: Param<'_>| -> Result<Array, FileError> {
            let shape = param.value.shape();
            let Some(read) = own.get(param.name).and_then(|tensor| tensor.values.as_ref()) else {
                return Ok(Array::from_vec(vec![0.0; param.value.len()], &shape, device));
            };
            let values = read().map_err(|cause| {
                let path = self.path.clone();
                match cause.kind() {
                    io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => {
                        FileError::NoWeights { path, reason: cause.to_string() }
                    }
                    _ => FileError::Unreadable { path, cause },
                }
            })?;
            Ok(Array::from_vec(values, &shape, device))
        };
        let arrays = template.iter().map(array).collect::<Result<_, _>>()?;
        Ok(Params::new(template.layout().clone(), arrays))
    }

    /// Compares names and shapes as [`Weights::of`] does, and reads no number.
    pub fn compare(&self, template: &Params, part: Option<&str>) -> Result<(), FileError> {
        self.fitting(template, part).map(|_| ())
    }

    /// The tensors of the part that has the network, by their names in it.
    fn fitting(
        &self,
        template: &Params,
        part: Option<&str>,
    ) -> Result<BTreeMap<&str, &Tensor>, FileError> {
        let prefix = self.part(template, part)?;
        let own: BTreeMap<&str, &Tensor> = self
            .tensors
            .iter()
            .filter_map(|(name, tensor)| Some((name.strip_prefix(&prefix)?, tensor)))
            .collect();
        let mut mismatches = Vec::new();
        for param in template.iter() {
            let (shape, found) = (param.value.shape(), own.get(param.name));
            let fits = |tensor: &&Tensor| {
                tensor.values.is_some()
                    && (tensor.shape == shape || is_count(&param) && tensor.shape.is_empty())
            };
            if found.is_none_or(|tensor| !fits(tensor)) && !(found.is_none() && is_count(&param)) {
                mismatches.push(Mismatch {
                    name: param.name.to_owned(),
                    expected: Some(format!("F32 {shape:?}")),
                    found: found.map(|tensor| tensor.describe()),
                });
            }
        }
        let names: BTreeSet<&str> = template.iter().map(|param| param.name).collect();
        let inside: BTreeSet<&str> = names.iter().map(|name| first(name)).collect();
        let left = own.iter().filter(|(name, _)| !names.contains(*name));
        let left = left.filter(|(name, _)| inside.contains(first(name)));
        mismatches.extend(left.map(|(name, tensor)| Mismatch {
            name: tensor.stored.clone().unwrap_or_else(|| (*name).to_owned()),
            expected: None,
            found: Some(format!("{} {:?}", tensor.kind, tensor.shape)),
        }));
        if !mismatches.is_empty() {
            // What is there in another shape tells more than what is nowhere.
            mismatches.sort_by_key(|own| own.expected.is_none() || own.found.is_none());
            let part = prefix.trim_end_matches('.').to_owned();
            return Err(FileError::Mismatch { path: self.path.clone(), part, mismatches });
        }
        Ok(own)
    }

    /// What stands before the names of the network.
    fn part(&self, template: &Params, asked: Option<&str>) -> Result<String, FileError> {
        let names: Vec<&str> =
            template.iter().filter(|param| !is_count(param)).map(|param| param.name).collect();
        let mut parts: BTreeMap<&str, usize> = BTreeMap::new();
        for stored in self.tensors.keys() {
            for name in &names {
                let before = stored.strip_suffix(name);
                if let Some(before) = before.filter(|own| own.is_empty() || own.ends_with('.')) {
                    *parts.entry(before).or_default() += 1;
                }
            }
        }
        let path = self.path.clone();
        let Some(most) = parts.values().copied().max() else {
            let stored =
                |(name, tensor): (&String, &Tensor)| tensor.stored.as_ref().unwrap_or(name).clone();
            let found = self.tensors.iter().map(stored).collect();
            let wanted = names.first().map(|name| (*name).to_owned()).unwrap_or_default();
            return Err(FileError::AnotherNetwork { path, wanted, found });
        };
        // A few names alike are no network: `norm.weight` is one of many.
        let likely = parts.iter().filter(|(_, count)| **count * 2 > most).map(|(part, _)| *part);
        let likely: Vec<&str> = likely.collect();
        let of_name = |part: &&&str| asked.is_none_or(|asked| is_in(asked, part));
        match likely.iter().filter(of_name).collect::<Vec<_>>()[..] {
            [part] => Ok((**part).to_owned()),
            _ => {
                let name = |part: &&str| part.trim_end_matches('.').to_owned();
                let parts = likely.iter().map(name).collect();
                let asked = asked.filter(|asked| !likely.iter().any(|part| is_in(asked, part)));
                Err(FileError::Part { path, asked: asked.map(str::to_owned), parts })
            }
        }
    }
}

impl Tensor {
    fn describe(&self) -> String {
        let Tensor { kind, shape, .. } = self;
        match &self.stored {
            Some(name) => format!("{kind} {shape:?} in `{name}`"),
            None => format!("{kind} {shape:?}"),
        }
    }
}

/// Whether a part has those names in a row: `encoder_q` is in `state_dict.module.encoder_q.`.
fn is_in(asked: &str, part: &str) -> bool {
    format!(".{part}").contains(&format!(".{}.", asked.trim_matches('.')))
}

fn first(name: &str) -> &str {
    name.split('.').next().unwrap_or(name)
}

/// Whether it is the count of a batch norm, which older files lack.
fn is_count(param: &Param<'_>) -> bool {
    super::safetensors::is_count(param.name, &param.value.shape())
}

fn of_safetensors(bytes: &[u8]) -> Result<BTreeMap<String, Tensor>, String> {
    let file = SafeTensors::deserialize(bytes).map_err(|error| error.to_string())?;
    let tensor = |(name, view): (&str, safetensors::tensor::TensorView<'_>)| {
        let decode: Option<Decode> = match view.dtype() {
            Dtype::F64 => Some(|bytes| each(bytes, |own| f64::from_le_bytes(own) as f32)),
            Dtype::F32 => Some(|bytes| each(bytes, f32::from_le_bytes)),
            Dtype::F16 => Some(|bytes| each(bytes, |own| f16::from_le_bytes(own).to_f32())),
            Dtype::BF16 => Some(|bytes| each(bytes, |own| bf16::from_le_bytes(own).to_f32())),
            Dtype::I64 => Some(|bytes| each(bytes, |own| i64::from_le_bytes(own) as f32)),
            _ => None,
        };
        let own = view.data().to_vec();
        let values = decode.map(|decode| Box::new(move || Ok(decode(&own))) as Read);
        let tensor = Tensor {
            kind: view.dtype().to_string(),
            shape: view.shape().to_vec(),
            stored: None,
            values,
        };
        (name.to_owned(), tensor)
    };
    Ok(file.iter().map(tensor).collect())
}

/// Its reader carries out no instruction of a pickle but those that name tensors and hold them
/// together.
fn of_pytorch(path: &Path) -> Result<BTreeMap<String, Tensor>, String> {
    let file = PytorchReader::new(path).map_err(|error| error.to_string())?;
    let tensor = |(name, tensor): (String, pytorch_reader::Tensor)| {
        let decode: Option<Decode> = match tensor.dtype() {
            DType::F64 => Some(|bytes| each(bytes, |own| f64::from_ne_bytes(own) as f32)),
            DType::F32 => Some(|bytes| each(bytes, f32::from_ne_bytes)),
            DType::F16 => Some(|bytes| each(bytes, |own| f16::from_ne_bytes(own).to_f32())),
            DType::BF16 => Some(|bytes| each(bytes, |own| bf16::from_ne_bytes(own).to_f32())),
            DType::I64 => Some(|bytes| each(bytes, |own| i64::from_ne_bytes(own) as f32)),
            _ => None,
        };
        let (kind, shape) = (format!("{:?}", tensor.dtype()), tensor.shape().to_vec());
        let values = decode
            .map(|decode| Box::new(move || tensor.read().map(|bytes| decode(&bytes))) as Read);
        (name, Tensor { kind, shape, stored: None, values })
    };
    Ok(file.into_tensors().into_iter().map(tensor).collect())
}

/// The numbers in bytes of `N` each.
fn each<const N: usize>(bytes: &[u8], number: impl Fn([u8; N]) -> f32) -> Vec<f32> {
    bytes.as_chunks().0.iter().map(|own| number(*own)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::FallBack;
    use crate::nn::{Pass, Updates, build};
    use crate::random::Key;
    use crate::term::{Args, Call, Term};

    fn call(name: &str, args: &[(&str, Term)]) -> Term {
        let args = args.iter().map(|(name, term)| ((*name).to_owned(), term.clone()));
        Term::Call(Call { name: name.to_owned(), args: Args(args.collect()) })
    }

    fn template(width: i64) -> Params {
        let term = call("convnet", &[("width", Term::Int(width))]);
        build(&term, None).init(Key::root(0), &Device::default())
    }

    /// As `tests/python/weights.py` writes it.
    fn fixture(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/weights").join(name)
    }

    fn load(name: &str, width: i64, part: Option<&str>) -> Result<Params, FileError> {
        Weights::open(&fixture(name))?.of(&template(width), part, &Device::default())
    }

    #[test]
    fn every_number_comes_to_its_place() {
        for (name, part, shift) in [
            ("moco.pth", Some("encoder_q"), 0.0),
            ("moco.pth", Some("state_dict.module.encoder_k"), 8.0),
            ("legacy.pth", Some("encoder_k"), 8.0),
            ("code.pth", None, 0.0),
            ("half.safetensors", None, 0.0),
            ("bfloat16.pth", None, 0.0),
        ] {
            let params = load(name, 1, part).unwrap_or_else(|error| panic!("{name}: {error}"));
            for (place, param) in params.iter().enumerate() {
                let expected = |at: usize| (at % 64) as f32 / 64.0 + (place % 4) as f32 + shift;
                let values: Vec<f32> = match (is_count(&param), name) {
                    // Which that file does not have.
                    (true, "bfloat16.pth") => vec![0.0],
                    (true, _) => vec![7.0],
                    // Eight bits are what the numbers have there.
                    (false, "bfloat16.pth") => (0..param.value.len())
                        .map(|at| bf16::from_f32(expected(at)).to_f32())
                        .collect(),
                    (false, _) => (0..param.value.len()).map(expected).collect(),
                };
                assert_eq!(param.value.to_vec(), values, "{name}: {}", param.name);
            }
        }
    }

    #[test]
    fn what_does_not_fit_is_said_with_both_shapes() {
        let said = |name, width, part| match load(name, width, part) {
            Ok(_) => panic!("{name} is taken"),
            Err(error) => (error.to_string(), error.help().unwrap_or_default()),
        };
        let (message, _) = said("half.safetensors", 2, None);
        assert!(message.contains("does not fit the network in 25 tensors:"), "{message}");
        assert!(
            message.contains("conv2.weight      F32 [4, 2, 3, 3]    F16 [2, 1, 3, 3]"),
            "{message}"
        );

        let (message, help) = said("moco.pth", 1, None);
        assert!(message.ends_with("has this network 2 times"), "{message}");
        assert_eq!(
            help,
            "say which with `part`: `state_dict.module.encoder_k`, `state_dict.module.encoder_q`"
        );
        let (message, _) = said("moco.pth", 1, Some("teacher"));
        assert!(message.contains("no part `teacher`"), "{message}");

        let (message, help) = said("only_code.pth", 1, None);
        assert!(message.contains("holds no weights that can be read"), "{message}");
        assert!(help.contains("state_dict()"), "{help}");
        let (message, _) = said("../numerics.cpipe", 1, None);
        assert!(message.contains("holds no weights that can be read"), "{message}");
        let (message, _) = said("absent.pth", 1, None);
        assert!(message.contains("cannot be read"), "{message}");
        assert!(!Path::new("/tmp/a_pickle_was_run").exists());
    }

    fn vit() -> Term {
        vit_of("vit_tiny", [16, 64], 2, "class")
    }

    fn vit_of(name: &str, [patch, size]: [i64; 2], depth: i64, pool: &str) -> Term {
        let whole = |value| Term::Int(value);
        call(
            name,
            &[
                ("patch", whole(patch)),
                ("size", whole(size)),
                ("depth", whole(depth)),
                ("registers", whole(0)),
                ("pool", Term::Symbol(pool.to_owned())),
                ("layer_scale", Term::Float(0.0)),
                ("drop_path", Term::Float(0.0)),
            ],
        )
    }

    #[test]
    fn what_does_not_fit_has_the_name_that_the_file_gives_it() {
        let tensors = [
            ("net.encoder.layers.encoder_layer_0.ln_1.weight", 192),
            ("net.encoder.layers.encoder_layer_5.ln_2.bias", 192),
            ("net.encoder.ln.bias", 7),
        ];
        let tensors = tensors.map(|(name, size)| {
            let read: Read = Box::new(|| unreachable!("names and shapes are compared first"));
            let (kind, shape, stored) = ("F32".to_owned(), vec![size], None);
            (name.to_owned(), Tensor { kind, shape, stored, values: Some(read) })
        });
        let file = Weights::under_names_of_here(Path::new("vit.pth"), tensors.into());
        let device = Device::default();
        let template = build(&vit(), None).init(Key::root(0), &device);
        let message = file.of(&template, None, &device).unwrap_err().to_string();
        let ends = |start: &str, end: &str| {
            let line = message.lines().find(|line| line.trim().starts_with(start));
            assert!(line.is_some_and(|line| line.ends_with(end)), "{message}");
        };
        ends("norm.bias", "F32 [7] in `net.encoder.ln.bias`");
        ends("net.encoder.layers.encoder_layer_5.ln_2.bias", "-                     F32 [192]");
        assert!(!message.contains("blocks.0.norm1.weight"), "{message}");
    }

    /// All names of the smaller network are among those of the larger one, in the same shapes.
    #[test]
    fn a_deeper_network_is_another_one() {
        let encoder = |name: &str| {
            call(name, &[("stem", Term::Symbol("small".to_owned())), ("width", Term::Int(1))])
        };
        let device = Device::default();
        let deep = build(&encoder("resnet34"), None).init(Key::root(0), &device);
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("deep.safetensors");
        fs::write(&path, crate::nn::safetensors::to_bytes(&[("backbone", &deep)])).expect("room");
        let file = Weights::open(&path).expect("a file of weights");
        let shallow = build(&encoder("resnet18"), None).init(Key::root(0), &device);
        let message = file.of(&shallow, None, &device).unwrap_err().to_string();
        assert!(message.starts_with("`backbone` of `"), "{message}");
        let line = message.lines().find(|line| line.contains("layer1.2.conv1.weight"));
        assert!(
            line.is_some_and(|line| line.ends_with("-              F32 [1, 1, 3, 3]")),
            "{message}"
        );
        assert!(message.ends_with("and 56 more"), "{message}");
        let same = file.of(&deep, None, &device).expect("its own network");
        assert!(same.values().iter().zip(deep.values()).all(|(a, b)| a.to_vec() == b.to_vec()));
    }

    /// Whole networks of torchvision and timm, and what runs have exported, with what they compute
    /// there, which the continuous integration has `tests/python/weights.py` write.
    #[test]
    fn published_networks_compute_what_they_do_in_pytorch() {
        let Some(folder) = std::env::var_os("CPIPE_WEIGHTS").map(PathBuf::from) else {
            println!("skipped: CPIPE_WEIGHTS names no folder");
            return;
        };
        let expected = fs::read(folder.join("expected.safetensors")).expect("what is expected");
        let expected = SafeTensors::deserialize(&expected).expect("written by safetensors");
        let expected = |name: &str| {
            let view = expected.tensor(name).expect("weights.py writes it");
            (each(view.data(), f32::from_le_bytes), view.shape().to_vec())
        };
        let device = Device::default();
        let (pixels, shape) = expected("images");
        let resnet = |name| {
            let stem = Term::Symbol("imagenet".to_owned());
            call(name, &[("stem", stem), ("width", Term::Int(64))])
        };
        let convnext = call(
            "convnext_tiny",
            &[("patch", Term::Int(4)), ("width", Term::Int(16)), ("drop_path", Term::Float(0.0))],
        );
        let narrow = call(
            "convnext_tiny",
            &[("patch", Term::Int(1)), ("width", Term::Int(16)), ("drop_path", Term::Float(0.0))],
        );
        let exported_vit = vit_of("vit_tiny", [8, 32], 2, "mean");
        let whole_vit = |name| vit_of(name, [16, 224], 12, "class");
        for (name, term, file, part) in [
            ("exported_vit", exported_vit, "exported_vit.safetensors", None),
            ("exported_convnext", narrow, "exported_convnext.safetensors", None),
            ("resnet18", resnet("resnet18"), "resnet18.pth", None),
            ("resnet101", resnet("resnet101"), "resnet101.pth", None),
            ("vit_small", whole_vit("vit_small"), "vit_small.pth", None),
            ("vit_base", whole_vit("vit_base"), "vit_base.pth", None),
            ("vit_tiny", vit(), "dino.pth", Some("teacher")),
            ("torchvision_vit", vit(), "torchvision_vit.pth", None),
            ("torchvision_convnext", convnext, "torchvision_convnext.pth", None),
        ] {
            let network = build(&term, None);
            let template = network.init(Key::root(0), &device);
            let file = Weights::open(&folder.join(file)).expect("a file of weights");
            let params =
                file.of(&template, part, &device).unwrap_or_else(|error| panic!("{error}"));
            let mut updates = Updates::new();
            let mut pass = Pass {
                kernels: &FallBack,
                params: &params,
                training: false,
                chance: None,
                groups: 1,
                updates: &mut updates,
            };
            let images = Array::from_vec(pixels.clone(), &shape, &device);
            let found = network.forward(&mut pass, images).to_vec();
            let (features, _) = expected(name);
            let most = features.iter().fold(0.0_f32, |most, value| most.max(value.abs()));
            assert_eq!(found.len(), features.len());
            let near = |(a, b): (&f32, &f32)| (a - b).abs() <= 1e-4 * most;
            assert!(found.iter().zip(&features).all(near), "{name}");
        }
    }
}
