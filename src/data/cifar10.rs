//! CIFAR-10: 60 000 colour images of 32 by 32 pixels in ten classes. Krizhevsky 2009, "Learning
//! multiple layers of features from tiny images".
//!
//! It is published in two forms that say the same: binary records, and pickles of Python. Both are
//! read, from folders or from the archives that they come in. A batch in the
//! binary form, `[count, 1 + 3 * 32 * 32]` bytes of label and RGB planes, is known by its checksum; a
//! pickle by the same one, taken of what it says, or by the published file's own.

mod seen;

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use md5::{Digest, Md5};
use rayon::prelude::*;

use super::archive::Members;
use super::download::{Remote, Whole, download, exclusive, hexadecimal, remove_left};
use super::error::{DataError, NotDownloaded};
use super::images::Images;
use super::{Lookup, Supply, pickle};
use crate::augment::Normalization;
use crate::watch::{Counted, Task, Watch};

/// Mean and standard deviation of the training images.
pub const NORMALIZATION: Normalization =
    Normalization { mean: [0.4914, 0.4822, 0.4465], std: [0.2470, 0.2435, 0.2616] };

const NAME: &str = "cifar10";
/// With what the name of a folder begins that is not whole yet.
const UNFINISHED: &str = ".cifar-10-";
/// Height and width in pixels.
const SIDE: usize = 32;
/// Bytes of an image.
const IMAGE: usize = 3 * SIDE * SIDE;
/// Bytes of an image and its label in the binary form.
const RECORD: usize = 1 + IMAGE;
const CLASSES: u8 = 10;
/// Records that are taken at a time.
const STRETCH: usize = 64;
/// The batches, five of training images and one of test images.
const BATCHES: [&str; 6] =
    ["data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch"];

/// What was published, by which a copy of it is known.
struct Release {
    /// Images in each batch.
    count: usize,
    /// BLAKE3 of each batch in the binary form.
    blake3: [&'static str; BATCHES.len()],
    /// MD5 of each file of the Python form.
    python: [&'static str; BATCHES.len()],
    /// Where the archives are.
    url: &'static str,
    /// Size in bytes and MD5 of the archive of the binary form.
    archive: (u64, &'static str),
}

/// The checksums in MD5 are the publisher's own.
const RELEASE: Release = Release {
    count: 10_000,
    blake3: [
        "1b3fcad40d258858f510c4bcd1afcfe8c314b9ce56dd1e5497433a7084a97293",
        "d6e4b10488a9921e026b4d5ee9f7e3dd326e866f8b48d623538c7cef1a8ffc79",
        "a736d929656ecfb2eab80ea59e8573caeea112d8d60a45f4a0a4504214bdd281",
        "afd36c14a4d2a00e0c9eab2d984d5c1ebe5a5d7f35ce865c8d6ce74275afb0eb",
        "fc1cbe676c343edd20366fde0b046aa5251665fe07c5bc068044656a5e5d45eb",
        "69a7d1df5b1d17f8c98089666dffee384a8f3da4421e368f08a80f067ae79ffc",
    ],
    python: [
        "c99cafc152244af753f735de768cd75f",
        "d4bba439e000b95fd0a9bffe97cbabec",
        "54ebc095f3ab1f0389bbae665268c751",
        "634d18415352ddfa80567beed471001a",
        "482c414d41f54cd18b22e5b47cb7c3cb",
        "40351d587109b95175f43aff81a1287e",
    ],
    url: "https://www.cs.toronto.edu/~kriz",
    archive: (170_052_171, "c32a1d4ab5d03f1284b67883e8d87530"),
};

/// The training and the test images.
///
/// They are looked for in `--data-dir`, and nowhere else if it is given; otherwise in `CPIPE_DATA`,
/// which may lack them, and in the user's cache, into which they are downloaded where they are
/// missing. A copy that is there and damaged or incomplete is an error, not passed over.
pub fn load(source: &Lookup<'_>) -> Result<(Images, Images), DataError> {
    RELEASE.load(source)
}

/// Where [`load`] would take them from. What is there is not read.
pub fn locate(source: &Lookup<'_>) -> Result<Supply, DataError> {
    Ok(match RELEASE.locate(source)? {
        Some(Found::Folder(path, _) | Found::Archive(path, _)) => Supply::Found(path),
        None => {
            let packed = source.cache.join(Form::Binary.archive());
            match packed.exists() {
                true => Supply::Found(packed),
                false => Supply::Download { bytes: RELEASE.archive.0 },
            }
        }
    })
}

/// How the batches are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Binary,
    Python,
}

/// A copy of the dataset.
#[derive(Debug, PartialEq, Eq)]
enum Found {
    Folder(PathBuf, Form),
    Archive(PathBuf, Form),
}

impl Form {
    const ALL: [Form; 2] = [Form::Binary, Form::Python];

    fn folder(self) -> &'static str {
        match self {
            Form::Binary => "cifar-10-batches-bin",
            Form::Python => "cifar-10-batches-py",
        }
    }

    fn archive(self) -> &'static str {
        match self {
            Form::Binary => "cifar-10-binary.tar.gz",
            Form::Python => "cifar-10-python.tar.gz",
        }
    }

