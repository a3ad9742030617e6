//! Texts that nobody would write: they end in an error, not in a panic and not in a hang.

use std::collections::BTreeMap;
use std::path::PathBuf;

use cpipe::diagnostics::{Severity, Style, render_all};
use cpipe::resolve::Disk;
use cpipe::source::library;
use cpipe::{Compilation, Request, compile};

use crate::support::{names, text};

fn bytes(bytes: Vec<u8>) -> Compilation {
    let files = BTreeMap::from([(PathBuf::from("test.cpipe"), bytes)]);
    compile(&Request { file: "test.cpipe", ..Request::default() }, &files)
}

/// A generator of its own, so that the front half can be tested alone.
fn noise(seed: u64) -> impl FnMut() -> u64 {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    }
}

#[test]
fn random_bytes() {
    for seed in 0..200 {
        let mut next = noise(seed);
        let length = next() as usize % 4096 + 1;
        let compilation = bytes((0..length).map(|_| next() as u8).collect());
        assert!(!compilation.diagnostics.is_empty());
    }
}

#[test]
fn random_printable_text() {
    const CHARACTERS: &[u8] =
        b"abcdefgh_ \n(){}[].,:=>-+*/%0123456789\"|&?definepipelineletgivenminimize";
    for seed in 0..200 {
        let mut next = noise(seed + 1000);
        let length = next() as usize % 2048 + 1;
        let character = |value: u64| CHARACTERS[value as usize % CHARACTERS.len()];
        let compilation = bytes((0..length).map(|_| character(next())).collect());
        assert!(compilation.compiled.is_none());
    }
}

/// Every program of the library with one character changed, in places spread over it.
#[test]
fn library_with_a_slip() {
    for (_, source) in library() {
        let (name, program) = (&source.name, &source.text);
        let mut next = noise(name.len() as u64);
        for _ in 0..60 {
            let mut changed = program.as_bytes().to_vec();
            let place = next() as usize % changed.len();
            changed[place] = b"(){}:=,.x1 \n\""[next() as usize % 13];
            // Some slips are harmless; all have to end.
            let _ = bytes(changed);
        }
    }
}

#[test]
fn ten_megabytes() {
    let compilation = bytes(vec![b'a'; 10_000_000]);
    assert_eq!(names(&compilation), ["file-too-large"]);
}

#[test]
fn ten_thousand_brackets() {
    for (open, close) in [('(', ')'), ('[', ']'), ('{', '}')] {
        let nest = |c: char| c.to_string().repeat(10_000);
        let source = format!("pipeline p() {{ let a = {}1{} }}", nest(open), nest(close));
        assert_eq!(names(&text(&source)), ["nesting-too-deep"]);
    }
}

#[test]
fn long_chains() {
    let sum = vec!["1"; 50_000].join(" + ");
    assert!(names(&text(&format!("pipeline p() {{ let a = {sum}\n}}"))).contains(&"no-stage"));
    let calls = "a".to_owned() + &"()".repeat(10_000);
    assert!(
        names(&text(&format!("pipeline p() {{ let a = {calls}\n}}"))).contains(&"chain-too-long")
    );
    let negations = "-".repeat(10_000);
    assert_eq!(
        names(&text(&format!("pipeline p() {{ let a = {negations}1\n}}"))),
        ["syntax-error"]
    );
}

#[test]
fn numbers_out_of_range() {
    for number in ["99999999999999999999", "1e999"] {
        let found = text(&format!("pipeline p() {{ let a = {number}\n}}"));
        assert!(names(&found).contains(&"out-of-range"), "{number}: {:?}", names(&found));
    }
    let product = format!("pipeline p() {{ let a = {0} * {0}\n}}", i64::MAX);
    assert!(names(&text(&product)).contains(&"out-of-range"));
}

#[test]
fn not_text() {
    assert_eq!(names(&bytes(vec![0xff, 0xfe, 0x00])), ["not-text"]);
}

