use std::fs::{self, File};
use std::io::Cursor;

use image::{DynamicImage, ImageFormat, Rgb, RgbImage};

use super::decode::square;
use super::*;
use crate::augment::Canvas;
use crate::data::Images;
use crate::interrupt::Interrupt;
use crate::watch::testing::unwatched;
use crate::watch::{Watch, Work};

pub(super) const NORMALIZATION: Normalization = Normalization { mean: [0.0; 3], std: [1.0; 3] };

/// A picture in four colours, one a quarter: red, green, blue, white.
pub(super) fn picture(width: u32, height: u32) -> DynamicImage {
    let colour = |x, y| match (2 * x < width, 2 * y < height) {
        (true, true) => Rgb([255, 0, 0]),
        (false, true) => Rgb([0, 255, 0]),
        (true, false) => Rgb([0, 0, 255]),
        (false, false) => Rgb([255; 3]),
    };
    RgbImage::from_fn(width, height, colour).into()
}

pub(super) fn file(picture: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, format).expect("a picture of a size that the format has");
    bytes.into_inner()
}

pub(super) fn png(picture: &DynamicImage) -> Vec<u8> {
    file(picture, ImageFormat::Png)
}

pub(super) fn of(bytes: &[u8], size: usize) -> Result<Vec<u8>, String> {
    square(bytes, size, &mut Canvas::new())
}

/// A set of pictures, and the cache of who reads it.
pub(super) struct Place(tempfile::TempDir);

impl Place {
    pub(super) fn empty() -> Self {
        Place(tempfile::tempdir().expect("a folder"))
    }

    /// Two classes, of two and one pictures to train on, and one each to test on.
    fn new() -> Self {
        let place = Place::empty();
        for (index, name) in ["train/b/2.png", "train/a/1.png", "val/b/3.PNG", "val/a/x.jpeg"]
            .into_iter()
            .chain(["train/b/10.png"])
            .enumerate()
        {
            let format = if name.ends_with("jpeg") { ImageFormat::Jpeg } else { ImageFormat::Png };
            place.write(name, &file(&picture(8 + index as u32, 6), format));
        }
        place
    }

    pub(super) fn write(&self, name: &str, bytes: &[u8]) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder to write to");
        fs::write(path, bytes).expect("a folder to write to");
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join("data/set").join(name)
    }

    pub(super) fn lookup<'a>(&self, watch: Watch<'a>) -> Lookup<'a> {
        Lookup {
            data_dir: None,
            environment: Some(self.0.path().join("data")),
            cache: self.0.path().join("cache"),
            offline: true,
            mirror: None,
            watch,
        }
    }

    fn load(&self, set: Pictures<'_>) -> Result<Dataset, DataError> {
        set.load::<Folder>(NORMALIZATION, &self.lookup(unwatched()))
    }

    fn content(&self) -> Content {
        SET.content::<Folder>(&self.lookup(unwatched())).expect("a folder")
    }

    fn fault(&self, set: Pictures<'_>) -> (String, String) {
        self.said(self.load(set))
    }

    /// What is said of an error, and of what would be right.
    pub(super) fn said<T: std::fmt::Debug>(
        &self,
        result: Result<T, DataError>,
    ) -> (String, String) {
        match result {
            Err(DataError::Pictures(error)) => {
                let root = self.0.path().to_str().expect("a path of letters").to_owned() + "/";
                (error.message().replace(&root, ""), error.help())
            }
            other => panic!("{other:?}"),
        }
    }

    /// A file of what is being decoded.
    fn unfinished(&self, name: &str) -> PathBuf {
        let folders = fs::read_dir(self.0.path().join("cache/folders")).expect("a cache");
        let mut files = folders.map(|own| own.expect("an entry").path().join(name));
        files.find(|path| path.exists()).expect("something is being decoded")
    }

    /// The names of what the cache holds of pictures.
    fn cached(&self) -> Vec<String> {
        let Ok(folders) = fs::read_dir(self.0.path().join("cache/folders")) else { return vec![] };
        let files = folders.flat_map(|own| fs::read_dir(own.expect("an entry").path()));
        let files = files.map(|own| own.map(|own| own.expect("an entry").file_name()).collect());
        // A lock by itself is all that is left of what was made.
        let files = files.filter(|own: &Vec<_>| own.len() > 1).flatten();
        let mut names: Vec<String> =
            files.map(|own| own.into_string().expect("a name of letters")).collect();
        names.sort();
        names
    }
}

