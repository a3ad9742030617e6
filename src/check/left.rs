//! What is left of views, a batch or examples, once a stage says how large they are.

use std::collections::BTreeMap;

use super::Checker;
use super::groups::whole;
use super::length::examples;
use super::objective::{Asked, Builder, DraftNode};
use super::pipeline::TypedStage;
use super::size::{Known, Size, SizeFault, Symbol};
use super::stages::split_of;
use super::value::{AugmentValue, Kind, Value};
use crate::diagnostics::{Diagnostic, findings};
use crate::source::Span;
use crate::term::objective::Op;

/// How far another batch is looked for.
const FARTHEST: usize = 1024;

/// What a stage says of a size.
struct Told {
    symbol: Symbol,
    size: i64,
    /// The field that says so.
    place: Span,
    of: Of,
}

#[derive(Clone, Copy)]
enum Of {
    View,
    Batch,
    Examples,
}

impl Told {
    /// The beginning of a sentence that says for what.
    fn what(&self) -> String {
        let is_little = match self.of {
            Of::View => "are too small",
            Of::Batch => "is too small",
            Of::Examples => "are too few",
        };
        format!("{} {is_little}", self.said())
    }

    /// What the field says that tells it.
    fn said(&self) -> String {
        let size = self.size;
        match self.of {
            Of::View => format!("views of {size} pixels"),
            Of::Batch => format!("a batch of {size}"),
            Of::Examples => format!("{size} examples"),
        }
    }

    fn help(&self) -> &'static str {
        match self.of {
            Of::View => "give it larger views, or ask for less of them",
            Of::Batch => "take a larger batch, or ask for less of it",
            Of::Examples => "train on more examples, or ask for less of them",
        }
    }
}

impl Checker<'_> {
    /// Reports what an objective makes of its views, its batch or the examples of its stage where
    /// nothing is left of them, or no number is what it makes.
    pub(super) fn leaves_something(&mut self, stage: &TypedStage, builder: &Builder) {
        let told = self.told(stage, builder);
        let data = split_of(stage.fields.get("data"));
        let channels = data.map(|data| data.dataset.image[0].clone());
        let number = |symbol: &Symbol| match told.iter().find(|own| own.symbol == *symbol) {
            Some(known) => Some(Size::constant(known.size)),
            None => channels.clone().filter(|_| *symbol == Known::Channels.symbol()),
        };
        if self.leaves_rest(builder, &told, &number) {
            return;
        }
        if let Some((node, size, message, help)) = no_number(builder, &number) {
            let error = Diagnostic::new(findings::OUT_OF_RANGE, node.written.place, message);
            let symbols = size.symbols();
            let by = told.iter().filter(|own| symbols.contains(&&own.symbol));
            // Height and width are told by one field.
            let places: BTreeMap<Span, String> = by.map(|own| (own.place, own.said())).collect();
            let error =
                places.into_iter().fold(error, |error, (place, said)| error.also(place, said));
            self.report(error.help(help));
            return;
        }
        let is_none = |size: &Size| {
            let size = size.may_be_none().then(|| size.substitute(&number)).flatten();
            size.and_then(|size| size.as_constant()).is_some_and(|left| left < 1)
        };
        let of = |size: &Size| {
            let symbols = size.symbols();
            told.iter().find(|own| symbols.contains(&&own.symbol))
        };
        let empty =
            |node: &DraftNode| node.shape.sizes()?.into_iter().find(|size| is_none(size)).cloned();
        let made = builder.nodes.iter().find_map(|node| Some((node, empty(node)?)));
        if let Some((node, size)) = made
            && let (Op::Primitive(name), Some(Told { of: Of::View, size, .. })) =
                (&node.op, of(&size))
        {
            let message = format!("`{name}` leaves nothing of views of {size} pixels");
            let error = Diagnostic::new(findings::OUT_OF_RANGE, node.written.place, message);
            self.report(error.help("cut them into fewer pieces, or give it larger views"));
            return;
        }
        let asked = builder.asked.iter().find(|asked| is_none(&asked.size));
        let Some((Asked { by, place, found, .. }, told)) =
            asked.and_then(|asked| Some((asked, of(&asked.size)?)))
        else {
            return;
        };
        let message = format!("{} for `{by}`", told.what());
        let error = Diagnostic::new(findings::OUT_OF_RANGE, *place, message);
        let error = match told.of {
            Of::View => error,
            Of::Batch | Of::Examples => error.also(told.place, format!("{} here", told.size)),
        };
        self.report(error.also(*found, "found here").help(told.help()));
    }

    /// Reports a part of the batch or of the examples that is no whole number of them.
    fn leaves_rest(
        &mut self,
        builder: &Builder,
        told: &[Told],
        number: &impl Fn(&Symbol) -> Option<Size>,
    ) -> bool {
        let is_rest = |asked: &&Asked| {
            asked.size.is_share() && asked.size.fault(number) == Some(SizeFault::Rest)
        };
        let Some(Asked { by, size, place, found }) = builder.asked.iter().find(is_rest) else {
            return false;
        };
        let symbols = size.symbols();
        let Some(told) = told.iter().find(|own| symbols.contains(&&own.symbol)) else {
            return false;
        };
        let said = told.said();
        let message = format!("`{by}` makes `{size}` of {said}, which is no whole number");
        let error = Diagnostic::new(findings::OUT_OF_RANGE, *place, message);
        let error = error.also(told.place, format!("{said} here"));
        let error = if place.holds(*found) || found.holds(*place) {
            error
        } else {
            error.also(*found, "found here")
        };
        let does = |other: &i64| {
            let other = |symbol: &Symbol| match *symbol == told.symbol {
                true => Some(Size::constant(*other)),
                false => number(symbol),
            };
            size.substitute(&other).and_then(|own| own.as_constant()).is_some_and(|own| own > 0)
        };
        let below = (1..told.size).rev().take(FARTHEST).find(does);
        let above = (told.size..i64::MAX).take(FARTHEST).find(does);
        let help = match (told.of, below, above) {
            (Of::Batch, Some(below), Some(above)) => {
                format!("a batch of {below} or {above} does")
            }
            (Of::Batch, None, Some(above)) => {
                format!("a batch of {above} or a multiple of it, or fewer parts")
            }
            _ => "take parts that divide it".to_owned(),
        };
        self.report(error.help(help));
        true
    }

    /// The sizes that a stage tells.
    fn told(&self, stage: &TypedStage, builder: &Builder) -> Vec<Told> {
        let data = split_of(stage.fields.get("data"));
        let mut told = Vec::new();
        if let Some(Value { kind: Kind::Augment(augment), .. }) = stage.fields.get("views") {
            for group in &builder.groups {
                let side = augment.of_view(group.first).and_then(AugmentValue::side);
                for (axis, symbol) in group.sides.iter().enumerate() {
                    let own = || data.as_ref()?.dataset.image[1 + axis].as_constant();
                    let Some(size) = side.or_else(own) else { continue };
                    let place = self.place(stage, "views");
                    told.push(Told { symbol: symbol.clone(), size, place, of: Of::View });
                }
            }
        }
        if let Some((batch, size)) = whole(stage, "batch")
            && let Ok(size) = i64::try_from(size)
        {
            let (symbol, place) = (Known::Batch.symbol(), self.written(batch));
            told.push(Told { symbol, size, place, of: Of::Batch });
        }
        let examples = data.as_ref().and_then(examples).and_then(|size| i64::try_from(size).ok());
        if let Some(size) = examples {
            let (symbol, place) = (Known::Examples.symbol(), self.place(stage, "data"));
            told.push(Told { symbol, size, place, of: Of::Examples });
        }
        told
    }
}

