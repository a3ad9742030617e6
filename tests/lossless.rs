//! The lossless tree: all of a text, whatever stands in it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use cpipe::syntax::lossless::{Node, SyntaxKind};
use cpipe::syntax::parse::Parsed;
use cpipe::syntax::tree::Member;

use crate::mutations::{for_each_seed, mutated, parsed, programs};

fn require(holds: bool, what: &str, node: Node<'_>) -> Result<(), String> {
    holds.then_some(()).ok_or_else(|| format!("{what}: {node:?}"))
}

/// What holds of the tree of any text; says whether all of the text fits the grammar.
pub fn check(text: &str) -> Result<bool, String> {
    let parsed = parsed(text);
    let tree = &parsed.lossless;
    let leaves: Vec<Node<'_>> = tree.root().leaves().collect();
    require(leaves.iter().map(|leaf| leaf.text()).eq(pieces(text, &leaves)), "gaps", tree.root())?;
    let joined: String = leaves.iter().map(|leaf| leaf.text()).collect();
    require(joined == text && tree.text() == text, "another text", tree.root())?;
    for node in tree.root().descendants() {
        match node.kind().is_token() {
            true => check_leaf(node)?,
            false => check_node(node)?,
        }
    }
    let is_whole = leaves.iter().all(|leaf| leaf.kind() != SyntaxKind::Error);
    require(is_whole == parsed.file.whole, "an error that is none", tree.root())?;
    if is_whole {
        let is_comment = |leaf: &&Node<'_>| {
            matches!(leaf.kind(), SyntaxKind::Comment | SyntaxKind::Doc | SyntaxKind::ModuleDoc)
        };
        let own = leaves.iter().filter(is_comment).map(|leaf| leaf.text());
        require(own.eq(comments(text)), "other comments", tree.root())?;
    }
    Ok(is_whole)
}

/// The text, cut where each leaf ends.
fn pieces<'t>(text: &'t str, leaves: &[Node<'_>]) -> Vec<&'t str> {
    let mut start = 0;
    let cut = |leaf: &Node<'_>| {
        let piece = text.get(start..leaf.range().end).unwrap_or_default();
        start = leaf.range().end;
        piece
    };
    leaves.iter().map(cut).collect()
}

/// Found without the grammar: `//` outside of quotes, up to the end of its line.
fn comments(text: &str) -> Vec<&str> {
    let begin = |line: &str| {
        let mut slashes = line.match_indices("//").map(|(at, _)| at);
        slashes.find(|at| line[..*at].matches('"').count().is_multiple_of(2))
    };
    let lines = text.split('\n').filter_map(|line| Some(&line[begin(line)?..]));
    lines.map(|comment| comment.trim_end_matches([' ', '\t', '\r'])).collect()
}

fn check_node(node: Node<'_>) -> Result<(), String> {
    let is_root = node.kind() == SyntaxKind::Root;
    let mut position = node.range().start;
    for child in node.children() {
        require(child.range().start == position, "children with a gap", child)?;
        require(child.parent() == Some(node), "another parent", child)?;
        position = child.range().end;
    }
    require(position == node.range().end, "children that end elsewhere", node)?;
    require(is_root == node.parent().is_none(), "no parent", node)?;
    let mut leaves = node.leaves();
    let first = leaves.next();
    let last = leaves.next_back().or(first);
    for end in [first, last] {
        require(is_root || end.is_some_and(|leaf| !leaf.kind().is_trivia()), "trivia", node)?;
    }
    Ok(())
}

