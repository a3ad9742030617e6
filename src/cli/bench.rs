//! `cpipe bench`

use std::io;
use std::process::ExitCode;
use std::time::Duration;

use super::run::{self, Setup};
use super::training::training;
use super::{BAD_INPUT, output};
use crate::report::bench;
use crate::report::terminal::{self, Terminal};
use crate::run::{Contents, Run, home};
use crate::store::Store;
use crate::store::events::Events;

#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    setup: Setup,
    /// The training that is looked at [default: the first].
    #[arg(long, value_name = "NAME")]
    stage: Option<String>,
    /// For how long steps are looked at, once they are as those that follow.
    #[arg(long, value_name = "SECONDS", default_value_t = 10.0, value_parser = seconds)]
    seconds: f64,
    /// One object on standard output, for scripts.
    #[arg(long)]
    json: bool,
}

fn seconds(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number| (0.1..=3600.0).contains(number));
    number.ok_or_else(|| "from 0.1 to 3600 seconds".to_owned())
}

pub fn run(arguments: &Arguments) -> ExitCode {
    let setup = &arguments.setup;
    let Some((compiled, sources, device)) = setup.open() else {
        return ExitCode::from(BAD_INPUT);
    };
    let stage = match training(&compiled, arguments.stage.as_deref()) {
        Ok(stage) => stage,
        Err(error) => {
            run::report(*error, &sources);
            return ExitCode::from(BAD_INPUT);
        }
    };
    let interrupt = match run::listen() {
        Ok(interrupt) => interrupt,
        Err(error) => return run::failed(&error.into(), &compiled, &sources),
    };
    let at_work = Run {
        graph: &compiled.graph,
        values: &compiled.resolved,
        seed: setup.seed,
        device,
        store: Store::at(home().join("store")),
        locations: setup.data.locations(),
        contents: Contents::default(),
        events: Events::new(vec![Box::new(Terminal::new(false))]),
        interrupt: interrupt.clone(),
        wait: false,
    };
    let name = &stage.name;
    output::error(&format!("looking at {name} for some {} s\n", arguments.seconds.ceil()));
    match at_work.bench(stage, Duration::from_secs_f64(arguments.seconds)) {
        Ok(found) if arguments.json => output::write(&(bench::json(&found) + "\n")),
        Ok(found) => {
            let (style, width) = match terminal::is_capable(&io::stdout()) {
                true => (bench::Style::Unicode, output::width()),
                false => (bench::Style::Ascii, output::PLAIN_WIDTH),
            };
            output::write(&bench::render(&found, style, width))
        }
        Err(failure) if failure.is_interrupt() => ExitCode::from(interrupt.exit_status()),
        Err(failure) => run::failed(&failure, &compiled, &sources),
    }
}
