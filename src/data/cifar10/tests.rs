use std::sync::Mutex;
use std::time::{Duration, UNIX_EPOCH};

use super::*;
use crate::data::archive::tests::pack;
use crate::data::testing::{Server, answer};
use crate::interrupt::Interrupt;
use crate::watch::Work;
use crate::watch::testing::unwatched;

/// More than are taken at a time, and no multiple of it.
const COUNT: usize = STRETCH + 3;

/// The records of a batch of a small release.
fn batch(index: usize) -> Vec<u8> {
    let records = (0..COUNT).flat_map(|image| {
        let label = ((index + image) % 10) as u8;
        let pixels = (0..IMAGE).map(move |pixel| (pixel * (image + 2) / 3 + index * 17) as u8);
        std::iter::once(label).chain(pixels)
    });
    records.collect()
}

/// As Python 2 writes it.
fn pickled(records: &[u8]) -> Vec<u8> {
    let records = records.chunks_exact(RECORD);
    let count = records.len() as u8;
    let mut out = b"\x80\x02}q\x01(U\x06labelsq\x02]q\x03(".to_vec();
    out.extend(records.clone().flat_map(|record| [b'K', record[0]]));
    out.extend(b"eU\x04dataq\x04cnumpy.core.multiarray\n_reconstruct\nq\x05cnumpy\nndarray\nq\x06");
    out.extend(b"K\x00\x85U\x01b\x87Rq\x07(K\x01K");
    out.push(count);
    out.extend(b"M\x00\x0c\x86cnumpy\ndtype\nq\x08U\x02u1K\x00K\x01\x87Rq\x09");
    out.extend(b"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89T");
    out.extend((u32::from(count) * IMAGE as u32).to_le_bytes());
    out.extend(records.flat_map(|record| &record[1..]));
    out.extend(b"tbu.");
    out
}

fn contents(form: Form) -> Vec<Vec<u8>> {
    (0..BATCHES.len())
        .map(|index| match form {
            Form::Binary => batch(index),
            Form::Python => pickled(&batch(index)),
        })
        .collect()
}

/// The archive as it is published: a folder, and files beside those that are wanted.
fn packed(form: Form) -> Vec<u8> {
    let names = form.files().map(|file| format!("{}/{file}", form.folder()));
    let contents = contents(form);
    let mut files: Vec<(&str, &[u8])> = vec![("readme.html", b"hello")];
    files.extend(names.iter().map(String::as_str).zip(contents.iter().map(Vec::as_slice)));
    pack(&files)
}

fn release() -> Release {
    let leak = |text: String| -> &'static str { text.leak() };
    let archive = packed(Form::Binary);
    Release {
        count: COUNT,
        blake3: std::array::from_fn(|index| leak(blake3::hash(&batch(index)).to_string())),
        python: ["0"; BATCHES.len()],
        url: "http://127.0.0.1:9",
        archive: (archive.len() as u64, leak(hexadecimal(Md5::new_with_prefix(&archive)))),
    }
}

/// A folder of data and a cache of its own, both empty.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir(folder.path().join("data")).expect("a folder");
        Place { folder }
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn cache(&self) -> PathBuf {
        self.folder.path().join("cache")
    }

    /// Offline.
    fn source(&self) -> Lookup<'static> {
        Lookup {
            data_dir: None,
            environment: None,
            cache: self.cache(),
            offline: true,
            mirror: None,
            watch: unwatched(),
        }
    }

    fn load_from_data(&self) -> Result<(Images, Images), DataError> {
        release().load(&Lookup { data_dir: Some(&self.data()), ..self.source() })
    }
}

fn write_folder(folder: &Path, form: Form) {
    fs::create_dir_all(folder).expect("a folder");
    for (file, contents) in form.files().iter().zip(contents(form)) {
        fs::write(folder.join(file), contents).expect("a batch");
    }
}

fn assert_whole(loaded: Result<(Images, Images), DataError>) {
    let (train, test) = loaded.expect("the dataset");
    assert_eq!((train.len(), test.len()), (5 * COUNT, COUNT));
    assert_eq!((train.height, train.width, test.height, test.width), (32, 32, 32, 32));
    for index in 0..6 * COUNT {
        let (batch, image) = (batch(index / COUNT), index % COUNT);
        let record = &batch[image * RECORD..][..RECORD];
        let (images, index) = match index < train.len() {
            true => (&train, index),
            false => (&test, index - train.len()),
        };
        assert_eq!(images.labels[index], u32::from(record[0]));
        assert_eq!(images.image(index), &record[1..]);
    }
}