fn check_leaf(leaf: Node<'_>) -> Result<(), String> {
    const SIGNS: &str = "-> >> ..= .. + - * / = == : , . .{ | ( ) { } [ ] ? < <= > >=";
    const KEYWORDS: &str = "use define extern stage detached pipeline profile let given view views \
                            and label labels index minimize report export if else in";
    let text = leaf.text();
    let is_word = text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let starts = |is_it: fn(char) -> bool| text.starts_with(is_it);
    let is_doc = text.starts_with("///") && !text.starts_with("////");
    let fits = match leaf.kind() {
        SyntaxKind::Whitespace => text.chars().all(is_blank),
        SyntaxKind::Comment => text.starts_with("//") && !is_doc && !text.starts_with("//!"),
        SyntaxKind::ModuleDoc => text.starts_with("//!"),
        SyntaxKind::Doc => is_doc,
        SyntaxKind::Error => true,
        SyntaxKind::Keyword => KEYWORDS.split_whitespace().any(|keyword| keyword == text),
        SyntaxKind::Name => is_word && starts(|c| c.is_ascii_lowercase() || c == '_'),
        SyntaxKind::TypeName => is_word && starts(|c| c.is_ascii_uppercase()),
        SyntaxKind::Number => {
            starts(|c| c.is_ascii_digit() || c == '.') && !text.contains(is_blank)
        }
        SyntaxKind::Unit => text == "%" || is_word,
        SyntaxKind::Text => text.len() > 1 && text.matches('"').count() == 2 && text.ends_with('"'),
        SyntaxKind::Boolean => ["true", "false"].contains(&text),
        SyntaxKind::Punctuation => SIGNS.split(' ').any(|sign| sign == text),
        _ => false,
    };
    require(fits, "another kind of text", leaf)?;
    let may_break = matches!(leaf.kind(), SyntaxKind::Whitespace | SyntaxKind::Error);
    require(may_break || !text.contains('\n'), "several lines", leaf)?;
    // A text that is not read at all is one error.
    let is_alone = leaf.parent().is_some_and(|parent| parent.range() == leaf.range());
    let may_end =
        leaf.kind() == SyntaxKind::Whitespace || leaf.kind() == SyntaxKind::Error && is_alone;
    let is_bare = may_end || !text.ends_with(is_blank);
    require(is_bare, "white space at its end", leaf)?;
    require(!leaf.range().is_empty() && leaf.children().next().is_none(), "no leaf", leaf)
}

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

#[test]
fn every_program_is_in_its_tree() {
    for (path, text) in programs() {
        check(&text).unwrap_or_else(|fault| panic!("{}: {fault}", path.display()));
    }
}

#[test]
fn every_mutation_is_in_its_tree() {
    const MUTATIONS: u64 = 10_000;
    let programs = programs();
    let whole = AtomicU64::new(0);
    let check_one = |seed: u64| {
        let (path, text) = &programs[seed as usize % programs.len()];
        let text = mutated(text, seed);
        let found = catch_unwind(AssertUnwindSafe(|| check(&text)))
            .unwrap_or_else(|_| Err("a panic".to_owned()));
        match found {
            Ok(is_whole) => whole.fetch_add(u64::from(is_whole), Ordering::Relaxed),
            Err(fault) => panic!("{} with seed {seed}: {fault}\nin {text:?}", path.display()),
        };
    };
    for_each_seed(MUTATIONS, check_one);
    // Neither harmless nor always the same error.
    let whole = whole.into_inner();
    assert!((MUTATIONS / 10..MUTATIONS / 2).contains(&whole), "{whole}");
}

/// A bit of everything that the grammar knows.
const SAMPLE: &str = "\
//! What it is for.
// Not documentation.

use .near.{a, b, // both
  c}
use std.heads.d

/// Says what it makes.
extern resize(size: Int > 0, detached to?: Tensor[..s, 2 * d] = x) -> Augment[Image -> Image] { keeps: rows }

define probe(encoder: Encoder, /// Of the loss.
  weight: Float in 0..=1 = 5e-4, stem: small | large) -> Objective {
  // Above.
  let head = (encoder >> mlp(out: 65_536)) >> d // Behind.

  given views x, y and label l
  minimize -probe(head(x).mean, 2 * (weight - 1)) / 4
  export head = head.encoder
  report same = if weight == 1 { \"one // \" } else { true }
}

pipeline p(length: Duration = 2 epochs) {
  dataset data = shapes()
  /// Once.
  stage train {
    data: data.train.sample(50%), // Behind the comma.
    length: length
  }
  profile quick { train.length: 1_0 epochs } // Last.
}
";

/// The only node of that kind and text, which is a part of the sample.
fn only<'t>(parsed: &'t Parsed, kind: SyntaxKind, text: &str) -> Node<'t> {
    let nodes = parsed.lossless.root().descendants();
    let found: Vec<Node<'t>> =
        nodes.filter(|node| node.kind() == kind && node.text() == text).collect();
    assert_eq!(found.len(), 1, "{kind:?} {text:?}");
    found[0]
}

