//! Chains of transforms and the views that they make.

use std::sync::Arc;

use super::TRANSFORMS;
use super::canvas::{Canvas, Normalization, Pixels};
use super::change::Change;
use super::crop::Resize;
use crate::random::{Key, Rng};
use crate::term::Term;

/// What deals recipes to views, as `std.augment` declares it: no transform of its own.
pub const PER_VIEW: &str = "per_view";

/// A random function of an image.
pub trait Transform: Send + Sync {
    /// What becomes of an image of that height and width. All chance comes from `rng`.
    fn draw(&self, size: [usize; 2], rng: &mut Rng) -> Change;

    /// The height and width made of an image of that height and width.
    fn output_size(&self, size: [usize; 2]) -> [usize; 2] {
        size
    }

    /// Changes the image.
    fn apply(&self, image: &mut Canvas, rng: &mut Rng) {
        image.make(self.draw(image.size(), rng));
    }
}

/// The image as it is.
pub(super) struct Identity;

impl Transform for Identity {
    fn draw(&self, _: [usize; 2], _: &mut Rng) -> Change {
        Change::Nothing
    }
}

/// Transforms, one after the other.
pub struct Augmentation {
    transforms: Vec<Step>,
}

/// A transform and what it is called.
#[derive(Clone)]
struct Step {
    name: String,
    transform: Arc<dyn Transform>,
}

impl Augmentation {
    /// That which leaves every image as it is.
    pub fn none() -> Self {
        Augmentation { transforms: Vec::new() }
    }

    /// The same, and then no larger than so many pixels: of images of that height and width.
    pub fn within(&self, most: usize, [height, width]: [usize; 2]) -> Self {
        let mut transforms = self.transforms.clone();
        let [height, width] = self.output_size(height, width);
        if height.max(width) > most {
            let transform = Arc::new(Resize { size: most });
            transforms.push(Step { name: "resize".to_owned(), transform });
        }
        Augmentation { transforms }
    }

    /// The augmentation that a term of type `Augment` stands for. Chains within chains are the
    /// same as one chain.
    ///
    /// # Panics
    ///
    /// Where the term is not an augmentation, which the checker excludes.
    pub fn from_term(term: &Term) -> Self {
        let mut transforms = Vec::new();
        collect(term, &mut transforms);
        Augmentation { transforms }
    }

    /// The recipe of each of so many views, which share those that are the same.
    ///
    /// # Panics
    ///
    /// As [`Augmentation::from_term`].
    pub fn of_views(term: &Term, views: usize) -> Vec<Arc<Self>> {
        let call = match term {
            Term::Call(call) if call.name == PER_VIEW => call,
            term => {
                let shared = Arc::new(Self::from_term(term));
                return std::iter::repeat_n(shared, views).collect();
            }
        };
        let recipe = |name: &str, views: usize| match call.args.get(name) {
            Some(recipe) => Self::of_views(recipe, views),
            None => panic!("`{PER_VIEW}` has no `{name}`, but was checked to have one"),
        };
        let first = call.args.size("count").min(views);
        [recipe("first", first), recipe("others", views - first)].concat()
    }

    /// The height and width of every view of images of that height and width.
    pub fn output_size(&self, height: usize, width: usize) -> [usize; 2] {
        self.transforms.iter().fold([height, width], |size, own| own.transform.output_size(size))
    }

    pub(super) fn transforms(&self) -> impl Iterator<Item = &dyn Transform> {
        self.transforms.iter().map(|own| own.transform.as_ref())
    }

    /// Makes one view of an image, normalised, into `out`, `[3, height, width]` of
    /// [`Augmentation::output_size`].
    ///
    /// The view depends on the image and `key` alone. Each transform draws from a key of its own,
    /// by its position in the chain: another in its place leaves the draws of the rest alone.
    pub fn render(
        &self,
        image: Pixels<'_>,
        key: Key,
        normalization: &Normalization,
        canvas: &mut Canvas,
        out: &mut [f32],
    ) {
        self.render_told(image, key, normalization, canvas, out, |_| {});
    }

    /// The same, which tells of each of [`Augmentation::parts`] that is done, by its position.
    pub fn render_told(
        &self,
        image: Pixels<'_>,
        key: Key,
        normalization: &Normalization,
        canvas: &mut Canvas,
        out: &mut [f32],
        mut done: impl FnMut(usize),
    ) {
        canvas.load(image);
        done(0);
        for (position, own) in self.transforms.iter().enumerate() {
            own.transform.apply(canvas, &mut key.fold(position as u64).stream());
            done(position + 1);
        }
        canvas.write(normalization, out);
        done(self.transforms.len() + 1);
    }

    /// What is done to make a view, in this order: its transforms, and what is before and after
    /// them.
    pub fn parts(&self) -> Vec<&str> {
        let names = self.transforms.iter().map(|own| own.name.as_str());
        ["(load)"].into_iter().chain(names).chain(["(normalise)"]).collect()
    }
}