    /// The files of the batches.
    fn files(self) -> [String; BATCHES.len()] {
        BATCHES.map(|batch| match self {
            Form::Binary => format!("{batch}.bin"),
            Form::Python => batch.to_owned(),
        })
    }
}

impl Release {
    fn load(&self, source: &Lookup<'_>) -> Result<(Images, Images), DataError> {
        match self.locate(source)? {
            Some(copy) => self.read(&copy, &source.cache, source.watch),
            None => self.fetch(source),
        }
    }

    /// The copy that is read; `None` where one is to be downloaded.
    fn locate(&self, source: &Lookup<'_>) -> Result<Option<Found>, DataError> {
        if let Some(place) = source.data_dir {
            let why = NotDownloaded::DataDir;
            let copy = find(place)?.ok_or_else(|| missing(vec![place.to_owned()], why))?;
            return Ok(Some(copy));
        }
        let places: Vec<PathBuf> =
            source.environment.iter().chain([&source.cache]).cloned().collect();
        for place in &places {
            match find(place)? {
                // A download that was stopped before it was unpacked.
                Some(Found::Archive(_, Form::Binary))
                    if *place == source.cache && !source.offline =>
                {
                    return Ok(None);
                }
                Some(copy) => return Ok(Some(copy)),
                None => {}
            }
        }
        if source.offline {
            return Err(missing(places, NotDownloaded::Offline));
        }
        Ok(None)
    }

    /// Downloads the binary form into the cache, unless it is there, and unpacks it.
    fn fetch(&self, source: &Lookup<'_>) -> Result<(Images, Images), DataError> {
        let cache = source.cache.as_path();
        let _lock = exclusive(&cache.join("cifar-10.lock"), "fetches cifar10", source.watch)?;
        let form = Form::Binary;
        let archive = cache.join(form.archive());
        // Another process may have just done it.
        match find(cache)? {
            Some(Found::Archive(path, _)) if path == archive => {}
            Some(copy) => return self.read(&copy, cache, source.watch),
            None => {}
        }
        remove_left(cache, UNFINISHED);
        let base = source.mirror.unwrap_or(self.url).trim_end_matches('/');
        let url = format!("{base}/{}", form.archive());
        let (size, md5) = self.archive;
        let whole = source.mirror.is_none().then_some(Whole { size, md5 });
        if !archive.exists() {
            download(&Remote { url: &url, whole }, &archive, source.watch)?;
        }

        // The folder appears under its name with everything in it, or not at all.
        let unpacked = tempfile::Builder::new().prefix(UNFINISHED).tempdir_in(cache);
        let unpacked = unpacked.map_err(DataError::io("write", cache))?;
        let inner = unpacked.path().join(form.folder());
        fs::create_dir(&inner).map_err(DataError::io("create", &inner))?;
        let members = self.members(&archive, form, &form.files()).unpack(&inner, source.watch);
        let files = seen::Folder::new(self, &inner, cache).files();
        let copy = Found::Folder(inner.clone(), form);
        let images = match members.and_then(|()| self.verify(&copy, source.watch)) {
            Err(DataError::Damaged { expected, found, path }) => {
                fs::remove_file(&archive).map_err(DataError::io("remove", &archive))?;
                let path = path.strip_prefix(unpacked.path()).unwrap_or(&path).to_owned();
                return Err(DataError::DownloadDamaged { url, path, expected, found });
            }
            images => images?,
        };
        let folder = cache.join(form.folder());
        fs::rename(&inner, &folder).map_err(DataError::io("create", &folder))?;
        fs::remove_file(&archive).map_err(DataError::io("remove", &archive))?;
        if let Some(files) = files {
            seen::Folder::new(self, &folder, cache).note(files, &images);
        }
        Ok(images)
    }

    /// Reads a copy, and makes sure that it is whole, unless that is known.
    fn read(
        &self,
        copy: &Found,
        cache: &Path,
        watch: Watch<'_>,
    ) -> Result<(Images, Images), DataError> {
        let Found::Folder(folder, Form::Binary) = copy else { return self.verify(copy, watch) };
        let folder = seen::Folder::new(self, folder, cache);
        // Looked at before they are read: what is written while they are is another file.
        let files = folder.files();
        if let Some(images) = files.as_deref().and_then(|files| folder.recall(files)) {
            return Ok(images);
        }
        let images = self.verify(copy, watch)?;
        if let Some(files) = files {
            folder.note(files, &images);
        }
        Ok(images)
    }

