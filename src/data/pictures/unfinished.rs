//! Decoding that was broken off, and goes on from there.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::layout::Layout;
use crate::data::error::DataError;
use crate::watch::{Counted, Task, Watch};

const JOURNAL: &str = "pictures.jsonl";

/// What has become of a picture: its square, or why it has none.
pub type Done = Result<Digests, String>;

/// What tells that bytes are these.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Digests {
    /// Of the picture as it lies in its file.
    pub picture: String,
    pub square: String,
}

/// The squares of a set on their way, and an account of those that are written.
pub struct Unfinished {
    folder: PathBuf,
    journal: File,
    /// Of both parts, as far as it goes.
    done: [Vec<Done>; 2],
}

/// Some pictures of a part, which follow those before.
#[derive(Serialize, Deserialize)]
struct Line {
    part: usize,
    pictures: Vec<Done>,
}

impl Unfinished {
    /// What there is of exactly these files, of `image` bytes a square, if all of it is what was
    /// written; nothing at first.
    pub fn open<L: Layout>(
        folder: &Path,
        layout: &L,
        image: usize,
        watch: Watch<'_>,
    ) -> Result<Self, DataError> {
        let path = folder.join(JOURNAL);
        if let Some((journal, done)) = read(&path, layout) {
            let count = done.iter().map(Vec::len).sum::<usize>() as u64;
            let what = "looking at what is decoded".to_owned();
            let task = watch.start(what, 0, Some(count), Counted::Images);
            let is_whole = |part| are_written(&squares(folder, part), &done[part], image, &task);
            if is_whole(0)? && is_whole(1)? {
                drop(task);
                return Ok(Unfinished { folder: folder.to_owned(), journal, done });
            }
        }
        for part in [0, 1] {
            let path = squares(folder, part);
            File::create(&path).map_err(DataError::io("write", &path))?;
        }
        let begun = File::create(&path).and_then(|mut journal| -> io::Result<File> {
            let mut head = serde_json::to_vec(layout)?;
            head.push(b'\n');
            journal.write_all(&head)?;
            Ok(journal)
        });
        let journal = begun.map_err(DataError::io("write", &path))?;
        Ok(Unfinished { folder: folder.to_owned(), journal, done: Default::default() })
    }

    /// What has become of the first pictures of a part.
    pub fn done(&self, part: usize) -> &[Done] {
        &self.done[part]
    }

    /// The pictures of both parts that are done.
    pub fn count(&self) -> usize {
        self.done.iter().map(Vec::len).sum()
    }

    /// The file of the squares of a part.
    pub fn squares(&self, part: usize) -> PathBuf {
        squares(&self.folder, part)
    }

    /// Notes what has become of the next pictures of a part, whose squares `file` has.
    pub fn note(&mut self, part: usize, file: &File, pictures: Vec<Done>) -> Result<(), DataError> {
        let line = Line { part, pictures };
        // What is noted is there, even after a power cut.
        let noted = file.sync_data().and_then(|()| {
            let mut text = serde_json::to_vec(&line)?;
            text.push(b'\n');
            self.journal.write_all(&text)?;
            self.journal.sync_data()
        });
        let path = self.folder.join(JOURNAL);
        noted.map_err(DataError::io("write", &path))?;
        self.done[part].extend(line.pictures);
        Ok(())
    }

    /// Forgets the account: the squares are about to be moved.
    pub fn forget(&self) -> Result<(), DataError> {
        let path = self.folder.join(JOURNAL);
        // Gone even after a power cut: it would account for squares that lie elsewhere then.
        let gone = fs::remove_file(&path).and_then(|()| sync_folder(&self.folder));
        gone.map_err(DataError::io("remove", &path))
    }
}

/// Removes what is in such a folder but its lock, on which others may wait. What cannot be removed is
/// begun anew by whoever comes next.
pub fn clear(folder: &Path) {
    for path in [folder.join(JOURNAL), squares(folder, 0), squares(folder, 1)] {
        let _ = fs::remove_file(path);
    }
}

/// Where folders can be opened.
fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

/// The bytes of squares in such a folder.
pub fn bytes(folder: &Path) -> u64 {
    let length = |part| fs::metadata(squares(folder, part)).map_or(0, |file| file.len());
    length(0) + length(1)
}

fn squares(folder: &Path, part: usize) -> PathBuf {
    folder.join(["train", "test"][part])
}

/// Whether a file begins with the squares that an account is of.
fn are_written(
    path: &Path,
    done: &[Done],
    image: usize,
    task: &Task<'_>,
) -> Result<bool, DataError> {
    let Ok(file) = File::open(path) else { return Ok(false) };
    let mut file = BufReader::new(file);
    let mut square = vec![0; image];
    for own in done {
        task.advance(1)?;
        if file.read_exact(&mut square).is_err() {
            return Ok(false);
        }
        // Of a picture without one its place is skipped.
        if let Ok(own) = own
            && blake3::hash(&square).to_hex().as_str() != own.square
        {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The account of exactly these files, as far as its lines are whole, to be gone on with.
fn read<L: Layout>(path: &Path, layout: &L) -> Option<(File, [Vec<Done>; 2])> {
    let journal = OpenOptions::new().read(true).write(true).open(path).ok()?;
    let mut lines = BufReader::new(&journal);
    let (mut line, mut whole) = (Vec::new(), 0);
    let mut next = |lines: &mut BufReader<&File>| -> Option<Vec<u8>> {
        line.clear();
        let bytes = lines.read_until(b'\n', &mut line).ok()?;
        line.ends_with(b"\n").then(|| {
            whole += bytes as u64;
            line.clone()
        })
    };
    let head: L = serde_json::from_slice(&next(&mut lines)?).ok()?;
    let mut done: [Vec<Done>; 2] = Default::default();
    while let Some(line) = next(&mut lines) {
        let Line { part, pictures } = serde_json::from_slice(&line).ok()?;
        done.get_mut(part)?.extend(pictures);
    }
    drop(lines);
    // What was cut short is written over.
    journal.set_len(whole).ok()?;
    (&journal).seek(SeekFrom::End(0)).ok()?;
    (head == *layout).then_some((journal, done))
}
