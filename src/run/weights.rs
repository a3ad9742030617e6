//! The files that encoders take their weights from.

use std::fs;
use std::path::{Path, PathBuf};

use super::Run;
use super::inputs::Locations;
use crate::data::{Content, places};
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

/// Where the file of a call lies.
fn find(call: &Call, locations: &Locations) -> Result<PathBuf, FileError> {
    let path = Path::new(call.args.text("file"));
    let searched = places(path, locations.data_dir.as_deref(), locations.environment.as_deref());
    match searched.iter().find(|place| place.is_file()) {
        Some(found) => Ok(found.clone()),
        None => Err(FileError::Missing { path: path.to_owned(), searched }),
    }
}

/// What a file holds, as far as results depend on it.
pub(super) fn content(call: &Call, locations: &Locations) -> Result<Content, FileError> {
    digest(&find(call, locations)?)
}

fn digest(path: &Path) -> Result<Content, FileError> {
    let mut hasher = blake3::Hasher::new();
    let read = fs::File::open(path).and_then(|file| hasher.update_reader(file).map(|_| ()));
    read.map_err(|cause| FileError::Unreadable { path: path.to_owned(), cause })?;
    Ok(Content::Known(hasher.finalize().to_hex().to_string()))
}

impl Run<'_> {
    /// The weights that a call takes from its file.
    ///
    /// # Errors
    ///
    /// Also where the file is no longer the one under which the stage is stored.
    pub(super) fn weights(&self, call: &Call) -> Result<Params, FileError> {
        let (file, template) = self.file(call)?;
        let params = file.of(&template, part(call), &self.device.device)?;
        let path = find(call, &self.locations)?;
        match self.contents.of(call) {
            Some(known @ Content::Known(_)) if known != digest(&path)? => {
                Err(FileError::Changed { path })
            }
            _ => Ok(params),
        }
    }

    /// Makes sure that the file of a call has the network that it is to have.
    pub(super) fn compare_weights(&self, call: &Call) -> Result<(), FileError> {
        let (file, template) = self.file(call)?;
        file.compare(&template, part(call))
    }

    /// The file of a call, and parameters of the network that it is to have.
    fn file(&self, call: &Call) -> Result<(Weights, Params), FileError> {
        let file = Weights::open(&find(call, &self.locations)?)?;
        let network = nn::build(&Term::Call(call.clone()), None);
        Ok((file, network.init(Key::root(0), &self.device.device)))
    }
}

fn part(call: &Call) -> Option<&str> {
    call.args.get("part").map(|_| call.args.text("part"))
}
