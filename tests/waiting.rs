//! Two processes at one stage.

use libc::{SIGCONT, SIGINT, SIGKILL, SIGSTOP};

use crate::support::SMALL;
use crate::user::User;

const EPOCHS: [&str; 2] = ["-o", "epochs=12 epochs"];

#[test]
fn the_second_waits_for_the_first_and_takes_its_result() {
    let user = User::with(SMALL);
    let mut first = user.start(&EPOCHS);
    first.until("base epoch 2/");
    // Stopped, it holds its stage for as long as the others need.
    first.signal(SIGSTOP);
    let record = user.record();
    let record = record.0.display();
    let holder = format!("process {}, recorded in {record}", first.id());

    let refused = user.run(&[&EPOCHS[..], &["--no-wait"]].concat()).with(1);
    let refused = refused.says("stage-locked").says("another run is computing this stage");
    // A long path is broken where the diagnostic is.
    let unbroken: String = refused.err.chars().filter(|c| !" \n│".contains(*c)).collect();
    assert!(unbroken.contains(&holder.replace(' ', "")), "{}", refused.err);

    let waits = format!("base: waits for {holder}, which computes it");
    let mut stopped = user.start(&EPOCHS);
    stopped.until(&waits);
    stopped.stop(SIGINT).with(130).says("interrupted in base");

    let mut second = user.start(&EPOCHS);
    second.until(&waits);
    first.signal(SIGCONT);
    first.end().with(0);
    second.end().with(0).says("base: pretrain, taken from the store");
    let (finished, partial) = user.stored("store");
    assert_eq!((finished, partial.len()), (4, 0));

    let records = user.records();
    assert_eq!(records.len(), 4);
    assert!(records[0].bits() == records[3].bits());
    assert!(!records[1].path("results.json").exists() && !records[2].path("results.json").exists());
}

#[test]
fn the_second_takes_up_what_a_killed_first_leaves() {
    let user = User::with(SMALL);
    let mut first = user.start(&EPOCHS);
    first.until("base epoch 2/");
    first.signal(SIGSTOP);
    let mut second = user.start(&EPOCHS);
    second.until("base: waits for process");
    first.signal(SIGKILL);
    assert_eq!(first.end().code, None);
    let ended = second.end().with(0);
    let ended = ended.says("base: pretrain for 12 epochs, 48 steps (it was interrupted)");
    ended.says("base: goes on after step");
    let (finished, partial) = user.stored("store");
    assert_eq!((finished, partial.len()), (4, 0));
}
