use std::fs;

use super::*;
use crate::data::pictures::Pictures;
use crate::data::pictures::tests::{NORMALIZATION, Place, of, picture, png};
use crate::data::{Content, Dataset, Supply};
use crate::interrupt::Interrupt;
use crate::watch::Work;
use crate::watch::testing::unwatched;

const COUNTS: Counts = Counts { classes: 2, train: 3, test: 2 };
const SET: Pictures<'_> = Pictures { path: "set", declared: COUNTS, size: 4, skips: false };

/// A tar archive of these files.
fn tar(files: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, contents) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(contents.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, contents.as_slice()).expect("a member");
    }
    builder.into_inner().expect("an archive")
}

/// A picture that is like no other of another width.
fn wide(width: u32) -> Vec<u8> {
    png(&picture(width, 6))
}

/// A picture of a class, under a name without a dot.
fn sample(name: &'static str, width: u32, class: &str) -> Vec<(String, Vec<u8>)> {
    vec![(format!("{name}.png"), wide(width)), (format!("{name}.cls"), class.into())]
}

/// Two shards to train on, of two samples and one, and one to test on.
fn place() -> Place {
    let place = Place::empty();
    let first = [sample("a/0001", 8, "1\n"), sample("a/0002", 9, "0")].concat();
    shard(&place, "pets-train-0000.tar", &first);
    // The class may come first, and what is neither is passed over.
    let other = [("b.json", "{}"), ("b.cls", "1"), (".b.png", ""), ("notes", "")];
    let other = other.map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec()));
    let second = [&other[..], &[("b.PNG".to_owned(), wide(10))]].concat();
    shard(&place, "pets-train-0001.tar", &second);
    shard(&place, "val/0.tar", &[sample("c", 11, "0"), sample("d", 12, "1")].concat());
    place
}

fn shard(place: &Place, name: &str, files: &[(String, Vec<u8>)]) {
    let files: Vec<(&str, Vec<u8>)> =
        files.iter().map(|(name, contents)| (name.as_str(), contents.clone())).collect();
    place.write(name, &tar(&files));
}

fn load(place: &Place, set: Pictures<'_>) -> Result<Dataset, DataError> {
    set.load::<Shards>(NORMALIZATION, &place.lookup(unwatched()))
}

fn locate(place: &Place, set: Pictures<'_>) -> Result<Supply, DataError> {
    set.locate::<Shards>(&place.lookup(unwatched()))
}

#[test]
fn samples_come_as_they_lie_in_their_shards() {
    let place = place();
    assert!(matches!(locate(&place, SET), Ok(Supply::Found(_))));
    let dataset = load(&place, SET).expect("shards");
    assert_eq!(dataset.train.labels, [1, 0, 1]);
    assert_eq!(dataset.test.labels, [0, 1]);
    for (index, width) in [8, 9, 10].into_iter().enumerate() {
        assert_eq!(dataset.train.image(index), of(&wide(width), 4).expect("a picture"));
    }
    assert_eq!(dataset.test.image(1), of(&wide(12), 4).expect("a picture"));
    // Nobody looks into them again.
    let begins = |work: Option<Work>| assert!(work.is_none(), "{work:?}");
    let interrupt = Interrupt::default();
    let source = place.lookup(Watch::new(&interrupt, &begins));
    assert_eq!(SET.load::<Shards>(NORMALIZATION, &source).expect("shards"), dataset);
    // The same pictures in other shards are the same content, and all is read anew.
    shard(&place, "pets-train-0000.tar", &sample("z", 8, "1"));
    let rest = [sample("b", 9, "0"), sample("c", 10, "1")].concat();
    shard(&place, "pets-train-0001.tar", &rest);
    let content = SET.content::<Shards>(&place.lookup(unwatched()));
    assert_eq!(content.expect("shards"), Content::Unread);
    assert_eq!(load(&place, SET).expect("shards").content, dataset.content);
}

#[test]
fn what_is_declared_is_compared_before_a_picture_is_decoded() {
    let place = place();
    let declared = Counts { classes: 3, train: 4, test: 2 };
    let set = Pictures { declared, ..SET };
    let expected = "`data/set` has 2 classes, not 3; 3 pictures to train on, not 4";
    let right = "say `classes: 2, train: 3, test: 2`";
    let (message, help) = place.said(load(&place, set));
    assert_eq!(message, expected);
    assert!(help.ends_with(right), "{help}");
    // Only a look into them tells, and the last one is remembered.
    assert!(locate(&place, set).is_ok());
    load(&place, SET).expect("shards");
    assert_eq!(place.said(locate(&place, set)).0, expected);
    assert_eq!(place.said(load(&place, set)).0, expected);
}

