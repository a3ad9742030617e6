//! The one style: what a program says stays the same, and so does what was formatted.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use cpipe::syntax::format::format;
use cpipe::syntax::lossless::{Node, SyntaxKind};
use cpipe::syntax::parse::Parsed;
use cpipe::syntax::tree::File;
use cpipe::{Compilation, Request, compile};

use crate::mutations::{Random, for_each_seed, mutated, parsed, part, programs};
use crate::support::root;

pub fn formatted(text: &str) -> String {
    format(&parsed(text).lossless)
}

/// The typed tree as text, without places, and without the order of imports, which says nothing.
fn meaning(file: &File) -> String {
    let without_spans = |text: String| {
        let mut parts = text.split("Span { ");
        let mut text = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            text += part.split_once(" }").expect("the end of a span").1;
        }
        text
    };
    let mut uses: Vec<String> =
        file.uses.iter().map(|own| without_spans(format!("{own:?}"))).collect();
    uses.sort();
    let File { doc, defines, externs, pipelines, items_whole, whole, .. } = file;
    let rest = format!("{doc:?} {defines:?} {externs:?} {pipelines:?} {items_whole} {whole}");
    format!("{uses:?} {}", without_spans(rest))
}

/// Every comment, documentation included, with what it documents.
fn comments(parsed: &Parsed) -> Vec<&str> {
    let is_comment = |leaf: &Node<'_>| {
        matches!(leaf.kind(), SyntaxKind::Comment | SyntaxKind::Doc | SyntaxKind::ModuleDoc)
    };
    parsed.lossless.root().leaves().filter(is_comment).map(Node::text).collect()
}

fn require(holds: bool, what: &str, text: &str) -> Result<(), String> {
    holds.then_some(()).ok_or_else(|| format!("{what}:\n{text}"))
}

/// How the lines of a formatted text have to end: as the first one of the text that is not blank.
fn line_end(text: &str) -> &'static str {
    let first = text.split('\n').position(|line| !line.trim_matches([' ', '\t', '\r']).is_empty());
    let ended = first.and_then(|first| text.split_inclusive('\n').nth(first));
    if ended.is_some_and(|line| line.ends_with("\r\n")) { "\r\n" } else { "\n" }
}

/// A text whose lines end in CRLF.
fn with_crlf(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\n', "\r\n")
}

/// What holds of any text; says whether all of it could be read.
pub fn check(before: &Parsed) -> Result<bool, String> {
    let once = format(&before.lossless);
    let after = parsed(&once);
    let twice = format(&after.lossless);
    require(once == twice, "not the same when formatted again", &format!("{once}\nthen\n{twice}"))?;
    require(before.file.whole == after.file.whole, "another text that can be read", &once)?;
    require(meaning(&before.file) == meaning(&after.file), "another meaning", &once)?;
    require(comments(before) == comments(&after), "other comments", &once)?;
    if !before.file.whole {
        let items = before.lossless.root().children();
        let has_error =
            |item: &Node<'_>| item.leaves().any(|leaf| leaf.kind() == SyntaxKind::Error);
        for item in items.filter(has_error) {
            require(once.contains(item.text()), "an item with an error is changed", &once)?;
        }
        return Ok(false);
    }
    let lines = once.replace("\r\n", "\n");
    let line_end = line_end(before.lossless.text());
    require(lines.replace('\n', line_end) == once, "line ends of several kinds", &once)?;
    let once = lines;
    let is_neat = |line: &str| !line.ends_with([' ', '\t', '\r']) && !line.starts_with('\t');
    require(once.lines().all(is_neat), "white space at the end", &once)?;
    let ends = once.is_empty() || once.ends_with('\n') && !once.ends_with("\n\n");
    require(ends && !once.starts_with('\n'), "blank lines at the ends", &once)?;
    require(!once.contains("\n\n\n"), "several blank lines", &once)?;
    Ok(true)
}

fn checked(before: &Parsed) -> Result<bool, String> {
    catch_unwind(AssertUnwindSafe(|| check(before))).unwrap_or_else(|_| Err("a panic".to_owned()))
}