    fn verify(&self, copy: &Found, watch: Watch<'_>) -> Result<(Images, Images), DataError> {
        let all = (BATCHES.len() * self.count) as u64;
        let reading = || watch.start(format!("reading {NAME}"), 0, Some(all), Counted::Images);
        match copy {
            Found::Folder(folder, form) => {
                let (files, task) = (form.files(), reading());
                self.assemble(|batch, part| {
                    let path = folder.join(&files[batch]);
                    let file = File::open(&path).map_err(DataError::io("read", &path))?;
                    let length = file.metadata().map_err(DataError::io("read", &path))?.len();
                    self.decode(file, length, *form, batch, &path, part, &task)
                })
            }
            Found::Archive(archive, form) => {
                let files = form.files();
                let contents = self.members(archive, *form, &files).read(watch)?;
                let task = reading();
                self.assemble(|batch, part| {
                    let path = archive.join(&files[batch]);
                    let bytes = contents[batch].as_slice();
                    self.decode(bytes, bytes.len() as u64, *form, batch, &path, part, &task)
                })
            }
        }
    }

    fn members<'a>(&self, archive: &'a Path, form: Form, names: &'a [String]) -> Members<'a> {
        Members { archive, folder: form.folder(), names, limit: self.limit(form) }
    }

    /// The most bytes of a batch's file, and in the binary form the only number. Pickles hold the
    /// names of the images too, and written by Python 3 for Python 2, half of all pixels take two
    /// bytes.
    fn limit(&self, form: Form) -> u64 {
        match form {
            Form::Binary => (self.count * RECORD) as u64,
            Form::Python => (2 * self.count * RECORD + (1 << 20)) as u64,
        }
    }

    /// Takes a batch apart that has been found to be what was published. `length` is that of all
    /// that `file` gives, and `path` where it comes from.
    #[expect(clippy::too_many_arguments, reason = "each is one part of what is read")]
    fn decode(
        &self,
        mut file: impl Read,
        length: u64,
        form: Form,
        batch: usize,
        path: &Path,
        part: &mut Part<'_>,
        task: &Task<'_>,
    ) -> Result<(), DataError> {
        let damaged =
            |expected, found| Err(DataError::Damaged { path: path.to_owned(), expected, found });
        let limit = self.limit(form);
        match form {
            Form::Binary if length != limit => {
                damaged(format!("{limit} bytes"), format!("{length} bytes"))
            }
            Form::Binary => {
                let found = part.read(file, path, task)?.to_hex();
                let expected = self.blake3[batch];
                if found.as_str() != expected {
                    return damaged(format!("blake3 {expected}"), format!("blake3 {found}"));
                }
                Ok(())
            }
            Form::Python if length > limit => {
                damaged(format!("at most {limit} bytes"), format!("{length} bytes"))
            }
            Form::Python => {
                let mut bytes = Vec::with_capacity(length as usize);
                file.read_to_end(&mut bytes).map_err(DataError::io("read", path))?;
                let expected = self.python[batch];
                task.advance(self.count as u64)?;
                let found = match part.unpickle(&bytes) {
                    // The same images, or the published file itself.
                    Ok(()) if part.digest().to_hex().as_str() == self.blake3[batch] => {
                        return Ok(());
                    }
                    Ok(()) => match hexadecimal(Md5::new_with_prefix(&bytes)) {
                        found if found == expected => return Ok(()),
                        found => format!("md5 {found}"),
                    },
                    Err(problem) => problem,
                };
                damaged(format!("a pickle of md5 {expected}"), found)
            }
        }
    }

    /// The images of the batches, all of which are had and taken apart at the same time.
    fn assemble(
        &self,
        fill: impl Fn(usize, &mut Part<'_>) -> Result<(), DataError> + Sync,
    ) -> Result<(Images, Images), DataError> {
        let [mut train, mut test] = [BATCHES.len() - 1, 1]
            .map(|batches| (vec![0; batches * self.count * IMAGE], vec![0; batches * self.count]));
        let mut parts: Vec<Part<'_>> = [&mut train, &mut test]
            .into_iter()
            .flat_map(|(pixels, labels)| {
                let pixels = pixels.chunks_exact_mut(self.count * IMAGE);
                let labels = labels.chunks_exact_mut(self.count);
                pixels.zip(labels).map(|(pixels, labels)| Part { pixels, labels })
            })
            .collect();
        let parts = parts.par_iter_mut().enumerate();
        let results: Vec<Result<(), DataError>> =
            parts.map(|(batch, part)| fill(batch, part)).collect();
        // The first fault in the order of the batches, whichever thread was first to meet one.
        results.into_iter().collect::<Result<(), DataError>>()?;
        let images =
            |(pixels, labels): (Vec<u8>, Vec<u32>)| Images::new(pixels, labels, [SIDE, SIDE]);
        Ok((images(train), images(test)))
    }
}

/// A batch's place among the images.
struct Part<'a> {
    /// `[count, 3, 32, 32]`
    pixels: &'a mut [u8],
    /// `[count]`
    labels: &'a mut [u32],
}

