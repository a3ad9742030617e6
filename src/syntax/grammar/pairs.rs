//! pest's pairs to the lossless tree. The grammar guarantees which pairs stand where; a place where
//! it does not hold is marked by an `expect` that names the rule.

use std::sync::Arc;

use super::{Pair, Rule};
use crate::source::FileId;
use crate::syntax::lossless::{Builder, SyntaxKind, Tree, is_white_space};

/// The tree of a text that an entry rule has read whole.
pub fn tree(text: Arc<str>, file: FileId, entry: Pair<'_>) -> Tree {
    let mut builder = Builder::new(text, file);
    entry.into_inner().for_each(|pair| add(&mut builder, pair));
    builder.finish()
}

fn add(builder: &mut Builder, pair: Pair<'_>) {
    let pair = meant(pair);
    let start = pair.as_span().start();
    match shape(&pair) {
        Shape::Token(kind) => {
            let text = pair.as_str();
            // A rule may have passed trivia to see what follows.
            let text = match pair.as_rule() {
                Rule::comparison => text.trim_end_matches(|c| !matches!(c, '<' | '>' | '=')),
                _ => text.trim_end_matches(is_white_space),
            };
            builder.token(kind, start..start + text.len());
        }
        Shape::Node(kind) => {
            builder.open(kind, start);
            pair.into_inner().for_each(|inner| add(builder, inner));
            builder.close();
        }
        Shape::Documented => {
            let mut inner: Vec<Pair<'_>> = pair.into_inner().collect();
            let documented = inner.pop().expect("what may be documented: one alternative");
            let Shape::Node(kind) = shape(&documented) else {
                unreachable!("an item, a statement and a member are no tokens")
            };
            builder.open(kind, start);
            inner.into_iter().chain(documented.into_inner()).for_each(|inner| add(builder, inner));
            builder.close();
        }
    }
}

/// What a pair passes on, if it has nothing of its own.
fn meant(mut pair: Pair<'_>) -> Pair<'_> {
    while is_wrapper(pair.as_rule()) {
        let mut inner = pair.clone().into_inner();
        match (inner.next(), inner.next()) {
            (Some(only), None) => pair = only,
            _ => break,
        }
    }
    pair
}

fn is_wrapper(rule: Rule) -> bool {
    use Rule::*;
    matches!(rule, expr | equality | range | sum | product | unary | postfix | primary | quantity)
        || matches!(rule, type_ | type_argument | kind)
}

enum Shape {
    Token(SyntaxKind),
    Node(SyntaxKind),
    /// Documentation, which belongs to the node that follows it.
    Documented,
}

fn shape(pair: &Pair<'_>) -> Shape {
    let node = match pair.as_rule() {
        Rule::item | Rule::statement | Rule::member => return Shape::Documented,
        Rule::use_item => SyntaxKind::Use,
        Rule::use_path | Rule::dotted => SyntaxKind::Path,
        Rule::use_group => SyntaxKind::UseGroup,
        Rule::define => SyntaxKind::Define,
        Rule::external => SyntaxKind::Extern,
        Rule::pipeline => SyntaxKind::Pipeline,
        Rule::parameters => SyntaxKind::Parameters,
        Rule::parameter => SyntaxKind::Parameter,
        Rule::bound => SyntaxKind::Bound,
        Rule::outputs => SyntaxKind::Outputs,
        Rule::choices => SyntaxKind::Choices,
        Rule::named_type => SyntaxKind::NamedType,
        Rule::type_argument => SyntaxKind::FunctionType,
        Rule::rest => SyntaxKind::Rest,
        Rule::body => SyntaxKind::Body,
        Rule::let_ => SyntaxKind::Let,
        Rule::given => SyntaxKind::Given,
        Rule::several => SyntaxKind::Several,
        Rule::minimize => SyntaxKind::Minimize,
        Rule::report => SyntaxKind::Report,
        Rule::export => SyntaxKind::Export,
        Rule::result => SyntaxKind::Result,
        Rule::stages => SyntaxKind::Stages,
        Rule::value => SyntaxKind::Value,
        Rule::stage => SyntaxKind::Stage,
        Rule::fields => SyntaxKind::Fields,
        Rule::field => SyntaxKind::Field,
        Rule::profile => SyntaxKind::Profile,
        Rule::settings => SyntaxKind::Settings,
        Rule::setting => SyntaxKind::Setting,
        Rule::expr => SyntaxKind::Pipe,
        Rule::equality => SyntaxKind::Same,
        Rule::range => SyntaxKind::Range,
        Rule::sum => SyntaxKind::Sum,
        Rule::product => SyntaxKind::Product,
        Rule::unary => SyntaxKind::Negate,
        Rule::postfix => SyntaxKind::Chain,
        Rule::access => SyntaxKind::Access,
        Rule::arguments => SyntaxKind::Arguments,
        Rule::argument => SyntaxKind::Argument,
        Rule::primary => SyntaxKind::Parentheses,
        Rule::conditional => SyntaxKind::Conditional,
        Rule::branch => SyntaxKind::Branch,
        Rule::quantity => SyntaxKind::Quantity,
        _ => return Shape::Token(token(pair)),
    };
    Shape::Node(node)
}

fn token(pair: &Pair<'_>) -> SyntaxKind {
    match pair.as_rule() {
        Rule::module_doc => SyntaxKind::ModuleDoc,
        Rule::doc => SyntaxKind::Doc,
        Rule::bad_item | Rule::bad_line => SyntaxKind::Error,
        Rule::name => SyntaxKind::Name,
        Rule::type_name => SyntaxKind::TypeName,
        Rule::number => SyntaxKind::Number,
        Rule::unit | Rule::percent => SyntaxKind::Unit,
        Rule::string => SyntaxKind::Text,
        Rule::boolean => SyntaxKind::Boolean,
        // All other tokens are words or signs.
        _ if pair.as_str().starts_with(|c: char| c.is_ascii_alphabetic()) => SyntaxKind::Keyword,
        _ => SyntaxKind::Punctuation,
    }
}
