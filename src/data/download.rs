//! Downloads that survive a broken connection and end with the published bytes or none.
//!
//! What arrives is kept in a file beside the target, named with `.part`, and a later attempt asks
//! for the rest of it (RFC 9110, section 14). Only what has the right length and checksum gets the
//! target's name.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use md5::{Digest, Md5};
use ureq::http::StatusCode;
use ureq::{Agent, Body, http};

use super::error::DataError;
use crate::watch::{Counted, Task, Watch};

/// A published file.
#[derive(Clone, Copy, Debug)]
pub struct Remote<'a> {
    pub url: &'a str,
    /// What was published; nothing is known of a copy that somebody else has packed.
    pub whole: Option<Whole<'a>>,
}

/// What a file has to be.
#[derive(Clone, Copy, Debug)]
pub struct Whole<'a> {
    /// In bytes.
    pub size: u64,
    /// In lower-case hexadecimal digits.
    pub md5: &'a str,
}

/// Downloads a file to `target`, whose folder is created where it is missing.
///
/// Two downloads of one target at the same time are not for this function to tell apart: see
/// [`exclusive`].
pub fn download(remote: &Remote<'_>, target: &Path, watch: Watch<'_>) -> Result<(), DataError> {
    Client::default().download(remote, target, watch)
}

/// How long nothing has been written to what a process has left that was ended, at least: some file
/// systems know no locks.
const LEFT: Duration = Duration::from_secs(3600);

/// Removes what processes that were ended have left in a folder under names that begin so. Whoever
/// makes such holds the lock that the caller holds.
pub fn remove_left(folder: &Path, beginning: &str) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let is_left = entry.file_name().to_string_lossy().starts_with(beginning);
        let written = entry.metadata().and_then(|own| own.modified()).ok();
        let age = written.and_then(|own| own.elapsed().ok());
        if is_left && age.is_some_and(|age| age > LEFT) {
            let path = entry.path();
            // What cannot be removed takes room and does no harm.
            let _ = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        }
    }
}

/// How often somebody who waits for a lock looks whether it is free, or whether he is to stop.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Waits until no other process holds this lock, and holds it as long as the result lives. `does` is
/// what the other one does meanwhile, such as `reads cifar10`.
pub fn exclusive(lock: &Path, does: &str, watch: Watch<'_>) -> Result<File, DataError> {
    if let Some(folder) = lock.parent() {
        fs::create_dir_all(folder).map_err(DataError::io("create", folder))?;
    }
    let file = OpenOptions::new().create(true).append(true).open(lock);
    let file = file.map_err(DataError::io("write", lock))?;
    let mut waiting: Option<(Instant, Task<'_>)> = None;
    loop {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => {
                let (since, task) = waiting.get_or_insert_with(|| {
                    let what = format!("waiting for another process, which {does}");
                    (Instant::now(), watch.start(what, 0, None, Counted::Seconds))
                });
                task.set(since.elapsed().as_secs())?;
                thread::sleep(LOOK_EVERY);
            }
            // There the checksum still tells a mixture from a download; nothing tells two processes
            // that decode one folder at once.
            Err(TryLockError::Error(cause)) if !knows_no_locks(&cause) => {
                return Err(DataError::io("lock", lock)(cause));
            }
            _ => return Ok(file),
        }
    }
}

/// Whether a file system says that it has none, or asks a server for them that is not there.
fn knows_no_locks(cause: &io::Error) -> bool {
    #[cfg(unix)]
    if cause.raw_os_error() == Some(libc::ENOLCK) {
        return true;
    }
    cause.kind() == io::ErrorKind::Unsupported
}

/// How downloads are made.
struct Client {
    agent: Agent,
    /// How often in a row an attempt may bring nothing.
    attempts: u32,
    /// Before the second attempt; doubled before each further one.
    pause: Duration,
}

impl Default for Client {
    fn default() -> Self {
        let config = Agent::config_builder()
            // Statuses are told apart here.
            .http_status_as_error(false)
            .timeout_connect(Some(Duration::from_secs(30)))
            .timeout_recv_response(Some(Duration::from_secs(60)))
            // A stalled connection, not a slow one: the whole may take hours.
            .timeout_per_read(Some(Duration::from_secs(60)));
        let agent = Agent::new_with_config(config.build());
        Client { agent, attempts: 4, pause: Duration::from_millis(500) }
    }
}

