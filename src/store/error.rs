//! What can go wrong around a run: its store, its checkpoints and its record.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::device::DeviceError;
use crate::diagnostics::amount;
use crate::diagnostics::{Finding, findings};

/// A fault outside the pipeline itself, with the place and what would be right.
#[derive(Debug)]
pub enum RunError {
    /// The store of finished stages cannot be created or written.
    StoreUnwritable { path: PathBuf, cause: io::Error },
    /// A file of the store is there and cannot be read.
    StoreUnreadable { path: PathBuf, cause: io::Error },
    /// Another process, or another handle of this one, is running the same stage.
    StageLocked { path: PathBuf, holder: String },
    /// A finished stage is not what its manifest says; it is not used.
    StageDamaged { path: PathBuf, what: String },
    /// A checkpoint is not what was written.
    CheckpointDamaged { path: PathBuf, what: String },
    /// The metrics of a stage in progress are not what its checkpoint says.
    LogDamaged { path: PathBuf, what: String },
    /// The folder of this run's record cannot be created or written.
    RunFolderUnwritable { path: PathBuf, cause: io::Error },
    /// The run needs more room than a disk has.
    DiskTooSmall { path: PathBuf, needed: u64, free: u64 },
    /// The run needs more memory than is free.
    MemoryTooSmall { needed: u64, free: u64 },
    /// The steps of a training, of such a batch, or an evaluation are expected to take more memory
    /// than is free.
    StepTooLarge { stage: String, batch: Option<usize>, needed: u64, free: u64, fits: Vec<Fit> },
    /// The device had no room for a step of a training, of such a batch, or for an evaluation, and
    /// said so.
    DeviceFull { stage: String, batch: Option<usize>, said: String, fits: Vec<Fit> },
    /// The device does not compute in the precision of a stage.
    PrecisionUnavailable { stage: Option<String>, error: DeviceError },
    /// The results cannot be written to standard output; the record in `folder` has them too.
    OutputUnwritable { folder: PathBuf, cause: io::Error },
    /// The handler of Ctrl-C and the termination signals could not be installed.
    SignalsUnavailable { cause: String },
}

/// What a training could be given to take less memory.
#[derive(Debug)]
pub struct Fit {
    pub field: &'static str,
    pub value: usize,
    /// The bytes that it is expected to take.
    pub takes: u64,
}

impl fmt::Display for Fit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Fit { field, value, takes } = self;
        write!(f, "`{field}: {value}` takes about {}", amount(u128::from(*takes)))
    }
}

impl From<DeviceError> for RunError {
    fn from(error: DeviceError) -> Self {
        RunError::PrecisionUnavailable { stage: None, error }
    }
}

