//! What a recipe of views leaves to chance.

use super::declared::declared_size;
use crate::resolve::declaration;
use crate::term::{Args, Call, Term};

/// Whether some step of a recipe draws at random, and may change something by it. Of images whose
/// height and width are not known, a crop may.
pub fn has_chance(views: &Term, image: Option<[usize; 2]>) -> bool {
    let mut image = image;
    match views {
        Term::Chain(parts) => parts.iter().any(|part| {
            let draws = has_chance(part, image);
            if let Term::Call(call) = part
                && let Some(side) = declared_size(call, "Augment")
            {
                image = Some([side; 2]);
            }
            draws
        }),
        Term::Call(call) => draws(call, image),
        _ => false,
    }
}

/// Whether two views of an image, each by its recipe, are the same picture.
pub(super) fn are_the_same([first, second]: [&Term; 2], image: Option<[usize; 2]>) -> bool {
    first == second && !has_chance(first, image)
}

fn draws(call: &Call, image: Option<[usize; 2]>) -> bool {
    let Some(declaration) = declaration(&call.name) else { return false };
    if declaration.named("deals").is_some() {
        return call.args.0.values().any(|recipe| has_chance(recipe, image));
    }
    let may = match declaration.number("chance", &call.args, None) {
        Some(Ok(number)) => number > 0.0,
        _ => declaration.is("chance"),
    };
    if declaration.named("covers").is_some() {
        return may && !is_whole(&call.args);
    }
    // A crop as large as what it is cut from has one place.
    let padding = declaration.named("pads").and_then(|pads| call.args.get(pads));
    let is_there_once = declaration.is("cuts")
        && padding == Some(&Term::Int(0))
        && declared_size(call, "Augment").is_some_and(|side| image == Some([side; 2]));
    may && !is_there_once
}

/// Whether all that is drawn from is one: the share of the image, and its ratio.
fn is_whole(args: &Args) -> bool {
    let mut ranges = args.0.values().filter(|own| matches!(own, Term::Range(..)));
    ranges.all(|own| *own == Term::Range(1.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(name: &str, args: &[(&str, Term)]) -> Term {
        let args = args.iter().map(|(name, term)| ((*name).to_owned(), term.clone()));
        Term::Call(Call { name: name.to_owned(), args: Args(args.collect()) })
    }

    fn jitter(hue: f64, probability: f64) -> Term {
        let none = |name| (name, Term::Float(0.0));
        let hue = ("hue", Term::Float(hue));
        let probability = ("probability", Term::Percent(probability));
        let [a, b, c] = ["brightness", "contrast", "saturation"].map(none);
        call("color_jitter", &[a, b, c, hue, probability])
    }

    fn flip(probability: f64) -> Term {
        call("random_horizontal_flip", &[("probability", Term::Percent(probability))])
    }

    fn crop(padding: i64) -> Term {
        call("random_crop", &[("size", Term::Int(32)), ("padding", Term::Int(padding))])
    }

    fn resized(scale: f64, ratio: f64) -> Term {
        let one = |name, value| (name, Term::Range(value, 1.0));
        let size = ("size", Term::Int(32));
        call("random_resized_crop", &[size, one("scale", scale), one("ratio", ratio)])
    }

    #[test]
    fn what_can_change_nothing_is_no_chance() {
        let image = Some([32, 32]);
        for (recipe, expected) in [
            (jitter(0.1, 80.0), true),
            (jitter(0.0, 80.0), false),
            (jitter(0.1, 0.0), false),
            (flip(50.0), true),
            (flip(0.0), false),
            (flip(100.0), false),
            (crop(4), true),
            (crop(0), false),
            (resized(0.2, 0.75), true),
            (resized(1.0, 0.75), true),
            (resized(1.0, 1.0), false),
            (call("identity", &[]), false),
        ] {
            assert_eq!(has_chance(&recipe, image), expected, "{recipe}");
            let chain = Term::Chain(vec![call("identity", &[]), recipe.clone()]);
            assert_eq!(has_chance(&chain, image), expected, "{recipe}");
        }
        // Of larger images, of those that are not known, and of those made larger before.
        let larger = call("resize", &[("size", Term::Int(40))]);
        assert!(has_chance(&crop(0), Some([32, 48])) && has_chance(&crop(0), None));
        assert!(has_chance(&Term::Chain(vec![larger, crop(0)]), image));
    }
}
