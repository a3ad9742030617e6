//! The tokens that an encoder makes of an image, and the parts of it that are applied on their own.

use super::Checker;
use super::objective::{Asked, Body, DraftNetwork};
use super::shape::{Dimension, Shape};
use super::size::{Relation, Rounding, Size, SymbolKind};
use super::value::{Kind, NetworkValue, TensorValue, Value, tensor};
use crate::diagnostics::{Diagnostic, findings};
use crate::resolve::{architecture, declaration};
use crate::source::Span;
use crate::syntax::tree::Name;
use crate::term::Term;
use crate::term::objective::Section;

/// Where an encoder looks at an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    /// Pixels from one position to the next.
    stride: i64,
    /// Of an encoder of patches: how many tokens come before theirs, and how many blocks it has.
    leads: Option<i64>,
    blocks: Option<i64>,
    /// Whether what is left over at the right and below is left out.
    tiles: bool,
}

impl Grid {
    /// Of the encoder that a term constructs.
    pub fn of(term: &Term) -> Option<Self> {
        let Term::Call(call) = term else { return None };
        let declaration = declaration(&call.name)?;
        let fact = |name| {
            let number = declaration.number(name, &call.args, None)?.ok()?;
            Some(number as i64)
        };
        let tiles = declaration.named("tiles").is_some();
        let (leads, blocks) = (fact("leads"), fact("blocks"));
        Some(Grid { stride: fact("divides")?, leads, blocks, tiles })
    }

    /// Whether images of that height and width have no patch.
    pub fn is_without_patches(self, height: &Size, width: &Size) -> bool {
        let positions = self.positions(height, width).and_then(|own| own.as_constant());
        self.tiles && positions.is_some_and(|positions| positions < 1)
    }

    /// How many positions an image has. `None` where there is no such size.
    fn positions(self, height: &Size, width: &Size) -> Option<Size> {
        let along = |side: &Size| {
            // Strides begin once more for what is left over at an end.
            let rest = if self.tiles { 0 } else { self.stride - 1 };
            let whole = side.add(&Size::constant(rest), 1)?;
            whole.divide(&Size::constant(self.stride), Rounding::Floor)
        };
        along(height)?.multiply(&along(width)?)
    }
}

/// The pixels from one position of an encoder to the next.
pub(super) fn stride(grid: Option<Grid>) -> Size {
    // A use of the define says which encoder it is.
    let any = || Size::fresh("stride", SymbolKind::Given);
    grid.map_or_else(any, |grid| Size::constant(grid.stride))
}

