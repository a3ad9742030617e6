//! The signatures of defines, declarations and stages, their types read once.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::Checker;
use super::shape::{Dimension, Shape};
use super::size::{Size, Symbol, SymbolKind};
use super::types::{Reader, Type, TypeFault, TypeName};
use super::unify::Solution;
use crate::diagnostics::{Diagnostic, findings};
use crate::syntax::tree;

/// A signature and the types in it.
pub struct TypedSignature<'a> {
    pub tree: &'a tree::Signature,
    /// Of the parameters, in their order.
    pub types: Vec<Type>,
    pub result: Type,
    /// What its names of sizes stand for; those of its `Int`s are among them.
    symbols: BTreeMap<String, Symbol>,
    pub faults: Vec<TypeFault>,
}

impl<'a> TypedSignature<'a> {
    pub fn read(tree: &'a tree::Signature) -> Self {
        let mut reader = Reader::default();
        let types = tree.parameters.iter().map(|own| reader.read(&own.kind)).collect();
        let result = reader.read(&tree.result);
        let Reader { symbols, faults } = reader;
        TypedSignature { tree, types, result, symbols, faults }
    }

    pub fn name(&self) -> &'a str {
        &self.tree.name.text
    }

    /// The parameters with their types.
    pub fn parameters(&self) -> impl Iterator<Item = (&'a tree::Parameter, &Type)> {
        self.tree.parameters.iter().zip(&self.types)
    }

    /// The size that a parameter's name stands for in the types, where it does.
    pub fn symbol(&self, parameter: &str) -> Option<&Symbol> {
        self.symbols.get(parameter)
    }

    /// The sizes that its names stand for, of those that are no parameters.
    pub fn sizes(&self, solution: &Solution) -> BTreeMap<String, Size> {
        let is_free =
            |name: &&String| self.tree.parameters.iter().all(|own| own.name.text != **name);
        let names = self.symbols.iter().filter(|(name, _)| is_free(name));
        names.filter_map(|(name, own)| Some((name.clone(), solution.size(own)?.clone()))).collect()
    }

    /// What its names stand for while its define is checked on its own: each for itself, its
    /// `Int`s for numbers that each use gives.
    pub fn alone(&self) -> Solution {
        let mut solution = Solution::default();
        for (name, symbol) in &self.symbols {
            let mut parameters = self.parameters();
            let is_given =
                parameters.any(|(own, kind)| own.name.text == *name && kind.is(TypeName::Int));
            let kind = if is_given { SymbolKind::Given } else { SymbolKind::Rigid };
            solution.give(symbol, &Size::fresh(name, kind));
            let rest = Dimension::Rest(Symbol::fresh(name, SymbolKind::Rigid));
            solution.give_rest(symbol, Shape(vec![rest]));
        }
        solution
    }
}

impl<'a> Checker<'a> {
    /// A signature of the program or the library; its types are read the first time.
    pub(super) fn signature(&mut self, tree: &'a tree::Signature) -> Rc<TypedSignature<'a>> {
        let read = || Rc::new(TypedSignature::read(tree));
        // The trees outlive the checker, so that their places tell them apart.
        self.signatures.entry(std::ptr::from_ref(tree)).or_insert_with(read).clone()
    }

    /// Reports types that do not exist.
    pub(super) fn report_types(&mut self, faults: &[TypeFault]) {
        for fault in faults {
            let error = match fault {
                TypeFault::UnknownName(span, name) => {
                    let message = format!("there is no type `{name}`");
                    let error = Diagnostic::new(findings::UNKNOWN_TYPE, *span, message);
                    error.misspelled(name, TypeName::ALL.iter().map(|name| name.text()))
                }
                TypeFault::Brackets(span, message) => {
                    Diagnostic::new(findings::TYPE_MISMATCH, *span, *message)
                }
            };
            self.report(error);
        }
    }
}
