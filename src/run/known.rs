//! The features of a network: read once, whatever the number of protocols that judge it.

use std::sync::Arc;

use super::fields::Fields;
use super::work::NUMBER;
use crate::check::{StageKind, examples_at_most as examples};
use crate::device::Precision;
use crate::evaluate::Features;
use crate::graph::Stage;
use crate::term::{Split, Term};

/// The features that are at hand: those of the networks and splits that were judged last.
pub(super) struct Known<F> {
    /// Those that were asked for last at the end.
    held: Vec<(Network, Split, F)>,
}

/// What a protocol is fitted on, and what it is judged on: so many are held, however large.
const PAIR: usize = 2;

/// With more bytes of features at hand, none are held beside the other split of the network that is
/// judged: for evaluations that look at several networks in turn.
const ROOM: u128 = 1 << 30;

/// What takes memory.
pub(super) trait Weighed: Clone {
    fn bytes(&self) -> u128;
}

impl Weighed for Arc<Features> {
    fn bytes(&self) -> u128 {
        NUMBER * self.values.len() as u128
    }
}

/// Of features that nobody has read.
impl Weighed for u128 {
    fn bytes(&self) -> u128 {
        *self
    }
}

/// A network that is judged: the term of a model, the epoch of one that a training kept, what stands
/// beside it, what it is shown of the images, and in which numbers it computes.
#[derive(Clone, PartialEq)]
pub(super) struct Network {
    model: Term,
    epoch: Option<u64>,
    beside: Option<Term>,
    views: Option<Term>,
    /// Whether two views of each image are compared, whose features stand beside each other.
    pairs: bool,
    precision: Precision,
}

impl Network {
    /// The one that an evaluation judges, or of several that of an epoch.
    pub fn of(stage: &Stage, epoch: Option<u64>) -> Self {
        let fields = Fields(stage);
        let (model, views) = (fields.get("model").clone(), fields.views().cloned());
        let beside = stage.fields.get("beside").cloned();
        let (pairs, precision) = (fields.compares_pairs(), fields.precision());
        Network { model, epoch, beside, views, pairs, precision }
    }
}

impl<F> Default for Known<F> {
    fn default() -> Self {
        Known { held: Vec::new() }
    }
}

impl<F: Weighed> Known<F> {
    /// The features of a split: those at hand, or what `read` yields, for which others make room.
    pub fn of<E>(
        &mut self,
        network: &Network,
        split: &Split,
        read: impl FnOnce() -> Result<F, E>,
    ) -> Result<F, E> {
        let is_asked = |(own, of, _): &(Network, Split, F)| own == network && is_same(of, split);
        let features = match self.held.iter().position(is_asked) {
            Some(at) => self.held.remove(at).2,
            None => {
                let is_own = |own: &(Network, Split, F)| own.0 == *network;
                let is_pair = |held: &[_]| held.len() < PAIR && held.iter().all(is_own);
                while self.bytes() > ROOM && !is_pair(&self.held) {
                    self.held.remove(0);
                }
                read()?
            }
        };
        self.held.push((network.clone(), split.clone(), features.clone()));
        Ok(features)
    }

    fn bytes(&self) -> u128 {
        self.held.iter().map(|(.., features)| features.bytes()).sum()
    }

    pub fn forget(&mut self) {
        *self = Known::default();
    }
}

impl Known<u128> {
    /// The splits of which a stage reads the features, after the stages that this was asked about
    /// before, and the bytes of others that are held meanwhile. It judges so many networks, and
    /// makes of an example so many bytes.
    pub fn read_by<'s>(
        &mut self,
        stage: &'s Stage,
        (networks, of_example): (u128, u128),
    ) -> (Vec<&'s Split>, u128) {
        let mut read = Vec::new();
        if stage.kind != StageKind::Evaluate {
            self.forget();
            return (read, 0);
        }
        let fields = Fields(stage);
        let judged = Network::of(stage, None);
        // Each of several takes the place of the one before.
        if networks > 1 {
            self.forget();
        }
        let (mut own, mut beside) = (0, 0);
        for split in ["on", "fit"].into_iter().filter(|name| stage.fields.contains_key(*name)) {
            let split = fields.split(split);
            let Ok(bytes) = self.of(&judged, split, || {
                read.push(split);
                let bytes = examples(split).unwrap_or(0) as u128 * of_example;
                Ok::<_, std::convert::Infallible>(bytes)
            });
            own += bytes;
            beside = self.bytes().saturating_sub(own).max(beside);
        }
        if networks > 1 {
            self.forget();
        }
        (read, beside)
    }
}

