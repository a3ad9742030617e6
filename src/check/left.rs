//! What is left of views, a batch or examples, once a stage says how large they are.

use super::Checker;
use super::groups::whole;
use super::length::examples;
use super::objective::{Asked, Builder, DraftNode};
use super::pipeline::TypedStage;
use super::size::{Known, Size, Symbol};
use super::stages::split_of;
use super::value::{AugmentValue, Kind, Value};
use crate::diagnostics::{Diagnostic, findings};
use crate::source::Span;
use crate::term::objective::Op;

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
        let size = self.size;
        match self.of {
            Of::View => format!("views of {size} pixels are too small"),
            Of::Batch => format!("a batch of {size} is too small"),
            Of::Examples => format!("{size} examples are too few"),
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
        if let Some(error) = builder.nodes.iter().find_map(|node| no_number(node, &number)) {
            self.report(error);
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

/// What a tensor has for a size, or counts, where that is no number once the stage is known.
fn no_number(node: &DraftNode, known: &impl Fn(&Symbol) -> Option<Size>) -> Option<Diagnostic> {
    let sizes = node.shape.sizes().into_iter().flatten().chain(&node.counts);
    let size = sizes.into_iter().find(|size| size.substitute(known).is_none())?;
    let (message, help) = match size.leaves_a_rest(known) {
        true => (
            format!("`{size}` is no whole number in this stage"),
            "for a fraction write a number of it with a point, `1.0`",
        ),
        false => (format!("`{size}` is too large in this stage"), "sizes are below 2^63"),
    };
    Some(Diagnostic::new(findings::OUT_OF_RANGE, node.written.place, message).help(help))
}
