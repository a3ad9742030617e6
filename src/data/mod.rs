//! Datasets: found, verified and decoded once, and made into batches of views.

pub mod ahead;
mod archive;
mod cifar10;
pub mod download;
mod error;
pub mod images;
pub mod loader;
mod pickle;
mod pictures;
mod sample;
mod shapes;
mod stamp;
#[cfg(test)]
mod testing;

use std::path::{Path, PathBuf};

use self::pictures::{Folder, Pictures, Shards, Unsorted};
pub use self::{
    download::{Remote, download},
    error::{DataError, NotDownloaded},
    images::{Dataset, Images},
    pictures::{PictureError, named},
    sample::stratified,
};
use crate::augment::Normalization;
use crate::resolve::declaration;
use crate::term::{Args, Call};
use crate::watch::Watch;

/// Where datasets are looked for and kept.
pub struct Lookup<'a> {
    /// `--data-dir`: where a dataset is, and has to be.
    pub data_dir: Option<&'a Path>,
    /// `CPIPE_DATA`: where a dataset may be.
    pub environment: Option<PathBuf>,
    /// Where a dataset is kept after its download.
    pub cache: PathBuf,
    /// Never download.
    pub offline: bool,
    /// `CPIPE_MIRROR`: the address under which archives are found, in place of the publisher's.
    /// A mirror may have packed them anew: what they hold is verified.
    pub mirror: Option<&'a str>,
    /// Told of what takes a while.
    pub watch: Watch<'a>,
}

/// Where a dataset comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Supply {
    /// It is computed, and takes no room on a disk.
    Made,
    /// From files that are there; whether they are whole is found out when they are read.
    Found(PathBuf),
    /// Of so many bytes, into the cache; a mirror may have packed them anew.
    Download { bytes: u64 },
}

/// Where a path of the user is looked for. A relative one in `--data-dir`, and nowhere else if that
/// is given; otherwise in `CPIPE_DATA` and where the command runs.
pub fn places(path: &Path, data_dir: Option<&Path>, environment: Option<&Path>) -> Vec<PathBuf> {
    match data_dir {
        _ if path.is_absolute() => vec![path.to_owned()],
        Some(place) => vec![place.join(path)],
        None => {
            environment.map(|place| place.join(path)).into_iter().chain([path.into()]).collect()
        }
    }
}

/// What is known of the images of a dataset besides what its call says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// They are the same for everybody.
    Fixed,
    /// This digest of them.
    Known(String),
    /// Nothing, before they are loaded.
    Unread,
}