/// A pipeline around the parts that a test makes hostile.
fn training(dataset: &str, encoder: &str, objective: &str, views: &str) -> String {
    format!(
        "use std.augment.{{crop_and_flip, moco_v2_crops}}
use std.datasets.shapes
use std.encoders.resnet18
use std.objectives.moco_v2

pipeline p() {{
  dataset   data = {dataset}
  encoder   backbone = {encoder}
  objective moco = moco_v2(backbone, {objective})
  pretrain base {{
    data: data.train.unlabeled, views: {views}, objective: moco
    optimizer: sgd(lr: 0.1), length: 1 epochs, batch: 16
  }}
  evaluate k {{
    model: base.encoder, protocol: knn(k: 1), fit: data.train.sample(50%), on: data.test
  }}
  augment unused = crop_and_flip(size: 8)
}}"
    )
}

const SHAPES: &str = "shapes(train: 64, test: 40)";
const RESNET: &str = "resnet18(stem: small, width: 4)";
const QUEUE: &str = "queue: 32, dim: 16";
const VIEWS: &str = "moco_v2_crops(size: 32)";

/// The only error of a text, and the text that it points at.
fn only_error(source: &str) -> (&'static str, String) {
    let compilation = text(source);
    let errors: Vec<_> =
        compilation.diagnostics.iter().filter(|d| d.severity() == Severity::Error).collect();
    let [error] = errors.as_slice() else { panic!("not one error: {:?}", names(&compilation)) };
    let place = error.place().map(|span| compilation.sources.text(span).to_owned());
    (error.finding.name, place.unwrap_or_default())
}

#[test]
fn huge_sizes() {
    assert_eq!(names(&text(&training(SHAPES, RESNET, QUEUE, VIEWS))), ["unused-name"]);
    // Eight times this is 2^63.
    let width = "1152921504606846976";
    let source = training(SHAPES, &format!("resnet18(width: {width})"), QUEUE, VIEWS);
    assert_eq!(only_error(&source), ("out-of-range", width.to_owned()));
    let source = "use std.encoders.resnet18
define wide(encoder: Encoder) -> Objective {
  let q = encoder >> mlp(hidden: encoder.width * 4611686018427387904, out: 8)
  given views a, b
  minimize nt_xent(normalize(q(a)), normalize(q(b)), temperature: 0.1)
}
pipeline p() {
  encoder e = resnet18(width: 4)
  objective o = wide(e)
}";
    assert!(names(&text(source)).contains(&"out-of-range"), "{:?}", names(&text(source)));
    let crop = training(SHAPES, RESNET, QUEUE, "moco_v2_crops(size: 4611686018427387904)");
    assert_eq!(only_error(&crop).0, "crop-too-large");
    let least = "pipeline p() { let a = (-9223372036854775807 - 1) / -1\n}";
    assert!(names(&text(least)).contains(&"out-of-range"));
}

#[test]
fn sizes_without_end() {
    let names_of = |count: usize| (0..count).map(|index| format!("a{index}")).collect::<Vec<_>>();
    let parameters = names_of(5_000).join(": Int, ");
    let sum = names_of(5_000).join(" + ");
    let source = format!("define f({parameters}: Int) -> Int {{ {sum} }}");
    assert_eq!(names(&text(&source)), ["out-of-range"]);
    let power = vec!["(a + b + c)"; 5_000].join(" * ");
    let source = format!("define f(a: Int, b: Int, c: Int) -> Int {{ {power} }}");
    assert_eq!(names(&text(&source)), ["out-of-range"]);
}

/// Without these checks the run would end in a process that the kernel kills.
#[test]
fn larger_than_the_machine() {
    let examples = "1000000000000000";
    let source = training(&format!("shapes(train: {examples})"), RESNET, QUEUE, VIEWS);
    assert_eq!(only_error(&source), ("too-large", examples.to_owned()));
    // Pictures stay in files: ImageNet's are 244 GiB.
    for name in ["folder", "shards"] {
        let data = format!("{name}(\"imagenet\", classes: 1000, train: 1281167, test: 50000)");
        let source = training(&data, RESNET, QUEUE, VIEWS)
            .replace("datasets.shapes", &format!("datasets.{name}"));
        assert_eq!(names(&text(&source)), ["unused-name"]);
    }
    for (queue, dim, finding) in [
        ("16777216", "1048576", "too-large"),
        ("1600000000000000", "128", "out-of-range"),
        ("9223372036854775792", "2147483648", "out-of-range"),
    ] {
        let source = training(SHAPES, RESNET, &format!("queue: {queue}, dim: {dim}"), VIEWS);
        assert_eq!(only_error(&source), (finding, queue.to_owned()));
    }
}

