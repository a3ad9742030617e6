//! The views of a stage: what they are cut from, and what is made of them.

use super::Checker;
use super::chance::{are_the_same, has_chance};
use super::objective::Builder;
use super::pipeline::TypedStage;
use super::size::Size;
use super::stages::{encoder_of, split_of};
use super::value::{AugmentValue, ByView, Kind, SplitValue, Value};
use crate::diagnostics::{Diagnostic, findings};
use crate::resolve::declaration;
use crate::term::{Call, Term};

/// Whether a protocol compares two views of each image.
pub fn compares_pairs(protocol: &Call) -> bool {
    declaration(&protocol.name).is_some_and(|own| own.is("pairs"))
}

/// Height and width of the images that an evaluation judges, where they are known.
fn image_of(stage: &TypedStage) -> Option<[usize; 2]> {
    let split = split_of(stage.fields.get("on"))?;
    let [_, height, width] = &split.dataset.image;
    let side = |size: &Size| usize::try_from(size.as_constant()?).ok();
    Some([side(height)?, side(width)?])
}

impl Checker<'_> {
    /// What an encoder that is judged looks at of an image is one view, and the same each time.
    pub(super) fn check_judged_views(&mut self, stage: &TypedStage, protocol: Option<&Call>) {
        if let Some(protocol) = protocol.filter(|own| compares_pairs(own)) {
            return self.check_pairs(stage, &protocol.name);
        }
        let Some(Value { kind: Kind::Augment(augment), .. }) = stage.fields.get("views") else {
            return;
        };
        let encoders = 1 + usize::from(stage.fields.contains_key("beside"));
        let is_dealt = match &augment.by_view {
            None => true,
            Some(parts) => {
                let is_one = |recipe: &AugmentValue| recipe.by_view.is_none();
                encoders == 2
                    && parts.count.is_none_or(|count| count == 1)
                    && is_one(&parts.first)
                    && is_one(&parts.others)
            }
        };
        let error = if !is_dealt {
            let message = match encoders {
                1 => "an evaluation looks at one view of an image, and has one recipe",
                _ => "two encoders look at one view of an image each, and have two recipes",
            };
            self.about(findings::TYPE_MISMATCH, stage, "views", message)
        } else if augment.term.as_ref().is_some_and(|own| has_chance(own, image_of(stage))) {
            let message = "an image would be judged by what is drawn at random of it";
            let error = self.about(findings::CHANCE_IN_EVALUATION, stage, "views", message);
            error.help("take steps without chance, such as `resize(…) >> center_crop(…)`")
        } else {
            return;
        };
        self.report(error);
    }

    /// Two views of an image, which one encoder sees, are two pictures: the first two, where the
    /// recipe makes more.
    fn check_pairs(&mut self, stage: &TypedStage, name: &str) {
        let Some(views) = stage.fields.get("views") else {
            let message =
                format!("`{name}` compares two views of an image: the field `views` is missing");
            let error = Diagnostic::new(findings::MISSING_FIELD, stage.span, message);
            self.report(error.help("give it those of the training, `views: crops`"));
            return;
        };
        if let Kind::Augment(augment) = &views.kind {
            let terms = [0, 1].map(|view| augment.of_view(view).and_then(|own| own.term.as_ref()));
            if let [Some(first), Some(second)] = terms
                && are_the_same([first, second], image_of(stage))
            {
                let message =
                    format!("`{name}` compares two views of an image, and these are the same");
                let error = self.about(findings::PAIRS_WITHOUT_CHANCE, stage, "views", message);
                self.report(error.help("give it those of the training, which are drawn at random"));
            }
        }
        if stage.fields.contains_key("beside") {
            let message = format!("`{name}` compares two views by one encoder");
            let error = self.about(findings::TYPE_MISMATCH, stage, "beside", message);
            self.report(error.help("leave it out, or judge each encoder in a stage of its own"));
        }
    }

    /// An encoder of patches is shown one at least; `view` is that of its place among several.
    pub(super) fn check_judged_size(
        &mut self,
        stage: &TypedStage,
        data: &SplitValue,
        (field, view): (&str, usize),
    ) {
        let Some(encoder) = encoder_of(stage.fields.get(field)) else { return };
        let side = match stage.fields.get("views").map(|value| &value.kind) {
            Some(Kind::Augment(augment)) => augment.of_view(view).and_then(AugmentValue::side),
            _ => None,
        };
        let [_, height, width] = &data.dataset.image;
        let [height, width] =
            [height, width].map(|own| side.map_or_else(|| own.clone(), Size::constant));
        if encoder.made.grid.is_some_and(|grid| grid.is_without_patches(&height, &width)) {
            let field = if side.is_some() { "views" } else { field };
            let message =
                format!("images of {height} × {width} pixels hold no patch of the encoder");
            let error = self.about(findings::OUT_OF_RANGE, stage, field, message);
            self.report(error.help("show it larger images, or take smaller patches"));
        }
    }

    /// Views no larger than what they are cut from, of the channels that the encoder takes.
    pub(super) fn check_images(
        &mut self,
        stage: &TypedStage,
        (field, data): (&str, Option<&SplitValue>),
        channels: &[Size],
    ) {
        let views = match stage.fields.get("views").map(|value| &value.kind) {
            Some(Kind::Augment(augment)) => Some(augment),
            _ => None,
        };
        let recipes = views.map(|augment| augment.recipes()).unwrap_or_default();
        for augment in &recipes {
            self.crops_something(augment);
        }
        let Some(data) = data else { return };
        for augment in recipes {
            let [_, height, width] = &data.dataset.image;
            let mut current = height.as_constant().zip(width.as_constant());
            for transform in &augment.sizes {
                let (Some(size), Some((height, width))) = (transform.size.as_constant(), current)
                else {
                    break;
                };
                let cuts = transform.declaration.is("cuts");
                let padding = transform.padding.as_constant().unwrap_or_default();
                let room = height.min(width).saturating_add(padding.saturating_mul(2));
                if cuts && size > room {
                    let padded = match padding {
                        0 => String::new(),
                        _ => format!(" with {padding} pixels added on every side"),
                    };
                    let message = format!(
                        "a crop of {size} pixels does not fit into images of {height} × {width}{padded}"
                    );
                    let argument = transform.declaration.first_size();
                    let written = argument.and_then(|name| transform.places.get(name)).copied();
                    let place = written.unwrap_or_else(|| self.place(stage, "views"));
                    let error = Diagnostic::new(findings::CROP_TOO_LARGE, place, message);
                    let images = format!("these images are {height} × {width}");
                    let error = error.also(self.place(stage, field), images);
                    let error = error.also(transform.span, format!("the crop of {size}"));
                    self.report(error.help(format!(
                        "crop at most {room}, or enlarge first: `resize(size: {size}) >> …`"
                    )));
                    break;
                }
                current = Some((size, size));
            }
        }
        self.check_channels(stage, data, channels);
    }

    /// A crop of no area shows nothing.
    fn crops_something(&mut self, augment: &AugmentValue) {
        let parts = match &augment.term {
            Some(Term::Chain(parts)) => parts.as_slice(),
            Some(part) => std::slice::from_ref(part),
            None => return,
        };
        let crops = parts.iter().filter_map(|part| match part {
            Term::Call(call) => Some((call, declaration(&call.name)?.named("covers")?)),
            _ => None,
        });
        // What covers a share of the image sets its size, so the two lists are in step.
        let mut places =
            augment.sizes.iter().filter(|own| own.declaration.named("covers").is_some());
        for (crop, covers) in crops {
            let Some(place) = places.next() else { return };
            if let Some(Term::Range(_, high)) = crop.args.get(covers)
                && *high <= 0.0
            {
                let message = format!("a crop whose `{covers}` ends at zero has no area");
                let error = match place.places.get(covers).copied() {
                    Some(written) if !place.span.holds(written) => {
                        let error = Diagnostic::new(findings::OUT_OF_RANGE, written, message);
                        error.also(place.span, "found here: the crop")
                    }
                    written => {
                        let place = written.unwrap_or(place.span);
                        Diagnostic::new(findings::OUT_OF_RANGE, place, message)
                    }
                };
                let help = format!("`{covers}` is a share of the image, such as `0.2..=1.0`");
                self.report(error.help(help));
            }
        }
    }

    pub(super) fn check_channels(
        &mut self,
        stage: &TypedStage,
        data: &SplitValue,
        channels: &[Size],
    ) {
        let Some(found) = data.dataset.image[0].as_constant() else { return };
        let mut wanted = channels.iter().filter_map(Size::as_constant);
        if let Some(wanted) = wanted.find(|wanted| *wanted != found) {
            let message =
                format!("the encoder takes images of {wanted} channels, and these have {found}");
            self.error(findings::SHAPE_MISMATCH, stage.span, message);
        }
    }

    /// Views that are named together are of one size, and every recipe has a view.
    pub(super) fn check_sizes(&mut self, stage: &TypedStage, builder: &Builder) {
        let Some(views @ Value { kind: Kind::Augment(augment), .. }) = stage.fields.get("views")
        else {
            return;
        };
        for group in &builder.groups {
            let sides = (group.first..group.first + group.count)
                .filter_map(|view| augment.of_view(view).map(AugmentValue::side));
            let sides: Vec<Option<i64>> = sides.collect();
            if let Some(other) = sides.iter().find(|side| **side != sides[0]) {
                let pixels = |side: Option<i64>| {
                    side.map_or("the images' own size".to_owned(), |side| format!("{side} pixels"))
                };
                let message = format!(
                    "views that the objective names together are of {} and of {}",
                    pixels(sides[0]),
                    pixels(*other)
                );
                let error = self.about(findings::SHAPE_MISMATCH, stage, "views", message);
                self.report(error.help("name views of each size in a `given` of their own"));
            }
        }
        if let Some(ByView { count: Some(count), .. }) = &augment.by_view
            && *count >= builder.views
        {
            let seen = match builder.views {
                1 => "one view of each image is seen".to_owned(),
                more => format!("{more} views of each image are seen"),
            };
            let message = format!("{seen}, and the first recipe makes {count}: the other, none");
            let place = self.argument(views, "count");
            let error = Diagnostic::new(findings::OUT_OF_RANGE, place, message);
            self.report(error.help("give the other a view, or name the first recipe alone"));
        }
    }
}
