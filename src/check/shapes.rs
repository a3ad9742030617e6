//! Small objectives, right and wrong, judged as a person would.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::{Selection, check};
use crate::resolve::{Declaration, load};
use crate::source::Sources;
use crate::syntax::parse;

/// Operations of every kind of signature, more than the library has.
const OPERATIONS: &str = "
extern concat(a: Tensor[n, ..s], b: Tensor[m, ..s]) -> Tensor[n + m, ..s]
extern stack(a: Tensor[..s], b: Tensor[..s]) -> Tensor[2, ..s]
extern transpose(x: Tensor[n, m]) -> Tensor[m, n]
extern matmul(a: Tensor[n, k], b: Tensor[k, m]) -> Tensor[n, m]
extern outer(a: Tensor[n], b: Tensor[m]) -> Tensor[n, m]
extern unit(x: Tensor[..s, d]) -> Tensor[..s, d]
extern mean_last(x: Tensor[..s, d]) -> Tensor[..s]
extern mean_first(x: Tensor[n, ..s]) -> Tensor[..s]
extern total(x: Tensor[..s]) -> Tensor[]
extern twice(x: Tensor[n, d]) -> Tensor[2 * n, d]
extern pairs(x: Tensor[2 * n, d]) -> Tensor[n, d]
extern half(x: Tensor[n, d]) -> Tensor[n / 2, d]
extern all_but_one(x: Tensor[n + 1, d]) -> Tensor[n, d]
extern without(x: Tensor[n + m, d], part: Tensor[n, d]) -> Tensor[m, d]
extern diagonal(x: Tensor[n, n]) -> Tensor[n]
extern flatten(x: Tensor[n, h, w]) -> Tensor[n, h * w]
extern patches(x: Tensor[n, c, h, w], size: Int > 0) -> Tensor[n, h / size * (w / size), c * size * size]
extern windows(x: Tensor[n, d], size: Int > 0) -> Tensor[n, floor(d / size), size]
extern first(x: Tensor[n, d], rows: Int > 0) -> Tensor[rows, d]
extern agree(a: Tensor[n, d], b: Tensor[n, d]) -> Tensor[]
extern weigh(x: Tensor[n, d], weight: Tensor[]) -> Tensor[]
extern against(x: Tensor[n, c], labels: Labels[n]) -> Tensor[]
";

const RIGHT: &[&str] = &[];
const WRONG: &[&str] = &["shape-mismatch"];

/// The names of the errors of a program in which [`OPERATIONS`] are in sight.
fn judge(text: &str) -> Vec<&'static str> {
    let mut sources = Sources::default();
    let file = sources.add("operations.cpipe", OPERATIONS);
    let parsed = parse::file(&sources, file);
    assert!(parsed.diagnostics.is_empty(), "{:?}", parsed.diagnostics);
    // The library's declarations live as long as the process, and so do these.
    let operations: &'static _ = Box::leak(Box::new(parsed.file));
    let files = BTreeMap::from([(PathBuf::from("main.cpipe"), text.as_bytes().to_vec())]);
    let (program, found) = load(&mut sources, &files, "main.cpipe");
    assert!(found.is_empty(), "{text}: {found:?}");
    let mut program = program.expect("a program");
    let root = program.root;
    for tree in &operations.externs {
        let declaration = Box::leak(Box::new(Declaration { module: "operations", tree }));
        program.declare(root, declaration);
    }
    let (_, found) = check(&program, Selection::default());
    let errors = found.iter().filter(|one| one.severity() == crate::diagnostics::Severity::Error);
    // One mistake may show in both of two arguments.
    errors.map(|error| error.finding.name).collect::<BTreeSet<_>>().into_iter().collect()
}

/// An objective over features `q` and `k` of two views, `batch` by `d`; `v` is the first view.
fn objective(body: &str) -> String {
    let names = ["q", "k", "v"].map(|name| {
        let used = body.split(|c: char| !c.is_alphanumeric() && c != '_').any(|own| own == name);
        (name, used)
    });
    let lets: String = names
        .iter()
        .filter(|(_, used)| *used)
        .map(|(name, _)| match *name {
            "q" => "  let q = f(a)\n",
            "k" => "  let k = f(b)\n",
            _ => "  let v = a\n",
        })
        .collect();
    format!(
        "define o(encoder: Encoder, d: Int > 0) -> Objective {{
  let f = encoder >> mlp(hidden: 8, out: d)
  given views a, b
{lets}{body}
}}\n"
    )
}

