//! How pictures lie in files.

use std::ffi::OsStr;
use std::fs::{self, DirEntry, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{Counts, PictureError};
use crate::data::error::DataError;
use crate::data::stamp::Stamp;
use crate::watch::Watch;

/// Deeper than this nobody lays pictures.
pub const DEEPEST: usize = 16;

/// How pictures end that are read, and pictures that are not. What ends otherwise is no picture.
const READ: &[&str] = &["jpg", "jpeg", "jpe", "jfif", "png"];
const NOT_READ: &[&str] = &[
    "avif", "bmp", "gif", "heic", "heif", "jp2", "jxl", "pbm", "pgm", "ppm", "tga", "tif", "tiff",
    "webp",
];

/// The files that hold the pictures of a set. While they are equal, so are the pictures.
pub trait Layout: PartialEq + Serialize + DeserializeOwned + Sync {
    /// The dataset of the library that is laid out like this.
    const NAME: &str;

    /// Lists the files under `root`, which is a folder. None is opened.
    fn list(root: &Path, watch: Watch<'_>) -> Result<Self, DataError>;

    /// What they hold, where that is known without opening one.
    fn counts(&self) -> Option<Counts>;

    /// The pictures of each part, in their order.
    fn pictures(&self, root: &Path, watch: Watch<'_>) -> Result<[Vec<Picture<'_>>; 2], DataError>;
}

/// A picture that is not read yet.
#[derive(Clone, Debug)]
pub struct Picture<'l> {
    pub file: &'l Found,
    /// Where it is a part of the file alone.
    pub member: Option<Member>,
    pub class: u32,
}

/// A part of a file.
#[derive(Clone, Debug)]
pub struct Member {
    pub name: String,
    /// Its first byte, and how many there are.
    pub at: u64,
    pub bytes: u64,
}

/// A file, and by what it is known to be the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// From the root on.
    pub path: PathBuf,
    pub stamp: Stamp,
}

impl Found {
    /// Of a path in `root`.
    pub fn of(root: &Path, path: &Path) -> Result<Self, DataError> {
        let leads_nowhere = |cause: &io::Error| {
            #[cfg(unix)]
            if cause.raw_os_error() == Some(libc::ELOOP) {
                return true;
            }
            cause.kind() == io::ErrorKind::NotFound
        };
        // Asked only where something is wrong: there may be a million files.
        let is_no_file = || path.metadata().is_ok_and(|own| !own.is_file());
        let stamp =
            Stamp::of(path).map_err(|cause| match leads_nowhere(&cause) || is_no_file() {
                true => PictureError::NoFile { picture: path.to_owned() }.into(),
                false => DataError::io("read", path)(cause),
            })?;
        let path = path.strip_prefix(root).unwrap_or(path).to_owned();
        Ok(Found { path, stamp })
    }
}

impl Picture<'_> {
    /// What messages call it.
    pub fn path(&self, root: &Path) -> PathBuf {
        let file = root.join(&self.file.path);
        self.member.as_ref().map_or(file.clone(), |member| file.join(&member.name))
    }

    /// Its bytes, if its file is what it was when it was listed.
    pub fn read(&self, root: &Path) -> Result<Vec<u8>, DataError> {
        let path = root.join(&self.file.path);
        let bytes = match &self.member {
            None => fs::read(&path),
            Some(member) => section(&path, member),
        };
        let gone = |cause: io::Error| match cause.kind() {
            io::ErrorKind::NotFound => PictureError::Changed { file: path.clone() }.into(),
            _ => DataError::io("read", &path)(cause),
        };
        let bytes = bytes.map_err(gone)?;
        let expected = self.member.as_ref().map_or(self.file.stamp.bytes, |member| member.bytes);
        let now = Stamp::of(&path).map_err(gone)?;
        match now == self.file.stamp && bytes.len() as u64 == expected {
            true => Ok(bytes),
            false => Err(PictureError::Changed { file: path }.into()),
        }
    }
}

fn section(path: &Path, member: &Member) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(member.at))?;
    let mut bytes = Vec::new();
    file.take(member.bytes).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The pictures in a folder, and in the folders that lie in it. Those in formats that are not read are
/// added to `not_read`.
pub fn all(
    root: &Path,
    folder: &Path,
    watch: Watch<'_>,
    not_read: &mut Vec<PathBuf>,
) -> Result<Vec<Found>, DataError> {
    let mut found = Vec::new();
    walk(folder, 0, &mut |path, is_read| {
        watch.check()?;
        match is_read {
            true => found.push(Found::of(root, &path)?),
            false => not_read.push(path),
        }
        Ok(())
    })?;
    Ok(found)
}

fn walk(
    folder: &Path,
    depth: usize,
    each: &mut dyn FnMut(PathBuf, bool) -> Result<(), DataError>,
) -> Result<(), DataError> {
    if depth > DEEPEST {
        return Err(PictureError::TooDeep { folder: folder.to_owned() }.into());
    }
    for path in sorted(folder)? {
        match extension(&path) {
            // Only what may be a folder is asked whether it is one.
            None if path.is_dir() => walk(&path, depth + 1, each)?,
            None => {}
            Some(is_read) => each(path, is_read)?,
        }
    }
    Ok(())
}

/// Refuses pictures in formats that are not read.
pub fn all_are_read(not_read: Vec<PathBuf>) -> Result<(), DataError> {
    let count = not_read.len();
    match not_read.into_iter().next() {
        Some(first) => Err(PictureError::Format { first, count }.into()),
        None => Ok(()),
    }
}

/// What lies in a folder, sorted by name, without what is hidden.
pub fn sorted(folder: &Path) -> Result<Vec<PathBuf>, DataError> {
    let entries = fs::read_dir(folder).and_then(Iterator::collect::<io::Result<Vec<DirEntry>>>);
    let entries = entries.map_err(DataError::io("read", folder))?;
    let shown = entries.iter().filter(|own| !own.file_name().as_encoded_bytes().starts_with(b"."));
    let mut paths: Vec<PathBuf> = shown.map(DirEntry::path).collect();
    if let Some(path) = paths.iter().find(|path| path.file_name().is_some_and(is_no_text)) {
        return Err(PictureError::Name { path: path.clone() }.into());
    }
    paths.sort_unstable();
    Ok(paths)
}

fn is_no_text(name: &OsStr) -> bool {
    name.to_str().is_none()
}

/// Whether a name ends like that of a picture, and then whether it is one that is read.
pub fn extension(path: &Path) -> Option<bool> {
    let extension = path.extension()?.to_str()?.to_ascii_lowercase();
    match READ.contains(&extension.as_str()) {
        true => Some(true),
        false => NOT_READ.contains(&extension.as_str()).then_some(false),
    }
}
