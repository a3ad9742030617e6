//! Members of gzip-compressed tar archives.
//!
//! Only the files that are asked for are taken, under the names they are asked for by: what else an
//! archive holds, and where it says that it belongs, has no effect.

use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::{Component, Path};

use flate2::read::MultiGzDecoder;

use super::error::DataError;
use crate::watch::{Counted, Watch};

/// The files of an archive that lie in its folder `folder`, or outside any.
#[derive(Clone, Copy, Debug)]
pub struct Members<'a> {
    pub archive: &'a Path,
    pub folder: &'a str,
    pub names: &'a [String],
    /// The most bytes that one of them may have.
    pub limit: u64,
}

impl Members<'_> {
    /// The contents of each, in the order of the names.
    pub fn read(&self, watch: Watch<'_>) -> Result<Vec<Vec<u8>>, DataError> {
        let mut contents = vec![Vec::new(); self.names.len()];
        self.visit(watch, |index, file| {
            contents[index].clear();
            file.read_to_end(&mut contents[index])
                .map_err(|cause| self.damaged(cause.to_string()))?;
            Ok(())
        })?;
        Ok(contents)
    }

    /// Writes each into the folder `target`, which is there.
    pub fn unpack(&self, target: &Path, watch: Watch<'_>) -> Result<(), DataError> {
        self.visit(watch, |index, file| {
            // In memory first, so that a fault of the archive is told from one of the disk.
            let mut contents = Vec::new();
            file.read_to_end(&mut contents).map_err(|cause| self.damaged(cause.to_string()))?;
            let path = target.join(&self.names[index]);
            fs::write(&path, contents).map_err(DataError::io("write", &path))
        })
    }

    /// Calls `visit` with each file's place among the names, until all have been met.
    fn visit(
        &self,
        watch: Watch<'_>,
        mut visit: impl FnMut(usize, &mut dyn Read) -> Result<(), DataError>,
    ) -> Result<(), DataError> {
        let damaged = |cause: io::Error| self.damaged(cause.to_string());
        let file = File::open(self.archive).map_err(DataError::io("read", self.archive))?;
        let decoder = MultiGzDecoder::new(BufReader::with_capacity(1 << 17, file));
        let mut archive = tar::Archive::new(decoder);
        let name = self.archive.file_name().unwrap_or_default().to_string_lossy();
        let all = Some(self.names.len() as u64);
        let task = watch.start(format!("unpacking {name}"), 0, all, Counted::Files);
        let mut missing: Vec<bool> = vec![true; self.names.len()];
        for entry in archive.entries().map_err(damaged)? {
            let mut entry = entry.map_err(damaged)?;
            let index = match entry.path() {
                Ok(path) if entry.header().entry_type().is_file() => self.index(&path),
                _ => None,
            };
            let Some(index) = index else { continue };
            if entry.size() > self.limit {
                let name = &self.names[index];
                return Err(self.damaged(format!("a `{name}` of {} bytes", entry.size())));
            }
            visit(index, &mut entry)?;
            task.advance(1)?;
            missing[index] = false;
            if !missing.contains(&true) {
                return Ok(());
            }
        }
        match self.names.iter().zip(missing).find(|(_, missing)| *missing) {
            Some((name, _)) => Err(self.damaged(format!("no `{name}`"))),
            None => Ok(()),
        }
    }

    /// The place among the names of a member's path.
    fn index(&self, path: &Path) -> Option<usize> {
        let parts: Vec<_> = path.components().filter(|part| *part != Component::CurDir).collect();
        let name = match parts.as_slice() {
            [Component::Normal(name)] => name,
            [Component::Normal(folder), Component::Normal(name)] if *folder == self.folder => name,
            _ => return None,
        };
        self.names.iter().position(|wanted| name.to_str() == Some(wanted))
    }

    fn damaged(&self, found: String) -> DataError {
        let files = self.names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>();
        DataError::Damaged {
            path: self.archive.to_owned(),
            expected: format!("a gzip-compressed tar archive of {}", files.join(", ")),
            found,
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::io::Write;
    use std::path::PathBuf;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;
    use crate::watch::testing::unwatched;

    /// A compressed archive of files under any name, be it one that archives should not hold.
    pub fn pack(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(&bare(files)).expect("an archive");
        encoder.finish().expect("an archive")
    }

    /// The same as it is before it is compressed.
    pub fn bare(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (name, contents) in files {
            let mut header = tar::Header::new_ustar();
            header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
            header.set_entry_type(tar::EntryType::Regular);
            header.set_size(contents.len() as u64);
            header.set_mode(0o644);
            header.set_cksum();
            builder.append(&header, *contents).expect("a member");
        }
        builder.into_inner().expect("an archive")
    }

    struct Packed {
        folder: tempfile::TempDir,
        path: PathBuf,
        names: Vec<String>,
    }

    fn packed(files: &[(&str, &[u8])]) -> Packed {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.tar.gz");
        fs::write(&path, pack(files)).expect("an archive");
        Packed { folder, path, names: vec!["one".into(), "two".into()] }
    }

    impl Packed {
        fn members(&self) -> Members<'_> {
            Members { archive: &self.path, folder: "in", names: &self.names, limit: 10 }
        }

        fn found(&self) -> String {
            match self.members().read(unwatched()) {
                Err(DataError::Damaged { path, found, .. }) if path == self.path => found,
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn members_come_in_the_order_asked_for() {
        for names in [["in/two", "in/one"], ["two", "one"], ["./in/two", "./one"]] {
            let packed = packed(&[("in/other", b"0"), (names[0], b"22"), (names[1], b"1")]);
            let contents = packed.members().read(unwatched()).expect("two members");
            assert_eq!(contents, [b"1".to_vec(), b"22".to_vec()]);
            let target = packed.folder.path();
            packed.members().unpack(target, unwatched()).expect("two members");
            assert_eq!(fs::read(target.join("two")).expect("a file"), b"22");
            assert!(!target.join("other").exists());
        }
    }

    #[test]
    fn members_of_other_places_are_not_taken() {
        for other in ["../one", "/one", "elsewhere/one", "in/../one", "in/in/one"] {
            assert_eq!(packed(&[(other, b"1"), ("in/two", b"2")]).found(), "no `one`", "{other}");
        }
    }

    #[test]
    fn archives_that_are_not_whole() {
        assert_eq!(packed(&[("in/one", b"1")]).found(), "no `two`");
        let large = packed(&[("in/one", &[0; 11]), ("in/two", b"2")]);
        assert_eq!(large.found(), "a `one` of 11 bytes");
        let cut = packed(&[("in/one", b"1"), ("in/two", b"2")]);
        let bytes = fs::read(&cut.path).expect("an archive");
        fs::write(&cut.path, &bytes[..bytes.len() / 2]).expect("half an archive");
        assert!(!cut.found().is_empty());
        fs::write(&cut.path, b"<html>").expect("no archive");
        assert!(!cut.found().is_empty());
    }
}
