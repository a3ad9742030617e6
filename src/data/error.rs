//! Why a dataset could not be had.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use super::pictures::PictureError;
use crate::diagnostics::{Finding, findings, visible};
use crate::interrupt::Interrupted;

/// A fault of a dataset's files or of their download, with the place and what would be right.
#[derive(Debug)]
pub enum DataError {
    /// The dataset is in none of the places that were searched, and was not to be downloaded.
    Missing { dataset: &'static str, searched: Vec<PathBuf>, accepted: String, why: NotDownloaded },
    /// Some of its files are there, and others are not.
    Incomplete { dataset: &'static str, folder: PathBuf, missing: Vec<String> },
    /// A file is not what was published: cut short, altered, or something else under that name.
    Damaged { path: PathBuf, expected: String, found: String },
    /// A server could not be reached, or did not give what it was asked for.
    Download { url: String, problem: String, part: Option<PathBuf> },
    /// What a server gave is not what was published. It has been removed.
    DownloadDamaged { url: String, path: PathBuf, expected: String, found: String },
    /// A file or folder cannot be read or written.
    Io { action: &'static str, path: PathBuf, cause: io::Error },
    /// Pictures of one's own are not as they have to be.
    Pictures(Box<PictureError>),
    /// Asked to stop.
    Interrupted,
}

/// Why a dataset that is missing was not downloaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotDownloaded {
    /// `--data-dir` says where the dataset is.
    DataDir,
    /// `--offline`
    Offline,
}

impl DataError {
    /// An operation such as `read` on `path` has failed; used with `map_err`.
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> DataError {
        move |cause| DataError::Io { action, path: path.to_owned(), cause }
    }

    /// The name of the error: stable, and the same in every output format.
    pub fn finding(&self) -> &'static Finding {
        match self {
            DataError::Missing { .. } => findings::DATASET_MISSING,
            DataError::Incomplete { .. } => findings::DATASET_INCOMPLETE,
            DataError::Damaged { .. } => findings::DATASET_DAMAGED,
            DataError::Download { .. } => findings::DOWNLOAD_FAILED,
            DataError::DownloadDamaged { .. } => findings::DOWNLOAD_DAMAGED,
            DataError::Io { .. } => findings::IO_ERROR,
            DataError::Pictures(error) => error.finding(),
            DataError::Interrupted => findings::INTERRUPTED,
        }
    }

    /// What happened, and where.
    pub fn message(&self) -> String {
        match self {
            DataError::Missing { dataset, searched, .. } => {
                let places = list(searched.iter().map(|place| place.display()));
                format!("{dataset} is not in {places}")
            }
            DataError::Incomplete { dataset, folder, missing } => {
                let missing = list(missing);
                format!("{dataset} in `{}` is incomplete: it lacks {missing}", folder.display())
            }
            DataError::Damaged { path, expected, found } => {
                format!("`{}` is damaged: expected {expected}, found {found}", path.display())
            }
            DataError::Download { url, problem, .. } => {
                format!("cannot download {url}: {problem}")
            }
            DataError::DownloadDamaged { url, path, expected, found } => {
                let file = path.display();
                format!("{url} gave a wrong `{file}`: expected {expected}, found {found}")
            }
            DataError::Io { action, path, cause } => {
                format!("cannot {action} `{}`: {cause}", visible(&path.display().to_string()))
            }
            // A name may have a line's end in it, and a message has one line.
            DataError::Pictures(error) => visible(&error.message()).into_owned(),
            DataError::Interrupted => Interrupted.to_string(),
        }
    }

    /// What would be right.
    pub fn help(&self) -> Option<String> {
        match self {
            DataError::Missing { accepted, why: NotDownloaded::DataDir, .. } => Some(format!(
                "--data-dir takes a folder that holds {accepted}; \
                 without it the dataset is downloaded once and kept"
            )),
            DataError::Missing { accepted, why: NotDownloaded::Offline, .. } => Some(format!(
                "run once without --offline to download it, or name with --data-dir or CPIPE_DATA \
                 a folder that holds {accepted}"
            )),
            DataError::Incomplete { .. } => Some(
                "complete the folder, or move these files away: without --data-dir and --offline \
                 the dataset is downloaded then"
                    .into(),
            ),
            DataError::Damaged { .. } => Some(
                "put the published file in its place, or move the dataset's files away: without \
                 --data-dir and --offline it is downloaded then"
                    .into(),
            ),
            DataError::Download { part: Some(part), .. } => Some(format!(
                "what has arrived is kept in `{}`: the same command goes on from there",
                part.display()
            )),
            DataError::Download { part: None, .. } => {
                Some("check the network and the proxy settings (HTTPS_PROXY), and try again".into())
            }
            DataError::DownloadDamaged { .. } => Some(
                "the wrong file was removed; a proxy or mirror may have put something in its place"
                    .into(),
            ),
            DataError::Io { action: "write", cause, .. }
                if cause.kind() == io::ErrorKind::StorageFull =>
            {
                Some("make room on that disk".into())
            }
            DataError::Pictures(error) => Some(error.help()),
            DataError::Io { .. } | DataError::Interrupted => None,
        }
    }
}

impl From<PictureError> for DataError {
    fn from(error: PictureError) -> Self {
        DataError::Pictures(Box::new(error))
    }
}

impl From<Interrupted> for DataError {
    fn from(_: Interrupted) -> Self {
        DataError::Interrupted
    }
}

impl fmt::Display for DataError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message())
    }
}

impl std::error::Error for DataError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            DataError::Io { cause, .. } => Some(cause),
            _ => None,
        }
    }
}

/// "`a`, `b` or `c`" without the last word's choice between "and" and "or": commas suffice.
fn list(items: impl IntoIterator<Item = impl fmt::Display>) -> String {
    let quoted: Vec<String> = items.into_iter().map(|item| format!("`{item}`")).collect();
    quoted.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_name_the_file_and_what_would_be_right() {
        let path = PathBuf::from("/data/test_batch.bin");
        let error = DataError::Damaged {
            path,
            expected: "30730000 bytes".into(),
            found: "12 bytes".into(),
        };
        assert_eq!(
            error.to_string(),
            "`/data/test_batch.bin` is damaged: expected 30730000 bytes, found 12 bytes"
        );

        let error = DataError::Missing {
            dataset: "cifar10",
            searched: vec!["/a".into(), "/b".into()],
            accepted: "cifar-10-batches-bin".into(),
            why: NotDownloaded::Offline,
        };
        assert_eq!(error.message(), "cifar10 is not in `/a`, `/b`");
        assert!(error.help().is_some_and(|help| help.contains("--offline")));
    }
}
