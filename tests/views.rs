//! `cpipe views`: what a training sees.

use std::fs;

use crate::support::SMALL;
use crate::user::{Ended, Process, User};

fn views(user: &User, arguments: &[&str]) -> Ended {
    let mut command = user.command(&[&["views", "p.cpipe", "--offline"], arguments].concat());
    command.env_remove("COLORTERM");
    Process::start(command).end()
}

/// The sides of a picture and its pixels, `[height, width, 4]`.
fn picture(user: &User, name: &str) -> ([usize; 2], Vec<u8>) {
    let file = fs::File::open(user.path(name)).expect("a picture");
    let decoder = png::Decoder::new(std::io::BufReader::new(file));
    let mut reader = decoder.read_info().expect("a PNG");
    let mut pixels = vec![0; reader.output_buffer_size().expect("a size")];
    let info = reader.next_frame(&mut pixels).expect("its pixels");
    ([info.height, info.width].map(|side| side as usize), pixels)
}

/// The pixels of one view: a square of 96 at some row and column.
fn cut((size, pixels): &([usize; 2], Vec<u8>), top: usize, left: usize) -> Vec<u8> {
    let line = |row| &pixels[((top + row) * size[1] + left) * 4..][..96 * 4];
    (0..96).flat_map(|row| line(row).to_vec()).collect()
}

#[test]
fn a_grid_has_a_row_for_each_example_with_its_views_in_each_epoch() {
    let user = User::with(SMALL);
    let said = views(&user, &["-o", "grid.png", "--examples", "3", "--epochs", "2"]).with(0).out;
    assert!(said.contains("its 2 views in each of the first 2 epochs"), "{said}");
    assert!(said.ends_with("grid.png: 512 x 296 pixels\n"), "{said}");
    let grid = picture(&user, "grid.png");
    assert_eq!(grid.0, [3 * 96 + 2 * 4, 5 * 96 + 2 * (12 + 4)]);
    // The image, two views of it, and two others; a row of the next example.
    let at = [0, 108, 208, 316, 416].map(|left| cut(&grid, 0, left));
    assert!((0..5).all(|view| (0..view).all(|other| at[view] != at[other])));
    assert!(at.iter().all(|view| view.chunks_exact(4).all(|pixel| pixel[3] == 255)));
    assert_ne!(cut(&grid, 100, 0), at[0]);

    // There are no more epochs than the training has.
    views(&user, &["-o", "more.png", "--examples", "3"]).with(0);
    assert_eq!(picture(&user, "more.png"), grid);

    // Fewer of them are the same ones, and a seed chooses others.
    views(&user, &["--output", "few.png", "--examples", "1", "--epochs", "1"]).with(0);
    let few = picture(&user, "few.png");
    assert_eq!([0, 108, 208].map(|left| cut(&few, 0, left)), at[..3]);
    views(&user, &["-o", "few.png", "--examples", "1", "--epochs", "1", "--seed", "1"]).with(0);
    assert_ne!(cut(&picture(&user, "few.png"), 0, 0), at[0]);
}

#[test]
fn every_training_has_its_views_and_overrides_are_heeded() {
    let user = User::with(SMALL);
    let of = |more: &[&str]| {
        let fixed = ["-o", "grid.png", "--stage", "classifier", "--examples", "1", "--epochs", "1"];
        views(&user, &[&fixed, more].concat()).with(0);
        picture(&user, "grid.png")
    };
    let grid = of(&[]);
    assert_eq!(grid.0, [96, 2 * 96 + 12]);
    assert_ne!(cut(&grid, 0, 0), cut(&grid, 0, 108));
    let unchanged = of(&["-o", "classifier.views=identity()"]);
    assert_eq!(cut(&unchanged, 0, 0), cut(&unchanged, 0, 108));
}

#[test]
fn what_cannot_be_shown_is_said_before_anything_is_read() {
    let user = User::with(SMALL);
    let wrong = |arguments: &[&str]| views(&user, arguments).with(2).err;
    assert!(wrong(&[]).contains("write the picture to a file, `-o grid.png`"));
    assert!(wrong(&["-o", "grid.jpg"]).contains("`grid.jpg` is neither `name=value` nor a PNG"));
    assert!(wrong(&["-o", "a.png", "--output", "b.png"]).contains("there is one picture"));
    let said = wrong(&["-o", "a.png", "--stage", "clasifier"]);
    assert!(said.contains("did you mean `classifier`?"), "{said}");
    let said = wrong(&["-o", "a.png", "--stage", "neighbours"]);
    assert!(said.contains("those that train are `base`, `classifier`"), "{said}");
    assert!(wrong(&["-o", "a.png", "--examples", "0"]).contains("1..=50"));
    assert!(!user.path("a.png").exists());
    assert!(wrong(&["-o", "none/a.png"]).contains("there is no folder `none`"));
    fs::create_dir(user.path("a.png")).expect("a folder");
    let said = views(&user, &["-o", "a.png"]).with(1).err;
    assert!(said.contains("cannot write a.png"), "{said}");
}

/// A terminal of 24-bit colours shows what it has room for.
#[cfg(unix)]
#[test]
fn a_terminal_is_drawn_on() {
    let user = User::with(SMALL);
    let mut command = user.command(&["views", "p.cpipe", "--offline"]);
    command.env("COLORTERM", "truecolor").env("TERM", "xterm-256color");
    let ended = Process::on_terminal(command, 80).end().with(0);
    let lines: Vec<&str> = ended.err.lines().filter(|line| line.contains('▀')).collect();
    // 25 pixels of an image at 80 columns, and two lines for a pixel of its gap.
    assert!((13..=25).contains(&lines.len()), "{lines:?}");
    let blocks = |line: &&str| line.matches(['▀', '▄', ' ']).count();
    assert!(lines.iter().all(|line| blocks(line) <= 80 + "drawing shapes.".len()), "{lines:?}");
    assert!(ended.err.contains("its 2 views in"), "{}", ended.err);
    let mut plain = user.command(&["views", "p.cpipe", "--offline"]);
    plain.env("COLORTERM", "truecolor").env("TERM", "xterm-256color").env("NO_COLOR", "1");
    Process::on_terminal(plain, 80).end().with(2);
}
