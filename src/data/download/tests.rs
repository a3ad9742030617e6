use std::sync::Mutex;

use super::*;
use crate::data::testing::{Server, answer};
use crate::interrupt::Interrupt;
use crate::watch::Work;
use crate::watch::testing::unwatched;

const BODY: &[u8] = b"the bytes that were published";

/// Without a proxy of the environment, and without waiting.
fn client() -> Client {
    let config = Agent::config_builder().http_status_as_error(false).proxy(None);
    Client { agent: Agent::new_with_config(config.build()), attempts: 3, pause: Duration::ZERO }
}

struct Outcome {
    result: Result<(), DataError>,
    events: Vec<Option<Work>>,
    /// What is at the target and in the part afterwards.
    target: Option<Vec<u8>>,
    part: Option<Vec<u8>>,
}

/// Downloads from `server` to an empty folder, in which a part lies already if one is given.
fn fetch(server: &str, part: Option<&[u8]>) -> Outcome {
    fetch_copy(server, part, true)
}

/// The same of a copy of which nothing is known, unless it is the `published` one.
fn fetch_copy(server: &str, part: Option<&[u8]>, published: bool) -> Outcome {
    let folder = tempfile::tempdir().expect("a folder");
    let target = folder.path().join("sub/file.bin");
    let url = format!("{server}/some/file.bin");
    let md5 = hexadecimal(Md5::new_with_prefix(BODY));
    let whole = Whole { size: BODY.len() as u64, md5: &md5 };
    let remote = Remote { url: &url, whole: published.then_some(whole) };
    let part_path = part_path(&target, &remote);
    if let Some(part) = part {
        fs::create_dir(folder.path().join("sub")).expect("a folder");
        fs::write(&part_path, part).expect("a part");
    }
    let events = Mutex::new(Vec::new());
    let tell = |work| events.lock().expect("no panic").push(work);
    let result = client().download(&remote, &target, Watch::new(&Interrupt::default(), &tell));
    let events = events.into_inner().expect("no panic");
    Outcome { result, events, target: fs::read(target).ok(), part: fs::read(part_path).ok() }
}

fn whole() -> Vec<u8> {
    answer("200 OK", "", BODY.len(), BODY)
}

fn rest(from: usize) -> Vec<u8> {
    let range = format!("Content-Range: bytes {from}-{}/{}\r\n", BODY.len() - 1, BODY.len());
    answer("206 Partial Content", &range, BODY.len() - from, &BODY[from..])
}

/// The `Range` of each request.
fn ranges(server: Server) -> Vec<Option<String>> {
    server.requests().into_iter().map(|request| request.range).collect()
}

fn assert_whole(outcome: &Outcome) {
    assert!(outcome.result.is_ok(), "{:?}", outcome.result);
    assert_eq!(outcome.target.as_deref(), Some(BODY));
    assert_eq!(outcome.part, None);
    assert_eq!(outcome.events.last(), Some(&None));
}

#[test]
fn a_whole_file() {
    let server = Server::start(vec![whole()]);
    let outcome = fetch(&server.url, None);
    assert_whole(&outcome);
    let total = BODY.len() as u64;
    let (what, unit) = ("downloading file.bin".to_owned(), Counted::Bytes);
    assert_eq!(outcome.events[0], Some(Work { what, done: 0, total: Some(total), unit }));
    let requests = server.requests();
    assert_eq!((requests[0].path.as_str(), &requests[0].range), ("/some/file.bin", &None));
}

#[test]
fn a_cut_connection_goes_on_where_it_was_cut() {
    let cut = answer("200 OK", "", BODY.len(), &BODY[..7]);
    let server = Server::start(vec![cut, rest(7)]);
    assert_whole(&fetch(&server.url, None));
    assert_eq!(ranges(server), [None, Some("bytes=7-".into())]);
}

#[test]
fn a_part_from_before_is_completed() {
    let server = Server::start(vec![rest(11)]);
    let outcome = fetch(&server.url, Some(&BODY[..11]));
    assert_whole(&outcome);
    assert!(matches!(outcome.events[0], Some(Work { done: 11, .. })));
    assert_eq!(ranges(server), [Some("bytes=11-".into())]);
}

#[test]
fn a_part_that_is_whole_needs_no_server() {
    assert_whole(&fetch("http://127.0.0.1:9", Some(BODY)));
}

#[test]
fn a_copy_of_unknown_size_is_taken_whole() {
    let cut = answer("200 OK", "", BODY.len(), &BODY[..7]);
    let server = Server::start(vec![cut, rest(7)]);
    assert_whole(&fetch_copy(&server.url, None, false));
    let server = Server::start(vec![rest(11)]);
    assert_whole(&fetch_copy(&server.url, Some(&BODY[..11]), false));
    // A part that is whole already: the server has no more of it.
    let refused = answer("416 Range Not Satisfiable", "", 0, b"");
    let server = Server::start(vec![refused, whole()]);
    assert_whole(&fetch_copy(&server.url, Some(BODY), false));
}

#[test]
fn a_server_without_ranges_gives_all_of_it() {
    let server = Server::start(vec![whole()]);
    assert_whole(&fetch(&server.url, Some(&BODY[..5])));
    assert_eq!(ranges(server), [Some("bytes=5-".into())]);
}

#[test]
fn a_range_that_is_refused_or_another_one_starts_over() {
    let refused = answer("416 Range Not Satisfiable", "", 0, b"");
    for first in [refused, rest(3)] {
        let server = Server::start(vec![first, whole()]);
        assert_whole(&fetch(&server.url, Some(&BODY[..5])));
        assert_eq!(ranges(server), [Some("bytes=5-".into()), None]);
    }
}

