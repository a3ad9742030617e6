//! What can be wrong with pictures of one's own.

use std::path::PathBuf;

use super::Counts;
use crate::diagnostics::{Finding, findings};

/// A fault of pictures in folders, or of shards.
#[derive(Debug)]
pub enum PictureError {
    /// It is in none of these places.
    Missing { path: String, searched: Vec<PathBuf> },
    /// It lacks a part: one of these folders.
    NoPart { folder: PathBuf, names: &'static [&'static str] },
    /// A class without a picture.
    EmptyClass { folder: PathBuf },
    /// A picture beside the folders of the classes.
    NoClass { picture: PathBuf },
    /// A class to test on that is none to train on.
    OtherClass { folder: PathBuf },
    /// Folders in folders without an end, as links can make them.
    TooDeep { folder: PathBuf },
    /// A name that is no text in UTF-8, which the cache could not note.
    Name { path: PathBuf },
    /// Pictures in formats that are not read.
    Format { first: PathBuf, count: usize },
    /// A part has no shard: one of these words would have to stand in its name.
    NoShard { folder: PathBuf, words: &'static [&'static str] },
    /// A shard whose name has the words of both parts.
    TwoParts { shard: PathBuf },
    /// A shard in which no picture can be found before it is unpacked.
    Compressed { shard: PathBuf },
    /// A shard that is no whole archive.
    Shard { shard: PathBuf, problem: String },
    /// A picture of a shard without a class.
    NoLabel { picture: PathBuf },
    /// A class in a shard without a picture.
    NoPicture { sample: PathBuf },
    /// What has the name of a picture or of a class and only points to another.
    Link { member: PathBuf },
    /// A class of a shard that is no number.
    Label { file: PathBuf, found: String },
    /// A sample of a shard with more than one picture.
    TwoPictures { first: PathBuf, second: PathBuf },
    /// Shards have no picture to train on of a class, and have some of a class after it.
    ClassMissing { folder: PathBuf, class: u32 },
    /// There are other numbers of classes and pictures than the call says.
    Differs { call: &'static str, path: String, folder: PathBuf, found: Counts, declared: Counts },
    /// Files that are no pictures, or not whole, with the reason of each.
    Unreadable { pictures: Vec<(PathBuf, String)>, of: usize },
    /// What has the name of a picture and is no file: a pipe, or a link to nothing.
    NoFile { picture: PathBuf },
    /// A file is another one than a moment before.
    Changed { file: PathBuf },
}