impl Place {
    /// Where the cache holds what ends like that.
    fn kept(&self, end: &str) -> Vec<PathBuf> {
        let folders = fs::read_dir(self.0.path().join("cache/folders")).expect("a cache");
        let files = folders.flat_map(|own| fs::read_dir(own.expect("an entry").path()));
        let paths = files.flatten().map(|own| own.expect("an entry").path());
        paths.filter(|path| path.to_string_lossy().ends_with(end)).collect()
    }
}

const COUNTS: Counts = Counts { classes: 2, train: 3, test: 2 };
const SET: Pictures<'_> = Pictures { path: "set", declared: COUNTS, size: 4, skips: false };

#[test]
fn pictures_come_by_class_and_name() {
    let place = Place::new();
    // Neither is a picture, and folders in a class belong to it.
    place.write("train/a/notes.txt", b"");
    place.write("train/a/.hidden.png", b"");
    place.write("train/README", b"");
    place.write("train/b/more/0.jpg", &file(&picture(9, 9), ImageFormat::Jpeg));
    let listing = Folder::list(&place.path(""), unwatched()).expect("a folder");
    let names = |entries: &[folder::Entry]| -> Vec<(u32, String)> {
        let name = |own: &folder::Entry| own.file.path.to_str().expect("a name").to_owned();
        entries.iter().map(|own| (own.class, name(own))).collect()
    };
    assert_eq!(listing.classes, ["a", "b"]);
    let train = ["train/a/1.png", "train/b/10.png", "train/b/2.png", "train/b/more/0.jpg"];
    let train = [0, 1, 1, 1].into_iter().zip(train.map(str::to_owned));
    assert_eq!(names(&listing.train), train.collect::<Vec<_>>());
    let test = [(0, "val/a/x.jpeg".to_owned()), (1, "val/b/3.PNG".to_owned())];
    assert_eq!(names(&listing.test), test);
}

#[test]
fn a_folder_is_decoded_once() {
    let place = Place::new();
    assert_eq!(place.content(), Content::Unread);
    let dataset = place.load(SET).expect("a folder");
    assert_eq!(dataset.train.labels, [0, 1, 1]);
    assert_eq!(dataset.test.labels, [0, 1]);
    let bytes = fs::read(place.path("train/b/2.png")).expect("a picture");
    assert_eq!(dataset.train.image(2), of(&bytes, 4).expect("a picture"));
    assert_eq!((dataset.train.height, dataset.train.width), (4, 4));
    assert!(dataset.left_out.is_empty());
    assert_eq!(place.content(), dataset.content);

    // By its length and time it is the same file, and nobody looks into it.
    let path = place.path("train/b/2.png");
    let written = fs::metadata(&path).and_then(|file| file.modified()).expect("a time");
    fs::write(&path, vec![0; bytes.len()]).expect("a folder to write to");
    let touch = |time| File::options().write(true).open(&path)?.set_modified(time);
    touch(written).expect("a file of this user");
    assert_eq!(place.load(SET).expect("a folder"), dataset);
}

