//! What has to hold between the fields of an evaluation.

use super::Checker;
use super::length::examples;
use super::pipeline::TypedStage;
use super::size::Relation;
use super::stages::{channels, split_of};
use super::value::{Kind, SplitValue, Value};
use super::views::compares_pairs;
use crate::diagnostics::{Diagnostic, findings};
use crate::resolve::declaration;
use crate::term::{Call, Part, Term};

impl Checker<'_> {
    pub(super) fn check_evaluate(&mut self, stage: &TypedStage) {
        let call = match stage.fields.get("protocol").map(|value| &value.kind) {
            Some(Kind::Protocol(Some(Term::Call(call)))) => Some(call),
            _ => None,
        };
        if let Some(call) = call {
            self.check_protocol(stage, call);
        }
        let (fit, on) = (split_of(stage.fields.get("fit")), split_of(stage.fields.get("on")));
        let declared = call.and_then(|own| declaration(&own.name));
        let asks = declared.is_none_or(|own| own.is("labels"));
        if let Some(on) = on.as_ref().filter(|_| asks) {
            self.needs_labels(stage, "on", on, "an evaluation");
        }
        let judged = ["model", "beside"];
        let taken = judged.map(|field| channels(stage.fields.get(field))).concat();
        self.check_images(stage, ("on", on.as_ref()), &taken);
        self.check_judged_views(stage, call);
        self.check_beside(stage);
        if let Some(on) = &on {
            let second = call.filter(|own| compares_pairs(own)).map(|_| ("model", 1));
            for (field, view) in judged.into_iter().zip(0..).chain(second) {
                self.check_judged_size(stage, on, (field, view));
            }
        }
        if let (Some(on), Some(Value { kind: Kind::Model(model), .. })) =
            (&on, stage.fields.get("model"))
            && on.dataset.labeled
            && model.classes.relation(&on.dataset.classes) == Relation::Different
        {
            let (own, there) = (&model.classes, &on.dataset.classes);
            let message = format!("the model tells {own} classes apart, and there are {there}");
            let error = self.about(findings::SHAPE_MISMATCH, stage, "on", message);
            self.report(error.help("judge it on the classes that it was tuned on"));
        }
        if let Some(fit) = &fit {
            if asks {
                self.needs_labels(stage, "fit", fit, "a protocol");
            }
            self.trains_on(stage, "fit", fit);
            if let Some(call) = call {
                self.check_enough(stage, fit, call);
            }
        }
        if let (Some(fit), Some(on)) = (&fit, &on) {
            let [there, here] = [fit, on].map(|split| &split.dataset.classes);
            let are_labeled = fit.dataset.labeled && on.dataset.labeled;
            if are_labeled && there.relation(here) == Relation::Different {
                let message =
                    format!("{there} classes are fitted, and {here} are there to be told");
                let error = self.about(findings::SHAPE_MISMATCH, stage, "on", message);
                self.report(error.also(self.place(stage, "fit"), "fitted on these"));
                return;
            }
            self.check_judged(stage, fit, on, call);
        }
    }

    /// Features stand beside those of one encoder.
    fn check_beside(&mut self, stage: &TypedStage) {
        let (Some(_), Some(model)) = (stage.fields.get("beside"), stage.fields.get("model")) else {
            return;
        };
        let what = match model.kind {
            Kind::Model(_) => "the classes of a model",
            Kind::History(_) => "the features of several",
            _ => return,
        };
        let message = format!("the features of an encoder do not stand beside {what}");
        let error = self.about(findings::TYPE_MISMATCH, stage, "beside", message);
        self.report(error.also(self.written(model), "beside this").help("name one encoder"));
    }

    /// A protocol judges what the model yields, and has examples to learn from if it does.
    fn check_protocol(&mut self, stage: &TypedStage, call: &Call) {
        let Some(declared) = declaration(&call.name) else { return };
        let model = stage.fields.get("model").filter(|model| !model.is_poison());
        let is_model = |model: &&Value| matches!(model.kind, Kind::Model(_));
        let judges_classes = declared.named("judges") == Some("classes");
        if let Some(model) = model.filter(|model| judges_classes != is_model(model)) {
            let (message, help) = match judges_classes {
                false => (
                    format!("`{}` judges features, and this model yields classes", call.name),
                    "name the encoder: `.encoder`",
                ),
                true => (
                    format!("`{}` judges classes, and an encoder yields features", call.name),
                    "use `knn()` or `linear_probe()`, or name a tuned `.model`",
                ),
            };
            self.report(self.blame(findings::TYPE_MISMATCH, model, message).help(help));
        }
        match (stage.fields.get("fit"), declared.is("fits")) {
            (None, true) => {
                let message =
                    format!("`{}` learns from examples: the field `fit` is missing", call.name);
                self.report(
                    Diagnostic::new(findings::MISSING_FIELD, stage.span, message)
                        .help("write `fit: data.train`"),
                );
            }
            (Some(fit), false) if !fit.is_poison() => {
                let message = format!("`{}` fits nothing, so `fit` has no use", call.name);
                let error = self.about(findings::UNKNOWN_FIELD, stage, "fit", message);
                self.report(error);
            }
            _ => {}
        }
    }

    /// A protocol has as many examples as it asks for.
    fn check_enough(&mut self, stage: &TypedStage, fit: &SplitValue, call: &Call) {
        let k = match call.args.get("k") {
            Some(Term::Int(k)) => usize::try_from(*k).ok(),
            _ => None,
        };
        if let (Some(k), Some(examples), Some(protocol)) =
            (k, examples(fit), stage.fields.get("protocol"))
            && k > examples
        {
            let message = format!("{k} neighbours of only {examples} examples");
            self.error(findings::OUT_OF_RANGE, self.argument(protocol, "k"), message);
        }
        if let (Some(_), Some(Term::Float(0.0)), Some(protocol)) =
            (call.args.get("held_out"), call.args.get("l2"), stage.fields.get("protocol"))
        {
            let message = "no penalty is chosen around zero: all that are tried are zero";
            let error =
                Diagnostic::new(findings::OUT_OF_RANGE, self.argument(protocol, "l2"), message);
            self.report(
                error.help("give `l2` the middle of those to try, or leave out `held_out`"),
            );
        }
        let classes = fit.dataset.classes.as_constant();
        let classes = classes.and_then(|classes| usize::try_from(classes).ok());
        let is_one = fit.share.is_some_and(|share| share.each == Some(1))
            || classes.zip(examples(fit)).is_some_and(|(classes, examples)| examples <= classes);
        if let (Some(_), Some(protocol)) = (call.args.get("held_out"), stage.fields.get("protocol"))
            && is_one
        {
            let message = "the only example of a class cannot be held out";
            let place = self.argument(protocol, "held_out");
            let error = Diagnostic::new(findings::OUT_OF_RANGE, place, message);
            let error = error.also(self.place(stage, "fit"), "one of each class");
            self.report(error.help("fit on two of each at least: `.few(2)`"));
        }
    }

    /// What a protocol is fitted on and judged on are other examples of one dataset.
    fn check_judged(
        &mut self,
        stage: &TypedStage,
        fit: &SplitValue,
        on: &SplitValue,
        call: Option<&Call>,
    ) {
        let place = self.place(stage, "fit");
        // Two samples of one part overlap, so that the part alone decides; two datasets are
        // answered below.
        let same_dataset = fit.dataset.call == on.dataset.call;
        if same_dataset && fit.part == on.part && fit.part == Part::Train {
            let name = call.map_or("the protocol".to_owned(), |call| format!("`{}`", call.name));
            let message = format!("{name} is judged on examples that it was fitted on");
            let error = self.about(findings::JUDGED_ON_ITS_OWN_EXAMPLES, stage, "on", message);
            self.report(error.also(place, "fitted on these").help("judge it `on` the `.test`"));
        }
        if !same_dataset {
            let message = "the protocol is fitted on one dataset and judged on another";
            let error = self.about(findings::JUDGED_ON_ANOTHER_DATASET, stage, "on", message);
            self.report(error.also(place, "fitted on this one"));
        }
    }
}