#[test]
fn every_form_is_found_in_every_place() {
    for form in Form::ALL {
        for sub in ["", "cifar10"] {
            for inner in ["", form.folder()] {
                let place = Place::new();
                write_folder(&place.data().join(sub).join(inner), form);
                assert_whole(place.load_from_data());
            }
            let place = Place::new();
            let folder = place.data().join(sub);
            fs::create_dir_all(&folder).expect("a folder");
            fs::write(folder.join(form.archive()), packed(form)).expect("an archive");
            assert_whole(place.load_from_data());
        }
    }
}

#[test]
fn a_data_dir_without_it_is_an_error() {
    let place = Place::new();
    write_folder(&place.cache(), Form::Binary);
    let error = place.load_from_data().expect_err("nothing there");
    assert_eq!(error.finding().name, "dataset-missing");
    assert!(error.message().contains(&place.data().display().to_string()), "{error}");
    assert!(error.help().is_some_and(|help| help.contains("`cifar-10-batches-py`")));
}

#[test]
fn the_environment_may_lack_it() {
    let place = Place::new();
    let source = Lookup { environment: Some(place.data()), ..place.source() };
    let error = release().load(&source).expect_err("nothing anywhere");
    assert_eq!(error.finding().name, "dataset-missing");
    for searched in [place.data(), place.cache()] {
        assert!(error.message().contains(&searched.display().to_string()), "{error}");
    }
    assert!(error.help().is_some_and(|help| help.contains("--offline")));
    write_folder(&place.cache(), Form::Binary);
    assert_whole(release().load(&source));
}

#[test]
fn incomplete_copies_are_named_unless_another_is_whole() {
    let place = Place::new();
    let folder = place.data().join("cifar-10-batches-bin");
    write_folder(&folder, Form::Binary);
    fs::remove_file(folder.join("data_batch_3.bin")).expect("a batch");
    let error = place.load_from_data().expect_err("a batch is missing");
    assert_eq!(error.finding().name, "dataset-incomplete");
    assert!(error.message().contains("`data_batch_3.bin`"), "{error}");
    assert!(!error.message().contains("data_batch_2"), "{error}");
    let archive = place.data().join("cifar-10-binary.tar.gz");
    fs::write(archive, packed(Form::Binary)).expect("an archive");
    assert_whole(place.load_from_data());
}

/// What a run says that it reads.
fn said(place: &Place) -> Vec<String> {
    let (interrupt, said) = (Interrupt::default(), Mutex::new(Vec::new()));
    let begins = |work: Option<Work>| {
        said.lock().expect("no panic").extend(work.map(|work| work.what));
    };
    let watch = Watch::new(&interrupt, &begins);
    let source = Lookup { data_dir: Some(&place.data()), watch, ..place.source() };
    assert_whole(release().load(&source));
    said.into_inner().expect("no panic")
}

#[test]
fn batches_are_verified_once() {
    let place = Place::new();
    write_folder(&place.data(), Form::Binary);
    assert!(said(&place).contains(&"reading cifar10".to_owned()));
    assert_eq!(said(&place), [""; 0]);
    // The same bytes in a file that was written since are looked at, and others are found.
    let path = place.data().join("data_batch_3.bin");
    let bytes = fs::read(&path).expect("a batch");
    let write = |bytes: &[u8], second: u64| {
        fs::write(&path, bytes).expect("a batch");
        let time = UNIX_EPOCH + Duration::from_secs(second);
        let file = File::options().write(true).open(&path).expect("a batch");
        file.set_modified(time).expect("a file of this user");
    };
    write(&bytes, 1);
    assert_ne!(said(&place), [""; 0]);
    assert_eq!(said(&place), [""; 0]);
    let mut altered = bytes.clone();
    altered[1] ^= 1;
    write(&altered, 2);
    let error = place.load_from_data().expect_err("a damaged batch");
    assert!(error.message().contains("data_batch_3.bin"), "{error}");
    // On a system that tells, its old length and time do not make it the old file.
    if cfg!(unix) {
        write(&altered, 1);
        assert!(place.load_from_data().is_err());
    }
    write(&bytes[1..], 1);
    assert!(place.load_from_data().is_err());
    write(&bytes, 1);
    assert_whole(place.load_from_data());
    assert_eq!(said(&place), [""; 0]);
    // Notes that are no notes are none.
    for note in fs::read_dir(place.cache().join("seen")).expect("notes") {
        fs::write(note.expect("an entry").path(), "{").expect("a folder to write to");
    }
    assert_ne!(said(&place), [""; 0]);
    assert_eq!(said(&place), [""; 0]);
}

