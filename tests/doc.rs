//! `cpipe doc --html`: one page, whole and well-formed, of what was said and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use cpipe::diagnostics::findings;
use cpipe::docs::guides::GUIDES;
use cpipe::docs::markdown::{Block, blocks};
use cpipe::resolve::{self, catalog};
use cpipe::source::Sources;

use crate::support::root;

fn cpipe(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cpipe"));
    command.current_dir(folder).arg("doc").args(arguments).output().expect("the binary runs")
}

/// The page of the library, or of files of a user of which the first is asked for.
fn page(files: &[(&str, &str)]) -> String {
    let bytes = |(name, text): &(&str, &str)| (PathBuf::from(name), text.as_bytes().to_vec());
    let on_disk: BTreeMap<PathBuf, Vec<u8>> = files.iter().map(bytes).collect();
    let mut sources = Sources::default();
    let own = files.first().and_then(|(name, _)| resolve::load(&mut sources, &on_disk, name).0);
    cpipe::docs::page(own.as_ref(), &sources, &|_| None).html
}

/// A tag as it stands in a text: its name, whether it closes, and its attributes.
pub struct Tag {
    pub name: String,
    closes: bool,
    attributes: BTreeMap<String, String>,
}

/// Every tag, in order. What is wrong with the text ends the test.
fn tags(html: &str) -> Vec<Tag> {
    let mut found = Vec::new();
    let mut rest = html.strip_prefix("<!DOCTYPE html>").expect("it says what it is");
    while let Some(begin) = rest.find('<') {
        assert!(!rest[..begin].contains('>'), "a `>` in text: {}", &rest[..begin]);
        let inside = &rest[begin + 1..];
        let end = inside.find('>').expect("a tag that ends");
        let (closes, own) = match inside[..end].strip_prefix('/') {
            Some(own) => (true, own),
            None => (false, &inside[..end]),
        };
        let (name, mut given) = own.split_once(char::is_whitespace).unwrap_or((own, ""));
        assert!(
            name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()),
            "<{own}>"
        );
        let mut attributes = BTreeMap::new();
        while !given.trim().is_empty() {
            given = given.trim_start();
            let length = given.find([' ', '=']).unwrap_or(given.len());
            let (key, after) = given.split_at(length);
            let (value, after) = match after.strip_prefix("=\"") {
                Some(quoted) => quoted.split_once('"').expect("a closing quote"),
                None => ("", after),
            };
            assert_eq!(attributes.insert(key.to_owned(), value.to_owned()), None, "<{own}>");
            given = after;
        }
        rest = &inside[end + 1..];
        // What a script or a style holds is no text.
        let raw = ["script", "style"].contains(&name) && !closes;
        if raw {
            rest = &rest[rest.find(&format!("</{name}")).expect("its end")..];
        }
        found.push(Tag { name: name.to_owned(), closes, attributes });
    }
    found
}

/// Holds of any page: balanced tags, headings in order, ids that are unique, links that lead
/// somewhere, and an index of exactly the places that are there.
fn is_whole(html: &str) {
    let tags = is_well_formed(html);
    let ids: BTreeSet<&str> =
        tags.iter().filter_map(|tag| tag.attributes.get("id")).map(String::as_str).collect();
    for picture in tags.iter().filter(|tag| tag.name == "img") {
        assert!(picture.attributes["src"].starts_with("data:image/png;base64,"));
        assert!(!picture.attributes["alt"].is_empty());
    }
    let mut is_linked = false;
    for address in tags.iter().filter_map(|tag| tag.attributes.get("href")) {
        match address.strip_prefix('#') {
            Some(id) => assert!(ids.contains(id), "nothing is at #{id}"),
            None => assert!(
                address.starts_with("https://") || address.starts_with("http://"),
                "{address}"
            ),
        }
        is_linked = true;
    }
    assert!(is_linked);
    let entries: BTreeSet<&str> = tags
        .iter()
        .filter(|tag| tag.attributes.get("class").is_some_and(|class| class == "entry"))
        .map(|tag| tag.attributes["id"].as_str())
        .collect();
    let index = index(html);
    let indexed: BTreeSet<&str> = index.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(indexed.len(), index.len(), "one is in the index twice");
    assert!(entries.is_subset(&indexed), "what is on the page is in the index");
    assert!(indexed.is_subset(&ids), "what is in the index is on the page");
}