#[test]
fn a_part_of_another_file_starts_over() {
    let server = Server::start(vec![rest(4), whole()]);
    assert_whole(&fetch(&server.url, Some(b"XXXX")));
    assert_eq!(ranges(server), [Some("bytes=4-".into()), None]);
    let server = Server::start(vec![whole()]);
    assert_whole(&fetch(&server.url, Some(&[b'X'; 100])));
    assert_eq!(ranges(server), [None]);
}

#[test]
fn a_wrong_checksum_names_both_and_leaves_nothing() {
    let wrong = BODY.to_ascii_uppercase();
    let server = Server::start(vec![answer("200 OK", "", wrong.len(), &wrong)]);
    let outcome = fetch(&server.url, None);
    let error = outcome.result.expect_err("wrong bytes");
    assert_eq!(error.finding().name, "download-damaged");
    for part in [
        "file.bin",
        &hexadecimal(Md5::new_with_prefix(BODY)),
        &hexadecimal(Md5::new_with_prefix(&wrong)),
    ] {
        assert!(error.message().contains(part), "{error}");
    }
    assert_eq!((outcome.target, outcome.part), (None, None));
    assert_eq!(outcome.events.last(), Some(&None));
}

/// As a login page of a network in a hotel is.
#[test]
fn a_wrong_length_is_told_before_it_is_fetched() {
    let server = Server::start(vec![answer("200 OK", "", 5, b"hello")]);
    let outcome = fetch(&server.url, None);
    let error = outcome.result.expect_err("another file");
    assert!(error.message().contains("expected 29 bytes, found 5 bytes"), "{error}");
    assert_eq!((outcome.target, outcome.part), (None, None));
}

#[test]
fn a_missing_file_is_not_asked_for_again() {
    let server = Server::start(vec![answer("404 Not Found", "", 4, b"gone")]);
    let outcome = fetch(&server.url, None);
    let error = outcome.result.expect_err("no such file");
    assert_eq!(error.finding().name, "download-failed");
    assert!(error.message().contains("404 Not Found"), "{error}");
    assert!(error.message().contains("/some/file.bin"), "{error}");
    assert_eq!((outcome.target, outcome.part), (None, None));
}

#[test]
fn a_busy_server_is_asked_again_and_not_forever() {
    let busy = answer("503 Service Unavailable", "", 0, b"");
    let server = Server::start(vec![busy.clone(), busy.clone(), whole()]);
    assert_whole(&fetch(&server.url, None));
    let server = Server::start(vec![busy; 3]);
    let outcome = fetch(&server.url, Some(&BODY[..6]));
    let error = outcome.result.expect_err("a busy server");
    assert!(error.message().contains("503"), "{error}");
    assert!(error.help().is_some_and(|help| help.contains("file.bin.part")));
    assert_eq!(outcome.part.as_deref(), Some(&BODY[..6]));
    assert_eq!(ranges(server).len(), 3);
}

#[test]
fn nobody_there_is_told_at_once() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("the address of a bound socket");
    drop(listener);
    let outcome = fetch(&format!("http://{address}"), None);
    let error = outcome.result.expect_err("nobody");
    assert_eq!(error.finding().name, "download-failed");
    assert_eq!((outcome.target, outcome.part), (None, None));
    assert_eq!(outcome.events.last(), Some(&None));
}

#[test]
fn one_at_a_time() {
    let folder = tempfile::tempdir().expect("a folder");
    let lock = folder.path().join("sub/lock");
    let held = exclusive(&lock, "reads", unwatched()).expect("a lock");
    let other = File::open(&lock).expect("the lock's file");
    assert!(other.try_lock().is_err());
    // Who is asked to stop does not wait for it.
    let asked = Interrupt::default();
    asked.request();
    let told = Mutex::new(Vec::new());
    let tell = |work: Option<Work>| told.lock().expect("no panic").push(work);
    let waited = exclusive(&lock, "reads", Watch::new(&asked, &tell));
    assert!(matches!(waited, Err(DataError::Interrupted)), "{waited:?}");
    let told = told.into_inner().expect("no panic");
    let first = told.first().and_then(Option::as_ref).expect("it says that it waits");
    assert_eq!(first.what, "waiting for another process, which reads");
    assert_eq!(told.last(), Some(&None));
    drop(held);
    assert!(other.try_lock().is_ok());
}

/// What is still written to is somebody's, and other names are not asked about.
#[test]
fn what_was_left_is_removed_and_nothing_else() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    for name in [".tmpOLD", ".tmpNEW", "old.pixels"] {
        fs::write(path(name), name).expect("room");
    }
    fs::create_dir(path(".tmpFOLDER")).expect("room");
    fs::write(path(".tmpFOLDER/part"), "a part").expect("room");
    let long_ago = std::time::SystemTime::now() - 2 * LEFT;
    for name in [".tmpOLD", "old.pixels", ".tmpFOLDER"] {
        let file = File::open(path(name)).expect("it is there");
        file.set_modified(long_ago).expect("its time is its owner's");
    }
    remove_left(folder.path(), ".tmp");
    let left = fs::read_dir(folder.path()).expect("a folder").flatten();
    let mut left: Vec<_> = left.map(|own| own.file_name().into_string().expect("text")).collect();
    left.sort();
    assert_eq!(left, [".tmpNEW", "old.pixels"]);
    remove_left(&path("absent"), ".tmp");
}