#[test]
fn spellings_and_brackets_are_kept() {
    check(SAMPLE).unwrap_or_else(|fault| panic!("{fault}"));
    let parsed = parsed(SAMPLE);
    assert!(parsed.file.whole && parsed.diagnostics.is_empty());
    for number in ["5e-4", "65_536", "50", "1_0"] {
        only(&parsed, SyntaxKind::Number, number);
    }
    only(&parsed, SyntaxKind::Quantity, "1_0 epochs");
    only(&parsed, SyntaxKind::Text, "\"one // \"");
    only(&parsed, SyntaxKind::Use, "use .near.{a, b, // both\n  c}");
    only(&parsed, SyntaxKind::UseGroup, ".{a, b, // both\n  c}");
    only(&parsed, SyntaxKind::Parentheses, "(encoder >> mlp(out: 65_536))");
    only(&parsed, SyntaxKind::Parentheses, "(weight - 1)");
    only(&parsed, SyntaxKind::Rest, "..s");
    only(&parsed, SyntaxKind::FunctionType, "Image -> Image");
    only(&parsed, SyntaxKind::Negate, "-probe(head(x).mean, 2 * (weight - 1))");
    // Without the comment behind it.
    only(&parsed, SyntaxKind::Pipe, "(encoder >> mlp(out: 65_536)) >> d");
    // With its documentation.
    let weight =
        only(&parsed, SyntaxKind::Parameter, "/// Of the loss.\n  weight: Float in 0..=1 = 5e-4");
    assert_eq!(weight.parent().map(Node::kind), Some(SyntaxKind::Parameters));
}

#[test]
fn comments_stay_with_what_they_are_about() {
    let parsed = parsed(SAMPLE);
    let texts = |nodes: Vec<Node<'_>>| nodes.iter().map(|node| node.text().to_owned()).collect();
    let about = |kind: SyntaxKind, text: &str| -> (Vec<String>, Vec<String>) {
        let node = only(&parsed, kind, text);
        (texts(node.comments_before()), texts(node.comment_after().into_iter().collect()))
    };
    let comment = |text: &str| vec![text.to_owned()];
    let head = about(SyntaxKind::Let, "let head = (encoder >> mlp(out: 65_536)) >> d");
    assert_eq!(head, (comment("// Above."), comment("// Behind.")));
    let given = about(SyntaxKind::Given, "given views x, y and label l");
    assert_eq!(given, (vec![], vec![]));
    let data = about(SyntaxKind::Field, "data: data.train.sample(50%)");
    assert_eq!(data, (vec![], comment("// Behind the comma.")));
    let quick = about(SyntaxKind::Profile, "profile quick { train.length: 1_0 epochs }");
    assert_eq!(quick, (vec![], comment("// Last.")));
    let path = about(SyntaxKind::Path, ".near");
    assert_eq!(path, (vec![], vec![]));
    let import = about(SyntaxKind::Use, "use .near.{a, b, // both\n  c}");
    assert_eq!(import, (comment("// Not documentation."), vec![]));
    let module = about(SyntaxKind::ModuleDoc, "//! What it is for.");
    assert_eq!(module, (vec![], vec![]));
    let c = about(SyntaxKind::Name, "c");
    assert_eq!(c, (vec![], vec![]));
    // At the very beginning there is no line before.
    let first = self::parsed("// The first line.\nuse .a.b\n");
    let import = only(&first, SyntaxKind::Use, "use .a.b");
    assert_eq!(texts(import.comments_before()), comment("// The first line."));
}

#[test]
fn places_lead_to_nodes() {
    let parsed = parsed(SAMPLE);
    let tree = &parsed.lossless;
    for leaf in tree.root().leaves() {
        for offset in leaf.range() {
            assert_eq!(tree.leaf_at(offset), Some(leaf));
        }
        assert_eq!(tree.covering(leaf.range()), leaf);
    }
    assert_eq!(tree.leaf_at(SAMPLE.len()), None);
    assert_eq!(tree.covering(SAMPLE.len()..SAMPLE.len()), tree.root());
    let place = |text: &str| {
        let start = SAMPLE.find(text).expect("a part of the sample");
        tree.covering(start..start + text.len())
    };
    assert_eq!(place("weight - 1").kind(), SyntaxKind::Sum);
    assert_eq!(place("(x).mean").kind(), SyntaxKind::Chain);
    assert_eq!(place("views x, y").kind(), SyntaxKind::Given);
    assert_eq!(place("a, b").kind(), SyntaxKind::UseGroup);
    assert_eq!(place("d\n\n/// Says").kind(), SyntaxKind::Root);
    // The typed tree has the same places.
    let body = parsed.file.defines[0].body_span;
    assert_eq!(tree.covering(body.start..body.end).kind(), SyntaxKind::Body);
    let [_, Member::Stage(stage), _] = parsed.file.pipelines[0].members.as_slice() else {
        panic!("a value, a stage and a profile")
    };
    assert!(SAMPLE[stage.span.start..stage.span.end].starts_with("stage train {"));
    assert_eq!(tree.covering(stage.span.start..stage.span.end).kind(), SyntaxKind::Stage);
}

