//! Shards: tar archives of pictures and their classes.
//!
//! A sample is what has the same name up to its first dot: a picture, and a `.cls` that holds the
//! number of its class, as WebDataset has it. A shard belongs to the part that stands in its name, or
//! else in that of the next folder in which it lies.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use indexmap::IndexMap;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use tar::EntryType;

use super::layout::{DEEPEST, Found, Layout, Member, Picture, extension, sorted};
use super::{Counts, PictureError};
use crate::data::error::DataError;
use crate::watch::{Counted, Task, Watch};

/// The words for each part; of those to test on, the first that is there counts.
const TRAIN: &[&str] = &["train"];
const TEST: &[&str] = &["val", "validation", "valid", "test"];

/// How archives end that would have to be unpacked before a picture is found in them.
const COMPRESSED: &[&str] = &["tar.gz", "tgz", "tar.zst", "tar.xz", "tar.bz2"];

/// The bytes of a block of an archive, and of the two that end it.
const BLOCK: u64 = 512;

/// No number of a class is longer.
const LONGEST_CLASS: u64 = 64;

/// The archives of each part, in the order of their names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shards([Vec<Found>; 2]);

impl Layout for Shards {
    const NAME: &str = "shards";

    fn list(root: &Path, watch: Watch<'_>) -> Result<Self, DataError> {
        let mut archives = Vec::new();
        walk(root, 0, &mut archives, watch)?;
        let mut named = Vec::new();
        for path in archives {
            let Some(word) = word(root, &path)? else { continue };
            named.push((word, path));
        }
        let part = |words: &'static [&'static str]| -> Result<Vec<Found>, DataError> {
            let first = words.iter().find(|word| named.iter().any(|(own, _)| own == *word));
            let Some(first) = first else {
                return Err(PictureError::NoShard { folder: root.to_owned(), words }.into());
            };
            let own = named.iter().filter(|(own, _)| own == first);
            let found = |(_, path): &(&str, PathBuf)| match extension_is(path, COMPRESSED) {
                true => Err(PictureError::Compressed { shard: path.clone() }.into()),
                false => Found::of(root, path),
            };
            own.map(found).collect()
        };
        Ok(Shards([part(TRAIN)?, part(TEST)?]))
    }

    /// Their heads would have to be read.
    fn counts(&self) -> Option<Counts> {
        None
    }

    fn pictures(&self, root: &Path, watch: Watch<'_>) -> Result<[Vec<Picture<'_>>; 2], DataError> {
        let name = root.file_name().unwrap_or_default().to_string_lossy();
        let all = self.0.iter().map(Vec::len).sum::<usize>() as u64;
        let task = watch.start(format!("looking through {name}"), 0, Some(all), Counted::Files);
        let [train, test] = &self.0;
        let parts = [of_all(root, train, &task)?, of_all(root, test, &task)?];
        every_class_is_trained_on(root, &parts)?;
        Ok(parts)
    }
}

/// Adds the archives in a folder, and in the folders that lie in it.
fn walk(
    folder: &Path,
    depth: usize,
    found: &mut Vec<PathBuf>,
    watch: Watch<'_>,
) -> Result<(), DataError> {
    watch.check()?;
    if depth > DEEPEST {
        return Err(PictureError::TooDeep { folder: folder.to_owned() }.into());
    }
    for path in sorted(folder)? {
        if path.is_dir() {
            walk(&path, depth + 1, found, watch)?;
        } else if extension_is(&path, &["tar"]) || extension_is(&path, COMPRESSED) {
            found.push(path);
        }
    }
    Ok(())
}

fn extension_is(path: &Path, ends: &[&str]) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    ends.iter().any(|end| name.strip_suffix(end).is_some_and(|rest| rest.ends_with('.')))
}

/// The word for a part in the name of an archive, or else in that of the next folder which has one.
fn word(root: &Path, path: &Path) -> Result<Option<&'static str>, DataError> {
    let names = path.strip_prefix(root).unwrap_or(path).iter().rev();
    for name in names {
        let name = name.to_string_lossy().to_ascii_lowercase();
        let mut words = name.split(|letter: char| !letter.is_ascii_alphabetic());
        let of_part = |words: &'static [&'static str], own: &str| -> Option<&'static str> {
            words.iter().find(|word| **word == own).copied()
        };
        let found = words.clone().find_map(|own| of_part(TRAIN, own));
        let other = words.find_map(|own| of_part(TEST, own));
        if found.is_some() && other.is_some() {
            return Err(PictureError::TwoParts { shard: path.to_owned() }.into());
        }
        if let Some(word) = found.or(other) {
            return Ok(Some(word));
        }
    }
    Ok(None)
}

/// The pictures of so many shards.
fn of_all<'l>(
    root: &Path,
    shards: &'l [Found],
    task: &Task<'_>,
) -> Result<Vec<Picture<'l>>, DataError> {
    let of_shard = shards.par_iter().map(|shard| {
        task.advance(1)?;
        pictures(root, shard)
    });
    let of_shard: Vec<Result<Vec<Picture<'l>>, DataError>> = of_shard.collect();
    let of_shard: Vec<Vec<Picture<'l>>> = of_shard.into_iter().collect::<Result<_, _>>()?;
    Ok(of_shard.concat())
}

