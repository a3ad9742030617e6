//! The decoded squares of a set of pictures, in files of their own.

use std::any::Any;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use memmap2::Mmap;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;

use super::decode::square;
use super::layout::{Layout, Picture};
use super::unfinished::{self, Digests, Done, Unfinished};
use super::{Counts, PictureError};
use crate::augment::Canvas;
use crate::data::download::{exclusive, remove_left};
use crate::data::error::DataError;
use crate::data::images::{Bytes, Images};
use crate::data::stamp::Identity;
use crate::watch::{Counted, Task, Watch};

/// Raised where other bytes are made of the same files.
const VERSION: u32 = 1;
const INDEX: &str = "index.json";
/// What the files of squares were when they were last found to be whole.
const SEEN: &str = "seen.json";
/// With what the names of temporary files begin.
const TEMPORARY: &str = ".tmp";

/// Pictures that are decoded before it is noted that they are.
const STRETCH: usize = if cfg!(test) { 2 } else { 2048 };

/// Where the squares of one set are kept, in one size.
pub struct Cache {
    folder: PathBuf,
    /// Where they are made, whether or not those that cannot be decoded are left out.
    unfinished: PathBuf,
    size: usize,
    skips: bool,
}

/// What the cache holds of a set.
#[derive(Debug, Serialize, Deserialize)]
pub struct Index<L> {
    /// The files that it was made from.
    layout: L,
    /// Classes of the set, and those of what is kept of each part.
    classes: usize,
    labels: [Vec<u32>; 2],
    /// Pictures that could not be decoded, from the root on, with the reason of each.
    pub left_out: Vec<(PathBuf, String)>,
    /// The digest of all that is kept, as it lies in the files of the pictures.
    pub content: String,
    /// The digest of the squares of each part.
    squares: [String; 2],
}

/// The squares of a part, in a file that has not its name yet.
struct Part {
    file: PathBuf,
    /// The places of the pictures that have a square.
    kept: Vec<usize>,
    labels: Vec<u32>,
    left_out: Vec<(PathBuf, String)>,
    /// Of the pictures, and of their squares.
    digests: [blake3::Hash; 2],
}

impl Cache {
    /// Of the folder `root`, which is there, among all caches. `layout` tells sets apart that lie in
    /// one folder.
    pub fn of(caches: &Path, root: &Path, layout: &str, size: usize, skips: bool) -> Self {
        let place = fs::canonicalize(root).unwrap_or_else(|_| root.to_owned());
        let mut hasher = blake3::Hasher::new();
        hasher.update(place.as_os_str().as_encoded_bytes());
        let named = |which: &str| {
            let mut hasher = hasher.clone();
            hasher.update(format!("\0{layout} {size} {which} {VERSION}").as_bytes());
            let hash = &hasher.finalize().to_hex()[..16];
            let name = root.file_name().unwrap_or_default().to_string_lossy();
            caches.join("folders").join(format!("{name}-{size}-{hash}"))
        };
        let (folder, unfinished) = (named(&skips.to_string()), named("unfinished"));
        Cache { folder, unfinished, size, skips }
    }

    /// What it holds of exactly these files, if anything.
    pub fn current<L: Layout>(&self, layout: &L) -> Option<Index<L>> {
        let index = fs::read(self.folder.join(INDEX)).ok()?;
        let index: Index<L> = serde_json::from_slice(&index).ok()?;
        let is_whole = |part| {
            let length = fs::metadata(self.pixels(&index.content, part)).map(|file| file.len());
            length.is_ok_and(|length| length == (index.labels[part].len() * self.image()) as u64)
        };
        (index.layout == *layout && is_whole(0) && is_whole(1)).then_some(index)
    }

    /// The same, if its squares are those that were written. They are looked at once, and again
    /// where their files are others since.
    pub fn sound<L: Layout>(
        &self,
        layout: &L,
        watch: Watch<'_>,
    ) -> Result<Option<Index<L>>, DataError> {
        let Some(index) = self.current(layout) else { return Ok(None) };
        let files = self.identities(&index.content);
        let seen = fs::read(self.folder.join(SEEN)).ok();
        if seen.and_then(|seen| serde_json::from_slice(&seen).ok()) == files && files.is_some() {
            return Ok(Some(index));
        }
        let parts = self.open(&index)?;
        let count = parts.iter().map(Images::len).sum::<usize>() as u64;
        let name = self.folder.file_name().unwrap_or_default().to_string_lossy();
        let task = watch.start(format!("verifying {name}"), 0, Some(count), Counted::Images);
        for (part, squares) in parts.iter().zip(&index.squares) {
            let digest = |image| {
                task.advance(1)?;
                Ok(blake3::hash(part.image(image)))
            };
            let all: Result<Vec<blake3::Hash>, DataError> =
                (0..part.len()).into_par_iter().map(digest).collect();
            if digest_of(&all?).to_hex().as_str() != squares {
                return Ok(None);
            }
        }
        self.note_seen(files);
        Ok(Some(index))
    }