#[test]
fn what_cannot_be_read_is_one_error() {
    let deep = format!("pipeline p() {{ let a = {} // c\n}}\n", "(".repeat(100));
    let parsed_deep = parsed(&deep);
    let kinds: Vec<SyntaxKind> = parsed_deep.lossless.root().leaves().map(Node::kind).collect();
    assert_eq!((kinds, parsed_deep.diagnostics.errors()), (vec![SyntaxKind::Error], 1));
    assert_eq!(parsed_deep.lossless.text(), deep);
    let empty = parsed("");
    assert_eq!(empty.lossless.root().descendants().count(), 1);
    assert_eq!(empty.lossless.leaf_at(0), None);
    // Only the line that does not fit.
    let torn = parsed("pipeline p() {\n  let a = 1\n  what is this? // c\n  let b = 2\n}\n");
    only(&torn, SyntaxKind::Error, "what is this? // c");
    only(&torn, SyntaxKind::Let, "let b = 2");
}

/// The text with a comment and blank lines before, between and behind its tokens, wherever they may
/// stand; and at which bytes of the first text they were inserted.
fn spread(root: Node<'_>, inserted: &str) -> (String, Vec<usize>) {
    let mut text = inserted.to_owned();
    let mut places = vec![0];
    let leaves: Vec<_> = root.leaves().collect();
    for (position, leaf) in leaves.iter().enumerate() {
        text.push_str(leaf.text());
        if leaf.kind().is_trivia() {
            continue;
        }
        // A path and a number with its unit are one word; `stage` has its name beside it.
        let is_word =
            |node: &Node<'_>| matches!(node.kind(), SyntaxKind::Path | SyntaxKind::Quantity);
        let word = leaf.parent().filter(is_word);
        let is_inside = word.is_some_and(|word| leaf.range().end < word.range().end);
        let is_stage = leaf.kind() == SyntaxKind::Keyword && leaf.text() == "stage";
        // The arguments of a call stand beside its name as well.
        let is_call = leaves.get(position + 1).is_some_and(|next| {
            let arguments = next.parent().filter(|own| own.kind() == SyntaxKind::Arguments);
            arguments.is_some_and(|own| own.range().start == next.range().start)
        });
        if !is_inside && !is_stage && !is_call {
            text.push_str(inserted);
            places.push(leaf.range().end);
        }
    }
    (text, places)
}

/// The typed tree as text, with each place moved by what was inserted before it.
fn moved(file: &str, places: &[usize], length: usize) -> String {
    let inserted = |count: usize| count * length;
    let mut parts = file.split("), start: ");
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (start, rest) = part.split_once(", end: ").expect("a span");
        let (end, rest) = rest.split_once(' ').expect("a span");
        let (start, end): (usize, usize) =
            (start.parse().expect("a start"), end.parse().expect("an end"));
        let start = start + inserted(places.partition_point(|place| *place <= start));
        let end = end + inserted(places.partition_point(|place| *place < end));
        text.push_str(&format!("), start: {start}, end: {end} {rest}"));
    }
    text
}

#[test]
fn comments_and_blank_lines_change_nothing() {
    let sample = (PathBuf::from("the sample"), SAMPLE.to_owned());
    let mut count = 0;
    for (path, text) in programs().into_iter().chain([sample]) {
        let before = parsed(&text);
        if !before.file.whole {
            continue;
        }
        count += 1;
        for inserted in ["\n\n", "\n// if ( \" {\n\r\n", "\n//// a\n// b\n\n\t"] {
            let (spread, places) = spread(before.lossless.root(), inserted);
            let after = parsed(&spread);
            let expected = moved(&format!("{:?}", before.file), &places, inserted.len());
            let found = format!("{:?}", after.file);
            assert!(expected == found, "{} with {inserted:?}:\n{found}", path.display());
        }
    }
    assert!(count > 50, "{count}");
}
