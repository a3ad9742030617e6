//! The built command as a user starts, watches and stops it.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use cpipe::store::{Lookup, Store};
use serde_json::Value;

/// How long anything may take on a machine that has much else to do.
const DEADLINE: Duration = Duration::from_secs(60);
/// How long a request to stop may take to be heeded there.
#[cfg(unix)]
pub const SOON: Duration = Duration::from_secs(10);

/// Waits until something holds.
#[cfg(unix)]
pub fn until(holds: impl Fn() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < DEADLINE, "it does not come to that");
        thread::sleep(Duration::from_millis(5));
    }
}

/// One user's folder: pipelines, `store`, `runs`, and the home of cpipe.
pub struct User(tempfile::TempDir);

impl User {
    pub fn new() -> Self {
        User(tempfile::tempdir().expect("a folder"))
    }

    /// With the pipeline `p.cpipe`.
    pub fn with(pipeline: &str) -> Self {
        let user = User::new();
        fs::write(user.path("p.cpipe"), pipeline).expect("a folder to write to");
        user
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The command in the user's folder, with nothing of the tests' own surroundings.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cpipe"));
        let others = ["CPIPE_DATA", "CPIPE_MIRROR", "NO_COLOR", "HTTP_PROXY", "http_proxy"];
        for name in others.iter().chain(&["ALL_PROXY", "all_proxy"]) {
            command.env_remove(name);
        }
        command.current_dir(self.0.path()).env("CPIPE_HOME", self.path("home")).args(arguments);
        command
    }

    /// `cpipe run p.cpipe`, offline, with more arguments, from the store `store` where these name
    /// no other.
    pub fn runs(&self, arguments: &[&str]) -> Command {
        let fixed = ["run", "p.cpipe", "--offline"];
        let store = if arguments.contains(&"--store") { &[][..] } else { &["--store", "store"] };
        self.command(&[&fixed, store, arguments].concat())
    }

    pub fn run(&self, arguments: &[&str]) -> Ended {
        Process::start(self.runs(arguments)).end()
    }

    pub fn start(&self, arguments: &[&str]) -> Process {
        Process::start(self.runs(arguments))
    }

    /// The records of all runs, oldest first.
    pub fn records(&self) -> Vec<Record> {
        let Ok(entries) = fs::read_dir(self.path("runs")) else { return Vec::new() };
        let mut folders: Vec<PathBuf> =
            entries.map(|entry| entry.expect("an entry").path()).collect();
        folders.sort_by_key(|folder| {
            let name = folder.file_name().expect("a name").to_string_lossy().into_owned();
            let (stem, number) = name.rsplit_once('-').expect("a number at the end");
            (stem.to_owned(), number.parse::<u64>().expect("a number"))
        });
        folders.into_iter().map(Record).collect()
    }

    /// The record of the last run.
    pub fn record(&self) -> Record {
        self.records().pop().expect("a run")
    }

    /// How many stages the store holds, each of which has to be whole, and the folders of those in
    /// progress.
    pub fn stored(&self, store: &str) -> (usize, Vec<PathBuf>) {
        let (mut finished, mut partial) = (0, Vec::new());
        let root = self.path(store);
        let opened = Store::open(&root).expect("a store");
        for entry in fs::read_dir(&root).expect("a store") {
            let path = entry.expect("an entry").path();
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            if name == "locks" {
                continue;
            }
            if name.ends_with(".partial") {
                partial.push(path);
                continue;
            }
            let lookup = opened.stage(&name).lookup().expect("a store that can be read");
            assert!(matches!(lookup, Lookup::Finished(_)), "{name}: {lookup:?}");
            finished += 1;
        }
        (finished, partial)
    }

    /// What the user's folder holds, by name.
    pub fn entries(&self) -> Vec<String> {
        let entries = fs::read_dir(self.path("")).expect("a folder");
        let name = |entry: std::io::Result<fs::DirEntry>| {
            entry.expect("an entry").file_name().to_string_lossy().into_owned()
        };
        let mut names: Vec<String> = entries.map(name).collect();
        names.sort();
        names
    }

    /// Asserts that nothing was begun.
    pub fn has_not_begun(&self) {
        assert!(self.records().is_empty(), "a run folder was made");
        if self.path("store").exists() {
            assert_eq!(self.stored("store"), (0, Vec::new()));
        }
    }
}

/// The folder that one run has left.
#[derive(Clone, Debug)]
pub struct Record(pub PathBuf);

impl Record {
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub fn text(&self, name: &str) -> String {
        let path = self.path(name);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    pub fn json(&self, name: &str) -> Value {
        serde_json::from_str(&self.text(name)).expect("JSON")
    }

    /// The lines of a file, each of which is JSON.
    pub fn lines(&self, name: &str) -> Vec<Value> {
        let text = self.text(name);
        text.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
    }

    /// What every event is called, in order.
    pub fn events(&self) -> Vec<String> {
        let name = |event: &Value| event["event"].as_str().expect("a name").to_owned();
        self.lines("events.jsonl").iter().map(name).collect()
    }

    /// What training and evaluation have left that depends on their numbers.
    pub fn bits(&self) -> BTreeMap<String, Vec<u8>> {
        let mut bits = self.files();
        bits.retain(|name, _| name != "events.jsonl" && name != "values.json");
        bits
    }

    pub fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let entries = fs::read_dir(&self.0).expect("a record");
        let file = |path: &Path| {
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            (name, fs::read(path).expect("a file"))
        };
        entries.map(|entry| file(&entry.expect("an entry").path())).collect()
    }
}