impl Checker<'_> {
    /// The part of that name of the encoder that a value is, or begins with.
    pub(super) fn section(&mut self, value: &Value, name: &Name, section: Section) -> Kind {
        let Some(NetworkValue { network: of, .. }) = self.as_network(value) else {
            return Kind::Poison;
        };
        let written = self.written_at(name.span);
        let Some(builder) = &self.builder else { return Kind::Poison };
        let first = builder.chain(of).first().map(|first| &builder.modules[*first]);
        let Some(encoder) = first.filter(|first| first.is_encoder) else {
            let message = "this network does not begin with an encoder";
            self.error(findings::UNKNOWN_FIELD, name.span, message);
            return Kind::Poison;
        };
        if let Some(own) = builder.section(of) {
            let message = format!("`{}` of an encoder has no `{}`", own.name(), section.name());
            let error = Diagnostic::new(findings::UNKNOWN_FIELD, name.span, message);
            self.report(error.help("the encoder itself has it"));
            return Kind::Poison;
        }
        let (id, output) = (encoder.id, encoder.output.clone());
        let (grid, place) = (encoder.grid, encoder.written.place);
        if section.is_of_patches() && grid.is_some_and(|grid| grid.leads.is_none()) {
            let message = format!("this encoder has no patches, and so no `{}`", section.name());
            let error = Diagnostic::new(findings::TYPE_MISMATCH, place, message);
            let error = match place.holds(name.span) {
                true => error,
                false => error.also(name.span, "asked for here"),
            };
            self.report(error.help("a vision transformer has them, such as `vit_tiny()`"));
            // Said once, however many of its parts are asked for.
            if let Some(builder) = &mut self.builder {
                let own = builder.modules.iter_mut().filter(|module| module.id == id);
                own.for_each(|module| module.grid = None);
            }
            return Kind::Poison;
        }
        let Some(builder) = &mut self.builder else { return Kind::Poison };
        let body = match &builder.networks[of].body {
            Body::Chain(modules) => Body::Chain(modules[..1].to_vec()),
            _ => Body::Encoder { of },
        };
        let draft = DraftNetwork { body, written, output: output.clone(), section: Some(section) };
        Kind::Network(NetworkValue { network: builder.network(draft), output })
    }

    /// The sizes, but for the last one, of what a network makes of a tensor. `None`, and said, where
    /// its first module does not take it.
    pub(super) fn feeds(
        &mut self,
        network: &NetworkValue,
        given: &TensorValue,
        span: Span,
    ) -> Option<Vec<Dimension>> {
        let builder = self.builder.as_ref()?;
        let first = builder.chain(network.network).first().copied()?;
        let section = builder.section(network.network);
        let module = &builder.modules[first];
        if module.is_encoder {
            let (grid, width) = (module.grid, module.output.clone());
            let by = match module.term.as_ref().map(architecture) {
                Some(Term::Call(call)) => call.name.clone(),
                _ => "the encoder".to_owned(),
            };
            let place = module.written.place;
            if let (Some(channels), Some([_, found, _, _])) =
                (module.channels.as_ref(), given.shape.sizes().as_deref())
                && found.relation(channels) == Relation::Different
                // What a size stands for in a define on its own, its uses tell.
                && !(self.is_alone && found.as_constant().is_none())
            {
                let shape = tensor(&given.shape);
                let message = format!("an encoder of {channels} channels is given {shape}");
                let error = Diagnostic::new(findings::SHAPE_MISMATCH, span, message);
                self.report(error.help("images are Tensor[n, channels, height, width]"));
                return None;
            }
            if let (Some(grid), Some([_, _, height, across])) =
                (grid.filter(|grid| grid.tiles), given.shape.sizes().as_deref())
                && let Some(size) = grid.positions(height, across)
                && let Some(builder) = &mut self.builder
            {
                builder.asked.push(Asked { by, size, place, found: span });
            }
            return self.sees(section, grid, &width, given, span);
        }
        let named = match &module.term {
            Some(Term::Call(call)) => declaration(&call.name),
            _ => None,
        };
        if let Some(head) = named.filter(|head| head.is("attends") && given.shape.0.len() != 3) {
            let shape = tensor(&given.shape);
            let message = format!("`{}` takes tokens, Tensor[n, t, d], not {shape}", head.name());
            self.error(findings::SHAPE_MISMATCH, span, message);
            return None;
        }
        match given.shape.0.split_last() {
            Some((Dimension::Size(features), before)) if !before.is_empty() => {
                let (features, before) = (features.clone(), before.to_vec());
                self.feed(first, &features, span).then_some(before)
            }
            _ => {
                let shape = tensor(&given.shape);
                let message =
                    format!("this network takes features, Tensor[n, d] or more, not {shape}");
                self.error(findings::SHAPE_MISMATCH, span, message);
                None
            }
        }
    }

    /// The same for an encoder that yields features of size `width`.
    fn sees(
        &mut self,
        section: Option<Section>,
        grid: Option<Grid>,
        width: &Size,
        given: &TensorValue,
        span: Span,
    ) -> Option<Vec<Dimension>> {
        let sizes = given.shape.sizes().unwrap_or_default();
        // A use of the define says which.
        let any = || Some(Size::fresh("positions", SymbolKind::Given));
        let lead = |grid: Grid| Size::constant(grid.leads.unwrap_or(0));
        let blocks =
            || grid.and_then(|grid| grid.blocks).map_or_else(any, |own| Some(Size::constant(own)));
        let whole = section.unwrap_or(Section::Features);
        let left: Option<Vec<Size>> = match (whole, sizes.as_slice()) {
            (Section::Features, [rows, _, _, _]) => Some(vec![(*rows).clone()]),
            (_, [rows, _, height, across]) => {
                let positions = || grid.map_or_else(any, |grid| grid.positions(height, across));
                match whole {
                    Section::Places => Some(vec![positions()?]),
                    Section::Tokens | Section::Blocks => {
                        let lead = grid.map_or(Size::default(), lead);
                        let tokens = positions()?.add(&lead, 1)?;
                        let blocks = if whole == Section::Blocks { Some(blocks()?) } else { None };
                        Some([(*rows).clone()].into_iter().chain(blocks).chain([tokens]).collect())
                    }
                    _ => Some(vec![(*rows).clone(), positions()?]),
                }
            }
            (whole, [rows, tokens, features])
                if section.is_some_and(|own| !own.takes_images_alone()) =>
            {
                let (rows, tokens, features) =
                    ((*rows).clone(), (*tokens).clone(), (*features).clone());
                if features.relation(width) == Relation::Different {
                    let message =
                        format!("tokens of this encoder are {width} wide, not {features}");
                    self.error(findings::SHAPE_MISMATCH, span, message);
                    return None;
                }
                match (whole, grid) {
                    (Section::Features, _) => Some(vec![rows]),
                    (Section::Tokens, Some(Grid { leads: None, .. })) => {
                        let message = "convolutions take images, and make no tokens of tokens";
                        self.error(findings::SHAPE_MISMATCH, span, message);
                        return None;
                    }
                    (Section::Blocks, None) => Some(vec![rows, any()?, any()?]),
                    (Section::Blocks, Some(grid)) => {
                        Some(vec![rows, blocks()?, tokens.add(&lead(grid), 1)?])
                    }
                    (_, None) => Some(vec![rows, any()?]),
                    (section, Some(grid)) => {
                        let sign = if section == Section::Tokens { 1 } else { -1 };
                        let left = tokens.add(&lead(grid), sign)?;
                        if left.as_constant().is_some_and(|left| left < 1) {
                            let message = format!(
                                "`{}` of {tokens} tokens leaves none: {} come before those of patches",
                                section.name(),
                                lead(grid)
                            );
                            self.error(findings::OUT_OF_RANGE, span, message);
                            return None;
                        }
                        if let Some(builder) = &mut self.builder {
                            let (by, size) = (section.name().to_owned(), left.clone());
                            builder.asked.push(Asked { by, size, place: span, found: span });
                        }
                        Some(vec![rows, left])
                    }
                }
            }
            _ => None,
        };
        if left.is_none() {
            let shape = tensor(&given.shape);
            let view = "a view, Tensor[batch, c, h, w]";
            let takes = match section {
                None => format!("an encoder takes {view}"),
                Some(own) if own.takes_images_alone() => format!("`{}` takes {view}", own.name()),
                Some(own) => format!("`{}` takes {view}, or tokens, Tensor[n, t, d]", own.name()),
            };
            self.error(findings::SHAPE_MISMATCH, span, format!("{takes}, not {shape}"));
        }
        Some(Shape::of(left?).0)
    }
}