/// The tags of a page, each of which is closed in order, with headings in steps and identifiers that
/// are there once.
pub fn is_well_formed(html: &str) -> Vec<Tag> {
    let tags = tags(html);
    let mut open: Vec<&str> = Vec::new();
    let mut ids = BTreeSet::new();
    let mut level = 0;
    for tag in &tags {
        if ["img", "meta", "input"].contains(&tag.name.as_str()) {
            assert!(!tag.closes);
        } else if tag.closes {
            assert_eq!(open.pop(), Some(tag.name.as_str()), "closed out of order");
        } else {
            let is_block =
                ["p", "pre", "dl", "ul", "section", "details", "h3"].contains(&tag.name.as_str());
            assert!(!(is_block && open.last() == Some(&"p")), "<{}> in <p>", tag.name);
            assert!(!(tag.name == "a" && open.contains(&"a")), "a link in a link");
            open.push(&tag.name);
        }
        if let (false, Some(own)) =
            (tag.closes, tag.name.strip_prefix('h').and_then(|own| own.parse::<usize>().ok()))
        {
            assert!(own <= level + 1, "a heading of level {own} after one of level {level}");
            level = own;
        }
        if let Some(id) = tag.attributes.get("id") {
            assert!(!id.is_empty() && !id.contains(char::is_whitespace), "{id}");
            assert!(ids.insert(id.as_str()), "`{id}` is there twice");
        }
    }
    assert_eq!(open, [""; 0], "left open");
    tags
}

/// What the search finds: the place and the name.
fn index(html: &str) -> Vec<(String, String)> {
    let (_, rest) = html.split_once("id=\"index\">").expect("an index");
    let (text, _) = rest.split_once("</script>").expect("its end");
    let list: Vec<BTreeMap<String, String>> = serde_json::from_str(text).expect("JSON");
    list.into_iter().map(|own| (own["id"].clone(), own["name"].clone())).collect()
}

#[test]
fn every_name_and_every_finding_has_one_place() {
    let html = page(&[]);
    is_whole(&html);
    let index = index(&html);
    let expect = |id: &str, name: &str| {
        assert_eq!(html.matches(&format!(" id=\"{id}\"")).count(), 1, "{id}");
        assert!(index.contains(&(id.to_owned(), name.to_owned())), "the search finds {id}");
    };
    for entry in catalog::entries() {
        expect(&entry.path(), entry.named.name);
    }
    for guide in GUIDES {
        expect(guide.name, guide.title);
    }
    for finding in findings::all() {
        expect(&format!("finding.{}", finding.name), finding.name);
    }
    for (_, source) in cpipe::source::library() {
        expect(&format!("module:{}", source.name), &source.name);
    }
    // `cpipe list` names what is here, and the anchors that others may have written down stay.
    for id in ["std.objectives.moco_v2", "std.stages.pretrain", "finding.queue-batch"] {
        assert!(index.iter().any(|(own, _)| own == id), "{id}");
    }
    assert!(html.contains(concat!("<h1>cpipe <small>", env!("CARGO_PKG_VERSION"), "</small>")));
}