impl PictureError {
    pub fn finding(&self) -> &'static Finding {
        match self {
            PictureError::Missing { .. } => findings::DATASET_MISSING,
            PictureError::NoPart { .. }
            | PictureError::EmptyClass { .. }
            | PictureError::NoShard { .. }
            | PictureError::NoLabel { .. }
            | PictureError::NoPicture { .. }
            | PictureError::Link { .. }
            | PictureError::ClassMissing { .. } => findings::DATASET_INCOMPLETE,
            PictureError::Format { .. }
            | PictureError::Unreadable { .. }
            | PictureError::NoFile { .. }
            | PictureError::Compressed { .. }
            | PictureError::Shard { .. } => findings::DATASET_DAMAGED,
            PictureError::NoClass { .. }
            | PictureError::OtherClass { .. }
            | PictureError::TooDeep { .. }
            | PictureError::Name { .. }
            | PictureError::TwoParts { .. }
            | PictureError::Label { .. }
            | PictureError::TwoPictures { .. }
            | PictureError::Differs { .. }
            | PictureError::Changed { .. } => findings::DATASET_DIFFERS,
        }
    }

    pub fn message(&self) -> String {
        match self {
            PictureError::Missing { path, searched } => match searched.as_slice() {
                [one] => format!("there is no folder `{}`", one.display()),
                several => {
                    let several: Vec<String> =
                        several.iter().map(|own| format!("`{}`", own.display())).collect();
                    format!("there is no folder `{path}`: looked for {}", several.join(", "))
                }
            },
            PictureError::NoPart { folder, names } => {
                format!("`{}` has no folder {}", folder.display(), one_of(names))
            }
            PictureError::EmptyClass { folder } => {
                format!("the class `{}` has no picture", folder.display())
            }
            PictureError::NoClass { picture } => {
                format!("`{}` lies in no folder of a class", picture.display())
            }
            PictureError::OtherClass { folder } => {
                format!("the class of `{}` is none to train on", folder.display())
            }
            PictureError::TooDeep { folder } => {
                format!("folders lie in folders without an end in `{}`", folder.display())
            }
            PictureError::Name { path } => {
                format!("the name of `{}` is no text in UTF-8", path.display())
            }
            PictureError::Format { first, count } => {
                let rest = rest(*count, "are in formats that are", "is in a format that is");
                format!("`{}`{rest} not read", first.display())
            }
            PictureError::NoShard { folder, words } => {
                format!("`{}` has no shard of {}", folder.display(), one_of(words))
            }
            PictureError::TwoParts { shard } => {
                format!("`{}` is named like a shard of both parts", shard.display())
            }
            PictureError::Compressed { shard } => format!("`{}` is compressed", shard.display()),
            PictureError::Shard { shard, problem } => {
                format!("`{}` is no whole tar archive: {problem}", shard.display())
            }
            PictureError::NoLabel { picture } => {
                format!("`{}` has no class: a `.cls` beside it", picture.display())
            }
            PictureError::NoPicture { sample } => {
                format!("`{}` has a class and no picture", sample.display())
            }
            PictureError::Link { member } => {
                format!("`{}` has no bytes of its own", member.display())
            }
            PictureError::Label { file, found } => {
                format!("`{}` holds `{found}`, which is no number of a class", file.display())
            }
            PictureError::TwoPictures { first, second } => {
                format!("`{}` and `{}` are of one sample", first.display(), second.display())
            }
            PictureError::ClassMissing { folder, class } => {
                format!("`{}` has no picture to train on of class {class}", folder.display())
            }
            PictureError::Differs { call: "images", folder, found, declared, .. } => {
                let (found, declared) = (found.train, declared.train);
                format!("`{}` has {found} pictures, not {declared}", folder.display())
            }
            PictureError::Differs { folder, found, declared, .. } => {
                let different = [
                    (found.classes, declared.classes, "classes"),
                    (found.train, declared.train, "pictures to train on"),
                    (found.test, declared.test, "pictures to test on"),
                ];
                let different = different.iter().filter(|(found, declared, _)| found != declared);
                let different = different
                    .map(|(found, declared, what)| format!("{found} {what}, not {declared}"));
                let different: Vec<String> = different.collect();
                format!("`{}` has {}", folder.display(), different.join("; "))
            }
            PictureError::Unreadable { pictures, of } => {
                let count = pictures.len();
                format!("{count} of {of} pictures cannot be read: {}", named(pictures))
            }
            PictureError::NoFile { picture } => {
                format!("`{}` is named like a picture and is no file", picture.display())
            }
            PictureError::Changed { file } => {
                format!("`{}` was changed while it was read", file.display())
            }
        }
    }

    pub fn help(&self) -> String {
        match self {
            PictureError::Missing { .. } => {
                "a relative path is looked for in --data-dir, or else in CPIPE_DATA and where the \
                 command runs"
                    .into()
            }
            PictureError::NoPart { .. } | PictureError::NoClass { .. } => {
                "pictures lie in `train/CLASS/` and `val/CLASS/`, or `test/CLASS/`".into()
            }
            PictureError::EmptyClass { .. } => {
                "remove the folder, or put JPEG or PNG files into it".into()
            }
            PictureError::OtherClass { .. } => {
                "a class has the same name in both parts; without pictures to train on it cannot \
                 be one"
                    .into()
            }
            PictureError::TooDeep { .. } => "look for a link to a folder that it lies in".into(),
            PictureError::Name { .. } => "give it another name".into(),
            PictureError::Format { .. } => "JPEG and PNG are read: convert the others".into(),
            PictureError::NoShard { .. } => {
                "shards are `.tar` files with the word `train`, and with `val`, `validation`, `valid` \
                 or `test`, in their names or in those of their folders"
                    .into()
            }
            PictureError::TwoParts { .. } => {
                "leave one of the words in its name: a folder may have the other".into()
            }
            PictureError::Compressed { .. } => {
                "unpack it to `.tar`: pictures are compressed by themselves".into()
            }
            PictureError::Shard { .. } => "copy or download it again".into(),
            PictureError::Link { .. } => {
                "pack it again with what it points to in its place, as `tar` does with \
                 `--hard-dereference` and `--dereference`"
                    .into()
            }
            PictureError::NoLabel { .. } | PictureError::NoPicture { .. } => {
                "`0001.jpg` has its class in `0001.cls`, a number from 0 up".into()
            }
            PictureError::Label { .. } => "classes are numbered from 0 up".into(),
            PictureError::TwoPictures { .. } => {
                "a sample is what has the same name up to its first dot, and has one picture".into()
            }
            PictureError::ClassMissing { .. } => {
                "classes are numbered from 0 up, and each has pictures to train on".into()
            }
            PictureError::Differs { call: "images", found: Counts { train: 0, .. }, .. } => {
                "put JPEG or PNG files into it".into()
            }
            PictureError::Differs { call: "images", found: Counts { train, .. }, .. } => {
                format!("complete the set, or say `count: {train}`")
            }
            PictureError::Differs { found: Counts { classes, train, test }, .. } => {
                let found = format!("`classes: {classes}, train: {train}, test: {test}`");
                match [classes, train, test].contains(&&0) {
                    // No set is declared so.
                    true => "complete the set".into(),
                    false => format!("complete the set, or say {found}"),
                }
            }
            PictureError::Unreadable { .. } => {
                "mend or remove them; `damaged: skip` leaves them out, and says so".into()
            }
            PictureError::NoFile { .. } => {
                "put the picture in its place, or remove it: a link may lead to nothing".into()
            }
            PictureError::Changed { .. } => "wait until nothing writes to it, and run again".into(),
        }
    }
}

/// How many pictures a sentence names.
const MOST_NAMED: usize = 3;

/// The first of some pictures that cannot be read, each with the reason.
pub fn named(pictures: &[(PathBuf, String)]) -> String {
    let first = pictures.iter().take(MOST_NAMED);
    let first = first.map(|(picture, problem)| format!("`{}` ({problem})", picture.display()));
    let first = first.collect::<Vec<_>>().join(", ");
    match pictures.len().saturating_sub(MOST_NAMED) {
        0 => first,
        more => format!("{first}, and {more} more"),
    }
}

/// Names of which one would do: "`a`, `b` or `c`".
fn one_of(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, before)) => format!("{} or {last}", before.join(", ")),
        None => String::new(),
    }
}

/// How the sentence goes on about the first of so many.
fn rest(count: usize, many: &str, one: &str) -> String {
    match count {
        1 => format!(" {one}"),
        _ => format!(" and {} more {many}", count - 1),
    }
}
