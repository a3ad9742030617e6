//! The programs of the repository, and what becomes of them when they are changed at random.

use std::fs;
use std::path::{Path, PathBuf};

use cpipe::source::Sources;
use cpipe::syntax::parse::{self, Parsed};

use crate::support::root;

/// What a text says.
pub fn parsed(text: &str) -> Parsed {
    let mut sources = Sources::default();
    let id = sources.add("test.cpipe", text);
    parse::file(&sources, id)
}

/// Every program of the repository, by its place.
pub fn programs() -> Vec<(PathBuf, String)> {
    fn collect(folder: &Path, programs: &mut Vec<(PathBuf, String)>) {
        for entry in fs::read_dir(folder).expect("a folder of the repository") {
            let path = entry.expect("an entry").path();
            match path.is_dir() {
                true => collect(&path, programs),
                false if path.extension().is_some_and(|own| own == "cpipe") => {
                    let text = fs::read_to_string(&path).expect("a text");
                    programs.push((path, text));
                }
                false => {}
            }
        }
    }
    let mut programs = Vec::new();
    for folder in ["pipelines", "stdlib", "tests"] {
        collect(&root().join(folder), &mut programs);
    }
    assert!(programs.len() > 50, "{}", programs.len());
    programs.sort();
    programs
}

/// Numbers that depend on a seed and on how many were asked for before, and on nothing else.
pub struct Random {
    pub seed: u64,
    pub count: u64,
}

impl Random {
    pub fn below(&mut self, end: usize) -> usize {
        self.count += 1;
        let mut value = self.seed << 20 | self.count;
        for factor in [0x9E37_79B9_7F4A_7C15, 0xBF58_476D_1CE4_E5B9, 0x94D0_49BB_1331_11EB] {
            value = value.wrapping_mul(factor);
            value ^= value >> 29;
        }
        value as usize % end.max(1)
    }
}

/// A text with a few changes that nobody meant.
pub fn mutated(text: &str, seed: u64) -> String {
    const PIECES: [&str; 49] = [
        "(", ")", "{", "}", "[", "]", "\"", "//", "// c", "// c\n", "///", "/// d\n", "//! m\n",
        "////", "\n", "\r\n", "\r", "\t", " ", ",", ".", "..", "..=", ".{", "=", "==", "->", ">>",
        "> ", "-", "/", "|", "?", "%", "1_0e", "2 epochs", "in 0..=1", "x", "X[", "é", "\u{a0}",
        "\u{2028}", "let ", "use ", "define ", "if a {b}", "else {c}", "stage ", "given a",
    ];
    let mut random = Random { seed, count: 0 };
    let mut characters: Vec<char> = part(text, &mut random).chars().collect();
    for _ in 0..1 + random.below(3) {
        let length = characters.len();
        let start = random.below(length + 1);
        let end = length.min(start + 1 + random.below(12));
        match random.below(8) {
            0 => drop(characters.drain(start..end)),
            1 => {
                let again = characters[start..end].to_vec();
                drop(characters.splice(start..start, again));
            }
            2 => characters[start..end].reverse(),
            3 if start < end => characters.swap(start, end - 1),
            _ => {
                let piece = PIECES[random.below(PIECES.len())].chars();
                drop(characters.splice(start..start, piece));
            }
        }
    }
    let mut text: String = characters.into_iter().collect();
    if random.below(8) == 0 {
        // Inside of a character too.
        let end = random.below(text.len() + 1);
        text = String::from_utf8_lossy(&text.as_bytes()[..end]).into_owned();
    }
    text
}

/// A text from where an item begins to where one ends, or a few lines of it: a whole one takes long
/// to read.
pub fn part<'t>(text: &'t str, random: &mut Random) -> &'t str {
    let items = ["use ", "define ", "extern ", "pipeline ", "///", "// "];
    let mut starts = vec![0];
    let lines = text.match_indices('\n').map(|(at, _)| at + 1);
    starts.extend(lines.filter(|at| items.iter().any(|item| text[*at..].starts_with(item))));
    let rest = &text[starts[random.below(starts.len())]..];
    let end_of = |mark: &str, length: usize| {
        let ends = rest.match_indices(mark).map(|(at, _)| at + mark.len());
        ends.take_while(|end| *end < length).last()
    };
    let end = end_of("\n}", 250).or(end_of("\n\n", 160)).or(end_of("\n", 160));
    &rest[..end.unwrap_or(rest.len())]
}

/// Calls a function with each number below `count`, on all processors.
pub fn for_each_seed(count: u64, check: impl Fn(u64) + Sync) {
    let threads = std::thread::available_parallelism().map_or(1, |count| count.get() as u64);
    std::thread::scope(|scope| {
        for first in 0..threads {
            let check = &check;
            scope.spawn(move || (first..count).step_by(threads as usize).for_each(check));
        }
    });
}