#[test]
fn names_lead_to_what_they_stand_for() {
    let html = page(&[
        (
            "mine.cpipe",
            "//! Mine.\nuse std.heads.mlp\nuse .parts.near\n\n\
         /// Pulls `near` and `mlp`, not `normalize`.\n\
         define pull(encoder: Encoder, normalize: Float = 1.0, head: Augment = identity()) -> Objective {\n\
           let spread = encoder >> mlp(out: 8)\n  given views a, b\n\
           minimize near(spread(a), spread(b))\n}\n",
        ),
        (
            "parts/near.cpipe",
            "define near(a: Tensor[n, d], b: Tensor[n, d]) -> Tensor[] { cosine_distance(a, b) }\n",
        ),
    ]);
    is_whole(&html);
    let (_, rest) = html.split_once("id=\"file:mine.cpipe:pull\"").expect("the define");
    let (own, after) = rest.split_once("</section>").expect("its end");
    for link in [
        "<a href=\"#std.heads.mlp\">mlp</a>(out: ",
        "<a href=\"#file:parts/near.cpipe:near\">near</a>(spread(a), spread(b))",
        "<a href=\"#std.heads.mlp\"><code>mlp</code></a>, not <code>normalize</code>",
        "<code>in mine.cpipe</code>",
        "<code>Float</code>, by default <code>1.0</code>",
    ] {
        assert!(own.contains(link), "{link} in {own}");
    }
    // A local name is no name of the library, though one is called so.
    assert!(!own.contains("#std.prelude.measures.spread"), "{own}");
    let (_, near) = after.split_once("id=\"file:parts/near.cpipe:near\"").expect("what is used");
    let (near, _) = near.split_once("</section>").expect("its end");
    assert!(near.contains("<code>use .parts.near</code>"), "{near}");
    assert!(near.contains("Used by <a href=\"#file:mine.cpipe:pull\">pull</a>"), "{near}");
    // The user's own come first.
    assert!(html.find("<h2>mine.cpipe</h2>") < html.find("<h2>std."), "the order");
}

#[test]
fn text_of_a_user_stays_text() {
    let hostile = "</details></script><script>alert(1)</script> & \"quotes\" ' \u{202e}abc [x](javascript:alert) `</code><b>`";
    let text = format!(
        "//! {hostile}\n\n/// {hostile}\n///\n/// # {hostile}\n/// - {hostile}\n/// ```\n/// {hostile}\n/// ```\n\
         define f(\n  /// {hostile}\n  a: Tensor[n, d],\n) -> Tensor[] {{\n  // {hostile}\n  cosine_distance(a, a)\n}}\n"
    );
    let html = page(&[("<!--<script>\u{202e}<b>.cpipe", &text)]);
    is_whole(&html);
    // Within a script, these would begin another.
    let (_, index) = html.split_once("id=\"index\">").expect("an index");
    let (index, _) = index.split_once("</script>").expect("its end");
    assert!(index.contains("script") && !index.contains('<'));
    let of_library = page(&[]);
    for part in ["<script", "</script", "<b>"] {
        assert_eq!(html.matches(part).count(), of_library.matches(part).count(), "{part}");
    }
    // Where it could be a link, it is none, and what would turn the text around is shown.
    assert!(!html.contains("href=\"javascript") && !html.contains('\u{202e}'));
    let shown = "&lt;/details&gt;&lt;/script&gt;&lt;script&gt;alert(1)&lt;/script&gt; &amp; &quot;quotes&quot; &#39; \\u{202e}abc";
    // The text of the file, of the define (a paragraph, a heading, an item, code), of its parameter,
    // twice, and the comment in its body.
    assert_eq!(html.matches(shown).count(), 8, "{html}");
}