/// Squares are looked at where their files may be others than those that were written.
#[test]
fn what_is_kept_is_verified() {
    let place = Place::new();
    let pixels = |dataset: &Dataset| -> Vec<Vec<u8>> {
        let of = |images: &Images| (0..images.len()).map(|at| images.image(at).to_vec()).collect();
        let parts: [Vec<Vec<u8>>; 2] = [of(&dataset.train), of(&dataset.test)];
        parts.concat()
    };
    let expected = pixels(&place.load(SET).expect("a folder"));
    let squares = place.kept("pixels");
    assert_eq!(squares.len(), 2, "{squares:?}");
    let touch = |path: &Path, time| {
        let file = File::options().write(true).open(path).expect("a file of this user");
        file.set_modified(time).expect("a file of this user");
    };
    // A picture that nobody could decode again to the same.
    let path = place.path("train/b/2.png");
    let bytes = fs::read(&path).expect("a picture");
    let written = fs::metadata(&path).and_then(|file| file.modified()).expect("a time");
    fs::write(&path, vec![0; bytes.len()]).expect("a folder to write to");
    touch(&path, written);
    let seen = || fs::read(&place.kept("seen.json")[0]).expect("a note");
    let before = seen();
    squares.iter().for_each(|file| touch(file, std::time::SystemTime::UNIX_EPOCH));
    assert_eq!(pixels(&place.load(SET).expect("a folder")), expected);
    assert_ne!(seen(), before);

    // What is not what was written is made anew.
    fs::write(&path, bytes).expect("a folder to write to");
    touch(&path, written);
    for file in &squares {
        let length = fs::metadata(file).expect("a file").len() as usize;
        fs::remove_file(file).expect("a file of this user");
        fs::write(file, vec![0; length]).expect("a folder to write to");
        assert_eq!(pixels(&place.load(SET).expect("a folder")), expected);
    }
}

#[test]
fn a_folder_that_has_changed_is_another_one() {
    let place = Place::new();
    let before = place.load(SET).expect("a folder");
    let files = place.cached();
    assert_eq!(files.len(), 5, "{files:?}");
    place.write("train/b/2.png", &png(&picture(20, 30)));
    assert_eq!(place.content(), Content::Unread);
    let after = place.load(SET).expect("a folder");
    assert_ne!(after.content, before.content);
    assert_ne!(after.train.image(2), before.train.image(2));
    assert_eq!(after.test, before.test);
    assert_eq!(place.content(), after.content);
    // Nothing is kept of what it was; who has it open still reads it.
    assert_eq!(place.cached().len(), 5, "{:?}", place.cached());
    // The same pictures in other places are the same content.
    place.write("train/b/2.png", &png(&picture(8, 6)));
    assert_eq!(place.load(SET).expect("a folder").content, before.content);
}

#[test]
fn what_is_declared_is_compared() {
    let place = Place::new();
    let declared = Counts { classes: 3, train: 3, test: 10 };
    let (message, help) = place.fault(Pictures { declared, ..SET });
    assert_eq!(message, "`data/set` has 2 classes, not 3; 2 pictures to test on, not 10");
    let right = "say `classes: 2, train: 3, test: 2`";
    assert!(help.ends_with(right), "{help}");
    assert_eq!(place.cached(), [""; 0]);
    let missing = place.fault(Pictures { path: "pets", ..SET }).0;
    assert_eq!(missing, "there is no folder `pets`: looked for `data/pets`, `pets`");
    let absolute = place.path("");
    let absolute = absolute.to_str().expect("a path of letters");
    assert!(place.load(Pictures { path: absolute, ..SET }).is_ok());
}

#[test]
fn folders_that_are_laid_out_otherwise_are_refused() {
    let fault = |change: &dyn Fn(&Place)| {
        let place = Place::new();
        change(&place);
        place.fault(SET).0
    };
    let remove = |place: &Place, name: &str| {
        fs::remove_dir_all(place.path(name)).expect("a folder of this user");
    };
    assert_eq!(
        fault(&|place| remove(place, "val")),
        "`data/set` has no folder `val`, `validation`, `valid` or `test`"
    );
    assert_eq!(fault(&|place| remove(place, "train")), "`data/set` has no folder `train`");
    let empty = |place: &Place| place.write("train/c/notes.txt", b"");
    assert_eq!(fault(&empty), "the class `data/set/train/c` has no picture");
    let beside = |place: &Place| place.write("train/1.jpg", b"");
    assert_eq!(fault(&beside), "`data/set/train/1.jpg` lies in no folder of a class");
    let other = |place: &Place| place.write("val/c/1.jpg", b"");
    assert_eq!(fault(&other), "the class of `data/set/val/c` is none to train on");
    let webp = |place: &Place| place.write("val/b/1.webp", b"");
    assert_eq!(fault(&webp), "`data/set/val/b/1.webp` is in a format that is not read");
    #[cfg(unix)]
    {
        let link = |place: &Place| {
            std::os::unix::fs::symlink(place.path("train/a"), place.path("train/a/again"))
                .expect("a link");
        };
        assert!(fault(&link).starts_with("folders lie in folders without an end in `data/set/"));
        let name = |place: &Place| {
            use std::os::unix::ffi::OsStrExt as _;
            let name = std::ffi::OsStr::from_bytes(b"\xff.png");
            fs::write(place.path("val/a").join(name), b"").expect("a folder to write to");
        };
        assert!(fault(&name).ends_with(".png` is no text in UTF-8"));
    }
}