/// What is found in `file` of a folder once `damage` has been done to it.
fn damaged(form: Form, file: &str, damage: impl Fn(&mut Vec<u8>)) -> String {
    let place = Place::new();
    write_folder(&place.data(), form);
    let path = place.data().join(file);
    let mut bytes = fs::read(&path).expect("a batch");
    damage(&mut bytes);
    fs::write(&path, bytes).expect("a batch");
    let error = place.load_from_data().expect_err("a damaged batch");
    assert_eq!(error.finding().name, "dataset-damaged");
    assert!(error.message().contains(&format!("{file}`")), "{error}");
    error.message()
}

#[test]
fn damaged_batches_are_named_with_what_was_expected() {
    let size = COUNT * RECORD;
    let cut = damaged(Form::Binary, "data_batch_2.bin", |bytes| bytes.truncate(100));
    assert!(cut.ends_with(&format!("expected {size} bytes, found 100 bytes")), "{cut}");
    let long = damaged(Form::Binary, "data_batch_2.bin", |bytes| bytes.push(0));
    assert!(long.ends_with(&format!("found {} bytes", size + 1)), "{long}");
    let altered = damaged(Form::Binary, "test_batch.bin", |bytes| bytes[size / 2] ^= 1);
    assert!(altered.contains(release().blake3[5]), "{altered}");

    let cut = damaged(Form::Python, "data_batch_5", |bytes| bytes.truncate(1000));
    assert!(cut.contains("the end of the file"), "{cut}");
    let altered = damaged(Form::Python, "test_batch", |bytes| bytes[size / 2] ^= 1);
    assert!(altered.contains("expected a pickle of md5 0, found md5"), "{altered}");
    let few = damaged(Form::Python, "test_batch", |bytes| *bytes = pickled(&batch(5)[..RECORD]));
    assert!(few.contains("1 x 3072 bytes in place of 67 x 3072"), "{few}");
}

/// Where the images are not those of the binary form, the published file is known by its own
/// checksum.
#[test]
fn published_pickles_are_known_by_their_checksum() {
    let place = Place::new();
    write_folder(&place.data(), Form::Python);
    let mut release = release();
    release.blake3 = ["0"; BATCHES.len()];
    let source = Lookup { data_dir: Some(&place.data()), ..place.source() };
    assert!(release.load(&source).is_err());
    release.python = std::array::from_fn(|index| {
        &*hexadecimal(Md5::new_with_prefix(&contents(Form::Python)[index])).leak()
    });
    assert_whole(release.load(&source));
}

#[test]
fn the_first_damaged_batch_is_named() {
    let place = Place::new();
    write_folder(&place.data(), Form::Binary);
    for batch in ["data_batch_2.bin", "data_batch_4.bin", "test_batch.bin"] {
        fs::write(place.data().join(batch), b"").expect("a batch");
    }
    let error = place.load_from_data().expect_err("damaged batches");
    assert!(error.message().contains("data_batch_2.bin"), "{error}");
}

#[test]
fn it_is_downloaded_once_and_kept() {
    let place = Place::new();
    let archive = packed(Form::Binary);
    let server = Server::start(vec![answer("200 OK", "", archive.len(), &archive)]);
    let told = Mutex::new(Vec::new());
    let tell = |work: Option<Work>| told.lock().expect("no panic").push(work);
    let interrupt = Interrupt::default();
    let mirror = format!("{}/mirror/", server.url);
    let source = Lookup {
        environment: Some(place.data()),
        offline: false,
        mirror: Some(&mirror),
        watch: Watch::new(&interrupt, &tell),
        ..place.source()
    };
    assert_whole(release().load(&source));
    assert_eq!(server.requests()[0].path, "/mirror/cifar-10-binary.tar.gz");
    let begun: Vec<String> = told
        .lock()
        .expect("no panic")
        .iter()
        .flatten()
        .filter(|work| work.done == 0)
        .map(|work| work.what.clone())
        .collect();
    let name = Form::Binary.archive();
    let expected =
        [format!("downloading {name}"), format!("unpacking {name}"), "reading cifar10".into()];
    assert_eq!(begun, expected);
    let mut left: Vec<_> = fs::read_dir(place.cache())
        .expect("the cache")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("a name"))
        .collect();
    left.sort();
    assert_eq!(left, ["cifar-10-batches-bin", "cifar-10.lock", "seen"]);
    // The server has gone.
    assert_whole(release().load(&source));
}