impl RunError {
    /// The name of the error: stable, and the same in every output format.
    pub fn finding(&self) -> &'static Finding {
        match self {
            RunError::StoreUnwritable { .. } => findings::STORE_UNWRITABLE,
            RunError::StoreUnreadable { .. } => findings::STORE_UNREADABLE,
            RunError::StageLocked { .. } => findings::STAGE_LOCKED,
            RunError::StageDamaged { .. } => findings::STAGE_DAMAGED,
            RunError::CheckpointDamaged { .. } => findings::CHECKPOINT_DAMAGED,
            RunError::LogDamaged { .. } => findings::LOG_DAMAGED,
            RunError::RunFolderUnwritable { .. } => findings::RUN_FOLDER_UNWRITABLE,
            RunError::DiskTooSmall { .. } => findings::DISK_TOO_SMALL,
            RunError::MemoryTooSmall { .. }
            | RunError::StepTooLarge { .. }
            | RunError::DeviceFull { .. } => findings::MEMORY_TOO_SMALL,
            RunError::PrecisionUnavailable { .. } => findings::PRECISION_UNAVAILABLE,
            RunError::OutputUnwritable { .. } => findings::OUTPUT_UNWRITABLE,
            RunError::SignalsUnavailable { .. } => findings::SIGNALS_UNAVAILABLE,
        }
    }

    /// What happened, and where.
    pub fn message(&self) -> String {
        match self {
            RunError::StoreUnwritable { path, cause } => {
                format!("cannot write to the store at `{}`: {cause}", path.display())
            }
            RunError::StoreUnreadable { path, cause } => {
                format!("cannot read `{}` of the store: {cause}", path.display())
            }
            RunError::StageLocked { path, holder } if holder.is_empty() => {
                format!("another run is computing this stage (it holds `{}`)", path.display())
            }
            RunError::StageLocked { holder, .. } => {
                format!("another run is computing this stage: {holder}")
            }
            RunError::StageDamaged { path, what } => {
                format!("the stored stage `{}` is damaged: {what}", path.display())
            }
            RunError::CheckpointDamaged { path, what } => {
                format!("the checkpoint `{}` is damaged: {what}", path.display())
            }
            RunError::LogDamaged { path, what } => {
                format!("the metrics `{}` are damaged: {what}", path.display())
            }
            RunError::RunFolderUnwritable { path, cause } => {
                format!("cannot write this run's record to `{}`: {cause}", path.display())
            }
            RunError::DiskTooSmall { path, needed, free } => {
                let [needed, free] = [needed, free].map(|bytes| amount(u128::from(*bytes)));
                let path = path.display();
                format!("this run writes at least {needed} to `{path}`, where {free} are free")
            }
            RunError::MemoryTooSmall { needed, free } => {
                let [needed, free] = [needed, free].map(|bytes| amount(u128::from(*bytes)));
                format!("this run takes at least {needed} of memory, and {free} are free")
            }
            RunError::PrecisionUnavailable { stage: None, error } => error.message.clone(),
            RunError::PrecisionUnavailable { stage: Some(stage), error } => {
                format!("{}, which `{stage}` asks for", error.message)
            }
            RunError::StepTooLarge { stage, batch, needed, free, .. } => {
                let [needed, free] = [needed, free].map(|bytes| amount(u128::from(*bytes)));
                let of = batch.map(|own| format!(" with a batch of {own}")).unwrap_or_default();
                format!("`{stage}` takes about {needed} of memory{of}, and {free} are free")
            }
            RunError::DeviceFull { stage, batch: Some(batch), said, .. } => {
                format!("there is no room for a step of `{stage}` with a batch of {batch}: {said}")
            }
            RunError::DeviceFull { stage, batch: None, said, .. } => {
                format!("there is no room for what `{stage}` computes: {said}")
            }
            RunError::OutputUnwritable { cause, .. } => {
                format!("cannot write the results to standard output: {cause}")
            }
            RunError::SignalsUnavailable { cause } => {
                format!("cannot listen for Ctrl-C and termination signals: {cause}")
            }
        }
    }

    /// What would be right.
    pub fn help(&self) -> Option<String> {
        match self {
            RunError::StoreUnwritable { cause, .. } if is_full(cause) => {
                Some("make room on that disk, or name a folder on another, with --store or by CPIPE_HOME".into())
            }
            RunError::StoreUnwritable { .. } => {
                Some("name a folder that can be written, with --store or by CPIPE_HOME".into())
            }
            RunError::StoreUnreadable { path, cause } if cause.kind() == io::ErrorKind::NotFound => {
                let folder = path.parent().unwrap_or(path);
                Some(format!(
                    "it was removed meanwhile: the same command computes the stage again, once \
                     `{}` is not there either",
                    folder.display()
                ))
            }
            RunError::StoreUnreadable { .. } => {
                Some("make the file readable, or set CPIPE_HOME to another folder".into())
            }
            RunError::StageLocked { .. } => {
                Some("without --no-wait this run waits for its result, and uses it".into())
            }
            RunError::StageDamaged { .. } => Some("the stage is computed again".into()),
            RunError::CheckpointDamaged { path, .. } | RunError::LogDamaged { path, .. } => {
                let folder = path.parent().unwrap_or(path);
                Some(format!("remove `{}` to start the stage from its beginning", folder.display()))
            }
            RunError::RunFolderUnwritable { cause, .. } if is_full(cause) => {
                Some("make room on that disk, or name another folder with --output".into())
            }
            RunError::RunFolderUnwritable { .. } => {
                Some("name a folder that can be written with --output".into())
            }
            RunError::DiskTooSmall { .. } => {
                Some("make room on that disk, or name folders on another".into())
            }
            RunError::MemoryTooSmall { .. } => {
                Some("end other programs, or take a smaller network or dataset".into())
            }
            RunError::PrecisionUnavailable { error, .. } => Some(error.help.clone()),
            RunError::DeviceFull { batch: None, .. }
            | RunError::StepTooLarge { batch: None, .. } => {
                let smaller = "a smaller network, fewer examples or smaller `views`";
                Some(format!("end other programs on the device, or judge {smaller}"))
            }
            RunError::StepTooLarge { fits, .. } | RunError::DeviceFull { fits, .. }
                if fits.is_empty() =>
            {
                Some("no batch would fit: end other programs, or take a smaller network".into())
            }
            RunError::StepTooLarge { fits, .. } | RunError::DeviceFull { fits, .. } => {
                let fits: Vec<String> = fits.iter().map(Fit::to_string).collect();
                Some(fits.join(", and "))
            }
            RunError::OutputUnwritable { folder, .. } => {
                Some(format!("the run is whole: its results are in `{}`", folder.display()))
            }
            RunError::SignalsUnavailable { .. } => None,
        }
    }

    /// Whether there was no room for what had to be written.
    pub fn is_full_disk(&self) -> bool {
        match self {
            RunError::StoreUnwritable { cause, .. }
            | RunError::RunFolderUnwritable { cause, .. }
            | RunError::OutputUnwritable { cause, .. } => is_full(cause),
            RunError::DiskTooSmall { .. } => true,
            _ => false,
        }
    }

    /// For `map_err`: a failed write below the store's root.
    pub(crate) fn store_write(path: &Path) -> impl FnOnce(io::Error) -> RunError {
        move |cause| RunError::StoreUnwritable { path: path.to_owned(), cause }
    }

    /// For `map_err`: a failed read below the store's root.
    pub(crate) fn store_read(path: &Path) -> impl FnOnce(io::Error) -> RunError {
        move |cause| RunError::StoreUnreadable { path: path.to_owned(), cause }
    }

    /// For `map_err`: a failed write to the run's record.
    pub(crate) fn record_write(path: &Path) -> impl FnOnce(io::Error) -> RunError {
        move |cause| RunError::RunFolderUnwritable { path: path.to_owned(), cause }
    }
}

fn is_full(cause: &io::Error) -> bool {
    matches!(cause.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message())
    }
}

impl std::error::Error for RunError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            RunError::StoreUnwritable { cause, .. }
            | RunError::StoreUnreadable { cause, .. }
            | RunError::RunFolderUnwritable { cause, .. }
            | RunError::OutputUnwritable { cause, .. } => Some(cause),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_told_from_a_forbidden_folder() {
        let error = |kind| RunError::store_write(Path::new("/s"))(io::Error::from(kind));
        let full = error(io::ErrorKind::StorageFull);
        assert_eq!(full.finding().name, "store-unwritable");
        assert!(full.message().contains("`/s`"), "{full}");
        assert!(full.help().is_some_and(|help| help.contains("make room")));
        let forbidden = error(io::ErrorKind::PermissionDenied);
        assert!(forbidden.help().is_some_and(|help| help.contains("can be written")));
    }
}
