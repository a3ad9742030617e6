//! The programs that arguments name.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

/// The file at a path, or, of a folder, every program below it in the order of their names; or why
/// there is none.
pub fn programs(argument: &Path) -> Result<Vec<PathBuf>, String> {
    match below(argument) {
        Ok(files) if files.is_empty() => {
            Err(format!("no .cpipe file below {}", argument.display()))
        }
        Ok(files) => Ok(files),
        Err(error) => Err(format!("cannot read {}: {error}", argument.display())),
    }
}

/// A folder is read once, although links lead back to it.
fn below(argument: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = BTreeSet::new();
    // Newest last: the folders of a folder are read before those that follow it.
    let mut waiting = vec![argument.to_owned()];
    while let Some(path) = waiting.pop() {
        if !path.is_dir() {
            found.push(path);
            continue;
        }
        if !folders.insert(path.canonicalize()?) {
            continue;
        }
        let mut entries = std::fs::read_dir(&path)?.collect::<Result<Vec<_>, _>>()?;
        entries.sort_by_key(std::fs::DirEntry::file_name);
        let paths = entries.iter().rev().map(std::fs::DirEntry::path);
        let is_program =
            |path: &PathBuf| path.extension().is_some_and(|extension| extension == "cpipe");
        waiting.extend(paths.filter(|path| path.is_dir() || is_program(path)));
    }
    Ok(found)
}
