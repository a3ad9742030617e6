//! The files that encoders take their weights from.

use std::path::{Path, PathBuf};
use std::{fs, io};

use super::Run;
use super::inputs::Locations;
use crate::data::Content;
use crate::graph::Stage;
use crate::nn::weights::{FileError, Weights};
use crate::nn::{self, Params};
use crate::random::Key;
use crate::resolve::loaded;
use crate::term::{Call, Term};

/// The calls of a stage that take weights from a file.
pub(super) fn files(stage: &Stage) -> impl Iterator<Item = &Call> {
    let terms = stage.fields.values().flat_map(|term| match term {
        Term::Objective(objective) => {
            objective.modules.iter().map(|module| &module.term).collect::<Vec<_>>()
        }
        term => vec![term],
    });
    terms.filter_map(loaded)
}

/// A relative path is looked for in `--data-dir`, and nowhere else if that is given; otherwise in
/// `CPIPE_DATA` and where the command runs.
pub(super) fn find(call: &Call, locations: &Locations) -> Result<PathBuf, FileError> {
    let path = Path::new(call.args.text("file"));
    let searched: Vec<PathBuf> = match (path.is_absolute(), &locations.data_dir) {
        (true, _) => vec![path.to_owned()],
        (false, Some(place)) => vec![place.join(path)],
        (false, None) => {
            let environment = locations.environment.iter().map(|place| place.join(path));
            environment.chain([path.to_owned()]).collect()
        }
    };
    match searched.iter().find(|place| place.is_file()) {
        Some(found) => Ok(found.clone()),
        None => Err(FileError::Missing { path: path.to_owned(), searched }),
    }
}

/// What a file holds, as far as results depend on it.
pub(super) fn content(call: &Call, locations: &Locations) -> Result<Content, FileError> {
    let path = find(call, locations)?;
    let digest = || -> io::Result<String> {
        let mut hasher = blake3::Hasher::new();
        hasher.update_reader(fs::File::open(&path)?)?;
        Ok(hasher.finalize().to_hex().to_string())
    };
    digest()
        .map(Content::Known)
        .map_err(|cause| FileError::Unreadable { path: path.clone(), cause })
}

impl Run<'_> {
    /// The weights that a call takes from its file.
    pub(super) fn weights(&self, term: &Term, call: &Call) -> Result<Params, FileError> {
        let path = find(call, &self.locations)?;
        let device = &self.device.device;
        let template = nn::build(term, None).init(Key::root(0), device);
        let part = call.args.get("part").map(|_| call.args.text("part"));
        Weights::open(&path)?.of(&template, part, device)
    }
}
