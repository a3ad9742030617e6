//! Datasets: found, verified and decoded once, and made into batches of views.

#[cfg(feature = "run")]
mod archive;
#[cfg(feature = "run")]
mod cifar10;
#[cfg(feature = "run")]
pub mod download;
#[cfg(feature = "run")]
mod error;
#[cfg(feature = "run")]
pub mod images;
#[cfg(feature = "run")]
pub mod loader;
#[cfg(feature = "run")]
mod pickle;
#[cfg(feature = "run")]
mod sample;
#[cfg(feature = "run")]
mod shapes;
#[cfg(all(test, feature = "run"))]
mod testing;

#[cfg(feature = "run")]
use std::path::{Path, PathBuf};

#[cfg(feature = "run")]
pub use self::{
    download::{Remote, download},
    error::{DataError, NotDownloaded},
    images::{Dataset, Images},
    sample::stratified,
};
#[cfg(feature = "run")]
use crate::augment::Normalization;
use crate::registry::{Entry, Implementation, Sizes, SizesOf};
#[cfg(feature = "run")]
use crate::term::Args;
#[cfg(feature = "run")]
use crate::watch::Watch;

/// What the registry holds of a dataset.
pub struct DatasetEntry {
    pub sizes: SizesOf,
    #[cfg(feature = "run")]
    pub load: fn(&Args, &Source<'_>) -> Result<Dataset, DataError>,
}

/// Where datasets are looked for and kept.
#[cfg(feature = "run")]
pub struct Source<'a> {
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

/// The datasets, as exported by `std.datasets`.
pub static ENTRIES: &[Entry] = &[
    entry(
        "cifar10",
        DatasetEntry {
            sizes: |_| Sizes { train: 50_000, test: 10_000 },
            #[cfg(feature = "run")]
            load: |args, source| {
                let (train, test) = cifar10::load(source)?;
                let normalization = normalization(args, cifar10::NORMALIZATION);
                Ok(Dataset { train, test, normalization })
            },
        },
    ),
    entry(
        "shapes",
        DatasetEntry {
            sizes: |args| Sizes { train: args.size("train"), test: args.size("test") },
            #[cfg(feature = "run")]
            load: |args, source| {
                Ok(Dataset {
                    train: shapes::draw("train", args.size("train"), source.watch)?,
                    test: shapes::draw("test", args.size("test"), source.watch)?,
                    normalization: normalization(args, SHAPES),
                })
            },
        },
    ),
];

const fn entry(name: &'static str, implementation: DatasetEntry) -> Entry {
    let implementation = Implementation::Dataset(implementation);
    Entry { name, implementation }
}

/// Mean and standard deviation of the shapes.
#[cfg(feature = "run")]
const SHAPES: Normalization =
    Normalization { mean: [0.500, 0.500, 0.501], std: [0.189, 0.180, 0.214] };

/// The choice of the parameter `normalize`.
#[cfg(feature = "run")]
fn normalization(args: &Args, own: Normalization) -> Normalization {
    match args.symbol("normalize") {
        "own" => own,
        "imagenet" => Normalization { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] },
        "none" => Normalization { mean: [0.0; 3], std: [1.0; 3] },
        // Excluded by the signature.
        other => unreachable!("no normalisation is called `{other}`"),
    }
}

#[cfg(all(test, feature = "run"))]
mod tests {
    use super::*;
    use crate::term::Term;
    use crate::watch::testing::unwatched;

    fn args(items: &[(&str, Term)]) -> Args {
        Args(items.iter().map(|(name, value)| (name.to_string(), value.clone())).collect())
    }

    #[test]
    fn shapes_are_as_many_as_said() {
        let Implementation::Dataset(entry) = &ENTRIES[1].implementation else {
            panic!("an entry that is no dataset")
        };
        let normalize = ("normalize", Term::Symbol("none".into()));
        let args = args(&[("train", Term::Int(30)), ("test", Term::Int(20)), normalize]);
        assert_eq!((entry.sizes)(&args), Sizes { train: 30, test: 20 });
        let source = Source {
            data_dir: None,
            environment: None,
            cache: PathBuf::new(),
            offline: true,
            mirror: None,
            watch: unwatched(),
        };
        let dataset = (entry.load)(&args, &source).expect("shapes need nothing");
        assert_eq!((dataset.train.len(), dataset.test.len()), (30, 20));
        assert_eq!(dataset.normalization, Normalization { mean: [0.0; 3], std: [1.0; 3] });
        assert_ne!(dataset.train.pixels[..100], dataset.test.pixels[..100]);
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