/// What one sample of a shard has.
#[derive(Default)]
struct Sample {
    picture: Option<Member>,
    class: Option<u32>,
}

/// The pictures of one shard, as they lie in it.
fn pictures<'l>(root: &Path, shard: &'l Found) -> Result<Vec<Picture<'l>>, DataError> {
    let path = root.join(&shard.path);
    let mut samples = IndexMap::<PathBuf, Sample>::new();
    visit(&path, |member, contents| {
        let file = Path::new(&member.name);
        let base = file.file_name().unwrap_or_default().to_string_lossy();
        let Some((stem, ends)) = base.split_once('.').filter(|(stem, _)| !stem.is_empty()) else {
            return Ok(());
        };
        let is_class = ends.eq_ignore_ascii_case("cls");
        let is_picture = extension(file);
        if !is_class && is_picture.is_none() {
            return Ok(());
        }
        if is_picture == Some(false) {
            return Err(PictureError::Format { first: path.join(file), count: 1 }.into());
        }
        let Some(contents) = contents else {
            return Err(PictureError::Link { member: path.join(file) }.into());
        };
        let sample = samples.entry(file.with_file_name(stem)).or_default();
        if is_class {
            sample.class = Some(class(&path.join(file), contents)?);
        } else if let Some(picture) = &sample.picture {
            let [first, second] = [&picture.name, &member.name].map(|name| path.join(name));
            return Err(PictureError::TwoPictures { first, second }.into());
        } else {
            sample.picture = Some(member);
        }
        Ok(())
    })?;
    let mut pictures = Vec::new();
    for (name, sample) in samples {
        let sample_path = || path.join(&name);
        let Some(member) = sample.picture else {
            return Err(PictureError::NoPicture { sample: sample_path() }.into());
        };
        let Some(class) = sample.class else {
            return Err(PictureError::NoLabel { picture: path.join(member.name) }.into());
        };
        pictures.push(Picture { file: shard, member: Some(member), class });
    }
    Ok(pictures)
}

/// Calls `visit` with everything in an archive that has bytes of its own, and with `None` for what
/// only points to others.
fn visit(
    path: &Path,
    mut visit: impl FnMut(Member, Option<&mut dyn Read>) -> Result<(), DataError>,
) -> Result<(), DataError> {
    let damaged = |problem: String| PictureError::Shard { shard: path.to_owned(), problem };
    let broken = |cause: std::io::Error| DataError::from(damaged(cause.to_string()));
    let file = File::open(path).map_err(DataError::io("read", path))?;
    let length = file.metadata().map_err(DataError::io("read", path))?.len();
    // What lies between the heads is passed over.
    let mut archive = tar::Archive::new(BufReader::with_capacity(BLOCK as usize, file));
    // Several archives, one behind the other, are one.
    archive.set_ignore_zeros(true);
    let mut end = 0;
    for entry in archive.entries_with_seek().map_err(broken)? {
        let mut entry = entry.map_err(broken)?;
        let member = Member {
            name: entry.path().map_err(broken)?.to_string_lossy().into_owned(),
            at: entry.raw_file_position(),
            bytes: entry.size(),
        };
        let blocks = member.bytes.checked_next_multiple_of(BLOCK).unwrap_or(u64::MAX);
        end = member.at.saturating_add(blocks);
        if end > length {
            return Err(damaged("it is cut short".into()).into());
        }
        match entry.header().entry_type() {
            EntryType::Regular | EntryType::Continuous => visit(member, Some(&mut entry))?,
            EntryType::Directory => {}
            _ => visit(member, None)?,
        }
    }
    // Whoever is at the end of a file that was cut between two members finds no mark of the end.
    if end + BLOCK > length {
        return Err(damaged("it is cut short".into()).into());
    }
    Ok(())
}

/// The number that a `.cls` holds.
fn class(file: &Path, contents: &mut dyn Read) -> Result<u32, DataError> {
    let mut text = Vec::new();
    let read = contents.take(LONGEST_CLASS).read_to_end(&mut text);
    read.map_err(DataError::io("read", file))?;
    let text = String::from_utf8_lossy(&text);
    let number = text.trim().parse().ok().filter(|number| *number < u32::MAX);
    let other = || PictureError::Label { file: file.to_owned(), found: text.trim().to_owned() };
    number.ok_or_else(|| other().into())
}

fn every_class_is_trained_on(root: &Path, parts: &[Vec<Picture<'_>>; 2]) -> Result<(), DataError> {
    let [train, test] = parts;
    let mut trained: Vec<u32> = train.iter().map(|own| own.class).collect();
    trained.sort_unstable();
    trained.dedup();
    let gap = (0..).zip(&trained).find(|(expected, own)| expected != *own);
    let beyond = test.iter().map(|own| own.class).max();
    let beyond = beyond.filter(|own| *own as usize >= trained.len());
    // The first that is missing below another one.
    let missing = gap.map(|(expected, _)| expected).or(beyond.map(|_| trained.len() as u32));
    match missing {
        Some(class) => Err(PictureError::ClassMissing { folder: root.to_owned(), class }.into()),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
