//! What can be wrong with a folder of pictures.

use std::path::PathBuf;

use super::Counts;
use crate::diagnostics::{Finding, findings};

/// A fault of a folder of pictures.
#[derive(Debug)]
pub enum FolderError {
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
    /// It holds other numbers of classes and pictures than the call says.
    Differs { path: String, folder: PathBuf, found: Counts, declared: Counts },
    /// Files that are no pictures, or not whole.
    Unreadable { first: PathBuf, problem: String, count: usize, of: usize },
    /// A file is another one than a moment before.
    Changed { file: PathBuf },
}

impl FolderError {
    pub fn finding(&self) -> &'static Finding {
        match self {
            FolderError::Missing { .. } => findings::DATASET_MISSING,
            FolderError::NoPart { .. } | FolderError::EmptyClass { .. } => {
                findings::DATASET_INCOMPLETE
            }
            FolderError::Format { .. } | FolderError::Unreadable { .. } => {
                findings::DATASET_DAMAGED
            }
            FolderError::NoClass { .. }
            | FolderError::OtherClass { .. }
            | FolderError::TooDeep { .. }
            | FolderError::Name { .. }
            | FolderError::Differs { .. }
            | FolderError::Changed { .. } => findings::DATASET_DIFFERS,
        }
    }

    pub fn message(&self) -> String {
        match self {
            FolderError::Missing { path, searched } => match searched.as_slice() {
                [one] => format!("there is no folder `{}`", one.display()),
                several => {
                    let several: Vec<String> =
                        several.iter().map(|own| format!("`{}`", own.display())).collect();
                    format!("there is no folder `{path}`: looked for {}", several.join(", "))
                }
            },
            FolderError::NoPart { folder, names } => {
                format!("`{}` has no folder `{}`", folder.display(), names.join("` or `"))
            }
            FolderError::EmptyClass { folder } => {
                format!("the class `{}` has no picture", folder.display())
            }
            FolderError::NoClass { picture } => {
                format!("`{}` lies in no folder of a class", picture.display())
            }
            FolderError::OtherClass { folder } => {
                format!("the class of `{}` is none to train on", folder.display())
            }
            FolderError::TooDeep { folder } => {
                format!("folders lie in folders without an end in `{}`", folder.display())
            }
            FolderError::Name { path } => {
                format!("the name of `{}` is no text in UTF-8", path.display())
            }
            FolderError::Format { first, count } => {
                let rest = rest(*count, "are in formats that are", "is in a format that is");
                format!("`{}`{rest} not read", first.display())
            }
            FolderError::Differs { folder, found, declared, .. } => {
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
            FolderError::Unreadable { first, problem, count, of } => {
                let first = first.display();
                match count {
                    1 => format!("`{first}`, of {of} pictures, cannot be read: {problem}"),
                    _ => format!(
                        "{count} of {of} pictures cannot be read, first `{first}`: {problem}"
                    ),
                }
            }
            FolderError::Changed { file } => {
                format!("`{}` was changed while the folder was read", file.display())
            }
        }
    }

    pub fn help(&self) -> String {
        match self {
            FolderError::Missing { .. } => {
                "a relative path is looked for in --data-dir or CPIPE_DATA, and where the command \
                 runs"
                    .into()
            }
            FolderError::NoPart { .. } | FolderError::NoClass { .. } => {
                "pictures lie in `train/CLASS/` and `val/CLASS/`, or `test/CLASS/`".into()
            }
            FolderError::EmptyClass { .. } => {
                "remove the folder, or put JPEG or PNG files into it".into()
            }
            FolderError::OtherClass { .. } => {
                "a class has the same name in both parts; without pictures to train on it cannot \
                 be one"
                    .into()
            }
            FolderError::TooDeep { .. } => "look for a link to a folder that it lies in".into(),
            FolderError::Name { .. } => "give it another name".into(),
            FolderError::Format { .. } => "JPEG and PNG are read: convert the others".into(),
            FolderError::Differs { path, found, .. } => {
                let Counts { classes, train, test } = found;
                format!(
                    "complete the folder, or say `folder({path:?}, classes: {classes}, \
                     train: {train}, test: {test})`"
                )
            }
            FolderError::Unreadable { .. } => {
                "mend or remove them; `damaged: skip` leaves them out, and says so".into()
            }
            FolderError::Changed { .. } => "wait until nothing writes to it, and run again".into(),
        }
    }
}

/// How the sentence goes on about the first of so many.
fn rest(count: usize, many: &str, one: &str) -> String {
    match count {
        1 => format!(" {one}"),
        _ => format!(" and {} more {many}", count - 1),
    }
}
