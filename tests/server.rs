//! A small HTTP server for one file, which can break off, stall, or have nothing.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// How the server answers.
#[derive(Clone, Copy, Debug)]
pub enum Manner {
    Whole,
    /// It sends so many bytes and closes the connection.
    Cut(usize),
    /// It sends so many bytes, and no more as long as it lives.
    Stall(usize),
    /// It answers 404.
    Absent,
}

pub struct Server {
    address: String,
    shared: Arc<Mutex<Shared>>,
}

struct Shared {
    file: Arc<Vec<u8>>,
    manner: Manner,
    /// From where on each request has asked.
    asked: Vec<usize>,
    /// Connections that are kept open.
    stalled: Vec<TcpStream>,
}

impl Server {
    pub fn start(file: Vec<u8>, manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = format!("http://{}", listener.local_addr().expect("it is bound"));
        let shared =
            Shared { file: Arc::new(file), manner, asked: Vec::new(), stalled: Vec::new() };
        let shared = Arc::new(Mutex::new(shared));
        let served = shared.clone();
        // It ends with the tests.
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = served.clone();
                // A client that went away is none of its concern.
                thread::spawn(move || drop(answer(stream, &shared)));
            }
        });
        Server { address, shared }
    }

    /// What `CPIPE_MIRROR` takes.
    pub fn address(&self) -> &str {
        &self.address
    }

    pub fn becomes(&self, manner: Manner) {
        self.shared.lock().expect("no request panics").manner = manner;
    }

    pub fn serves(&self, file: Vec<u8>) {
        self.shared.lock().expect("no request panics").file = Arc::new(file);
    }

    /// From where on each request so far has asked.
    pub fn asked(&self) -> Vec<usize> {
        self.shared.lock().expect("no request panics").asked.clone()
    }
}

fn answer(mut stream: TcpStream, shared: &Mutex<Shared>) -> std::io::Result<()> {
    let mut from = 0;
    for line in BufReader::new(stream.try_clone()?).lines() {
        let line = line?.to_ascii_lowercase();
        if let Some(range) = line.strip_prefix("range: bytes=") {
            from = range.trim_end_matches('-').parse().expect("a range without an end");
        }
        if line.is_empty() {
            break;
        }
    }
    let (file, manner) = {
        let mut shared = shared.lock().expect("no request panics");
        shared.asked.push(from);
        (shared.file.clone(), shared.manner)
    };
    let length = file.len();
    let end = match manner {
        Manner::Absent => {
            let head = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
            return stream.write_all(head.as_bytes());
        }
        Manner::Whole => length,
        Manner::Cut(count) | Manner::Stall(count) => length.min(from + count),
    };
    let status = match from {
        0 => "200 OK".to_owned(),
        from => format!(
            "206 Partial Content\r\nContent-Range: bytes {from}-{}/{length}",
            length.saturating_sub(1)
        ),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        length - from
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(&file[from..end])?;
    if matches!(manner, Manner::Stall(_)) {
        shared.lock().expect("no request panics").stalled.push(stream);
        return Ok(());
    }
    stream.shutdown(Shutdown::Write)
}
