//! An HTTP server on the loopback interface, which answers as a test tells it to.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::thread::{self, JoinHandle};

/// A request as a test sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    pub path: String,
    /// The value of its `Range` header.
    pub range: Option<String>,
}

/// Answers one connection after the other, and closes each.
pub struct Server {
    pub url: String,
    thread: JoinHandle<Vec<Request>>,
}

/// The bytes of a response, head included; the connection is closed after them.
pub type Answer = Vec<u8>;

/// A response whose head says `length`, whatever the body's own.
pub fn answer(status: &str, headers: &str, length: usize, body: &[u8]) -> Answer {
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n{headers}\r\n"
    );
    [head.as_bytes(), body].concat()
}

impl Server {
    /// Gives these answers, one for each request.
    pub fn start(answers: Vec<Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("the address of a bound socket");
        let thread = thread::spawn(move || {
            answers.iter().map(|answer| respond(&listener, answer)).collect()
        });
        Server { url: format!("http://{address}"), thread }
    }

    /// The requests, once all answers have been given.
    pub fn requests(self) -> Vec<Request> {
        self.thread.join().expect("a server that has not failed")
    }
}

fn respond(listener: &TcpListener, answer: &[u8]) -> Request {
    let (stream, _) = listener.accept().expect("a connection");
    let request = read(&stream);
    (&stream).write_all(answer).expect("a client that reads");
    request
}

fn read(stream: &TcpStream) -> Request {
    let lines = BufReader::new(stream).lines().map(|line| line.expect("a line"));
    let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
    let path = head[0].split(' ').nth(1).expect("a path").to_owned();
    let range = head.iter().filter_map(|line| line.split_once(": "));
    let range = range.filter(|(name, _)| name.eq_ignore_ascii_case("range"));
    Request { path, range: range.map(|(_, value)| value.to_owned()).next() }
}
