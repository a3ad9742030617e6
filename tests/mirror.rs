//! Real CIFAR-10 from a mirror, skipped where the published files are not at hand.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::server::{Manner, Server};
use crate::user::{Process, User};

/// One step on fifty photographs.
const PHOTOS: &str = "\
use std.augment.moco_v2_crops
use std.datasets.cifar10
use std.encoders.convnet
use std.objectives.simclr

pipeline photos() {
  dataset   data     = cifar10()
  encoder   backbone = convnet(width: 4)
  objective contrast = simclr(backbone, temperature: 0.5)

  pretrain base {
    data:      data.train.sample(0.1%).unlabeled
    views:     moco_v2_crops(size: 32)
    objective: contrast
    optimizer: sgd(lr: 0.05)
    length:    1 steps
    batch:     16
  }
}
";

const FOLDER: &str = "cifar-10-batches-bin";
const ARCHIVE: &str = "cifar-10-binary.tar.gz";

/// The folder of published batches, if there is one.
fn published() -> Option<PathBuf> {
    let data = PathBuf::from(std::env::var_os("CPIPE_DATA")?);
    let places = [data.join("cifar10").join(FOLDER), data.join(FOLDER)];
    places.into_iter().find(|place| place.join("test_batch.bin").is_file())
}

/// The archive as a mirror may have packed it, with a byte of the second batch altered or not.
fn archive(published: &std::path::Path, altered: bool) -> Vec<u8> {
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::none()));
    let batches = (1..=5).map(|number| format!("data_batch_{number}.bin"));
    for name in batches.chain(["test_batch.bin".to_owned()]) {
        let mut bytes = fs::read(published.join(&name)).expect("a published batch");
        if altered && name.contains('2') {
            bytes[1_000_000] ^= 1;
        }
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        let packed = archive.append_data(&mut header, format!("{FOLDER}/{name}"), &bytes[..]);
        packed.expect("memory takes it");
    }
    archive.into_inner().and_then(GzEncoder::finish).expect("memory takes it")
}

/// A run that may download, from the mirror.
fn run(user: &User, server: &Server) -> Command {
    let mut command = user.command(&["run", "p.cpipe", "--store", "store"]);
    command.env("CPIPE_MIRROR", server.address());
    command
}

/// What is kept of the dataset, but for the lock.
fn kept(user: &User) -> Vec<String> {
    let Ok(entries) = fs::read_dir(user.path("home/data")) else { return Vec::new() };
    let names = entries.map(|entry| entry.expect("an entry").file_name().into_string());
    let mut names: Vec<String> = names.map(|name| name.expect("a UTF-8 name")).collect();
    names.retain(|name| !name.ends_with(".lock"));
    names
}

#[test]
fn a_mirror_is_resumed_verified_and_kept() {
    let Some(published) = published() else {
        return eprintln!("skipped: CPIPE_DATA names no folder that holds `{FOLDER}`");
    };
    let user = User::with(PHOTOS);

    let server = Server::start(archive(&published, true), Manner::Whole);
    let ended = Process::start(run(&user, &server)).end().with(1).says("download-damaged");
    ended.says("data_batch_2.bin").says("the wrong file was removed");
    assert!(kept(&user).is_empty(), "{:?}", kept(&user));
    user.has_not_begun();

    // Cut twice, and then stopped in the middle.
    server.serves(archive(&published, false));
    let part = 1 << 24;
    server.becomes(Manner::Stall(part));
    #[cfg(unix)]
    {
        let process = Process::start(run(&user, &server));
        let arrived = || {
            let part = kept(&user).into_iter().find(|name| name.ends_with(".part"))?;
            Some(fs::metadata(user.path(&format!("home/data/{part}"))).ok()?.len())
        };
        crate::user::until(|| arrived() == Some(part as u64));
        process.stop(libc::SIGINT).with(130);
        user.has_not_begun();
        let [part] = &kept(&user)[..] else { panic!("{:?}", kept(&user)) };
        assert!(part.starts_with(ARCHIVE), "{part}");
    }
    server.becomes(Manner::Cut(1 << 26));
    Process::start(run(&user, &server)).end().with(0).says("base: finished");
    if cfg!(unix) {
        let steps = [0, 0, part, part + (1 << 26), part + (2 << 26)];
        assert_eq!(server.asked(), steps, "each attempt asks for the rest alone");
    }
    assert_eq!(kept(&user), [FOLDER, "seen"]);
    assert_eq!(user.stored("store").0, 1);

    // From then on nothing is asked of it.
    let asked = server.asked().len();
    let again = ["run", "p.cpipe", "--store", "other"];
    let mut command = user.command(&again);
    command.env("CPIPE_MIRROR", server.address());
    Process::start(command).end().with(0);
    assert_eq!(server.asked().len(), asked);
}

#[test]
fn a_mirror_without_the_archive_is_named() {
    let user = User::with(PHOTOS);
    let server = Server::start(Vec::new(), Manner::Absent);
    let ended = Process::start(run(&user, &server)).end().with(1).says("download-failed");
    let unbroken: String = ended.err.chars().filter(|c| !" \n│".contains(*c)).collect();
    let url = format!("{}/cifar-10-binary.tar.gz", server.address());
    assert!(unbroken.contains(&url) && unbroken.contains("404"), "{}", ended.err);
    assert!(kept(&user).is_empty(), "{:?}", kept(&user));
    user.has_not_begun();
}