/// How an attempt ended before the file was whole.
enum Stop {
    /// It may go better another time.
    Broken(String),
    /// The server has no part of the file to give; from the beginning it may.
    NoRange,
    Failed(DataError),
}

/// The file that is being filled.
struct Part<'a> {
    path: PathBuf,
    file: File,
    have: u64,
    /// How many there are to be, where that is known.
    total: Option<u64>,
    task: Task<'a>,
}

impl Client {
    fn download(
        &self,
        remote: &Remote<'_>,
        target: &Path,
        watch: Watch<'_>,
    ) -> Result<(), DataError> {
        if let Some(folder) = target.parent() {
            fs::create_dir_all(folder).map_err(DataError::io("create", folder))?;
        }
        let mut part = Part::open(target, remote, watch)?;
        self.fill_and_verify(remote, &mut part)?;
        part.file.sync_all().map_err(DataError::io("write", &part.path))?;
        fs::rename(&part.path, target).map_err(DataError::io("rename", &part.path))
    }

    fn fill_and_verify(&self, remote: &Remote<'_>, part: &mut Part<'_>) -> Result<(), DataError> {
        let Some(Whole { md5, .. }) = remote.whole else { return self.fill(remote, part) };
        // What lay there may have been of another file: a wrong whole that contains it says
        // nothing about the server.
        if part.have > 0 {
            self.fill(remote, part)?;
            if part.md5()? == md5 {
                return Ok(());
            }
            part.restart()?;
        }
        self.fill(remote, part)?;
        let found = part.md5()?;
        if found == md5 {
            return Ok(());
        }
        let _ = fs::remove_file(&part.path);
        Err(damaged(remote, part, format!("md5 {md5}"), format!("md5 {found}")))
    }

    /// Makes attempts until the part has all its bytes.
    fn fill(&self, remote: &Remote<'_>, part: &mut Part<'_>) -> Result<(), DataError> {
        let mut vain = 0;
        let mut from_start = false;
        while part.total.is_none_or(|total| part.have < total) {
            let before = part.have;
            let problem = match self.attempt(remote, part) {
                Ok(()) => continue,
                Err(Stop::Failed(error)) => return Err(error),
                Err(Stop::NoRange) if !from_start => {
                    from_start = true;
                    part.restart()?;
                    continue;
                }
                Err(Stop::NoRange) => "the server gives no part of the file".to_owned(),
                Err(Stop::Broken(problem)) => problem,
            };
            vain = if part.have > before { 0 } else { vain + 1 };
            if vain == self.attempts {
                return Err(failed(remote, part, problem));
            }
            part.task.set(part.have)?;
            thread::sleep(self.pause * 2_u32.pow(vain));
        }
        Ok(())
    }

    /// One request, and what it brings.
    fn attempt(&self, remote: &Remote<'_>, part: &mut Part<'_>) -> Result<(), Stop> {
        // Compressed on the way, ranges and lengths would count other bytes.
        let mut request = self.agent.get(remote.url).header("Accept-Encoding", "identity");
        if part.have > 0 {
            request = request.header("Range", format!("bytes={}-", part.have));
        }
        let response = request.call().map_err(|error| match error {
            error if part.have > 0 => Stop::Broken(error.to_string()),
            // Nothing has ever come from there: an address or a network that is wrong stays so.
            ureq::Error::Timeout(_) => Stop::Broken(error.to_string()),
            error => Stop::Failed(failed(remote, part, error.to_string())),
        })?;
        match response.status() {
            StatusCode::PARTIAL_CONTENT if part.have > 0 => {
                if range_start(&response) != Some(part.have) {
                    return Err(Stop::NoRange);
                }
            }
            StatusCode::OK => part.restart().map_err(Stop::Failed)?,
            StatusCode::RANGE_NOT_SATISFIABLE if part.have > 0 => return Err(Stop::NoRange),
            status => {
                let problem = format!("the server answered {status}");
                let passing = status.is_server_error()
                    || [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS]
                        .contains(&status);
                return Err(match passing {
                    true => Stop::Broken(problem),
                    false => Stop::Failed(failed(remote, part, problem)),
                });
            }
        }
        if let Some(length) = response.body().content_length() {
            let found = part.have + length;
            if let Some(Whole { size, .. }) = remote.whole
                && found != size
            {
                let _ = fs::remove_file(&part.path);
                let (expected, found) = (format!("{size} bytes"), format!("{found} bytes"));
                return Err(Stop::Failed(damaged(remote, part, expected, found)));
            }
            part.total = Some(found);
        }
        let missing = part.total.map_or(u64::MAX, |total| total - part.have);
        part.append(response.into_body().into_reader().take(missing))?;
        match part.total {
            Some(total) if part.have < total => {
                let problem = format!("the connection ended after {} of {total} bytes", part.have);
                return Err(Stop::Broken(problem));
            }
            // A server that does not say how much there is says so by its end.
            _ => part.total = Some(part.have),
        }
        Ok(())
    }
}