#[test]
fn every_program_keeps_its_meaning() {
    for (path, text) in programs() {
        check(&parsed(&text)).unwrap_or_else(|fault| panic!("{}: {fault}", path.display()));
        let crlf = with_crlf(&text);
        let fault = match check(&parsed(&crlf)) {
            Ok(true) if formatted(&crlf) != with_crlf(&formatted(&text)) => "another layout".into(),
            Ok(_) => continue,
            Err(fault) => fault,
        };
        panic!("{} with CRLF: {fault}", path.display());
    }
}

/// A compilation's diagnostics, but for their places, and the hash of its graph.
pub fn outcome(compilation: &Compilation) -> (Vec<(&'static str, String)>, Option<String>) {
    let diagnostics = compilation.diagnostics.iter();
    let mut found: Vec<(&str, String)> =
        diagnostics.map(|own| (own.finding.name, own.message.clone())).collect();
    found.sort();
    (found, compilation.compiled.as_ref().map(|compiled| compiled.graph.hash()))
}

#[test]
fn every_program_compiles_to_the_same() {
    let programs = programs();
    let before: BTreeMap<PathBuf, Vec<u8>> =
        programs.iter().map(|(path, text)| (path.clone(), text.clone().into_bytes())).collect();
    let after: BTreeMap<PathBuf, Vec<u8>> =
        programs.iter().map(|(path, text)| (path.clone(), formatted(text).into_bytes())).collect();
    let crlf: BTreeMap<PathBuf, Vec<u8>> = programs
        .iter()
        .map(|(path, text)| (path.clone(), with_crlf(&formatted(text)).into_bytes()))
        .collect();
    let compiled = AtomicU64::new(0);
    for_each_seed(programs.len() as u64, |position| {
        let path = &programs[position as usize].0;
        // The library is known by its very text.
        if path.starts_with(root().join("stdlib")) {
            return;
        }
        let file = path.to_str().expect("a UTF-8 path");
        let request = Request { file, ..Request::default() };
        let before = compile(&request, &before);
        for after in [&after, &crlf] {
            assert_eq!(outcome(&before), outcome(&compile(&request, after)), "{file}");
        }
        compiled.fetch_add(u64::from(before.compiled.is_some()), Ordering::Relaxed);
    });
    assert!(compiled.into_inner() > 10);
}

#[test]
fn what_ships_is_formatted() {
    let shipped = programs().into_iter().filter(|(path, _)| {
        ["stdlib", "pipelines"].iter().any(|folder| path.starts_with(root().join(folder)))
    });
    let mut count = 0;
    for (path, text) in shipped {
        count += 1;
        assert_eq!(formatted(&text), text, "{}", path.display());
        let is_wide = |line: &&str| line.chars().count() > 100;
        assert_eq!(text.lines().find(is_wide), None, "{}", path.display());
    }
    assert!(count > 10, "{count}");
    let readme = std::fs::read_to_string(root().join("README.md")).expect("README.md");
    let blocks: Vec<&str> =
        readme.split("```cpipe\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(!blocks.is_empty());
    blocks.iter().for_each(|block| assert_eq!(formatted(block), *block, "in README.md"));
}

#[test]
fn every_mutation_keeps_its_meaning() {
    mutations_keep_their_meaning(|text| text.to_owned());
}

#[test]
fn every_mutation_of_a_text_with_crlf_keeps_its_meaning() {
    mutations_keep_their_meaning(with_crlf);
}

/// Changes the programs at random, after they were written in some way.
fn mutations_keep_their_meaning(written: fn(&str) -> String) {
    const MUTATIONS: u64 = 5_000;
    let programs = programs();
    let whole = AtomicU64::new(0);
    for_each_seed(MUTATIONS, |seed| {
        let (path, text) = &programs[seed as usize % programs.len()];
        let text = mutated(&written(text), seed);
        match checked(&parsed(&text)) {
            Ok(is_whole) => whole.fetch_add(u64::from(is_whole), Ordering::Relaxed),
            Err(fault) => panic!("{} with seed {seed}: {fault}\nin {text:?}", path.display()),
        };
    });
    let whole = whole.into_inner();
    assert!((MUTATIONS / 20..MUTATIONS / 2).contains(&whole), "{whole}");
}

/// The tokens of a text with other white space, line breaks and comments between them.
fn laid_out(parsed: &Parsed, random: &mut Random) -> String {
    const BREAKS: [&str; 5] = ["\n", "\r\n  ", "\n\n\n", " \n\t", "\n \n"];
    // How often a gap is changed, and how often to a comment.
    let (changed, commented) = (1 + random.below(8), random.below(6));
    let mut text = String::new();
    let mut count = 0;
    let leaves: Vec<Node<'_>> = parsed.lossless.root().leaves().collect();
    for (position, leaf) in leaves.iter().enumerate() {
        let is_white_space = leaf.kind() == SyntaxKind::Whitespace;
        let next = leaves.get(position + 1);
        let is_gap = is_white_space || next.is_none_or(|next| !next.kind().is_trivia());
        let is_word =
            |node: &Node<'_>| matches!(node.kind(), SyntaxKind::Path | SyntaxKind::Quantity);
        let word = leaf.parent().filter(is_word);
        let is_inside = word.is_some_and(|word| leaf.range().end < word.range().end);
        let previous = if is_white_space { position.checked_sub(1) } else { Some(position) };
        let previous = previous.map(|position| leaves[position]);
        // Its name stands beside it.
        let is_stage = previous.is_some_and(|own| own.text() == "stage");
        // So do the arguments of a call.
        let is_call = next.is_some_and(|next| {
            let arguments = next.parent().filter(|own| own.kind() == SyntaxKind::Arguments);
            arguments.is_some_and(|own| own.range().start == next.range().start)
        });
        if !is_white_space {
            text.push_str(leaf.text());
        }
        if !is_gap || is_inside || is_stage || is_call || random.below(8) >= changed {
            text.push_str(if is_white_space { leaf.text() } else { "" });
            continue;
        }
        // Nothing else may follow a comment on its line, and no name a number.
        let ends = previous.is_some_and(|own| {
            matches!(own.kind(), SyntaxKind::Comment | SyntaxKind::Doc | SyntaxKind::ModuleDoc)
                || own.kind() == SyntaxKind::Number
        });
        let a_break = BREAKS[random.below(BREAKS.len())];
        match random.below(12) {
            // What a module is about stands before everything else, a comment may not.
            own if own < commented => {
                count += 1;
                let before = if ends || random.below(2) == 0 { a_break } else { " " };
                text += &format!("{before}// {count}{}", BREAKS[random.below(BREAKS.len())]);
            }
            6..9 if !ends => text.push(' '),
            9..11 if !is_white_space && !ends => {}
            _ => text.push_str(a_break),
        }
    }
    text
}

#[test]
fn every_layout_keeps_its_meaning() {
    const LAYOUTS: u64 = 10_000;
    let programs = programs();
    let whole = AtomicU64::new(0);
    for_each_seed(LAYOUTS, |seed| {
        let (path, text) = &programs[seed as usize % programs.len()];
        let mut random = Random { seed, count: 0 };
        let before = parsed(part(text, &mut random));
        if !before.file.whole {
            return;
        }
        let text = laid_out(&before, &mut random);
        let after = parsed(&text);
        let fault = match meaning(&after.file) == meaning(&before.file) {
            true => checked(&after).err(),
            false => Some("no mere layout".to_owned()),
        };
        if let Some(fault) = fault {
            panic!("{} with seed {seed}: {fault}\nin\n{text}", path.display());
        }
        whole.fetch_add(1, Ordering::Relaxed);
    });
    let whole = whole.into_inner();
    assert!(whole > LAYOUTS / 2, "{whole}");
}

/// The longest text that is read, of several forms that would take time without end if any part of
/// the work were done again for each line.
#[test]
fn long_and_deep_programs() {
    let deep = format!("{}1{}", "f(a, ".repeat(60), ")".repeat(60));
    let many = 2_000;
    for text in [
        format!("pipeline p {{\n{}}}\n", "let a = 1\n".repeat(many)),
        format!("pipeline p {{ let a = f({}) }}\n", "a: 1,".repeat(many)),
        format!("define p() -> X {{ {}a }}\n", "a // c\n + ".repeat(many)),
        format!("define p() -> X {{ a{} }}\n", " >> if a { b } else { c }".repeat(many)),
        format!("define p() -> X {{ a{} }}\n", ".b".repeat(many)),
        "use a.b\n".repeat(many),
        format!("define p() -> X {{ {deep} }}\n").repeat(20),
    ] {
        assert_eq!(check(&parsed(&text)), Ok(true));
    }
}

mod command {
    use std::fs;
    use std::io::Write as _;
    use std::path::Path;
    use std::process::{Command, Output, Stdio};

    const LOOSE: &str = "use std.b.{d,c}\ndefine f( a:Int )->Int{a}\n";
    const NEAT: &str = "use std.b.{c, d}\n\ndefine f(a: Int) -> Int { a }\n";
    const WRONG: &str = "define f( a:Int )->Int{\n  a ?\n}\n";

    fn fmt(folder: &Path, arguments: &[&str], input: &str) -> (Option<i32>, String, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cpipe"));
        command.current_dir(folder).arg("fmt").args(arguments).stdin(Stdio::piped());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the command starts");
        let mut stdin = child.stdin.take().expect("a pipe");
        // Where it is not read, it is closed.
        let _ = stdin.write_all(input.as_bytes());
        drop(stdin);
        let Output { status, stdout, stderr } = child.wait_with_output().expect("an end");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
        (status.code(), text(stdout), text(stderr))
    }

    /// A folder with a file that is formatted, one that is not, and one below it.
    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir(folder.path().join("inner")).expect("a folder");
        for (name, text) in [("loose", LOOSE), ("neat", NEAT), ("inner/loose", LOOSE)] {
            let path = folder.path().join(name).with_extension("cpipe");
            fs::write(path, text).expect("a file");
        }
        fs::write(folder.path().join("other.txt"), LOOSE).expect("a file");
        folder
    }

    fn read(folder: &Path, name: &str) -> String {
        fs::read_to_string(folder.join(name)).expect("a file")
    }

    #[test]
    fn files_are_written_anew() {
        let folder = folder();
        let path = folder.path();
        let modified = |name: &str| {
            fs::metadata(path.join(name)).and_then(|own| own.modified()).expect("a time")
        };
        let before = modified("neat.cpipe");
        assert_eq!(fmt(path, &["."], ""), (Some(0), String::new(), String::new()));
        for name in ["loose.cpipe", "neat.cpipe", "inner/loose.cpipe"] {
            assert_eq!(read(path, name), NEAT, "{name}");
        }
        assert_eq!(read(path, "other.txt"), LOOSE);
        assert_eq!(modified("neat.cpipe"), before);
        // No other file is left behind.
        assert_eq!(fs::read_dir(path).expect("a folder").count(), 4);
    }

    #[cfg(unix)]
    #[test]
    fn permissions_and_links_are_kept() {
        use std::os::unix::fs::{PermissionsExt as _, symlink};
        let folder = folder();
        let path = folder.path();
        let loose = path.join("loose.cpipe");
        fs::set_permissions(&loose, fs::Permissions::from_mode(0o640)).expect("permissions");
        symlink("loose.cpipe", path.join("link.cpipe")).expect("a link");
        assert_eq!(fmt(path, &["link.cpipe"], "").0, Some(0));
        assert_eq!(read(path, "loose.cpipe"), NEAT);
        let mode = fs::metadata(&loose).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o640);
        let link = fs::symlink_metadata(path.join("link.cpipe")).expect("a link");
        assert!(link.file_type().is_symlink());
        // What may not be written is not replaced either.
        fs::write(&loose, LOOSE).expect("a file");
        fs::set_permissions(&loose, fs::Permissions::from_mode(0o440)).expect("permissions");
        let (code, _, stderr) = fmt(path, &["loose.cpipe"], "");
        assert_eq!((code, read(path, "loose.cpipe").as_str()), (Some(1), LOOSE));
        assert!(stderr.contains("cannot write loose.cpipe"), "{stderr}");
    }

    #[test]
    fn what_would_change_is_listed_or_shown() {
        let folder = folder();
        let path = folder.path();
        let (code, listed, _) = fmt(path, &["--check", "neat.cpipe", "loose.cpipe"], "");
        assert_eq!((code, listed.as_str()), (Some(2), "loose.cpipe\n"));
        assert_eq!(
            fmt(path, &["--check", "neat.cpipe"], ""),
            (Some(0), String::new(), String::new())
        );
        let (code, shown, _) = fmt(path, &["--diff", "neat.cpipe", "loose.cpipe"], "");
        let expected = "\
--- loose.cpipe
+++ loose.cpipe
@@ -1,2 +1,3 @@
-use std.b.{d,c}
-define f( a:Int )->Int{a}
+use std.b.{c, d}
+
+define f(a: Int) -> Int { a }
";
        assert_eq!((code, shown.as_str()), (Some(0), expected));
        assert_eq!(fmt(path, &["--diff", "--check", "loose.cpipe"], "").0, Some(2));
        assert_eq!(read(path, "loose.cpipe"), LOOSE);
    }

    #[test]
    fn line_ends_are_kept() {
        let folder = folder();
        let path = folder.path();
        let crlf = |text: &str| text.replace('\n', "\r\n");
        fs::write(path.join("neat.cpipe"), crlf(NEAT)).expect("a file");
        fs::write(path.join("loose.cpipe"), crlf(LOOSE)).expect("a file");
        let nothing = (Some(0), String::new(), String::new());
        assert_eq!(fmt(path, &["--check", "neat.cpipe"], ""), nothing);
        assert_eq!(fmt(path, &["--diff", "neat.cpipe"], ""), nothing);
        // A line that stays is no change.
        let (_, shown, _) = fmt(path, &["--diff", "-"], &crlf(&format!("// a\n{LOOSE}")));
        assert!(shown.contains("\n // a\r\n-use std.b.{d,c}\r\n"), "{shown:?}");
        assert_eq!(fmt(path, &["loose.cpipe", "neat.cpipe"], ""), nothing);
        for name in ["loose.cpipe", "neat.cpipe"] {
            assert_eq!(read(path, name), crlf(NEAT), "{name}");
        }
        assert_eq!(fmt(path, &["-"], &crlf(LOOSE)).1, crlf(NEAT));
    }

    #[test]
    fn standard_input_goes_to_standard_output() {
        let folder = folder();
        let path = folder.path();
        assert_eq!(fmt(path, &["-"], LOOSE), (Some(0), NEAT.to_owned(), String::new()));
        assert_eq!(fmt(path, &["-"], NEAT), (Some(0), NEAT.to_owned(), String::new()));
        assert_eq!(fmt(path, &["--check", "-"], LOOSE).0, Some(2));
        let (code, written, shown) = fmt(path, &["-"], WRONG);
        assert_eq!((code, written.as_str()), (Some(2), ""));
        assert!(shown.contains("standard input"), "{shown}");
    }

    #[test]
    fn what_cannot_be_read_is_not_touched() {
        let folder = folder();
        let path = folder.path();
        fs::write(path.join("wrong.cpipe"), WRONG).expect("a file");
        let (code, _, shown) = fmt(path, &["wrong.cpipe", "loose.cpipe", "nowhere.cpipe"], "");
        assert_eq!(code, Some(2));
        assert!(shown.contains("wrong.cpipe:2:5"), "{shown}");
        assert!(shown.contains("file-unreadable"), "{shown}");
        assert_eq!(read(path, "wrong.cpipe"), WRONG);
        // The others are.
        assert_eq!(read(path, "loose.cpipe"), NEAT);
        let empty = path.join("empty");
        fs::create_dir(&empty).expect("a folder");
        assert_eq!(fmt(&empty, &["."], "").0, Some(2));
    }
}