#[test]
fn shards_that_are_laid_out_otherwise_are_refused() {
    let fault = |change: &dyn Fn(&Place)| {
        let place = place();
        change(&place);
        place.said(load(&place, SET)).0
    };
    let remove = |place: &Place| fs::remove_file(place.path("val/0.tar")).expect("a shard");
    assert_eq!(fault(&remove), "`data/set` has no shard of `val`, `validation`, `valid` or `test`");
    // `trained` is another word.
    let others = |place: &Place| {
        for number in [0, 1] {
            let to = place.path(&format!("trained{number}.tar"));
            fs::rename(place.path(&format!("pets-train-000{number}.tar")), to).expect("a shard");
        }
    };
    assert_eq!(fault(&others), "`data/set` has no shard of `train`");
    let packed = |place: &Place| place.write("train.TAR.gz", b"");
    assert_eq!(fault(&packed), "`data/set/train.TAR.gz` is compressed");
    let both = |place: &Place| place.write("train/val-train.tar", b"");
    let expected = "`data/set/train/val-train.tar` is named like a shard of both parts";
    assert_eq!(fault(&both), expected);
    let lone = |place: &Place| shard(place, "train.tar", &[("sub/e.cls".into(), b"0".to_vec())]);
    assert_eq!(fault(&lone), "`data/set/train.tar/sub/e` has a class and no picture");
    let link = |place: &Place| place.write("train.tar", &linked());
    assert_eq!(fault(&link), "`data/set/train.tar/e.png` has no bytes of its own");
    let unlabeled = |place: &Place| shard(place, "train.tar", &[("e.png".into(), wide(8))]);
    let expected = "`data/set/train.tar/e.png` has no class: a `.cls` beside it";
    assert_eq!(fault(&unlabeled), expected);
    for (class, found) in [("cat", "cat"), ("-1", "-1"), ("", ""), ("4294967295", "4294967295")] {
        let named = |place: &Place| shard(place, "train.tar", &sample("e", 8, class));
        let expected =
            format!("`data/set/train.tar/e.cls` holds `{found}`, which is no number of a class");
        assert_eq!(fault(&named), expected);
    }
    let mask = |place: &Place| {
        let files = [sample("e", 8, "1"), vec![("e.seg.png".into(), wide(9))]].concat();
        shard(place, "train.tar", &files);
    };
    let expected =
        "`data/set/train.tar/e.png` and `data/set/train.tar/e.seg.png` are of one sample";
    assert_eq!(fault(&mask), expected);
    let webp = |place: &Place| shard(place, "train.tar", &[("e.webp".into(), wide(8))]);
    assert_eq!(fault(&webp), "`data/set/train.tar/e.webp` is in a format that is not read");
    let gap = |place: &Place| shard(place, "train.tar", &sample("e", 8, "3"));
    assert_eq!(fault(&gap), "`data/set` has no picture to train on of class 2");
    let beyond = |place: &Place| shard(place, "val/1.tar", &sample("e", 8, "2"));
    assert_eq!(fault(&beyond), "`data/set` has no picture to train on of class 2");
}

/// An archive in which a picture is a second name of another.
fn linked() -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(EntryType::Link);
    header.set_size(0);
    builder.append_link(&mut header, "e.png", "d.png").expect("a member");
    builder.into_inner().expect("an archive")
}

/// Names and places of shards as others have them.
#[test]
fn the_nearest_name_tells_the_part() {
    for (train, test) in [
        ("train-0000.tar", "validation-0000.tar"),
        ("Train.TAR", "VALID.tar"),
        ("train-val-split/train/0.tar", "train-val-split/val/0.tar"),
        ("val/train.tar", "train/val.tar"),
        ("train.tar/0.tar", "imagenet1k-test-0.tar"),
    ] {
        let place = Place::empty();
        shard(&place, train, &[sample("a", 8, "1"), sample("b", 9, "0")].concat());
        // What names no part is passed over, whatever it is.
        place.write("annotations.tar.gz", b"");
        place.write("more.tar", b"");
        shard(&place, test, &sample("c", 10, "1"));
        let declared = Counts { train: 2, test: 1, ..COUNTS };
        let dataset = load(&place, Pictures { declared, ..SET }).expect(train);
        assert_eq!((&dataset.train.labels[..], &dataset.test.labels[..]), (&[1, 0][..], &[1][..]));
    }
    // Of several words for what is tested on, the first that is there.
    let place = place();
    shard(&place, "test/0.tar", &sample("e", 13, "0"));
    assert_eq!(load(&place, SET).expect("shards").test.labels, [0, 1]);
}