/// The command at work.
pub struct Process {
    child: Child,
    out: Stream,
    err: Stream,
}

/// A process that has ended.
#[derive(Debug)]
pub struct Ended {
    /// None where a signal has ended it.
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

/// What a process writes, read as it comes, so that it never waits for its reader.
struct Stream {
    text: Arc<Mutex<Vec<u8>>>,
    reader: thread::JoinHandle<()>,
}

impl Stream {
    fn of(source: Option<impl Read + Send + 'static>) -> Self {
        let text = Arc::new(Mutex::new(Vec::new()));
        let kept = text.clone();
        let reader = thread::spawn(move || {
            let Some(mut source) = source else { return };
            let mut buffer = [0; 4096];
            // A terminal that nobody writes to any more answers with an error.
            while let Ok(read @ 1..) = source.read(&mut buffer) {
                kept.lock().expect("no reader panics").extend_from_slice(&buffer[..read]);
            }
        });
        Stream { text, reader }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.text.lock().expect("no reader panics")).into_owned()
    }
}

impl Process {
    /// Starts a command; what it writes is kept, where the command says nothing else.
    pub fn start(mut command: Command) -> Self {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        Process::spawn(command)
    }

    /// Starts a command that says where its output goes.
    pub fn spawn(mut command: Command) -> Self {
        let mut child = command.stdin(Stdio::null()).spawn().expect("the command starts");
        let (out, err) = (Stream::of(child.stdout.take()), Stream::of(child.stderr.take()));
        Process { child, out, err }
    }

    /// Starts a command on a terminal of so many columns; what that is sent is kept as standard
    /// error.
    #[cfg(unix)]
    pub fn on_terminal(mut command: Command, columns: u16) -> Self {
        use std::fs::File;
        use std::os::fd::{FromRawFd, OwnedFd};
        use std::ptr::null_mut;

        let mut size = libc::winsize { ws_row: 30, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        let (mut ours, mut its) = (-1, -1);
        // SAFETY: the pointers are to living values or null, and what is opened here is owned here.
        let (ours, its) = unsafe {
            // Pointers to change what some systems only read.
            let (name, settings) = (null_mut::<libc::c_char>(), null_mut::<libc::termios>());
            let opened = libc::openpty(&mut ours, &mut its, name, settings, &raw mut size);
            assert_eq!(opened, 0, "no pseudo-terminal");
            (OwnedFd::from_raw_fd(ours), OwnedFd::from_raw_fd(its))
        };
        command.stdout(its.try_clone().expect("a terminal")).stderr(its);
        let mut process = Process::spawn(command);
        process.err = Stream::of(Some(File::from(ours)));
        process
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until standard error holds a text.
    pub fn until(&mut self, text: &str) {
        let started = Instant::now();
        while !self.err.text().contains(text) {
            let ended = self.child.try_wait().expect("it was started here");
            if ended.is_some() && !self.err.text().contains(text) {
                // What was written last may still be on its way.
                thread::sleep(Duration::from_millis(200));
                let err = self.err.text();
                assert!(err.contains(text), "it ended without `{text}`: {err}");
            }
            assert!(started.elapsed() < DEADLINE, "no `{text}` in {}", self.err.text());
            thread::sleep(Duration::from_millis(2));
        }
    }

    #[cfg(unix)]
    pub fn signal(&self, signal: i32) {
        let id = i32::try_from(self.child.id()).expect("the system's own numbers");
        // SAFETY: it only takes numbers, and the process was started here and not waited for.
        assert_eq!(unsafe { libc::kill(id, signal) }, 0);
    }

    /// Sends a signal and waits for the end, which has to come soon.
    #[cfg(unix)]
    pub fn stop(self, signal: i32) -> Ended {
        self.signal(signal);
        self.end_within(SOON)
    }

    pub fn end(self) -> Ended {
        self.end_within(DEADLINE)
    }

    fn end_within(mut self, limit: Duration) -> Ended {
        let started = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("it was started here") {
                break status;
            }
            if started.elapsed() > limit {
                let _ = self.child.kill();
                let _ = self.child.wait();
                panic!("still at work after {limit:?}: {}", self.err.text());
            }
            thread::sleep(Duration::from_millis(5));
        };
        let [out, err] = [self.out, self.err].map(|stream| {
            stream.reader.join().expect("no reader panics");
            String::from_utf8_lossy(&stream.text.lock().expect("it has ended")).into_owned()
        });
        Ended { code: status.code(), out, err }
    }
}

impl Ended {
    /// Asserts how it ended.
    #[track_caller]
    pub fn with(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}{}", self.out, self.err);
        self
    }

    /// Asserts that standard error holds a text, however its lines are broken.
    #[track_caller]
    pub fn says(self, text: &str) -> Self {
        let err = self.unbroken();
        assert!(err.contains(text), "no `{text}` in {}", self.err);
        self
    }

    /// Standard error as one line, without the rules of diagnostics.
    pub fn unbroken(&self) -> String {
        let err = self.err.replace('│', " ");
        err.split_whitespace().collect::<Vec<_>>().join(" ")
    }
}