fn minimizes(expr: &str) -> String {
    objective(&format!("  minimize {expr}"))
}

fn hold(cases: &[(&str, &str, &[&str])], program: impl Fn(&str) -> String) {
    let mut misjudged = Vec::new();
    for (why, body, expected) in cases {
        let found = judge(&program(body));
        if found != *expected {
            misjudged.push(format!("{why}: `{body}` gets {found:?}, not {expected:?}"));
        }
    }
    assert!(misjudged.is_empty(), "{}", misjudged.join("\n"));
}

#[test]
fn expressions_of_an_objective() {
    let cases: &[(&str, &str, &[&str])] = &[
        ("equal shapes", "agree(q, k)", RIGHT),
        ("rows against columns", "agree(q, transpose(k))", WRONG),
        ("twice turned", "agree(q, transpose(transpose(k)))", RIGHT),
        ("both turned", "agree(transpose(q), transpose(k))", RIGHT),
        ("a view for features", "agree(q, v)", WRONG),
        ("all pairs", "total(matmul(q, transpose(k)))", RIGHT),
        ("inner sizes clash", "total(matmul(q, k))", WRONG),
        ("correlation of dimensions", "total(matmul(transpose(q), k))", RIGHT),
        ("pairs of one batch lie on a diagonal", "total(diagonal(matmul(q, transpose(k))))", RIGHT),
        ("no diagonal of a batch by d", "total(diagonal(q))", WRONG),
        ("a diagonal as rows", "agree(diagonal(matmul(q, transpose(k))), q)", WRONG),
        ("two batches", "agree(concat(q, k), twice(q))", RIGHT),
        ("two batches against one", "agree(concat(q, k), q)", WRONG),
        ("three batches", "agree(concat(concat(q, k), q), concat(q, twice(k)))", RIGHT),
        ("three against four", "agree(concat(twice(q), k), concat(twice(q), twice(k)))", WRONG),
        ("halves of two batches", "agree(pairs(concat(q, k)), q)", RIGHT),
        ("a quarter of four", "agree(pairs(pairs(twice(concat(q, k)))), q)", RIGHT),
        ("half of what nobody knows to be even", "agree(pairs(q), q)", WRONG),
        ("half by division", "agree(half(concat(q, k)), k)", RIGHT),
        ("half of a batch that the stage tells", "agree(half(q), half(k))", RIGHT),
        ("half of it is not all of it", "agree(half(q), k)", WRONG),
        ("two halves are all of it", "agree(concat(half(q), half(k)), k)", RIGHT),
        ("a quarter is half of a half", "agree(half(half(q)), pairs(pairs(k)))", RIGHT),
        ("what is paired of a half", "agree(twice(pairs(q)), k)", RIGHT),
        ("half of three", "agree(half(concat(twice(q), k)), q)", WRONG),
        ("one row less", "agree(all_but_one(concat(first(q, rows: 1), k)), k)", RIGHT),
        ("one row less of all", "agree(all_but_one(q), q)", WRONG),
        ("what is left", "agree(without(concat(q, k), part: q), k)", RIGHT),
        ("what is left, twice", "agree(without(twice(q), part: k), q)", RIGHT),
        ("nothing is left", "total(without(q, part: k))", WRONG),
        ("widths clash in a sum of rows", "total(concat(q, transpose(k)))", WRONG),
        ("one above the other", "total(stack(q, k))", RIGHT),
        ("a stack of unequal ones", "total(stack(q, twice(k)))", WRONG),
        ("a stack holds two", "agree(mean_first(stack(q, k)), q)", RIGHT),
        ("a stack is no matrix", "agree(stack(q, k), q)", WRONG),
        ("rows of a stack", "agree(flatten(stack(q, k)), flatten(stack(k, q)))", RIGHT),
        ("any leading sizes: none", "total(unit(mean_first(q)))", RIGHT),
        ("any leading sizes: one", "agree(unit(q), k)", RIGHT),
        ("any leading sizes: three", "total(unit(v)) + total(q)", RIGHT),
        ("a number has no last size", "unit(total(q))", WRONG),
        ("the last size goes", "total(mean_last(q) + mean_last(k))", RIGHT),
        ("a matrix and its means", "total(mean_last(q) + k)", WRONG),
        (
            "means of a view",
            "total(mean_last(mean_last(v)) + mean_last(mean_last(v))) + total(k)",
            RIGHT,
        ),
        (
            "outer product",
            "total(outer(mean_last(q), mean_last(k)) + matmul(q, transpose(k)))",
            RIGHT,
        ),
        ("outer product of matrices", "total(outer(q, k))", WRONG),
        ("windows of eight", "total(windows(q, size: 8))", RIGHT),
        ("patches of a view", "total(patches(v, size: 4)) + total(q)", &["out-of-range"]),
    ];
    hold(cases, minimizes);
}