/// Nor a pipe, for whose bytes the decoding would wait.
#[test]
fn a_folder_is_no_picture_whatever_its_name() {
    let place = Place::new();
    place.write("val/b/9.jpg/1.jpg", b"");
    match place.load(SET) {
        Err(DataError::Pictures(error)) => {
            let message = error.message();
            assert!(message.ends_with("val/b/9.jpg` is named like a picture and is no file"));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn pictures_that_are_damaged_are_named_or_left_out() {
    let place = Place::new();
    let whole = fs::read(place.path("train/b/2.png")).expect("a picture");
    place.write("train/b/10.png", &whole[..whole.len() / 2]);
    let (message, help) = place.fault(SET);
    let expected = "1 of 3 pictures cannot be read: `data/set/train/b/10.png` (";
    assert!(message.starts_with(expected), "{message}");
    assert!(help.contains("`damaged: skip`"), "{help}");
    place.write("train/a/1.png", b"");
    let message = place.fault(SET).0;
    let expected = "2 of 3 pictures cannot be read: `data/set/train/a/1.png` (it is empty), `";
    assert!(message.starts_with(expected), "{message}");
    // What is decoded stays for whoever leaves out what cannot be.
    assert_eq!(place.cached(), ["lock", "pictures.jsonl", "test", "train"]);

    // What is left out is not counted, and who counts it is told.
    let skips = Pictures { skips: true, ..SET };
    let message = place.fault(skips).0;
    assert_eq!(message, "`data/set` has 1 pictures to train on, not 3");
    let declared = Counts { train: 1, ..COUNTS };
    let dataset = place.load(Pictures { declared, ..skips }).expect("a folder");
    assert_eq!(dataset.train.labels, [1]);
    let left_out: Vec<_> = dataset.left_out.iter().map(|(path, _)| path.clone()).collect();
    assert_eq!(left_out, ["train/a/1.png", "train/b/10.png"].map(|name| place.path(name)));
    assert_eq!(dataset.train.image(0), of(&whole, 4).expect("a picture"));
}

#[test]
fn a_request_to_stop_is_heeded() {
    let place = Place::new();
    let interrupt = Interrupt::default();
    interrupt.request();
    let stopped = SET.load::<Folder>(NORMALIZATION, &place.lookup(Watch::new(&interrupt, &|_| {})));
    assert!(matches!(stopped, Err(DataError::Interrupted)), "{stopped:?}");
    assert_eq!(place.cached(), [""; 0]);
    // The same once pictures are being decoded.
    let interrupt = Interrupt::default();
    let begins = |work: Option<Work>| {
        if work.is_some_and(|work| work.what == "decoding set") {
            interrupt.request();
        }
    };
    let stopped = SET.load::<Folder>(NORMALIZATION, &place.lookup(Watch::new(&interrupt, &begins)));
    assert!(matches!(stopped, Err(DataError::Interrupted)), "{stopped:?}");
    assert_eq!(place.cached(), ["lock", "pictures.jsonl", "test", "train"]);
}

/// What was decoded before an end is not decoded again, whether or not what is damaged is left out,
/// unless a file is another one since.
#[test]
fn decoding_goes_on_where_it_ended() {
    let whole = Place::new().load(SET).expect("a folder");
    let place = Place::new();
    let last = place.path("train/b/2.png");
    let bytes = fs::read(&last).expect("a picture");
    let written = fs::metadata(&last).and_then(|file| file.modified()).expect("a time");
    let touch = |time| File::options().write(true).open(&last)?.set_modified(time);
    // How many are done as decoding begins, at which moment the last picture may change.
    let load = |skips: bool, changes: bool| {
        let done = std::sync::Mutex::new(None);
        let begins = |work: Option<Work>| {
            if let Some(work) = work.filter(|work| work.what == "decoding set") {
                done.lock().expect("no panic").get_or_insert(work.done);
                if changes {
                    fs::write(&last, b"another picture").expect("a folder to write to");
                }
            }
        };
        let interrupt = Interrupt::default();
        let lookup = place.lookup(Watch::new(&interrupt, &begins));
        let found = Pictures { skips, ..SET }.load::<Folder>(NORMALIZATION, &lookup);
        (found, done.into_inner().expect("no panic"))
    };
    let (found, done) = load(false, true);
    assert!(found.is_err() && done == Some(0), "{found:?}");
    fs::write(&last, &bytes).expect("a folder to write to");
    touch(written).expect("a file of this user");
    // A line that was cut short counts for nothing.
    let journal = place.unfinished("pictures.jsonl");
    let noted = fs::read(&journal).expect("an account");
    fs::write(&journal, [&noted[..], b"{\"part\":0,\"pict"].concat()).expect("room");
    // Squares that are not those that were written count for as little.
    let squares = place.unfinished("train");
    let length = fs::metadata(&squares).expect("a file").len() as usize;
    fs::write(&squares, vec![0; length]).expect("room");
    let (found, done) = load(true, true);
    assert!(found.is_err() && done == Some(0), "{found:?}");
    fs::write(&last, &bytes).expect("a folder to write to");
    touch(written).expect("a file of this user");
    // Of the squares of the first two there has to be no more room.
    assert_eq!(SET.written::<Folder>(&place.lookup(unwatched())), 2 * 3 * 4 * 4);
    let (found, done) = load(true, true);
    assert!(found.is_err() && done == Some(2), "{found:?}");
    fs::write(&last, &bytes).expect("a folder to write to");
    touch(written).expect("a file of this user");
    let (found, done) = load(false, false);
    assert_eq!(done, Some(2));
    assert_eq!(found.expect("a folder"), whole);
    assert!(!journal.exists());

    // Of another set of files nothing is taken over.
    place.write("train/a/new.png", &png(&picture(5, 5)));
    let larger = Counts { train: 4, ..COUNTS };
    let (found, done) = load(false, true);
    assert!(found.is_err() && done.is_none(), "{found:?}");
    let found = place.load(Pictures { declared: larger, ..SET }).expect("a folder");
    assert_eq!(found.train.len(), 4);
}

/// The colours in the middles of the quarters of a square.
fn quarters(square: &[u8], size: usize) -> [[u8; 3]; 4] {
    let (near, far) = (size / 4, 3 * size / 4);
    [(near, near), (near, far), (far, near), (far, far)].map(|(row, column)| {
        [0, 1, 2].map(|channel| square[(channel * size + row) * size + column])
    })
}

#[test]
fn every_kind_of_picture_becomes_a_square_of_three_colours() {
    let [red, green, blue, white] = [[255, 0, 0], [0, 255, 0], [0, 0, 255], [255; 3]];
    let colours = [red, green, blue, white];
    for (width, height) in [(8, 8), (40, 30), (3, 200), (1, 1), (2, 2), (8, 9)] {
        let found = of(&png(&picture(width, height)), 8).expect("a picture");
        assert_eq!(found.len(), 3 * 8 * 8, "{width} x {height}");
    }
    // The middle of a wide one, in which the quarters meet.
    assert_eq!(quarters(&of(&png(&picture(90, 30)), 8).expect("a picture"), 8), colours);
    let source = picture(32, 32);
    for kind in [
        DynamicImage::ImageRgba8(source.to_rgba8()),
        DynamicImage::ImageRgb16(source.to_rgb16()),
        DynamicImage::ImageRgba16(source.to_rgba16()),
    ] {
        assert_eq!(quarters(&of(&png(&kind), 16).expect("a picture"), 16), colours);
    }
    let luma = source.to_luma8();
    let expected = [luma[(0, 0)], luma[(31, 0)], luma[(0, 31)], luma[(31, 31)]];
    let expected = expected.map(|grey| [grey.0[0]; 3]);
    for kind in [
        DynamicImage::ImageLuma8(luma.clone()),
        DynamicImage::ImageLuma16(source.to_luma16()),
        DynamicImage::ImageLumaA8(source.to_luma_alpha8()),
    ] {
        let found = quarters(&of(&png(&kind), 16).expect("a picture"), 16);
        let near = found.as_flattened().iter().zip(expected.as_flattened());
        assert!(near.clone().all(|(a, b)| a.abs_diff(*b) <= 1), "{found:?}");
    }
    let jpeg = file(&DynamicImage::ImageLuma8(luma), ImageFormat::Jpeg);
    let found = quarters(&of(&jpeg, 16).expect("a picture"), 16);
    let near = found.as_flattened().iter().zip(expected.as_flattened());
    assert!(near.clone().all(|(a, b)| a.abs_diff(*b) <= 8), "{found:?}");
}

/// A JPEG whose EXIF data say how it is turned (CIPA DC-008, tag 274).
fn turned(jpeg: &[u8], orientation: u8) -> Vec<u8> {
    let mut exif = b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".to_vec();
    exif.extend([orientation, 0, 0, 0, 0, 0, 0]);
    let length = (exif.len() as u16 + 2).to_be_bytes();
    [&jpeg[..2], &[0xff, 0xe1], &length, &exif, &jpeg[2..]].concat()
}

#[test]
fn pictures_are_turned_as_they_say() {
    let jpeg = file(&picture(64, 64), ImageFormat::Jpeg);
    let colours = |orientation| {
        let square = of(&turned(&jpeg, orientation), 16).expect("a picture");
        quarters(&square, 16).map(|colour| colour.map(|value| value > 127))
    };
    let [red, green, blue, white] =
        [[true, false, false], [false, true, false], [false, false, true], [true; 3]];
    assert_eq!(colours(1), [red, green, blue, white]);
    assert_eq!(colours(2), [green, red, white, blue]);
    assert_eq!(colours(3), [white, blue, green, red]);
    assert_eq!(colours(4), [blue, white, red, green]);
    assert_eq!(colours(5), [red, blue, green, white]);
    assert_eq!(colours(6), [blue, red, white, green]);
    assert_eq!(colours(7), [white, green, blue, red]);
    assert_eq!(colours(8), [green, white, red, blue]);
    // One that nobody has defined turns nothing.
    assert_eq!(colours(9), colours(1));
}

#[test]
fn files_that_are_no_whole_pictures_are_refused() {
    let jpeg = file(&picture(64, 64), ImageFormat::Jpeg);
    for (bytes, problem) in [
        (&b""[..], "it is empty"),
        (b"not a picture at all", "it is neither JPEG nor PNG"),
        (&jpeg[..jpeg.len() - 2], "it is cut short"),
        (&jpeg[..jpeg.len() / 2], "it is cut short"),
    ] {
        assert_eq!(of(bytes, 8).expect_err("no picture"), problem);
    }
    // A preview in the head is no end of the picture.
    let mut preview = turned(&jpeg, 1)[..2].to_vec();
    preview.extend([0xff, 0xe1]);
    preview.extend((jpeg.len() as u16 + 2).to_be_bytes());
    preview.extend(&jpeg);
    let whole = [&preview, &jpeg[2..]].concat();
    assert!(of(&whole, 8).is_ok());
    assert_eq!(of(&whole[..whole.len() - 2], 8).expect_err("cut short"), "it is cut short");
    let whole = png(&picture(64, 64));
    for length in [8, 20, 60, whole.len() / 2] {
        assert!(of(&whole[..length], 8).is_err(), "{length}");
    }
}

/// The same files give the same bytes: whoever changes them raises `cache::VERSION`.
#[test]
fn the_bytes_are_these() {
    let mut hasher = blake3::Hasher::new();
    for (width, height) in [(8, 8), (40, 30), (30, 40), (5, 3)] {
        for format in [ImageFormat::Png, ImageFormat::Jpeg] {
            let bytes = file(&picture(width, height), format);
            hasher.update(&of(&bytes, 12).expect("a picture"));
        }
    }
    assert_eq!(hasher.finalize().to_hex()[..16], *"90cbafacbf33108f");
}
