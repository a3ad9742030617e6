//! The features of a network: read once, whatever the number of protocols that judge it.

use crate::check::StageKind;
use crate::device::Precision;
use crate::graph::Stage;
use crate::term::{Split, Term};

use super::fields::Fields;

/// The features that are at hand: those of the network that was judged last, of as many splits as a
/// protocol reads.
pub(super) struct Known<F> {
    network: Option<Network>,
    /// Those that were asked for last at the end.
    splits: Vec<(Split, F)>,
}

/// What a protocol is fitted on, and what it is judged on.
const MOST: usize = 2;

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
        Known { network: None, splits: Vec::new() }
    }
}

impl<F: Clone> Known<F> {
    /// The features of a split: those at hand, or what `read` yields. Those of another network are
    /// forgotten first.
    pub fn of<E>(
        &mut self,
        network: &Network,
        split: &Split,
        read: impl FnOnce() -> Result<F, E>,
    ) -> Result<F, E> {
        if self.network.as_ref() != Some(network) {
            self.forget();
            self.network = Some(network.clone());
        }
        if let Some(at) = self.splits.iter().position(|(own, _)| is_same(own, split)) {
            let known = self.splits.remove(at);
            self.splits.push(known.clone());
            return Ok(known.1);
        }
        if self.splits.len() >= MOST {
            self.splits.remove(0);
        }
        let features = read()?;
        self.splits.push((split.clone(), features.clone()));
        Ok(features)
    }

    pub fn forget(&mut self) {
        *self = Known::default();
    }
}

impl Known<()> {
    /// The splits of which a stage reads the features, after the stages that this was asked about
    /// before. It judges so many networks.
    pub fn read_by<'s>(&mut self, stage: &'s Stage, networks: u128) -> Vec<&'s Split> {
        let mut read = Vec::new();
        if stage.kind != StageKind::Evaluate {
            self.forget();
            return read;
        }
        let fields = Fields(stage);
        let judged = Network::of(stage, None);
        for split in ["on", "fit"].into_iter().filter(|name| stage.fields.contains_key(*name)) {
            let split = fields.split(split);
            let Ok(()) = self.of(&judged, split, || {
                read.push(split);
                Ok::<(), std::convert::Infallible>(())
            });
        }
        // The last of several is no other stage's first.
        if networks > 1 {
            self.forget();
        }
        read
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
        let [model, other] = ["a", "b"].map(|name| Term::Symbol(name.into()));
        let mut known = Known::default();
        let mut reads = 0;
        let mut of = |model: &Term, epoch, split: &Split| {
            let precision = Precision::F32;
            let model = model.clone();
            let network =
                Network { model, epoch, beside: None, views: None, pairs: false, precision };
            known.of(&network, split, || {
                reads += 1;
                Ok::<_, ()>(reads)
            })
        };
        assert_eq!(of(&model, None, &train), Ok(1));
        assert_eq!(of(&model, None, &test), Ok(2));
        assert_eq!(of(&model, None, &split(Part::Train, 100.0, false)), Ok(1));
        // Of two splits at most, those that were asked for last.
        assert_eq!(of(&model, None, &split(Part::Train, 10.0, true)), Ok(3));
        assert_eq!(of(&model, None, &train), Ok(1));
        assert_eq!(of(&model, None, &test), Ok(4));
        assert_eq!(of(&model, None, &train), Ok(1));
        // Another network, or another epoch of one, takes the place.
        assert_eq!(of(&other, None, &test), Ok(5));
        assert_eq!(of(&model, None, &test), Ok(6));
        assert_eq!(of(&model, Some(1), &test), Ok(7));
        assert_eq!(of(&model, Some(1), &test), Ok(7));
    }

    #[test]
    fn what_could_not_be_read_is_not_known() {
        let (model, test) = (Term::Symbol("a".into()), split(Part::Test, 100.0, true));
        let precision = Precision::F32;
        let network =
            Network { model, epoch: None, beside: None, views: None, pairs: false, precision };
        let mut known = Known::default();
        assert_eq!(known.of(&network, &test, || Err("stopped")), Err("stopped"));
        assert_eq!(known.of(&network, &test, || Ok::<_, ()>(1)), Ok(1));
        // Shown something else, or in other numbers, it makes something else.
        let other = Network { views: Some(Term::Symbol("b".into())), ..network.clone() };
        assert_eq!(known.of(&other, &test, || Ok::<_, ()>(2)), Ok(2));
        let rounded = Network { precision: Precision::Bf16, ..network.clone() };
        assert_eq!(known.of(&rounded, &test, || Ok::<_, ()>(3)), Ok(3));
        let beside = Network { beside: Some(Term::Symbol("b".into())), ..network };
        assert_eq!(known.of(&beside, &test, || Ok::<_, ()>(4)), Ok(4));
    }
}