impl Part<'_> {
    /// Takes the records of the binary form from `file`, and gives the digest of all of them.
    fn read(
        &mut self,
        mut file: impl Read,
        path: &Path,
        task: &Task<'_>,
    ) -> Result<blake3::Hash, DataError> {
        let mut hasher = blake3::Hasher::new();
        // Hashed and taken apart while they are in the processor's cache.
        let mut buffer = vec![0; STRETCH * RECORD];
        let pixels = self.pixels.chunks_mut(STRETCH * IMAGE);
        for (pixels, labels) in pixels.zip(self.labels.chunks_mut(STRETCH)) {
            let records = &mut buffer[..labels.len() * RECORD];
            file.read_exact(records).map_err(DataError::io("read", path))?;
            hasher.update(records);
            task.advance(labels.len() as u64)?;
            let images = pixels.chunks_exact_mut(IMAGE).zip(labels);
            for (record, (image, label)) in records.chunks_exact(RECORD).zip(images) {
                *label = u32::from(record[0]);
                image.copy_from_slice(&record[1..]);
            }
        }
        Ok(hasher.finalize())
    }

    /// Takes the images of a pickled batch.
    fn unpickle(&mut self, bytes: &[u8]) -> Result<(), String> {
        let batch = pickle::read_batch(bytes).map_err(|error| error.to_string())?;
        let [rows, columns] = batch.shape;
        let count = self.labels.len();
        if [rows, columns] != [count, IMAGE] {
            return Err(format!("{rows} x {columns} bytes in place of {count} x {IMAGE}"));
        }
        if batch.labels.len() != count {
            return Err(format!("{} labels for {count} images", batch.labels.len()));
        }
        self.pixels.copy_from_slice(&batch.data);
        self.labels.iter_mut().zip(&batch.labels).for_each(|(label, &own)| *label = own.into());
        Ok(())
    }

    /// What [`Part::read`] gives for these images.
    fn digest(&self) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new();
        let mut records = Vec::with_capacity(STRETCH * RECORD);
        let pixels = self.pixels.chunks(STRETCH * IMAGE);
        for (pixels, labels) in pixels.zip(self.labels.chunks(STRETCH)) {
            records.clear();
            for (image, &label) in pixels.chunks_exact(IMAGE).zip(labels) {
                // Each was read from a byte.
                records.push(label as u8);
                records.extend_from_slice(image);
            }
            hasher.update(&records);
        }
        hasher.finalize()
    }
}

/// The copy of the dataset in a place: its folder or its archive, there or in a folder `cifar10`,
/// or the batches themselves. Folders are faster to read and come before archives.
fn find(place: &Path) -> Result<Option<Found>, DataError> {
    let mut incomplete = None;
    for base in [place.to_owned(), place.join(NAME)] {
        for form in Form::ALL {
            for folder in [base.join(form.folder()), base.clone()] {
                let mut missing = form.files().to_vec();
                missing.retain(|file| !folder.join(file).is_file());
                match missing.len() {
                    0 => return Ok(Some(Found::Folder(folder, form))),
                    absent if absent == BATCHES.len() => {}
                    _ => {
                        incomplete.get_or_insert((folder, missing));
                    }
                }
            }
        }
        for form in Form::ALL {
            let archive = base.join(form.archive());
            if archive.is_file() {
                return Ok(Some(Found::Archive(archive, form)));
            }
        }
    }
    match incomplete {
        Some((folder, missing)) => Err(DataError::Incomplete { dataset: NAME, folder, missing }),
        None => Ok(None),
    }
}

fn missing(searched: Vec<PathBuf>, why: NotDownloaded) -> DataError {
    let [binary, python] = Form::ALL;
    let accepted = format!(
        "`{}`, `{}`, `{}` or `{}`",
        binary.folder(),
        python.folder(),
        binary.archive(),
        python.archive()
    );
    DataError::Missing { dataset: NAME, searched, accepted, why }
}

#[cfg(test)]
mod tests;
