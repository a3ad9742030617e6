//! Texts and overrides made at random, of bytes and of pieces of programs: whatever they are, they
//! end in a graph or in a finding.
//!
//! Each test takes a few of them. For longer, one at a time, in a process of its own:
//! `CPIPE_FUZZ_MINUTES=20 cargo test --release --no-default-features -- fuzz::check`. Then it holds,
//! too, that the memory of the process does not grow by more than [`MOST_MEMORY`]. What is found is
//! kept in `fuzz/found`, which every test begins with.

mod grown;
mod outcome;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use cpipe::Request;
use cpipe::syntax::format::format;

use self::grown::Pieces;
use crate::mutations::{Random, mutated, parsed, part, programs};
use crate::support::{root, with};
use crate::{format as formatting, lossless};

/// As many as a test takes where nothing else is asked for.
const INPUTS: u64 = 100;
/// No input may take as long, on whatever machine.
const LONGEST: Duration = Duration::from_secs(60);
const MOST_MEMORY: u64 = 200 << 20;
/// The overrides of an input that is kept stand in its first lines.
const OVERRIDE: &str = "// override: ";

/// What a target is given.
#[derive(Clone, Debug, Default)]
struct Input {
    text: String,
    overrides: Vec<String>,
}

impl Input {
    fn read(text: &str) -> Self {
        let overrides = text.lines().filter_map(|line| line.strip_prefix(OVERRIDE));
        Input { text: text.to_owned(), overrides: overrides.map(str::to_owned).collect() }
    }

    fn written(&self) -> String {
        let overrides = self.overrides.iter().map(|own| format!("{OVERRIDE}{own}\n"));
        overrides.collect::<String>() + &self.text
    }
}

/// What inputs are made of.
struct Corpus {
    texts: Vec<String>,
    pieces: Pieces,
    /// Those that compile, and the names that overrides of them take.
    right: Vec<(String, Vec<String>)>,
}

impl Corpus {
    fn new() -> Self {
        let texts: Vec<String> = programs().into_iter().map(|(_, text)| text).collect();
        let pieces = Pieces::of(texts.iter().map(String::as_str));
        let names = |text: &String| {
            let compiled = with(text, &Request::default()).compiled?;
            Some((text.clone(), compiled.resolved.into_iter().map(|own| own.path).collect()))
        };
        let right: Vec<(String, Vec<String>)> = texts.iter().filter_map(names).collect();
        assert!(right.len() > 10, "{}", right.len());
        Corpus { texts, pieces, right }
    }

    /// A text that hardly anybody would write.
    fn text(&self, random: &mut Random) -> String {
        let whole = &self.texts[random.below(self.texts.len())];
        let text = match random.below(3) {
            0 => part(whole, random),
            _ => whole,
        };
        match random.below(4) {
            0 => mutated(text, random.seed),
            1 => mutated(&self.pieces.grown(text, random), random.seed),
            _ => self.pieces.grown(text, random),
        }
    }

    /// A text that is mostly right, and overrides of it.
    fn overridden(&self, random: &mut Random) -> Input {
        let (text, names) = &self.right[random.below(self.right.len())];
        let overrides = (0..1 + random.below(3)).map(|_| {
            let name = match random.below(6) {
                0 => mutated(&names[random.below(names.len())], random.seed),
                1 => names[random.below(names.len())].split('.').next().unwrap_or("x").to_owned(),
                _ => names[random.below(names.len())].clone(),
            };
            let sign = if random.below(20) == 0 { "" } else { "=" };
            format!("{name}{sign}{}", self.pieces.value(random))
        });
        let overrides = overrides.collect();
        let text = match random.below(4) {
            0 => self.pieces.grown(text, random),
            _ => text.clone(),
        };
        Input { text, overrides }
    }
}

type Target = fn(&Input) -> Result<(), String>;

fn tree(input: &Input) -> Result<(), String> {
    lossless::check(&input.text).map(|_| ())
}

fn compiled(input: &Input) -> Result<(), String> {
    outcome::check(&input.text, &input.overrides)
}

fn formatted(input: &Input) -> Result<(), String> {
    let before = parsed(&input.text);
    if formatting::check(&before)? {
        let after = with(&format(&before.lossless), &Request::default());
        let before = with(&input.text, &Request::default());
        let (before, after) = (formatting::outcome(&before), formatting::outcome(&after));
        if before != after {
            return Err(format!("another outcome: {before:?} and {after:?}"));
        }
    }
    Ok(())
}

