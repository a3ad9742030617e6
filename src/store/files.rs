//! Files that are there whole or not at all, whenever the power goes.

use std::error::Error;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// How the name of a file that is still being written starts.
///
/// What starts so is nobody's: an interrupted write left it.
pub(crate) const UNFINISHED: &str = ".unfinished-";

/// Writes `folder/name` so that it holds the old bytes or the new, never a part of them, and so
/// that the new are on the disk when this returns.
///
/// Two writers of the same name must be kept apart by the caller.
pub(crate) fn write_atomic(folder: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let temporary = write_unfinished(folder, name, bytes)?;
    fs::rename(&temporary, folder.join(name))?;
    sync_folder(folder)
}

/// The first half of [`write_atomic`]: the bytes are on the disk, under another name.
pub(crate) fn write_unfinished(folder: &Path, name: &str, bytes: &[u8]) -> io::Result<PathBuf> {
    let temporary = folder.join(format!("{UNFINISHED}{name}"));
    let mut file = File::create(&temporary)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    if let Err(error) = written {
        // The room that it takes may be what is missing.
        let _ = fs::remove_file(&temporary);
        return Err(error);
    }
    Ok(temporary)
}

/// Makes the names in a folder durable: a rename is one only after this.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    // Only Unix opens a folder as a file; elsewhere the file system sees to it.
    if cfg!(unix) {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

/// Puts a copy of the file `source` at `folder/name`, replacing what is there. File systems that
/// can share the room of equal bytes, such as Btrfs, XFS and APFS, do; what is written to one of
/// the two is never seen in the other.
pub(crate) fn copy(source: &Path, folder: &Path, name: &str) -> io::Result<()> {
    let temporary = folder.join(format!("{UNFINISHED}{name}"));
    remove_if_there(&temporary)?;
    let copied = fs::copy(source, &temporary).and_then(|_| {
        // Opened for writing, as some systems sync only such handles.
        File::options().append(true).open(&temporary)?.sync_all()
    });
    if let Err(error) = copied {
        // The room that it takes may be what is missing.
        let _ = fs::remove_file(&temporary);
        return Err(error);
    }
    fs::rename(&temporary, folder.join(name))?;
    sync_folder(folder)
}

/// Makes sure that files can be created in `folder`, of which only the first parts may be there.
/// Leaves nothing.
pub(crate) fn check_writable(folder: &Path) -> io::Result<()> {
    let folder = std::path::absolute(folder)?;
    let there = folder.ancestors().find(|part| part.exists()).unwrap_or(&folder);
    if !there.is_dir() {
        let what = format!("`{}` is a file, not a folder", there.display());
        return Err(io::Error::new(io::ErrorKind::NotADirectory, what));
    }
    let probe = tempfile::Builder::new().prefix(UNFINISHED).tempfile_in(there);
    // The name of the probe says nothing to anybody.
    probe.and_then(tempfile::NamedTempFile::close).map_err(|error| {
        let cause = error.get_ref().and_then(Error::source).map(ToString::to_string);
        cause.map_or_else(
            || io::Error::from(error.kind()),
            |cause| io::Error::new(error.kind(), cause),
        )
    })
}

pub(crate) fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Reads a file, or `None` where there is none.
pub(crate) fn read_if_there(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether a name is one plain file name, neither hidden nor leading out of its folder.
pub(crate) fn is_plain(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    !name.is_empty() && !name.starts_with('.') && name.chars().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_replaces_the_whole_file_and_leaves_nothing_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        // As after a crash in the middle of a longer write.
        fs::write(folder.path().join(".unfinished-a"), b"half of something longer").unwrap();
        write_atomic(folder.path(), "a", b"first").unwrap();
        write_atomic(folder.path(), "a", b"2nd").unwrap();
        assert_eq!(fs::read(folder.path().join("a")).unwrap(), b"2nd");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_copy_shares_nothing_with_its_source() {
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().join("source");
        fs::write(&source, b"bytes").unwrap();
        copy(&source, folder.path(), "copy").unwrap();
        copy(&source, folder.path(), "copy").unwrap();
        // In place, as an editor of weights may do it.
        let mut file = File::options().write(true).open(folder.path().join("copy")).unwrap();
        file.write_all(b"X").unwrap();
        assert_eq!(fs::read(folder.path().join("copy")).unwrap(), b"Xytes");
        assert_eq!(fs::read(&source).unwrap(), b"bytes");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn a_folder_that_can_be_made_is_told_from_one_that_cannot() {
        let folder = tempfile::tempdir().unwrap();
        check_writable(folder.path()).unwrap();
        check_writable(&folder.path().join("deep/er")).unwrap();
        // Below the current folder, and not there.
        check_writable(Path::new("no-such-folder")).unwrap();
        assert!(!Path::new("no-such-folder").exists());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        let file = folder.path().join("file");
        fs::write(&file, b"").unwrap();
        for blocked in [file.clone(), file.join("deeper")] {
            let error = check_writable(&blocked).unwrap_err();
            assert!(error.to_string().contains("is a file, not a folder"), "{error}");
        }
        assert!(check_writable(Path::new("")).is_err());
    }

    #[test]
    fn plain_names() {
        assert!(is_plain("encoder.safetensors"));
        for name in ["", ".", "..", ".hidden", "a/b", "../a", "a\\b", "C:", "a b"] {
            assert!(!is_plain(name), "{name:?}");
        }
    }
}
