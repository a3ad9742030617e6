//! Images that are too small for the network, or no multiple of its patches.

use super::Objective;
use crate::check::declared_size;
use crate::diagnostics::{Diagnostic, Diagnostics, findings};
use crate::resolve::{Declaration, architecture, declaration};
use crate::source::Span;
use crate::syntax::tree::TypeKind;
use crate::term::objective::Op;
use crate::term::{Args, Term};

/// The share of a side that pieces may leave out: a few of many pixels are no loss.
const MOST_LEFT_OUT: f64 = 0.05;

/// A side of the last map below which an average over it is one of next to nothing.
const LEAST_SIDE: f64 = 3.0;

pub(super) fn check(objective: &Objective<'_>, found: &mut Diagnostics) {
    let Objective { graph, flow, subject, .. } = objective;
    pieces(objective, found);
    let view = graph.nodes.iter().find(|node| matches!(node.op, Op::View(_) | Op::Views { .. }));
    let Some([_, _, height, width]) = view.map(|view| view.shape.as_slice()) else { return };
    let (Some(height), Some(width)) = (height.constant(), width.constant()) else { return };
    let side = height.min(width);
    for (index, module) in graph.modules.iter().enumerate() {
        let Term::Call(call) = architecture(&module.term) else { continue };
        let Some(declaration) = declaration(&call.name).filter(|_| flow.applied[index]) else {
            continue;
        };
        if let Some(Term::Int(patch)) =
            declaration.named("tiles").and_then(|name| call.args.get(name))
            && side % (*patch as usize) != 0
        {
            let rest = side % (*patch as usize);
            let message = format!(
                "`{}` cuts views of {side} pixels into patches of {patch}, and never sees the last \
                 {rest} at the right and below",
                call.name
            );
            let (below, above) = (side - rest, side - rest + *patch as usize);
            let warning = Diagnostic::new(
                findings::PATCHES_LEAVE_A_REST,
                subject.places.modules[index].place,
                message,
            );
            found.push(warning.help(match below {
                0 => format!("give it views of {above} pixels, or smaller patches"),
                _ => format!("give it views of {below} or {above} pixels"),
            }));
        }
        let Some(Ok(divides)) = declaration.number("divides", &call.args, None) else { continue };
        let last = side as f64 / divides;
        if last >= LEAST_SIDE {
            continue;
        }
        let written = &subject.places.modules[index];
        let better = finer(declaration, &call.args, side as f64);
        let place = better.map_or(written.place, |(parameter, _)| written.argument(parameter));
        let message = format!(
            "`{}` divides images of {side} pixels by {divides}, to maps of {} × {}",
            call.name,
            last.ceil(),
            last.ceil()
        );
        let warning = Diagnostic::new(findings::FEATURES_TOO_COARSE, place, message);
        found.push(match better {
            Some((parameter, choice)) => warning
                .help(format!("write `{parameter}: {choice}`, which keeps more of the image")),
            None => warning.help("give it larger views"),
        });
    }
}

/// Pieces of images that an operation, or a step of a recipe, cuts, and what it leaves out.
fn pieces(Objective { graph, flow, subject, .. }: &Objective<'_>, found: &mut Diagnostics) {
    for (index, node) in graph.nodes.iter().enumerate().filter(|(at, _)| flow.reaches_loss[*at]) {
        let (Op::Primitive(name), Some(&images)) = (&node.op, node.inputs.first()) else {
            continue;
        };
        let [_, _, height, width] = &graph.nodes[images].shape[..] else { continue };
        if let (Some(height), Some(width)) = (height.constant(), width.constant())
            && let Some(tiles) = tiles(name, &node.args)
        {
            let written = &subject.places.nodes[index];
            left_out(name, height.min(width), tiles, written.place)
                .into_iter()
                .for_each(|own| found.push(own));
        }
    }
    if let Some(views) = subject.stage.fields.get("views") {
        shuffled(views, &mut subject.image(), &mut |name, side, tiles| {
            let place = subject.places.field("views");
            left_out(name, side, tiles, place).into_iter().for_each(|own| found.push(own));
        });
    }
}

/// Tells of every step of a recipe that cuts pieces what it is called, the shorter side of what it
/// cuts, and by what number. `image` becomes the size of what the recipe makes.
fn shuffled(
    recipe: &Term,
    image: &mut Option<[usize; 2]>,
    tell: &mut impl FnMut(&str, usize, usize),
) {
    match recipe {
        Term::Chain(parts) => parts.iter().for_each(|part| shuffled(part, image, tell)),
        Term::Call(call) => {
            if let (Some([height, width]), Some(tiles)) = (*image, tiles(&call.name, &call.args)) {
                tell(&call.name, height.min(width), tiles);
            }
            // Recipes that are dealt begin with the image, each.
            for dealt in call.args.0.values() {
                shuffled(dealt, &mut image.clone(), tell);
            }
            *image = declared_size(call, "Augment").map(|side| [side; 2]).or(*image);
        }
        _ => {}
    }
}

/// By what number something divides the sides of images.
fn tiles(name: &str, args: &Args) -> Option<usize> {
    match args.get(declaration(name)?.named("tiles")?) {
        Some(Term::Int(number)) => usize::try_from(*number).ok().filter(|number| *number > 0),
        _ => None,
    }
}

fn left_out(name: &str, side: usize, by: usize, place: Span) -> Option<Diagnostic> {
    let rest = side % by;
    if (rest as f64) < MOST_LEFT_OUT * side as f64 || rest == 0 {
        return None;
    }
    let message = format!(
        "`{name}` divides images of {side} pixels by {by}, and leaves out {rest} of them at the \
         right and below"
    );
    let warning = Diagnostic::new(findings::PATCHES_LEAVE_A_REST, place, message);
    let (below, above) = (side - rest, side - rest + by);
    Some(warning.help(match below {
        0 => format!("give it images of {above} pixels"),
        _ => format!("give it images of {below} or {above} pixels, or another number"),
    }))
}

/// A parameter, and one of its choices, with which the maps are large enough.
fn finer(
    declaration: &'static Declaration,
    args: &Args,
    side: f64,
) -> Option<(&'static str, &'static str)> {
    declaration.signature().parameters.iter().find_map(|parameter| {
        let TypeKind::Choices(choices) = &parameter.kind.kind else { return None };
        let name = parameter.name.text.as_str();
        let choice = choices.iter().map(|choice| choice.text.as_str()).find(|choice| {
            let mut args = args.clone();
            args.0.insert(name.to_owned(), Term::Symbol((*choice).to_owned()));
            let divides = declaration.number("divides", &args, None);
            matches!(divides, Some(Ok(divides)) if side / divides >= LEAST_SIDE)
        });
        Some((name, choice?))
    })
}