#[test]
fn networks_larger_than_the_machine() {
    for width in ["1000000000", "1152921504606846975"] {
        for name in ["resnet18", "convnet"] {
            let encoder = format!("{name}(width: {width})");
            let source = training(SHAPES, &encoder, QUEUE, VIEWS)
                .replace("encoders.resnet18", &format!("encoders.{name}"));
            assert_eq!(only_error(&source), ("too-large", width.to_owned()));
        }
    }
    let huge = "4611686018427387904";
    let objective = "moco_v2(backbone, queue: 32, dim: 16)";
    let wide = |hidden: &str, layers: &str| {
        let source = training(SHAPES, RESNET, QUEUE, VIEWS).replace(objective, "wide(backbone)");
        let define = format!(
            "define wide(encoder: Encoder) -> Objective {{
  let network = encoder >> mlp(hidden: {hidden}, out: 8, layers: {layers})
  given views a, b
  minimize nt_xent(normalize(network(a)), normalize(network(b)))
}}
pipeline p()"
        );
        source.replace("use std.objectives.moco_v2\n", "").replace("pipeline p()", &define)
    };
    assert_eq!(names(&text(&wide("8", "2"))), ["unused-name"]);
    let largest = "9223372036854775807";
    for (hidden, layers, blamed) in
        [(huge, "2", huge), (huge, huge, huge), ("8", huge, huge), (largest, "3", largest)]
    {
        assert_eq!(only_error(&wide(hidden, layers)), ("too-large", blamed.to_owned()));
    }
    let head = format!("mlp(hidden: {huge})");
    let tuned = training(SHAPES, RESNET, QUEUE, VIEWS).replace(
        "  augment unused = crop_and_flip(size: 8)\n",
        &format!(
            "  finetune tuned {{
    encoder: base.encoder, head: {head}, data: data.train, views: crop_and_flip(size: 32)
    optimizer: sgd(lr: 0.1), length: 1 epochs, batch: 16
  }}\n"
        ),
    );
    assert_eq!(only_error(&tuned), ("too-large", huge.to_owned()));
}

#[test]
fn a_long_chain_of_imports() {
    let module = |index: usize| {
        let next = index + 1;
        let text = format!("use .m{next}.a{next}\ndefine a{index}() -> Int {{ a{next}() }}\n");
        (PathBuf::from(format!("m{index}.cpipe")), text.into_bytes())
    };
    let mut files: BTreeMap<PathBuf, Vec<u8>> = (0..5_000).map(module).collect();
    files.insert("m5000.cpipe".into(), b"define a5000() -> Int { 1 }\n".to_vec());
    let request = Request { file: "m0.cpipe", ..Request::default() };
    assert!(names(&compile(&request, &files)).contains(&"nesting-too-deep"));
    // Nobody's program, and yet one that is right.
    let request = Request { file: "m4950.cpipe", ..Request::default() };
    assert_eq!(names(&compile(&request, &files)), [""; 0]);
}

#[test]
fn long_chains_of_names() {
    let lets: String = (0..5_000).map(|i| format!("let a{i} = a{}\n", i + 1)).collect();
    let source = format!("pipeline p() {{\n{lets}let a5000 = 1\n}}");
    assert_eq!(names(&text(&source)), ["no-stage", "nesting-too-deep"]);
    let call = |i: usize| format!("define a{i}() -> Int {{ a{}() }}\n", i + 1);
    let defines: String = (0..5_000).map(call).collect();
    let source = format!("{defines}define a5000() -> Int {{ 1 }}\n");
    // Checked from its end, it is too much before it is too deep.
    assert!(names(&text(&source)).contains(&"too-many-expansions"));
}

/// Each level of the text takes the longest way through the checker.
#[test]
fn as_deep_as_texts_may_be() {
    let nest = format!("{}1{}", "-f(x: 1 + 1 * ".repeat(50), ")".repeat(50));
    let source = format!("define f(x: Int) -> Int {{ x }}\npipeline p() {{ let a = {nest}\n}}");
    assert!(names(&text(&source)).contains(&"nesting-too-deep"));
}