/// Where a file is kept that is on its way.
fn part_path(target: &Path, remote: &Remote<'_>) -> PathBuf {
    let mut path = OsString::from(target);
    if remote.whole.is_none() {
        // Nothing would tell a file of two addresses from the right one.
        let from = blake3::hash(remote.url.as_bytes()).to_hex();
        path.push(format!(".{}", &from[..8]));
    }
    path.push(".part");
    path.into()
}

impl<'a> Part<'a> {
    /// The part of `target`, emptied if it is longer than the whole is to be.
    fn open(target: &Path, remote: &Remote<'_>, watch: Watch<'a>) -> Result<Self, DataError> {
        let path = part_path(target, remote);
        let total = remote.whole.map(|whole| whole.size);
        let open = || -> io::Result<(File, u64)> {
            let mut options = OpenOptions::new();
            let mut file =
                options.read(true).write(true).create(true).truncate(false).open(&path)?;
            let mut have = file.seek(SeekFrom::End(0))?;
            if total.is_some_and(|total| have > total) {
                file.set_len(0)?;
                have = file.seek(SeekFrom::Start(0))?;
            }
            Ok((file, have))
        };
        let (file, have) = open().map_err(DataError::io("write", &path))?;
        let name = remote.url.rsplit('/').next().unwrap_or(remote.url);
        let what = format!("downloading {name}");
        let task = watch.start(what, have, total, Counted::Bytes);
        Ok(Part { path, file, have, total, task })
    }

    /// Drops what is there.
    fn restart(&mut self) -> Result<(), DataError> {
        let emptied = self.file.set_len(0).and_then(|()| self.file.seek(SeekFrom::Start(0)));
        emptied.map_err(DataError::io("write", &self.path))?;
        self.have = 0;
        Ok(self.task.set(0)?)
    }

    fn append(&mut self, mut body: impl Read) -> Result<(), Stop> {
        let mut buffer = vec![0; 1 << 17];
        loop {
            let read = match body.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(read) => read,
                Err(cause) if cause.kind() == io::ErrorKind::Interrupted => continue,
                Err(cause) => return Err(Stop::Broken(cause.to_string())),
            };
            let written = self.file.write_all(&buffer[..read]);
            written.map_err(DataError::io("write", &self.path)).map_err(Stop::Failed)?;
            self.have += read as u64;
            self.task.set(self.have).map_err(|stop| Stop::Failed(stop.into()))?;
        }
    }

    /// Of all that is there.
    fn md5(&mut self) -> Result<String, DataError> {
        let mut digest = Md5::new();
        let mut hash = || -> io::Result<()> {
            self.file.seek(SeekFrom::Start(0))?;
            io::copy(&mut self.file, &mut digest).map(|_| ())
        };
        hash().map_err(DataError::io("read", &self.path))?;
        Ok(hexadecimal(digest))
    }
}

/// The digits of a digest.
pub(super) fn hexadecimal(digest: Md5) -> String {
    format!("{:x}", digest.finalize())
}

/// Where the range of a partial response begins: 5 in `bytes 5-9/10`.
fn range_start(response: &http::Response<Body>) -> Option<u64> {
    let range = response.headers().get("Content-Range")?.to_str().ok()?;
    range.strip_prefix("bytes ")?.split('-').next()?.parse().ok()
}

/// A download that ends here. What has arrived stays; an empty file is not left behind.
fn failed(remote: &Remote<'_>, part: &Part<'_>, problem: String) -> DataError {
    let kept = part.have > 0;
    if !kept {
        let _ = fs::remove_file(&part.path);
    }
    DataError::Download {
        url: remote.url.to_owned(),
        problem,
        part: kept.then(|| part.path.clone()),
    }
}

fn damaged(remote: &Remote<'_>, part: &Part<'_>, expected: String, found: String) -> DataError {
    let (url, path) = (remote.url.to_owned(), part.path.clone());
    DataError::DownloadDamaged { url, path, expected, found }
}

#[cfg(test)]
mod tests;