#[test]
fn a_wrong_archive_is_not_kept() {
    // Of the publisher's the checksum is known; of a mirror's, those of the batches in it.
    for mirrored in [false, true] {
        let place = Place::new();
        let mut files: Vec<(&str, Vec<u8>)> = Vec::new();
        let names = Form::Binary.files();
        files.extend(names.iter().map(String::as_str).zip(contents(Form::Binary)));
        files[3].1[RECORD + 7] ^= 1;
        let files: Vec<(&str, &[u8])> =
            files.iter().map(|(name, bytes)| (*name, bytes.as_slice())).collect();
        let archive = pack(&files);
        let server = Server::start(vec![answer("200 OK", "", archive.len(), &archive)]);
        let mut release = release();
        release.url = server.url.clone().leak();
        release.archive.0 = archive.len() as u64;
        let mirror = mirrored.then(|| server.url.clone());
        let source = Lookup { offline: false, mirror: mirror.as_deref(), ..place.source() };
        let error = release.load(&source).expect_err("a wrong archive");
        assert_eq!(error.finding().name, "download-damaged");
        let wrong = if mirrored { "data_batch_4.bin" } else { release.archive.1 };
        assert!(error.message().contains(wrong), "{error}");
        assert_eq!(find(&place.cache()).ok(), Some(None));
    }
}

/// The published dataset, where there is a copy of it.
#[test]
fn the_real_dataset() {
    let Some(folder) = std::env::var_os("CPIPE_DATA").map(PathBuf::from) else {
        eprintln!("skipped: CPIPE_DATA names no folder with CIFAR-10");
        return;
    };
    if !matches!(find(&folder), Ok(Some(_))) {
        eprintln!("skipped: there is no CIFAR-10 in {}", folder.display());
        return;
    }
    let place = Place::new();
    let (train, test) =
        load(&Lookup { data_dir: Some(&folder), ..place.source() }).expect("CIFAR-10");
    assert_eq!((train.len(), test.len()), (50_000, 10_000));
    for (images, each) in [(&train, 5000), (&test, 1000)] {
        for class in 0..10 {
            assert_eq!(images.labels.iter().filter(|&&label| label == class).count(), each);
        }
    }
    // A frog, a truck, a truck, a deer.
    assert_eq!(train.labels[..4], [6, 9, 9, 4]);

    let mut sums = [[0_u64; 2]; 3];
    for index in 0..train.len() {
        for (plane, [sum, squares]) in train.image(index).chunks(SIDE * SIDE).zip(&mut sums) {
            for &byte in plane {
                *sum += u64::from(byte);
                *squares += u64::from(byte).pow(2);
            }
        }
    }
    let pixels = (train.len() * SIDE * SIDE) as f64;
    for (channel, [sum, squares]) in sums.into_iter().enumerate() {
        let mean = sum as f64 / pixels / 255.0;
        let std = (squares as f64 / pixels / 255.0_f64.powi(2) - mean * mean).sqrt();
        assert!((mean - f64::from(NORMALIZATION.mean[channel])).abs() < 6e-5, "{mean}");
        assert!((std - f64::from(NORMALIZATION.std[channel])).abs() < 6e-5, "{std}");
    }

    // The same images as pickles are the same dataset.
    let (mut pixels, mut labels) = (vec![0; 10_000 * IMAGE], vec![0; 10_000]);
    let mut part = Part { pixels: &mut pixels, labels: &mut labels };
    part.unpickle(&pickled_batch(&test)).expect("a batch");
    assert_eq!(part.digest().to_hex().as_str(), RELEASE.blake3[5]);
}

/// A batch of the real size, whose numbers take other instructions than those of a small one.
fn pickled_batch(images: &Images) -> Vec<u8> {
    let small = pickled(&batch(0)[..RECORD]);
    let place = |text: &[u8]| {
        let found = small.windows(text.len()).position(|part| part == text);
        found.expect("a part of the pickle")
    };
    let mut out = small[..place(b"]q\x03(") + 4].to_vec();
    out.extend(images.labels.iter().flat_map(|&label| [b'K', label as u8]));
    out.extend(&small[place(b"eU\x04data")..place(b"K\x01K\x01M") + 2]);
    out.push(b'M');
    out.extend((images.len() as u16).to_le_bytes());
    out.extend(&small[place(b"M\x00\x0c")..place(b"\x89T") + 2]);
    out.extend(((images.len() * IMAGE) as u32).to_le_bytes());
    images.all().for_each(|image| out.extend(image));
    out.extend(b"tbu.");
    out
}