/// The size of a tensor, or a count, that is no number once the stage is known, or by which nothing
/// can be divided; what is wrong with it, and what to do.
fn no_number<'b>(
    builder: &'b Builder,
    known: &impl Fn(&Symbol) -> Option<Size>,
) -> Option<(&'b DraftNode, Size, String, &'static str)> {
    const FRACTION: &str = "for a fraction write a number of it with a point, `1.0`";
    // What the graph counts is of batches and examples as they are.
    let is_view =
        |symbol: &Symbol| *symbol != Known::Batch.symbol() && *symbol != Known::Examples.symbol();
    let of_views = |symbol: &Symbol| known(symbol).filter(|_| is_view(symbol));
    builder.nodes.iter().find_map(|node| {
        let sizes = node.shape.sizes().into_iter().flatten().chain(&node.counts);
        let faulty = sizes.into_iter().find_map(|size| Some((size, size.fault(known)?)));
        let (size, message, help) = match faulty {
            Some((size, SizeFault::Large)) => {
                (size, format!("`{size}` is too large in this stage"), "sizes are below 2^63")
            }
            Some((size, SizeFault::Rest)) => {
                (size, format!("`{size}` is no whole number in this stage"), FRACTION)
            }
            Some((size, SizeFault::Zero)) => {
                let message = format!("`{size}` divides by zero in this stage");
                (size, message, "take another size, or a number")
            }
            None => {
                // Of views that are wrong in another way nothing is known.
                let is_told = |size: &&Size| {
                    let mut symbols = size.symbols().into_iter().filter(|own| is_view(own));
                    symbols.all(|own| known(own).is_some())
                };
                let counted = node.counts.as_ref().filter(is_told);
                let open = counted.filter(|size| {
                    size.substitute(&of_views).is_none_or(|size| size.extent().is_none())
                });
                if let Some(size) = open {
                    let message = format!("how many `{size}` is, is not known here");
                    return Some((node, size.clone(), message, FRACTION));
                }
                let &[_, by] = node.inputs.as_slice() else { return None };
                let by = &builder.nodes[by].counts.as_ref().filter(|_| node.op == Op::Divide)?;
                let is_zero = by.substitute(known)?.as_constant() == Some(0);
                let message = format!("this divides by `{by}`, which is zero in this stage");
                return is_zero
                    .then(|| (node, (*by).clone(), message, "take another size, or a number"));
            }
        };
        Some((node, size.clone(), message, help))
    })
}