/// Carries a target out; a panic is a fault, too.
fn carried_out(target: Target, input: &Input) -> Result<(), String> {
    let outcome = catch_unwind(AssertUnwindSafe(|| target(input)));
    outcome.unwrap_or_else(|_| Err("a panic".to_owned()))
}

/// The shortest text that has a fault, too, found by leaving out lines, then stretches of them.
fn shortened(target: Target, input: &Input) -> Input {
    let mut input = input.clone();
    for separator in ["\n", " ", ""] {
        let mut pieces: Vec<&str> = input.text.split_inclusive(separator).collect();
        let mut length = pieces.len().div_ceil(2);
        while length > 0 {
            let mut start = 0;
            while start < pieces.len() {
                let end = pieces.len().min(start + length);
                let left = [&pieces[..start], &pieces[end..]].concat();
                let shorter = Input { text: left.concat(), ..input.clone() };
                match carried_out(target, &shorter) {
                    Err(_) => pieces = left,
                    Ok(()) => start = end,
                }
            }
            length /= 2;
        }
        input.text = pieces.concat();
    }
    input
}

/// How much of this process is in memory, or ever was, in bytes.
fn memory(line: &str) -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let told = status.lines().find_map(|own| own.strip_prefix(line))?;
    told.trim().strip_suffix("kB")?.trim_end().parse::<u64>().ok().map(|kibibytes| kibibytes << 10)
}

/// Gives a target the inputs that were kept, then random ones.
fn fuzz(name: &str, target: Target, make: fn(&Corpus, &mut Random) -> Input) {
    let minutes = std::env::var("CPIPE_FUZZ_MINUTES").ok().and_then(|told| told.parse().ok());
    let minutes = minutes.map(|minutes: u64| Duration::from_secs(minutes * 60));
    let found = fs::read_dir(root().join("tests/fuzz/found")).expect("a folder of the repository");
    for entry in found {
        let path = entry.expect("an entry").path();
        let input = Input::read(&fs::read_to_string(&path).expect("a text"));
        carried_out(target, &input).unwrap_or_else(|fault| panic!("{}: {fault}", path.display()));
    }
    let corpus = Corpus::new();
    let now: Mutex<Option<(Instant, Input)>> = Mutex::new(Some((Instant::now(), Input::default())));
    let (begin, before) = (Instant::now(), memory("VmRSS:"));
    // From here on the peak counts.
    let _ = fs::write("/proc/self/clear_refs", "5");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let current = || now.lock().expect("no panic").clone();
            while let Some((since, input)) = current() {
                if since.elapsed() > LONGEST {
                    eprintln!("{name} does not end with\n{}", input.written());
                    std::process::abort();
                }
                std::thread::sleep(Duration::from_millis(200));
            }
        });
        let mut faults = Vec::new();
        let mut seed = 0;
        let goes_on = |seed: u64| minutes.map_or(seed < INPUTS, |time| begin.elapsed() < time);
        // Every long run has other inputs than the one before it.
        let offset = minutes.map_or(0, |_| u64::from(std::process::id()) << 20);
        while goes_on(seed) && faults.len() < 5 {
            let input = make(&corpus, &mut Random { seed: offset + seed, count: 0 });
            *now.lock().expect("no panic") = Some((Instant::now(), input.clone()));
            if let Err(fault) = carried_out(target, &input) {
                let short = shortened(target, &input);
                let first = carried_out(target, &short).err().unwrap_or(fault);
                faults.push(format!("{first}\nof\n{}\n", short.written()));
            }
            seed += 1;
        }
        *now.lock().expect("no panic") = None;
        let grown = memory("VmHWM:").zip(before).map(|(peak, before)| peak.saturating_sub(before));
        println!("{name}: {seed} inputs, memory grew by {:?} MiB", grown.map(|own| own >> 20));
        assert!(faults.is_empty(), "{name}:\n{}", faults.join("\n\n"));
        if minutes.is_some() {
            assert!(grown.is_none_or(|grown| grown < MOST_MEMORY), "{name} takes {grown:?} bytes");
        }
    });
}

fn any(corpus: &Corpus, random: &mut Random) -> Input {
    Input { text: corpus.text(random), overrides: Vec::new() }
}

#[test]
fn parse() {
    fuzz("parse", tree, any);
}

#[test]
fn check() {
    fuzz("check", compiled, any);
}

#[test]
fn fmt() {
    fuzz("fmt", formatted, any);
}

#[test]
fn overrides() {
    fuzz("overrides", compiled, Corpus::overridden);
}