/// As `cat` puts them.
#[test]
fn archives_one_behind_the_other_are_one() {
    let place = place();
    let shards = ["pets-train-0000.tar", "pets-train-0001.tar"];
    let whole = shards.map(|name| fs::read(place.path(name)).expect("a shard"));
    place.write(shards[0], &whole.concat());
    fs::remove_file(place.path(shards[1])).expect("a shard");
    assert_eq!(load(&place, SET).expect("shards").train.labels, [1, 0, 1]);
}

/// Whatever stands in an archive: its names are no paths that anything is written to.
#[test]
fn odd_names_in_an_archive() {
    let place = place();
    let odd = ["foo.é.png/.", "../e.png", "/f.png", ".", "..", "x.", "./g.png"];
    for name in odd {
        let mut bytes = crate::data::archive::tests::bare(&[(name, &wide(8))]);
        bytes.extend([0; 1024]);
        place.write("train.tar", &bytes);
        let result = load(&place, SET);
        assert!(matches!(result, Ok(_) | Err(DataError::Pictures(_))), "{name}: {result:?}");
    }
    let files = [("./d/g.png".to_owned(), wide(8)), ("./d/g.cls".to_owned(), b"1".to_vec())];
    shard(&place, "train.tar", &files);
    let declared = Counts { train: 4, ..COUNTS };
    assert!(load(&place, Pictures { declared, ..SET }).is_ok());
}

#[test]
fn shards_that_are_cut_short_are_told_before_a_picture_is_decoded() {
    let place = place();
    let whole = fs::read(place.path("pets-train-0000.tar")).expect("a shard");
    let member = 512 + wide(8).len().next_multiple_of(512);
    // Between two members, within a head, within a picture, and before the mark of the end.
    for length in [0, member, member + 100, 600, whole.len() - 1024] {
        place.write("pets-train-0000.tar", &whole[..length]);
        let message = place.said(load(&place, SET)).0;
        let expected = "`data/set/pets-train-0000.tar` is no whole tar archive: ";
        assert!(message.starts_with(expected), "{length}: {message}");
    }
    place.write("pets-train-0000.tar", &vec![b'x'; 2048]);
    assert!(place.said(load(&place, SET)).0.contains("is no whole tar archive"));
    place.write("pets-train-0000.tar", &whole);
    assert!(load(&place, SET).is_ok());
}

#[test]
fn pictures_of_shards_that_are_damaged_are_named_or_left_out() {
    let place = place();
    let broken = vec![("e.png".into(), b"no picture".to_vec()), ("e.cls".into(), b"0".to_vec())];
    shard(&place, "train.tar", &broken);
    let declared = Counts { train: 4, ..COUNTS };
    let fault = place.said(load(&place, Pictures { declared, ..SET })).0;
    let expected = "1 of 4 pictures cannot be read: `data/set/train.tar/e.png` (";
    assert!(fault.starts_with(expected), "{fault}");
    let dataset = load(&place, Pictures { skips: true, ..SET }).expect("shards");
    assert_eq!((dataset.train.labels.as_slice(), dataset.left_out.len()), (&[1, 0, 1][..], 1));
}

#[test]
fn a_shard_that_changes_while_it_is_read_is_told() {
    let place = place();
    let interrupt = Interrupt::default();
    let begins = |work: Option<Work>| {
        if work.is_some_and(|work| work.what == "decoding set") {
            shard(&place, "val/0.tar", &[sample("c", 13, "0"), sample("d", 12, "1")].concat());
            let path = place.path("val/0.tar");
            let file = File::options().write(true).open(path).expect("a shard");
            file.set_modified(std::time::UNIX_EPOCH).expect("a file of this user");
        }
    };
    let source = place.lookup(Watch::new(&interrupt, &begins));
    let message = place.said(SET.load::<Shards>(NORMALIZATION, &source)).0;
    assert_eq!(message, "`data/set/val/0.tar` was changed while it was read");
}

#[test]
fn who_asks_to_stop_is_heeded_between_shards() {
    let place = place();
    let interrupt = Interrupt::default();
    let begins = |work: Option<Work>| {
        if work.is_some_and(|work| work.what == "looking through set") {
            interrupt.request();
        }
    };
    let stopped = SET.load::<Shards>(NORMALIZATION, &place.lookup(Watch::new(&interrupt, &begins)));
    assert!(matches!(stopped, Err(DataError::Interrupted)), "{stopped:?}");
}