#[test]
fn the_same_text_makes_the_same_bytes_wherever_it_lies() {
    let write = |folder: &Path| {
        fs::write(
            folder.join("own.cpipe"),
            "use .part.near\ndefine f(a: Tensor[n, d]) -> Tensor[] { near(a, a) }\n",
        )
        .expect("a file");
        fs::write(
            folder.join("part.cpipe"),
            "define near(a: Tensor[n, d], b: Tensor[n, d]) -> Tensor[] { cosine_distance(a, b) }\n",
        )
        .expect("a file");
    };
    let (one, other) =
        (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    write(one.path());
    write(other.path());
    let output = cpipe(one.path(), &["own.cpipe", "--html", "a/b"]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.starts_with("a/b/index.html: ") && said.contains(" findings"), "{said}");
    let absolute = other.path().join("own.cpipe");
    let output = cpipe(
        root(),
        &["--file", &absolute.to_string_lossy(), "--html", &other.path().to_string_lossy()],
    );
    assert_eq!(output.status.code(), Some(0));
    let first = fs::read_to_string(one.path().join("a/b/index.html")).expect("a page");
    let second = fs::read_to_string(other.path().join("index.html")).expect("a page");
    assert!(first == second, "the pages differ");
    is_whole(&first);
    assert!(first.contains("<code>use .part.near</code>"));
    // Nothing but the page is left behind, also where there was one.
    let output = cpipe(one.path(), &["--html", "a/b"]);
    assert_eq!(output.status.code(), Some(0));
    let left: Vec<_> = fs::read_dir(one.path().join("a/b")).expect("the folder").collect();
    assert_eq!(left.len(), 1, "{left:?}");
    assert!(
        !fs::read_to_string(one.path().join("a/b/index.html"))
            .expect("a page")
            .contains("own.cpipe")
    );
}

#[test]
fn what_cannot_be_written_or_read_is_said() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    fs::write(at("file"), "as it was").expect("a file");
    fs::create_dir_all(at("taken/index.html")).expect("a folder");
    fs::write(at("broken.cpipe"), "define whole(a: Tensor[n, d]) -> Tensor[] { cosine_distance(a, a) }\ndefine broken( {\nuse .missing.x\ndefine whole(a: Tensor[n, d]) -> Tensor[] { cosine_distance(a, a) }\n").expect("a file");
    let said = |arguments: &[&str], code: i32, words: &str| {
        let output = cpipe(folder.path(), arguments);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {error}");
        assert!(error.contains(words), "{words} in {error}");
    };
    said(&["--html", "file"], 2, "page-unwritable");
    said(&["--html", "file/below"], 1, "page-unwritable");
    said(&["--html", "taken"], 1, "no ordinary file");
    assert_eq!(fs::read_to_string(at("file")).expect("the file"), "as it was");
    said(&["moco_v2", "--html", "out"], 2, "no .cpipe file");
    said(&["absent.cpipe", "--html", "out"], 2, "file-unreadable");
    assert!(!at("out").exists(), "nothing was written");
    // Of a file with errors there is a page of what could be read.
    said(&["broken.cpipe", "--html", "out"], 2, "syntax-error");
    let html = fs::read_to_string(at("out/index.html")).expect("a page");
    is_whole(&html);
    assert!(
        html.contains("id=\"file:broken.cpipe:whole\"")
            && html.contains("id=\"file:broken.cpipe:whole:2\"")
    );
}

#[test]
fn what_guides_show_is_right_and_in_style() {
    let mut programs = 0;
    for guide in GUIDES {
        assert!(guide.text.lines().all(|line| line.chars().count() <= 100), "{}", guide.name);
        for block in blocks(guide.text) {
            let Block::Code("cpipe", lines) = block else { continue };
            let text = lines.join("\n") + "\n";
            let compilation = crate::support::text(&text);
            assert!(compilation.diagnostics.is_empty(), "{:?}", compilation.diagnostics);
            let mut sources = Sources::default();
            let file = sources.add("guide", text.as_str());
            let tree = cpipe::syntax::parse::file(&sources, file).lossless;
            assert_eq!(cpipe::syntax::format::format(&tree), text);
            programs += 1;
        }
    }
    assert!(programs > 0);
}

/// What the guide says that `check` finds, it finds.
#[test]
fn the_slips_of_the_guide_are_found() {
    let guide = GUIDES.iter().find(|guide| guide.name == "guide.method").expect("it is there");
    let program = blocks(guide.text).into_iter().find_map(|block| match block {
        Block::Code("cpipe", lines) => Some(lines.join("\n") + "\n"),
        _ => None,
    });
    let program = program.expect("a program");
    let slips: [(&str, &str, &[&str]); 4] = [
        ("similarity(x, x)", "similarity(x, t)", &["type-mismatch"]),
        ("= normalize(network(a))", "= network(a)", &["features-not-normalized"]),
        (
            "minimize alignment + weight * uniformity",
            "minimize alignment",
            &["unused-name", "only-attraction", "unused-name"],
        ),
        ("= normalize(network(b))", "= normalize(network(a))", &["same-view", "unused-view"]),
    ];
    for (right, wrong, expected) in slips {
        assert!(program.contains(right), "{right}");
        let found = crate::support::text(&program.replace(right, wrong));
        assert_eq!(crate::support::names(&found), expected, "{wrong}");
        assert!(expected.iter().all(|name| guide.text.contains(&format!("`{name}`"))), "{wrong}");
    }
}