#[test]
fn numbers_among_tensors() {
    let cases: &[(&str, &str, &[&str])] = &[
        ("a number beside a matrix", "total(q * 2 + 1)", RIGHT),
        ("a number before a matrix", "total(1 - q)", RIGHT),
        ("one number of a tensor", "total(q / total(k))", RIGHT),
        ("a matrix by a matrix", "total(q * k)", RIGHT),
        ("rows are not spread", "total(q * mean_last(k))", WRONG),
        ("one row for all", "total(q * mean_first(k))", RIGHT),
        ("one row of another size", "total(q * mean_first(twice(k)))", RIGHT),
        ("all rows for one", "mean_first(q) - k", WRONG),
        ("a tensor that is one number", "weigh(q, weight: total(k))", RIGHT),
        ("a number for it", "weigh(q, weight: 0.5)", RIGHT),
        ("a whole number for it", "weigh(q, weight: 2)", RIGHT),
        ("a matrix for it", "weigh(q, weight: k)", WRONG),
        ("what is minimized is one number", "q", WRONG),
        ("negative", "-agree(q, k)", RIGHT),
    ];
    hold(cases, minimizes);
}

/// Helpers whose signatures name sizes: what they promise holds in their body, and at each use.
#[test]
fn helpers_over_tensors() {
    let cases: &[(&str, &str, &[&str])] = &[
        ("halves", "define h(x: Tensor[2 * n, d]) -> Tensor[n, d] { pairs(x) }", RIGHT),
        ("not halves", "define h(x: Tensor[2 * n, d]) -> Tensor[n, d] { x }", &["type-mismatch"]),
        ("turned", "define h(x: Tensor[n, m]) -> Tensor[m, n] { transpose(x) }", RIGHT),
        ("not turned", "define h(x: Tensor[n, m]) -> Tensor[m, n] { x }", &["type-mismatch"]),
        (
            "two names are two sizes",
            "define h(x: Tensor[n, d], y: Tensor[m, d]) -> Tensor[] { agree(x, y) }",
            WRONG,
        ),
        (
            "one name is one size",
            "define h(x: Tensor[n, d], y: Tensor[n, d]) -> Tensor[] { agree(x, y) }",
            RIGHT,
        ),
        (
            "any leading sizes",
            "define h(x: Tensor[..s, d]) -> Tensor[..s] { mean_last(unit(x)) }",
            RIGHT,
        ),
        ("any sizes are not two", "define h(x: Tensor[..s, d]) -> Tensor[] { agree(x, x) }", WRONG),
        (
            "any two are not the same",
            "define h(x: Tensor[..s], y: Tensor[..r]) -> Tensor[] { total(x + y) }",
            WRONG,
        ),
        (
            "the same any",
            "define h(x: Tensor[..s], y: Tensor[..s]) -> Tensor[] { total(x + y) }",
            RIGHT,
        ),
        (
            "a sum of rows",
            "define h(x: Tensor[n, d], y: Tensor[m, d]) -> Tensor[n + m, d] { concat(x, y) }",
            RIGHT,
        ),
        (
            "another sum",
            "define h(x: Tensor[n, d], y: Tensor[m, d]) -> Tensor[2 * n, d] { concat(x, y) }",
            &["type-mismatch"],
        ),
        (
            "a number names a size",
            "define h(x: Tensor[n, d], rows: Int > 0) -> Tensor[rows, d] { first(x, rows: rows) }",
            RIGHT,
        ),
        (
            "another number",
            "define h(x: Tensor[n, d], rows: Int > 0) -> Tensor[rows, d] { first(x, rows: rows + 1) }",
            &["type-mismatch"],
        ),
        ("bare", "define h(x: Tensor) -> Tensor[] { total(x) }", RIGHT),
        (
            "no brackets are not empty ones",
            "define h(x: Tensor[]) -> Tensor[] { mean_last(x) }",
            WRONG,
        ),
        (
            "labels are counted",
            "define h(x: Tensor[n, c], y: Labels[n]) -> Tensor[] { against(x, labels: y) }",
            RIGHT,
        ),
        (
            "other labels",
            "define h(x: Tensor[n, c], y: Labels[c]) -> Tensor[] { against(x, labels: y) }",
            WRONG,
        ),
        ("two rests", "define h(x: Tensor[..s, ..r]) -> Tensor[] { 1.0 }", &["type-mismatch"]),
    ];
    hold(cases, str::to_owned);
}

