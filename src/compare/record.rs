//! The record that a run has left in its folder, read again.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Deserializer};

use crate::diagnostics::{Diagnostic, findings, visible};

/// One run.
#[derive(Clone, Debug)]
pub struct Record {
    /// Its folder, as it was named.
    pub place: String,
    pub made: Made,
    pub numbers: Vec<Number>,
    /// The steps of each stage that trained, by its name.
    pub curves: BTreeMap<String, Vec<Step>>,
    /// Where images lie by their features, as each stage that judged some has drawn it.
    pub maps: BTreeMap<String, String>,
    /// How long each stage took that was computed in it from its beginning to its end, in seconds.
    pub seconds: BTreeMap<String, f64>,
    pub has_finished: bool,
}

/// What was run, and by what.
#[derive(Clone, Debug, Deserialize)]
pub struct Made {
    pub pipeline: String,
    /// The hash of its graph: of all that its numbers follow from but the seed.
    pub graph: String,
    pub seed: u64,
    pub device: String,
    pub cpipe: String,
    pub values: Vec<Value>,
    /// The digests of the folders and files that it has read, by the text that names them.
    #[serde(default)]
    pub contents: BTreeMap<String, String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Value {
    pub name: String,
    pub value: String,
}

/// What an evaluation has found.
#[derive(Clone, Debug, Deserialize)]
pub struct Number {
    pub stage: String,
    /// Also after which epoch, where there are several.
    pub what: String,
    pub value: f64,
    /// `share`, from 0 to 1, or `number`.
    pub unit: String,
    /// `higher` or `lower`.
    pub better: String,
    pub protocol: String,
    #[serde(default)]
    pub counts: Option<Counts>,
    /// What keeps it from being taken as it is.
    #[serde(default)]
    pub warning: Option<Warning>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Warning {
    pub message: String,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Counts {
    pub classes: Vec<Class>,
    /// What was given in the place of what, most often first.
    #[serde(default)]
    pub confused: Vec<Confused>,
}

/// How many of a class were given another.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Confused {
    pub class: usize,
    pub given: usize,
    pub count: u64,
}

#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Class {
    pub correct: u64,
    pub total: u64,
}

/// What a training noted at a step.
#[derive(Clone, Debug, Deserialize)]
pub struct Step {
    pub step: u64,
    /// None where it was no number.
    #[serde(deserialize_with = "noted")]
    pub loss: Option<f64>,
    #[serde(default, deserialize_with = "all_noted")]
    pub metrics: BTreeMap<String, Option<f64>>,
}

/// What a training has noted: `nan`, `inf` and `-inf` stand for what is no number of JSON's.
#[derive(Deserialize)]
#[serde(untagged)]
enum Noted {
    Number(f64),
    Other(IgnoredAny),
}

impl Noted {
    fn number(self) -> Option<f64> {
        match self {
            Noted::Number(number) => Some(number),
            Noted::Other(_) => None,
        }
    }
}

fn noted<'de, D: Deserializer<'de>>(from: D) -> Result<Option<f64>, D::Error> {
    Noted::deserialize(from).map(Noted::number)
}

fn all_noted<'de, D: Deserializer<'de>>(
    from: D,
) -> Result<BTreeMap<String, Option<f64>>, D::Error> {
    let all = BTreeMap::<String, Noted>::deserialize(from)?;
    Ok(all.into_iter().map(|(name, own)| (name, own.number())).collect())
}

/// As far as a comparison reads it.
#[derive(Deserialize)]
struct Event {
    event: String,
    #[serde(default)]
    stage: Option<String>,
    #[serde(default)]
    seconds: Option<f64>,
}

impl Record {
    /// The record in a folder.
    ///
    /// # Errors
    ///
    /// Where there is none, or a file of it holds something else. A run that was stopped has one.
    pub fn read(place: &str) -> Result<Self, Box<Diagnostic>> {
        let folder = Path::new(place);
        let made: Made = json(place, "values.json")?;
        let numbers = match folder.join("results.json").exists() {
            true => json(place, "results.json")?,
            false => Vec::new(),
        };
        let events: Vec<Event> = lines(place, "events.jsonl")?;
        let resumed = events.iter().filter(|event| event.event == "stage-resumed");
        let resumed: BTreeSet<&String> = resumed.filter_map(|event| event.stage.as_ref()).collect();
        let mut seconds = BTreeMap::new();
        let mut curves = BTreeMap::new();
        for event in &events {
            let Some(stage) = &event.stage else { continue };
            if let ("stage-finished", Some(own)) = (event.event.as_str(), event.seconds)
                && !resumed.contains(stage)
            {
                seconds.insert(stage.clone(), own);
            }
            let file = format!("{stage}.metrics.jsonl");
            if !curves.contains_key(stage) && folder.join(&file).is_file() {
                curves.insert(stage.clone(), lines(place, &file)?);
            }
        }
        let mut maps = BTreeMap::new();
        for Number { stage, .. } in &numbers {
            let file = format!("{stage}.map.svg");
            if !maps.contains_key(stage)
                && let Ok(drawn) = std::fs::read_to_string(folder.join(&file))
            {
                // What was broken off would break the page.
                if drawn.starts_with("<svg ")
                    && drawn.trim_end().ends_with("</svg>")
                    && is_drawn(&drawn)
                {
                    maps.insert(stage.clone(), drawn);
                }
            }
        }
        let has_finished = events.iter().any(|event| event.event == "run-finished");
        let place = place.to_owned();
        Ok(Record { place, made, numbers, curves, maps, seconds, has_finished })
    }
}

/// The style of maps: of where images lie by their features.
pub const MAP_STYLE: &str = ".map image,.map .of{visibility:hidden;pointer-events:none}\
    .map g:hover image,.map g:hover .of{visibility:visible}\
    .map:hover g circle{opacity:.3}.map g:hover circle{opacity:1}\
    .map text{font:18px system-ui,sans-serif;fill:#808080}";

/// Elements and attributes that maps are drawn of.
const ELEMENTS: [&str; 7] = ["svg", "style", "text", "g", "title", "circle", "image"];
const ATTRIBUTES: [&str; 15] = [
    "xmlns=",
    "class=",
    "viewBox=",
    "role=",
    "aria-label=",
    "x=",
    "y=",
    "cx=",
    "cy=",
    "r=",
    "fill=",
    "text-anchor=",
    "href=",
    "width=",
    "height=",
];

/// Whether a map is drawn of nothing else, in the style of maps: a record may be somebody else's.
pub fn is_drawn(map: &str) -> bool {
    let is_closing = |own: &&str| own.starts_with('/');
    let (closing, open): (Vec<&str>, Vec<&str>) = map.split('<').skip(1).partition(is_closing);
    let ends = map.matches("</svg>").count() == 1 && map.matches("<svg").count() == 1;
    ends && closing.len() == open.len() && closing.into_iter().chain(open).all(is_element)
}

/// Of the text behind a `<`, up to the next.
fn is_element(own: &str) -> bool {
    let Some((tag, text)) = own.split_once('>') else { return false };
    // Between quotes are values, and around them names.
    let (names, values): (Vec<_>, Vec<_>) =
        tag.split('"').enumerate().partition(|(at, _)| at % 2 == 0);
    let mut names = names.iter().flat_map(|(_, own)| own.split_whitespace());
    let name = names.next().unwrap_or_default();
    let name = name.strip_prefix('/').unwrap_or(name);
    let names: Vec<&str> = names.collect();
    let is_own = |(name, (_, value)): (&&str, &(usize, &str))| match *name {
        "href=" => value.starts_with("data:image/jpeg;base64,"),
        "fill=" => value.starts_with("hsl("),
        _ => true,
    };
    ELEMENTS.contains(&name)
        && names.len() == values.len()
        && names.iter().all(|own| ATTRIBUTES.contains(own))
        && names.iter().zip(&values).all(is_own)
        && (!tag.starts_with("style") || text == MAP_STYLE)
}

fn text(place: &str, file: &str) -> Result<String, Box<Diagnostic>> {
    let path = Path::new(place).join(file);
    std::fs::read_to_string(&path).map_err(|reason| {
        let message = format!("`{place}` holds no record of a run: {file}: {reason}");
        no_run(&message)
    })
}

fn json<T: DeserializeOwned>(place: &str, file: &str) -> Result<T, Box<Diagnostic>> {
    serde_json::from_str(&text(place, file)?).map_err(|reason| other(place, file, &reason))
}

/// A value a line. The last line of a run that was killed may be broken off.
fn lines<T: DeserializeOwned>(place: &str, file: &str) -> Result<Vec<T>, Box<Diagnostic>> {
    let text = text(place, file)?;
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    let values = whole.lines().map(serde_json::from_str).collect::<Result<_, _>>();
    values.map_err(|reason| other(place, file, &reason))
}

fn other(place: &str, file: &str, reason: &serde_json::Error) -> Box<Diagnostic> {
    no_run(&format!("{file} in `{place}` is no part of a run's record: {reason}"))
}

fn no_run(message: &str) -> Box<Diagnostic> {
    let error = Diagnostic::general(findings::NO_RUN, visible(message));
    Box::new(error.help("give folders that `cpipe run` has made: it names each where it ends"))
}