fn collect(term: &Term, transforms: &mut Vec<Step>) {
    match term {
        Term::Chain(terms) => terms.iter().for_each(|term| collect(term, transforms)),
        Term::Call(call) => transforms.push(Step {
            name: call.name.clone(),
            transform: call.implementation("an augmentation", TRANSFORMS)(&call.args).into(),
        }),
        other => panic!("{other:?} is not an augmentation, but was checked as one"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{declared_size, has_chance};
    use crate::term::{Args, Call};

    const UNCHANGED: Normalization = Normalization { mean: [0.0; 3], std: [1.0; 3] };

    fn call(name: &str, args: &[(&str, Term)]) -> Term {
        let args = args.iter().map(|(name, value)| (name.to_string(), value.clone())).collect();
        Term::Call(Call { name: name.into(), args: Args(args) })
    }

    /// A call of every transform.
    fn calls() -> Vec<Term> {
        let percent = |value| ("probability", Term::Percent(value));
        vec![
            call(
                "random_resized_crop",
                &[
                    ("size", Term::Int(6)),
                    ("scale", Term::Range(0.08, 1.0)),
                    ("ratio", Term::Range(0.75, 4.0 / 3.0)),
                ],
            ),
            call("random_crop", &[("size", Term::Int(7)), ("padding", Term::Int(2))]),
            call("center_crop", &[("size", Term::Int(5))]),
            call("resize", &[("size", Term::Int(9))]),
            call("random_horizontal_flip", &[percent(50.0)]),
            call(
                "color_jitter",
                &[
                    ("brightness", Term::Float(0.4)),
                    ("contrast", Term::Float(0.4)),
                    ("saturation", Term::Float(0.4)),
                    ("hue", Term::Float(0.1)),
                    percent(80.0),
                ],
            ),
            call("random_grayscale", &[percent(20.0)]),
            call("gaussian_blur", &[("sigma", Term::Range(0.1, 2.0)), percent(50.0)]),
            call("solarize", &[("threshold", Term::Float(0.5)), percent(20.0)]),
            call("hide_patches", &[("patch", Term::Int(4)), ("share", Term::Percent(50.0))]),
            call("rotate", &[("quarters", Term::Int(1))]),
            call("random_rotate", &[]),
            call("shuffle_pieces", &[("grid", Term::Int(3))]),
            call("lab_lightness", &[]),
            call("lab_colors", &[]),
            call("identity", &[]),
        ]
    }

    fn bytes(height: usize, width: usize) -> Vec<u8> {
        (0..3 * height * width).map(|i| (37 * i * i + 91 * i + 13) as u8).collect()
    }

    fn view(term: &Term, key: Key) -> Vec<f32> {
        let augmentation = Augmentation::from_term(term);
        let [height, width] = augmentation.output_size(8, 10);
        let mut out = vec![f32::NAN; 3 * height * width];
        let source = Pixels { bytes: &bytes(8, 10), height: 8, width: 10 };
        augmentation.render(source, key, &UNCHANGED, &mut Canvas::new(), &mut out);
        out
    }

    #[test]
    fn every_transform_is_built_and_keeps_what_it_says_of_sizes_and_values() {
        let calls = calls();
        assert_eq!(calls.len(), TRANSFORMS.len());
        for (term, (name, _)) in calls.iter().zip(TRANSFORMS) {
            let Term::Call(call) = term else { unreachable!() };
            assert_eq!(call.name, *name);
            // A signature says `Augment[size]` where it makes a square of that side.
            let expected = declared_size(call, "Augment").map_or([8, 10], |size| [size; 2]);
            assert_eq!(Augmentation::from_term(term).output_size(8, 10), expected);
            let views = (0..20).map(|seed| view(term, Key::root(seed))).collect::<Vec<_>>();
            let values = || views.iter().flatten();
            assert!(values().all(|value| (0.0..=1.0).contains(value)), "{name}");
            // What is declared to draw at random does, and nothing else.
            let draws = has_chance(term, Some([8, 10]));
            assert_eq!(views.iter().any(|view| *view != views[0]), draws, "{name}");
        }
    }

    #[test]
    fn nested_chains_are_one_chain() {
        let calls = calls();
        let flat = Term::Chain(calls.clone());
        let [head, tail] = [calls[..3].to_vec(), calls[3..].to_vec()].map(Term::Chain);
        let nested = Term::Chain(vec![head, Term::Chain(vec![tail])]);
        assert_eq!(view(&flat, Key::root(1)), view(&nested, Key::root(1)));
        assert_ne!(view(&flat, Key::root(1)), view(&flat, Key::root(2)));
    }

    /// However much the first of a chain draws, the second's crop lands at the same place.
    #[test]
    fn a_transform_s_draws_do_not_depend_on_those_before_it() {
        let crop = call("random_crop", &[("size", Term::Int(4)), ("padding", Term::Int(0))]);
        let never = |name: &str| {
            let mut args = vec![("probability", Term::Percent(0.0))];
            if name == "gaussian_blur" {
                args.push(("sigma", Term::Range(1.0, 2.0)));
            }
            call(name, &args)
        };
        for seed in 0..20 {
            let after =
                |first: Term| view(&Term::Chain(vec![first, crop.clone()]), Key::root(seed));
            let expected = after(call("identity", &[]));
            assert_eq!(after(never("gaussian_blur")), expected);
            assert_eq!(after(never("random_horizontal_flip")), expected);
        }
    }

    /// What a canvas was used for before leaves no trace.
    #[test]
    fn a_used_canvas_is_as_good_as_a_new_one() {
        let mut canvas = Canvas::new();
        let large = bytes(20, 30);
        for (seed, term) in calls().iter().enumerate() {
            let key = Key::root(seed as u64);
            let augmentation = Augmentation::from_term(term);
            let [height, width] = augmentation.output_size(20, 30);
            let source = Pixels { bytes: &large, height: 20, width: 30 };
            let mut out = vec![0.0; 3 * height * width];
            augmentation.render(source, key, &UNCHANGED, &mut canvas, &mut out);

            let [height, width] = augmentation.output_size(8, 10);
            let source = Pixels { bytes: &bytes(8, 10), height: 8, width: 10 };
            let mut out = vec![0.0; 3 * height * width];
            augmentation.render(source, key, &UNCHANGED, &mut canvas, &mut out);
            assert_eq!(out, view(term, key));
        }
    }

    #[test]
    #[should_panic(expected = "`resnet18` is not an augmentation")]
    fn anything_else_is_the_checker_s_fault() {
        Augmentation::from_term(&call("resnet18", &[]));
    }
}