    /// Notes that the squares in these files are whole. Where that cannot be written, they are looked
    /// at again.
    fn note_seen(&self, files: Option<[Identity; 2]>) {
        let Some(files) = files else { return };
        let written = NamedTempFile::new_in(&self.folder).and_then(|mut file| {
            file.write_all(&serde_json::to_vec(&files)?)?;
            file.persist(self.folder.join(SEEN)).map_err(|error| error.error)
        });
        drop(written);
    }

    /// What the files of both parts are now.
    fn identities(&self, content: &str) -> Option<[Identity; 2]> {
        let of = |part| Identity::of(&self.pixels(content, part)).ok();
        Some([of(0)?, of(1)?])
    }

    /// The bytes of squares that wait for a next attempt.
    pub fn written(&self) -> u64 {
        unfinished::bytes(&self.unfinished)
    }

    /// The images of both parts.
    pub fn open<L>(&self, index: &Index<L>) -> Result<[Images; 2], DataError> {
        let images = |part| -> Result<Images, DataError> {
            let path = self.pixels(&index.content, part);
            let file = File::open(&path).map_err(DataError::io("read", &path))?;
            // SAFETY: nothing writes to a file of this name: it is made under another one, and
            // where others take its place it is removed, which leaves it to those who have it open.
            let pixels = unsafe { Mmap::map(&file) }.map_err(DataError::io("read", &path))?;
            let pixels = Bytes::Mapped(Arc::new(pixels));
            Ok(Images::new(pixels, index.labels[part].clone(), [self.size; 2]))
        };
        Ok([images(0)?, images(1)?])
    }

    /// Decodes the pictures of these files of `root`, unless another process has just done it.
    /// `compare` is asked about what there is before one is.
    pub fn import<L: Layout>(
        &self,
        root: &Path,
        layout: L,
        watch: Watch<'_>,
        compare: &dyn Fn(Counts) -> Result<(), DataError>,
    ) -> Result<Index<L>, DataError> {
        let name = root.file_name().unwrap_or_default().to_string_lossy();
        let does = format!("decodes {name}");
        let _lock = exclusive(&self.folder.join("lock"), &does, watch)?;
        if let Some(index) = self.sound(&layout, watch)? {
            return Ok(index);
        }
        remove_left(&self.folder, TEMPORARY);
        let [train, test] = layout.pictures(root, watch)?;
        let classes = train.iter().chain(&test).map(|own| own.class as usize + 1).max();
        let (classes, all) = (classes.unwrap_or(0), (train.len() + test.len()) as u64);
        compare(Counts { classes, train: train.len(), test: test.len() })?;
        let _making = exclusive(&self.unfinished.join("lock"), &does, watch)?;
        let mut unfinished = Unfinished::open(&self.unfinished, &layout, self.image(), watch)?;
        let (what, done) = (format!("decoding {name}"), unfinished.count() as u64);
        let task = watch.start(what, done, Some(all), Counted::Images);
        let train = self.decode(root, (0, &train), &task, &mut unfinished)?;
        let test = self.decode(root, (1, &test), &task, &mut unfinished)?;
        drop(task);
        if !train.left_out.is_empty() || !test.left_out.is_empty() {
            unfinished.forget()?;
        }
        for part in [&train, &test] {
            self.close_up(part).map_err(DataError::io("write", &part.file))?;
        }
        let hex = |own: blake3::Hash| own.to_hex().to_string();
        let digests = [&train, &test].map(|part| hex(part.digests[0]));
        let squares = [&train, &test].map(|part| hex(part.digests[1]));
        let content = format!("{}{VERSION}", digests.concat());
        let content = blake3::hash(content.as_bytes()).to_hex().to_string();
        let labels = [train.labels, test.labels];
        let left_out = [train.left_out, test.left_out].concat();
        let index = Index { layout, classes, labels, left_out, content, squares };
        for (part, file) in [train.file, test.file].into_iter().enumerate() {
            let path = self.pixels(&index.content, part);
            fs::rename(file, &path).map_err(DataError::io("write", &path))?;
        }
        let path = self.folder.join(INDEX);
        let written = NamedTempFile::new_in(&self.folder).and_then(|mut file| {
            // Flushed here: one that is dropped would not say that the disk is full.
            let mut out = io::BufWriter::new(&mut file);
            serde_json::to_writer(&mut out, &index)?;
            out.flush()?;
            drop(out);
            file.as_file().sync_all()?;
            file.persist(&path).map_err(|error| error.error)
        });
        written.map_err(DataError::io("write", &path))?;
        self.note_seen(self.identities(&index.content));
        self.remove_others(&index.content);
        unfinished::clear(&self.unfinished);
        Ok(index)
    }