#[test]
fn long_pipes() {
    let chain = vec!["random_crop(size: 32)"; 20_000].join(" >> ");
    let source = format!("use std.augment.random_crop\ndefine f() -> Augment {{ {chain} }}");
    assert_eq!(names(&text(&source)), ["chain-too-long"]);
    let doubling: String = (1..60).map(|i| format!("let a{i} = a{0} >> a{0}\n", i - 1)).collect();
    let source = format!(
        "use std.augment.crop_and_flip
define f() -> Augment {{ let a0 = crop_and_flip(size: 32)\n{doubling}a59 }}"
    );
    assert_eq!(names(&text(&source)), ["chain-too-long"]);
    let heads = " >> linear(out: 8)".repeat(20_000);
    let source = format!(
        "define f(encoder: Encoder) -> Objective {{
  let q = encoder{heads}
  given views a, b
  minimize nt_xent(normalize(q(a)), normalize(q(b)), temperature: 0.1)
}}"
    );
    assert_eq!(names(&text(&source)), ["chain-too-long"]);
}

/// Each of these took the square of its length.
#[test]
fn tens_of_thousands_of_names() {
    let numbered =
        |count: usize, part: &dyn Fn(usize) -> String| -> String { (0..count).map(part).collect() };
    let defines = numbered(10_000, &|i| format!("define a{i}() -> Int {{ 1 }}\n"));
    let texts = [
        "use std.datasets.shapes\n".repeat(10_000),
        numbered(10_000, &|i| format!("use .nothing.x{i}\n")),
        numbered(10_000, &|i| format!("use .many.b{i}\n")),
        format!("pipeline p() {{\n{}}}", "let x = 1\n".repeat(20_000)),
        format!("pipeline p() {{\n{}}}", numbered(20_000, &|i| format!("let x{i}=1\n"))),
        format!("pipeline p() {{\n{}}}", numbered(20_000, &|i| format!("let x{i}=y{i}\n"))),
        format!("pipeline p() {{ pretrain b {{\n{}}} }}", "x: 1\n".repeat(20_000)),
        format!("define f({}) -> Int {{ a }}", "a:Int,".repeat(20_000)),
        format!("define f({}) -> Int {{ a0 }}", numbered(10_000, &|i| format!("a{i}:Int=1,"))),
        format!("define f(a: Int) -> Int {{ f({}) }}", numbered(20_000, &|i| format!("b{i}:1,"))),
        "define a()->Int{1}\n".repeat(20_000),
        format!("pipeline p() {{\n{}}}", "let = 1\nlet a=1\n".repeat(20_000)),
        "define x\n".repeat(20_000),
    ];
    for source in texts {
        let files = BTreeMap::from([
            (PathBuf::from("test.cpipe"), source.into_bytes()),
            (PathBuf::from("many.cpipe"), defines.clone().into_bytes()),
        ]);
        let found = compile(&Request { file: "test.cpipe", ..Request::default() }, &files);
        let shown = render_all(&found.diagnostics, &found.sources, Style::default());
        assert!(shown.contains(" more "), "{:?}", found.diagnostics.first());
        assert!(shown.len() < 1 << 20, "{} bytes", shown.len());
    }
}

/// Work that multiplies: profiles by declarations, calls by defaults.
#[test]
fn products_of_lengths() {
    let profiles: String = (0..20_000).map(|i| format!("profile p{i} {{}}\n")).collect();
    let lets: String = (0..30_000).map(|i| format!("let x{i}=1\n")).collect();
    let source = format!("pipeline p() {{\n{profiles}{lets}}}");
    assert!(names(&text(&source)).contains(&"too-many-steps"));
    let parameters: String = (0..20_000).map(|i| format!("a{i}:Int=1,")).collect();
    let calls: String = (0..4_000).map(|i| format!("let y{i}=f()\n")).collect();
    let source = format!("define f({parameters}) -> Int {{ a0 }}\npipeline p() {{\n{calls}}}");
    assert!(names(&text(&source)).contains(&"too-many-steps"));
}

