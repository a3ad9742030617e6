//! The run folder: the record that one run leaves.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::store::error::RunError;
use crate::store::events::JsonLines;
use crate::store::files;

/// A fresh folder of its own for one run.
#[derive(Clone, Debug)]
pub struct RunFolder {
    path: PathBuf,
}

impl RunFolder {
    /// Makes sure that folders can be created in `base`, of which only the first parts may be
    /// there. Creates nothing.
    pub fn check(base: &Path) -> Result<(), RunError> {
        files::check_writable(base).map_err(RunError::record_write(base))
    }

    /// Creates `<base>/<pipeline>-<YYYYMMDD-HHMMSS>-<n>`, in UTC, with the first `n` from 1 that
    /// is free, and makes sure that it can be written: this comes before anything is computed.
    pub fn create(base: &Path, pipeline: &str, now: SystemTime) -> Result<Self, RunError> {
        fs::create_dir_all(base).map_err(RunError::record_write(base))?;
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        let name: String = pipeline.chars().map(|c| if plain(c) { c } else { '_' }).collect();
        let stem = format!("{name}-{}", timestamp(now));
        let mut number = 1u64;
        let path = loop {
            let path = base.join(format!("{stem}-{number}"));
            // Creating it is the one way to know that no other run has it.
            match fs::create_dir(&path) {
                Ok(()) => break path,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
                Err(cause) => return Err(RunError::RunFolderUnwritable { path, cause }),
            }
        };
        files::check_writable(&path).map_err(RunError::record_write(&path))?;
        Ok(RunFolder { path })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a file of the record, replacing one of the same name: there whole or not at all.
    ///
    /// Panics where the name is no plain file name.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<(), RunError> {
        assert!(files::is_plain(name), "`{name}` cannot name a file of the record");
        let written = files::write_atomic(&self.path, name, bytes);
        written.map_err(RunError::record_write(&self.path.join(name)))
    }

    /// Puts a copy of a stage's output into the record: it is the user's, to be edited or removed.
    ///
    /// Panics where the name is no plain file name.
    pub fn add(&self, source: &Path, name: &str) -> Result<(), RunError> {
        assert!(files::is_plain(name), "`{name}` cannot name a file of the record");
        // What is not there any more is a fault of the store.
        File::open(source).map_err(RunError::store_read(source))?;
        let added = files::copy(source, &self.path, name);
        added.map_err(RunError::record_write(&self.path.join(name)))
    }

    /// Starts `events.jsonl`; once for each run.
    pub fn events(&self) -> Result<JsonLines, RunError> {
        JsonLines::create(&self.path.join("events.jsonl"))
    }
}

/// `YYYYMMDD-HHMMSS` in UTC. A clock set before 1970 reads 1970.
fn timestamp(time: SystemTime) -> String {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let (days, second) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
    let (year, month, day) = civil_from_days(days);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}{month:02}{day:02}-{hour:02}{minute:02}{second:02}")
}

/// Year, month and day of the Gregorian calendar, `days` after 1970-01-01.
///
/// After Howard Hinnant, "chrono-compatible low-level date algorithms": a year that starts in
/// March has its leap day last, so the months before it have the same lengths in every year.
fn civil_from_days(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468; // since 0000-03-01
    let era = days / 146_097; // of 400 years
    let day_of_era = days % 146_097;
    let leap_days = day_of_era / 1460 - day_of_era / 36_524 + day_of_era / 146_096;
    let year_of_era = (day_of_era - leap_days) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = 400 * era + year_of_era + u64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn timestamps() {
        assert_eq!(timestamp(at(0)), "19700101-000000");
        assert_eq!(timestamp(at(951_782_399)), "20000228-235959");
        assert_eq!(timestamp(at(951_782_400)), "20000229-000000");
        assert_eq!(timestamp(at(1_709_210_096)), "20240229-123456");
        assert_eq!(timestamp(at(4_107_542_400)), "21000301-000000");
    }

    #[test]
    fn every_day_follows_the_one_before() {
        let leap = |year: u64| {
            year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400)
        };
        let mut expected = (1970, 1, 1);
        for days in 0..200_000 {
            assert_eq!(civil_from_days(days), expected);
            let (year, month, day) = expected;
            let length = match month {
                2 => 28 + u64::from(leap(year)),
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            expected = match (month, day) {
                (12, 31) => (year + 1, 1, 1),
                (_, day) if day == length => (year, month + 1, 1),
                _ => (year, month, day + 1),
            };
        }
    }

    #[test]
    fn runs_of_the_same_second_get_their_own_folders() {
        let base = tempfile::tempdir().unwrap();
        let base = base.path().join("runs");
        let name = |pipeline| {
            let folder = RunFolder::create(&base, pipeline, at(0)).unwrap();
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
            folder.path().file_name().unwrap().to_str().unwrap().to_owned()
        };
        assert_eq!(name("moco"), "moco-19700101-000000-1");
        assert_eq!(name("moco"), "moco-19700101-000000-2");
        assert_eq!(name("../x/y"), ".._x_y-19700101-000000-1");
    }

    #[test]
    fn the_record_is_written_and_outputs_are_added() {
        let base = tempfile::tempdir().unwrap();
        let folder = RunFolder::create(base.path(), "p", at(0)).unwrap();
        folder.write("report.txt", b"old").unwrap();
        folder.write("report.txt", b"new").unwrap();
        let output = base.path().join("encoder");
        fs::write(&output, b"weights").unwrap();
        folder.add(&output, "base.encoder.safetensors").unwrap();
        folder.events().unwrap();
        let read = |name| fs::read(folder.path().join(name)).unwrap();
        assert_eq!(read("report.txt"), b"new");
        assert_eq!(read("base.encoder.safetensors"), b"weights");
        assert_eq!(read("events.jsonl"), b"");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
    }

    #[test]
    fn a_place_that_cannot_be_written_is_named() {
        let base = tempfile::tempdir().unwrap();
        let file = base.path().join("file");
        fs::write(&file, b"").unwrap();
        let error = RunFolder::create(&file.join("runs"), "p", at(0)).unwrap_err();
        assert_eq!(error.finding().name, "run-folder-unwritable");
        let error = RunFolder::check(&file.join("runs")).unwrap_err();
        assert_eq!(error.finding().name, "run-folder-unwritable");
        RunFolder::check(&base.path().join("deep/runs")).unwrap();
        assert_eq!(fs::read_dir(base.path()).unwrap().count(), 1, "nothing was created");
        assert!(error.message().contains(file.to_str().unwrap()), "{error}");
        assert!(error.help().unwrap().contains("--output"));
    }
}