/// How the images of a dataset are had.
#[derive(Clone, Copy)]
pub struct Source {
    /// Finds, verifies and decodes it.
    load: fn(&Args, &Lookup<'_>) -> Result<Dataset, DataError>,
    /// Finds out where [`load`] would take it from, and changes nothing.
    locate: fn(&Args, &Lookup<'_>) -> Result<Supply, DataError>,
    /// Finds out what its images are, and changes nothing.
    content: fn(&Args, &Lookup<'_>) -> Result<Content, DataError>,
    /// How many bytes of its pixels are decoded into a file that is not whole yet; none where they
    /// lie in memory.
    written: Option<fn(&Args, &Lookup<'_>) -> u64>,
}

/// The datasets, by the names under which `std.datasets` declares them.
pub static DATASETS: &[(&str, Source)] = &[
    (
        "cifar10",
        Source {
            load: |args, source| {
                let (train, test) = cifar10::load(source)?;
                let normalization = normalization(args, cifar10::NORMALIZATION);
                Ok(Dataset::fixed(train, test, normalization))
            },
            locate: |_, source| cifar10::locate(source),
            content: |_, _| Ok(Content::Fixed),
            written: None,
        },
    ),
    (
        "folder",
        Source {
            load: |args, source| {
                let normalization = normalization(args, IMAGENET);
                Pictures::of(args).load::<Folder>(normalization, source)
            },
            locate: |args, source| Pictures::of(args).locate::<Folder>(source),
            content: |args, source| Pictures::of(args).content::<Folder>(source),
            written: Some(|args, source| Pictures::of(args).written::<Folder>(source)),
        },
    ),
    (
        "images",
        Source {
            load: |args, source| {
                let normalization = normalization(args, IMAGENET);
                Pictures::unsorted(args).load::<Unsorted>(normalization, source)
            },
            locate: |args, source| Pictures::unsorted(args).locate::<Unsorted>(source),
            content: |args, source| Pictures::unsorted(args).content::<Unsorted>(source),
            written: Some(|args, source| Pictures::unsorted(args).written::<Unsorted>(source)),
        },
    ),
    (
        "shapes",
        Source {
            load: |args, source| {
                let train = shapes::draw("train", args.size("train"), source.watch)?;
                let test = shapes::draw("test", args.size("test"), source.watch)?;
                Ok(Dataset::fixed(train, test, normalization(args, SHAPES)))
            },
            locate: |_, _| Ok(Supply::Made),
            content: |_, _| Ok(Content::Fixed),
            written: None,
        },
    ),
    (
        "shards",
        Source {
            load: |args, source| {
                let normalization = normalization(args, IMAGENET);
                Pictures::of(args).load::<Shards>(normalization, source)
            },
            locate: |args, source| Pictures::of(args).locate::<Shards>(source),
            content: |args, source| Pictures::of(args).content::<Shards>(source),
            written: Some(|args, source| Pictures::of(args).written::<Shards>(source)),
        },
    ),
];

/// The dataset that a call names.
///
/// # Panics
///
/// This and the functions below panic if it calls no dataset: the checker lets nothing else through.
pub fn load(dataset: &Call, source: &Lookup<'_>) -> Result<Dataset, DataError> {
    (of(dataset).load)(&dataset.args, source)
}

/// Where [`load`] would take a dataset from, or why it could not.
pub fn locate(dataset: &Call, source: &Lookup<'_>) -> Result<Supply, DataError> {
    (of(dataset).locate)(&dataset.args, source)
}

/// What the images of a dataset are, as far as that is known before they are loaded.
pub fn content(dataset: &Call, source: &Lookup<'_>) -> Result<Content, DataError> {
    (of(dataset).content)(&dataset.args, source)
}

/// Whether the pixels of a dataset lie in memory, and not in a file.
pub fn in_memory(dataset: &Call) -> bool {
    !declaration(&dataset.name).is_some_and(|own| own.is("streams"))
}

/// The bytes of pixels of a dataset that an attempt to decode it has left.
pub fn written(dataset: &Call, source: &Lookup<'_>) -> u64 {
    of(dataset).written.map_or(0, |written| written(&dataset.args, source))
}

fn of(dataset: &Call) -> Source {
    dataset.implementation("a dataset", DATASETS)
}

const IMAGENET: Normalization =
    Normalization { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };

/// Mean and standard deviation of the shapes.
const SHAPES: Normalization =
    Normalization { mean: [0.500, 0.500, 0.501], std: [0.189, 0.180, 0.214] };

/// The choice of the parameter `normalize`.
fn normalization(args: &Args, own: Normalization) -> Normalization {
    match args.symbol("normalize") {
        "own" => own,
        "imagenet" => IMAGENET,
        "none" => Normalization { mean: [0.0; 3], std: [1.0; 3] },
        // Excluded by the signature.
        other => unreachable!("no normalisation is called `{other}`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::term::Term;
    use crate::watch::testing::unwatched;

    fn args(items: &[(&str, Term)]) -> Args {
        Args(items.iter().map(|(name, value)| (name.to_string(), value.clone())).collect())
    }

    /// Its declaration is what the check goes by.
    #[test]
    fn what_streams_is_declared_to() {
        for (name, source) in DATASETS {
            let streams = declaration(name).is_some_and(|own| own.is("streams"));
            assert_eq!(streams, source.written.is_some(), "{name}");
        }
    }

    #[test]
    fn shapes_are_as_many_as_said() {
        let normalize = ("normalize", Term::Symbol("none".into()));
        let args = args(&[("train", Term::Int(30)), ("test", Term::Int(20)), normalize]);
        let shapes = Call { name: "shapes".to_owned(), args };
        let source = Lookup {
            data_dir: None,
            environment: None,
            cache: PathBuf::new(),
            offline: true,
            mirror: None,
            watch: unwatched(),
        };
        let dataset = load(&shapes, &source).expect("shapes need nothing");
        assert_eq!((dataset.train.len(), dataset.test.len()), (30, 20));
        assert_eq!(dataset.normalization, Normalization { mean: [0.0; 3], std: [1.0; 3] });
        assert_ne!(dataset.train.image(0), dataset.test.image(0));
    }

    #[test]
    fn shapes_are_normalised_by_what_they_are() {
        let images = shapes::draw("train", 2000, unwatched()).expect("nobody asked to stop");
        for channel in 0..3 {
            let plane = |index| &images.image(index)[channel * 1024..][..1024];
            let values = || (0..images.len()).flat_map(plane).map(|&byte| f64::from(byte) / 255.0);
            let pixels = (images.len() * 1024) as f64;
            let mean = values().sum::<f64>() / pixels;
            let std = (values().map(|value| (value - mean).powi(2)).sum::<f64>() / pixels).sqrt();
            assert!((mean - f64::from(SHAPES.mean[channel])).abs() < 0.01, "{channel}: {mean}");
            assert!((std - f64::from(SHAPES.std[channel])).abs() < 0.01, "{channel}: {std}");
        }
    }

    #[test]
    fn the_datasets_own_normalisation_is_one_of_three() {
        let own = Normalization { mean: [0.1; 3], std: [0.2; 3] };
        let of =
            |name: &str| normalization(&args(&[("normalize", Term::Symbol(name.to_owned()))]), own);
        assert_eq!(of("own"), own);
        assert_eq!(of("imagenet").mean[0], 0.485);
        assert_eq!(of("none").std, [1.0; 3]);
    }
}