/// Without brackets of their own, or read twice at every level.
#[test]
fn nested_types_and_conditions() {
    let nest = format!("{}1{}", "A[".repeat(60), "]".repeat(60));
    let found = text(&format!("define f(x: {nest}) -> Int {{ 1 }}"));
    assert!(names(&found).contains(&"unknown-type"));
    let conditions = "if 1 + ".repeat(100_000);
    let found = text(&format!("pipeline p() {{ let a = {conditions}x\n}}"));
    assert_eq!(names(&found), ["nesting-too-deep"]);
}

#[test]
fn nothing_steers_the_terminal() {
    let source = "pipeline p() {\r\n\tlet a = \"\x1b[31m\x07\u{202e}\u{9b}\" + y\r\n}\r\n";
    let found = text(source);
    let shown = render_all(&found.diagnostics, &found.sources, Style::default());
    assert!(shown.chars().all(|c| c == '\n' || !c.is_control()), "{shown:?}");
    assert!(!shown.contains('\u{202e}'));
    let lines: Vec<&str> = shown.lines().collect();
    // The last is the line that the label of `y` stands under.
    let pictures = "␛[31m␇\\u{202e}\\u{9b}";
    let line = lines.iter().rposition(|line| line.contains(pictures)).expect("its line");
    let column = |line: &str, c: char| line.chars().position(|own| own == c);
    // The label under `y` stands under it, whatever stands before.
    assert!(column(lines[line], 'y').is_some());
    assert_eq!(column(lines[line + 1], '─'), column(lines[line], 'y'));
}

#[test]
fn long_lines_are_cut() {
    let source = format!("pipeline p() {{ let a = \"{0}\" + y + \"{0}\"\n}}", "é".repeat(10_000));
    let found = text(&source);
    let shown = render_all(&found.diagnostics, &found.sources, Style::default());
    assert!(shown.lines().all(|line| line.chars().count() < 500));
    let cut = shown.lines().find(|line| line.contains("+ y +")).expect("the line of the label");
    assert_eq!(cut.matches('…').count(), 2);
    assert!(shown.contains("test.cpipe:1:10029"), "{shown}");
}

/// What lies on a disk and is no file, or has no end.
#[cfg(unix)]
#[test]
fn no_ordinary_files() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = |name: &str| folder.path().join(name);
    std::fs::create_dir_all(path("a/b.cpipe")).expect("a folder");
    std::os::unix::fs::symlink("..", path("a/up")).expect("a link");
    std::os::unix::fs::symlink("circle.cpipe", path("circle.cpipe")).expect("a link");
    let pipe = std::process::Command::new("mkfifo").arg(path("pipe.cpipe")).status();
    assert!(pipe.is_ok_and(|status| status.success()));
    std::fs::write(path("a/x.cpipe"), "define a() -> Int { 1 }\n").expect("a file");
    std::fs::write(path("good.cpipe"), "use .a.up.a.up.a.x.a\ndefine b() -> Int { a() }\n")
        .expect("a file");
    std::fs::write(path("bad.cpipe"), "use .pipe.a\nuse .circle.b\nuse .a.b.c\n").expect("a file");
    let check = |path: &std::path::Path| {
        let file = path.to_str().expect("a UTF-8 path");
        let found = compile(&Request { file, ..Request::default() }, &Disk);
        names(&found).into_iter().filter(|name| *name != "unused-import").collect::<Vec<_>>()
    };
    assert_eq!(check(std::path::Path::new("/dev/zero")), ["file-too-large"]);
    assert_eq!(check(&path("a")), ["file-unreadable"]);
    assert_eq!(check(&path("pipe.cpipe")), ["file-unreadable"]);
    assert_eq!(check(&path("circle.cpipe")), ["file-unreadable"]);
    assert_eq!(check(&path("good.cpipe")), [""; 0]);
    assert_eq!(check(&path("bad.cpipe")), ["file-unreadable"; 3]);
}

/// Each folder is read once, although a link leads back to it.
#[cfg(unix)]
#[test]
fn circles_of_links() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::fs::create_dir(folder.path().join("a")).expect("a folder");
    std::os::unix::fs::symlink("..", folder.path().join("a/up")).expect("a link");
    std::fs::write(folder.path().join("a/x.cpipe"), "define a() -> Int { 1 }\n").expect("a file");
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_cpipe"))
        .arg("check")
        .arg(folder.path())
        .output()
        .expect("the command");
    let shown = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(shown, "1 file, 0 errors, 0 warnings\n");
}
