//! `cpipe plan`

use std::io;
use std::process::ExitCode;

use super::run::{self, Options};
use super::{BAD_INPUT, output};
use crate::Request;
use crate::interrupt::Interrupt;
use crate::report::{plan, terminal};
use crate::resolve::Disk;
use crate::run::{Contents, Run};
use crate::store::Store;
use crate::store::events::Events;

#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    options: Options,
    /// One object on standard output, for scripts.
    #[arg(long)]
    json: bool,
    /// Every difference from what is stored, where each value comes from, and all numbers.
    #[arg(short, long)]
    verbose: bool,
    /// Begin each stage that is to run for a few seconds, to tell how long all of it would take.
    #[arg(long)]
    measure: bool,
}

pub fn run(arguments: &Arguments) -> ExitCode {
    let options = &arguments.options;
    let Some((compiled, sources, device)) = options.setup.open() else {
        return ExitCode::from(BAD_INPUT);
    };
    let interrupt = match arguments.measure {
        true => run::listen(),
        false => Ok(Interrupt::default()),
    };
    let interrupt = match interrupt {
        Ok(interrupt) => interrupt,
        Err(error) => return run::failed(&error.into(), &compiled, &sources),
    };
    let run = Run {
        graph: &compiled.graph,
        values: &compiled.resolved,
        seed: options.setup.seed,
        device,
        store: Store::at(options.store()),
        locations: options.setup.data.locations(),
        contents: Contents::default(),
        events: Events::default(),
        interrupt: interrupt.clone(),
        wait: false,
    };
    let otherwise = |values: &[(&str, &str)]| {
        let mut overrides = options.setup.selected.overrides.clone();
        overrides.extend(values.iter().map(|(name, value)| format!("{name}={value}")));
        let request = Request { overrides: &overrides, ..options.setup.selected.request() };
        crate::compile(&request, &Disk).compiled.map(|compiled| compiled.graph)
    };
    let planned = run.plan(&options.output, &otherwise).and_then(|mut planned| {
        if arguments.measure {
            // The scratch folder goes before the process does.
            let _hold = interrupt.hold();
            run.measure(&mut planned, &|stage| output::error(&format!("measuring {stage}\n")))?;
        }
        Ok(planned)
    });
    let planned = match planned {
        Ok(planned) => planned,
        Err(failure) if failure.is_interrupt() => return ExitCode::from(interrupt.exit_status()),
        Err(failure) => return run::failed(&failure, &compiled, &sources),
    };
    if arguments.json {
        return output::write(&(plan::json(&planned, &run, &sources) + "\n"));
    }
    let (style, width) = match terminal::is_capable(&io::stdout()) {
        true => (plan::Style::Unicode, output::width()),
        false => (plan::Style::Ascii, NARROW),
    };
    output::write(&plan::render(&planned, &sources, style, width, arguments.verbose))
}

/// The columns of what goes to a file or a pipe.
const NARROW: usize = 80;