    /// Decodes the pictures of a part into its file, from those on that are done.
    fn decode(
        &self,
        root: &Path,
        (part, pictures): (usize, &[Picture<'_>]),
        task: &Task<'_>,
        unfinished: &mut Unfinished,
    ) -> Result<Part, DataError> {
        let place = unfinished.squares(part);
        let file = File::options().read(true).write(true).open(&place);
        let mut file = file.map_err(DataError::io("write", &place))?;
        let mut first = unfinished.done(part).len();
        for stretch in pictures.get(first..).unwrap_or_default().chunks(STRETCH) {
            let out = Mutex::new(&mut file);
            let decoded =
                stretch.par_iter().enumerate().map_init(Canvas::new, |canvas, (at, picture)| {
                    task.advance(1)?;
                    let bytes = picture.read(root)?;
                    // A picture over which a decoder stumbles is named as any other.
                    let square =
                        catch_unwind(AssertUnwindSafe(|| square(&bytes, self.size, canvas)));
                    let square = match square {
                        Ok(Ok(square)) => square,
                        Ok(Err(problem)) => return Ok(Err(problem)),
                        Err(panic) => return Ok(Err(stumbled(&*panic))),
                    };
                    let mut out = out.lock().unwrap_or_else(PoisonError::into_inner);
                    let written = out.seek(SeekFrom::Start(((first + at) * self.image()) as u64));
                    let written = written.and_then(|_| out.write_all(&square));
                    written.map_err(DataError::io("write", &place))?;
                    let [picture, square] =
                        [&bytes, &square].map(|own| blake3::hash(own).to_hex().to_string());
                    Ok(Ok(Digests { picture, square }))
                });
            // Ends early where a file cannot be read, or the disk is full.
            let decoded: Result<Vec<Done>, DataError> = decoded.collect();
            let decoded = decoded?;
            first += stretch.len();
            // The last of them may have no square.
            let grown = file.set_len((first * self.image()) as u64);
            grown.map_err(DataError::io("write", &place))?;
            unfinished.note(part, &file, decoded)?;
        }
        let mut hasher = blake3::Hasher::new();
        let (mut kept, mut labels, mut left_out) = (Vec::new(), Vec::new(), Vec::new());
        let mut squares = Vec::new();
        let parsed = |hash: &str| {
            let hash = blake3::Hash::from_hex(hash).map_err(io::Error::other);
            hash.map_err(DataError::io("read", &place))
        };
        for ((at, picture), own) in pictures.iter().enumerate().zip(unfinished.done(part)) {
            match own {
                Ok(digests) => {
                    hasher.update(&picture.class.to_le_bytes());
                    hasher.update(parsed(&digests.picture)?.as_bytes());
                    squares.push(parsed(&digests.square)?);
                    kept.push(at);
                    labels.push(picture.class);
                }
                Err(problem) => left_out.push((picture.path(Path::new("")), problem.clone())),
            }
        }
        if !self.skips && !left_out.is_empty() {
            let (pictures, of) = (below(root, &left_out), pictures.len());
            return Err(PictureError::Unreadable { pictures, of }.into());
        }
        let digests = [hasher.finalize(), digest_of(&squares)];
        Ok(Part { file: place, kept, labels, left_out, digests })
    }

    /// Moves the squares after those that are left out into their places.
    fn close_up(&self, Part { file, kept, .. }: &Part) -> io::Result<()> {
        let mut file = File::options().read(true).write(true).open(file)?;
        let mut square = vec![0; self.image()];
        for (to, &from) in kept.iter().enumerate().filter(|(to, from)| to != *from) {
            file.seek(SeekFrom::Start((from * self.image()) as u64))?;
            file.read_exact(&mut square)?;
            file.seek(SeekFrom::Start((to * self.image()) as u64))?;
            file.write_all(&square)?;
        }
        file.set_len((kept.len() * self.image()) as u64)?;
        file.sync_all()
    }

    /// Removes the squares of what the set held before.
    fn remove_others(&self, content: &str) {
        let Ok(entries) = fs::read_dir(&self.folder) else { return };
        let own = [0, 1].map(|part| self.pixels(content, part));
        for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
            // What cannot be removed takes room and does no harm.
            if path.extension().is_some_and(|end| end == "pixels") && !own.contains(&path) {
                let _ = fs::remove_file(path);
            }
        }
    }

    fn pixels(&self, content: &str, part: usize) -> PathBuf {
        let part = ["train", "test"][part];
        self.folder.join(format!("{part}-{}.pixels", content.get(..16).unwrap_or(content)))
    }

    /// The bytes of a square.
    fn image(&self) -> usize {
        3 * self.size * self.size
    }
}

/// The digest of squares, from theirs.
fn digest_of(squares: &[blake3::Hash]) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    squares.iter().for_each(|own| _ = hasher.update(own.as_bytes()));
    hasher.finalize()
}

/// Pictures that are told of from the root on, with it.
pub fn below(root: &Path, pictures: &[(PathBuf, String)]) -> Vec<(PathBuf, String)> {
    let pictures = pictures.iter();
    pictures.map(|(picture, problem)| (root.join(picture), problem.clone())).collect()
}

/// Why a decoder that has panicked could not go on.
fn stumbled(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    format!("its decoder failed: {}", text.unwrap_or("nobody knows why"))
}

impl<L> Index<L> {
    /// Of what is kept. Classes that have lost all their pictures are classes still.
    pub fn counts(&self) -> Counts {
        let [train, test] = [0, 1].map(|part| self.labels[part].len());
        Counts { classes: self.classes, train, test }
    }
}
