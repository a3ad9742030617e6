//! Writing files, whole or not at all.

use std::fs::{self, File, Metadata, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::path::Path;

/// A byte-order mark, which is no part of a text.
const MARK: &str = "\u{feff}";

/// Puts one text in the place of another. Whoever reads the file meanwhile finds the one or the
/// other, whole. Permissions stay, and a link stays one.
pub fn replace(path: &Path, before: &str, after: &str) -> io::Result<()> {
    let path = fs::canonicalize(path)?;
    let metadata = ordinary(&path)?;
    let bytes = fs::read(&path)?;
    let mark = if bytes.starts_with(MARK.as_bytes()) { MARK } else { "" };
    if bytes[mark.len()..] != *before.as_bytes() {
        return Err(io::Error::other("somebody else has changed it meanwhile"));
    }
    put(&path, Some(metadata.permissions()), &[mark.as_bytes(), after.as_bytes()])
}

/// Writes a file, whole or not at all. One that is there is replaced; a link stays one.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let (path, permissions) = match fs::canonicalize(path) {
        Ok(path) => {
            let permissions = ordinary(&path)?.permissions();
            (path, Some(permissions))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => (path.to_owned(), None),
        Err(error) => return Err(error),
    };
    put(&path, permissions, &[bytes])
}

/// What the file system says of a file that may be replaced.
fn ordinary(path: &Path) -> io::Result<Metadata> {
    let metadata = fs::metadata(path)?;
    if !metadata.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no ordinary file"));
    }
    // A file in a folder that may be written could be replaced although it may not be written.
    let may_write = OpenOptions::new().write(true).open(path);
    if metadata.permissions().readonly() {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "it is read-only"));
    }
    may_write?;
    Ok(metadata)
}

/// Puts a file beside another, and then in its place.
fn put(path: &Path, permissions: Option<Permissions>, parts: &[&[u8]]) -> io::Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let beside = path.with_file_name(format!(".{name}.{}.tmp", std::process::id()));
    let write = || {
        let mut file = File::create_new(&beside)?;
        for part in parts {
            file.write_all(part)?;
        }
        if let Some(permissions) = permissions {
            file.set_permissions(permissions)?;
        }
        file.sync_all()?;
        fs::rename(&beside, path)
    };
    write().inspect_err(|error| {
        // One that was there before is not ours.
        if error.kind() != io::ErrorKind::AlreadyExists {
            let _ = fs::remove_file(&beside);
        }
    })
}