#[test]
fn several_views_under_one_name() {
    let define = "use std.encoders.convnet
define o(encoder: Encoder, d: Int > 0, small: Int > 0) -> Objective {
  let f = encoder >> mlp(hidden: 8, out: d)
  given views a, b[2]
  given views c[small]
  minimize LOSS
}
pipeline p() {
  encoder   one = convnet(width: 4)
  objective own = o(one, ARGUMENTS)
}
";
    let program = |(loss, arguments): (&str, &str)| {
        define.replace("LOSS", loss).replace("ARGUMENTS", arguments)
    };
    let fits = "agree(f(b), concat(f(a), f(a))) + total(f(c))";
    let cases: &[(&str, &str, &str, &[&str])] = &[
        ("two are two batches", fits, "d: 8, small: 3", &["no-stage"]),
        ("one is one", "agree(f(a), f(c)) + total(f(b))", "d: 8, small: 1", &["no-stage"]),
        (
            "two are not one",
            "agree(f(a), f(b)) + total(f(c))",
            "d: 8, small: 1",
            &["no-stage", "shape-mismatch"],
        ),
        (
            "three are not two",
            "agree(f(c), f(b))",
            "d: 8, small: 3",
            &["no-stage", "shape-mismatch"],
        ),
        ("no views", fits, "d: 8, small: 0", &["no-stage", "out-of-range"]),
        ("too many", fits, "d: 8, small: 2000", &["no-stage", "out-of-range"]),
    ];
    let mut misjudged = Vec::new();
    for (why, loss, arguments, expected) in cases {
        let found = judge(&program((loss, arguments)));
        if found != *expected {
            misjudged.push(format!("{why}: {found:?}, not {expected:?}"));
        }
    }
    assert!(misjudged.is_empty(), "{}", misjudged.join("\n"));
    let bare = "define o(encoder: Encoder, x: Float) -> Objective {
  given views a[x]
  minimize total(encoder(a))
}
";
    assert_eq!(judge(bare), ["type-mismatch"]);
    assert_eq!(judge(&bare.replace("[x]", "[2.5 * x]")), ["type-mismatch"]);
    assert_eq!(judge(&bare.replace("[x]", "[y]")), ["unknown-name"]);
}

/// What only a use can decide is decided there.
#[test]
fn open_until_used() {
    let define = "use std.encoders.convnet
define o(one: Encoder, two: Encoder, d: Int > 0, e: Int > 0, part: Int > 0) -> Objective {
  let f = one >> mlp(hidden: one.width / part, out: d)
  let g = two >> mlp(hidden: 8, out: e)
  given views a, b, c
  minimize agree(f(a), g(b)) + agree(f(c), f(a))
}
pipeline p() {
  encoder one = convnet(width: 4)
  encoder two = convnet(width: 8)
  objective own = o(one, two, ARGUMENTS)
}
";
    let program = |arguments: &str| define.replace("ARGUMENTS", arguments);
    let cases: &[(&str, &str, &[&str])] = &[
        ("two encoders, one width", "d: 8, e: 8, part: 2", &["no-stage"]),
        ("two widths", "d: 8, e: 16, part: 2", &["no-stage", "shape-mismatch"]),
        ("a division with a remainder", "d: 8, e: 8, part: 3", &["no-stage", "out-of-range"]),
    ];
    hold(cases, program);
    let halves = "define o(encoder: Encoder, d: Int > 0) -> Objective {
  let f = encoder >> mlp(hidden: 8, out: d)
  given views a, b
  minimize agree(h(concat(f(a), f(b))), f(a))
}
define h(x: Tensor[2 * n, d]) -> Tensor[n, d] { pairs(x) }
";
    assert_eq!(judge(halves), RIGHT);
    assert_eq!(judge(&halves.replace("concat(f(a), f(b))", "f(a)")), WRONG);
    let fixed = "define h(encoder: Encoder[Image[3, h, w] -> Feature[d]], other: Encoder[Image[3, h, w] -> Feature[d]]) -> Objective {
  let f = encoder >> mlp(hidden: d, out: 8)
  let g = other >> mlp(hidden: other.width, out: 8)
  given views a, b
  minimize agree(f(a), g(b))
}
";
    assert_eq!(judge(&fixed.replace("hidden: d", "hidden: encoder.width")), RIGHT);
}
