//! Writing a file of the user anew.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

/// A byte-order mark, which is no part of a text.
const MARK: &str = "\u{feff}";

/// Puts one text in the place of another. Whoever reads the file meanwhile finds the one or the
/// other, whole. Permissions stay, and a link stays one.
pub fn replace(path: &Path, before: &str, after: &str) -> io::Result<()> {
    let path = fs::canonicalize(path)?;
    let metadata = fs::metadata(&path)?;
    let refuse = |kind, reason: &str| Err(io::Error::new(kind, reason));
    if !metadata.is_file() {
        return refuse(io::ErrorKind::InvalidInput, "it is no ordinary file");
    }
    // A file in a folder that may be written could be replaced although it may not be written.
    let may_write = OpenOptions::new().write(true).open(&path);
    if metadata.permissions().readonly() {
        return refuse(io::ErrorKind::PermissionDenied, "it is read-only");
    }
    may_write?;
    let bytes = fs::read(&path)?;
    let mark = if bytes.starts_with(MARK.as_bytes()) { MARK } else { "" };
    if bytes[mark.len()..] != *before.as_bytes() {
        return refuse(io::ErrorKind::Other, "somebody else has changed it meanwhile");
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let beside = path.with_file_name(format!(".{name}.{}.tmp", std::process::id()));
    let write = || {
        let mut file = File::create_new(&beside)?;
        file.write_all(mark.as_bytes())?;
        file.write_all(after.as_bytes())?;
        file.set_permissions(metadata.permissions())?;
        file.sync_all()?;
        fs::rename(&beside, &path)
    };
    write().inspect_err(|error| {
        // One that was there before is not ours.
        if error.kind() != io::ErrorKind::AlreadyExists {
            let _ = fs::remove_file(&beside);
        }
    })
}