/// Whether two splits have the same images: who may read their labels does not matter.
fn is_same(a: &Split, b: &Split) -> bool {
    (&a.dataset, a.part, a.share()) == (&b.dataset, b.part, b.share())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::term::{Args, Call, Part};

    fn split(part: Part, percent: f64, labeled: bool) -> Split {
        let dataset = Call { name: "shapes".into(), args: Args::default() };
        Split { dataset, part, labeled, percent, each: None }
    }

    #[test]
    fn a_network_s_features_are_read_once_a_split() {
        let (train, test) = (split(Part::Train, 100.0, true), split(Part::Test, 100.0, true));
        let sample = split(Part::Train, 10.0, true);
        let [model, other] = ["a", "b"].map(|name| Term::Symbol(name.into()));
        // Which read it was stands in the last digits of how many bytes it gave.
        let reads = |size: u128| {
            let (mut known, mut reads) = (Known::default(), 0);
            move |model: &Term, epoch, split: &Split| {
                let precision = Precision::F32;
                let model = model.clone();
                let network =
                    Network { model, epoch, beside: None, views: None, pairs: false, precision };
                let found = known.of(&network, split, || {
                    reads += 1;
                    Ok::<_, ()>(size * 100 + reads)
                });
                found.map(|bytes: u128| bytes % 100)
            }
        };
        // Of large ones two are held, those that were asked for last.
        let mut of = reads(ROOM);
        assert_eq!(of(&model, None, &train), Ok(1));
        assert_eq!(of(&model, None, &test), Ok(2));
        assert_eq!(of(&model, None, &split(Part::Train, 100.0, false)), Ok(1));
        assert_eq!(of(&model, None, &sample), Ok(3));
        assert_eq!(of(&model, None, &train), Ok(1));
        assert_eq!(of(&model, None, &test), Ok(4));
        assert_eq!(of(&model, None, &train), Ok(1));
        assert_eq!(of(&other, None, &test), Ok(5));
        assert_eq!(of(&model, None, &test), Ok(6));
        assert_eq!(of(&model, Some(1), &test), Ok(7));
        assert_eq!(of(&model, Some(1), &test), Ok(7));
        // Of small ones all, of whatever network.
        let mut of = reads(1);
        assert_eq!(of(&model, None, &train), Ok(1));
        assert_eq!(of(&model, None, &test), Ok(2));
        assert_eq!(of(&other, None, &train), Ok(3));
        assert_eq!(of(&other, None, &test), Ok(4));
        assert_eq!(of(&model, None, &sample), Ok(5));
        assert_eq!(of(&model, None, &train), Ok(1));
        assert_eq!(of(&other, None, &test), Ok(4));
        assert_eq!(of(&model, Some(1), &test), Ok(6));
    }

    #[test]
    fn what_could_not_be_read_is_not_known() {
        let (model, test) = (Term::Symbol("a".into()), split(Part::Test, 100.0, true));
        let precision = Precision::F32;
        let network =
            Network { model, epoch: None, beside: None, views: None, pairs: false, precision };
        let mut known = Known::default();
        assert_eq!(known.of(&network, &test, || Err("stopped")), Err("stopped"));
        assert_eq!(known.of(&network, &test, || Ok::<u128, ()>(1)), Ok(1));
        // Shown something else, or in other numbers, it makes something else.
        let other = Network { views: Some(Term::Symbol("b".into())), ..network.clone() };
        assert_eq!(known.of(&other, &test, || Ok::<_, ()>(2)), Ok(2));
        let rounded = Network { precision: Precision::Bf16, ..network.clone() };
        assert_eq!(known.of(&rounded, &test, || Ok::<_, ()>(3)), Ok(3));
        let beside = Network { beside: Some(Term::Symbol("b".into())), ..network };
        assert_eq!(known.of(&beside, &test, || Ok::<_, ()>(4)), Ok(4));
    }
}
