//! pest's pairs to the lossless tree. The grammar guarantees which pairs stand where; a place where
//! it does not hold is marked by an `expect` that names the rule.

use std::sync::Arc;

use super::{Pair, Rule};
use crate::source::FileId;
use crate::syntax::lossless::{Builder, Kind, Tree, is_white_space};

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
    Token(Kind),
    Node(Kind),
    /// Documentation, which belongs to the node that follows it.
    Documented,
}

fn shape(pair: &Pair<'_>) -> Shape {
    let node = match pair.as_rule() {
        Rule::item | Rule::statement | Rule::member => return Shape::Documented,
        Rule::use_item => Kind::Use,
        Rule::use_path | Rule::dotted => Kind::Path,
        Rule::use_group => Kind::UseGroup,
        Rule::define => Kind::Define,
        Rule::external => Kind::Extern,
        Rule::pipeline => Kind::Pipeline,
        Rule::parameters => Kind::Parameters,
        Rule::parameter => Kind::Parameter,
        Rule::bound => Kind::Bound,
        Rule::outputs => Kind::Outputs,
        Rule::choices => Kind::Choices,
        Rule::named_type => Kind::NamedType,
        Rule::type_argument => Kind::FunctionType,
        Rule::rest => Kind::Rest,
        Rule::body => Kind::Body,
        Rule::let_ => Kind::Let,
        Rule::given => Kind::Given,
        Rule::minimize => Kind::Minimize,
        Rule::report => Kind::Report,
        Rule::result => Kind::Result,
        Rule::stages => Kind::Stages,
        Rule::value => Kind::Value,
        Rule::stage => Kind::Stage,
        Rule::fields => Kind::Fields,
        Rule::field => Kind::Field,
        Rule::profile => Kind::Profile,
        Rule::settings => Kind::Settings,
        Rule::setting => Kind::Setting,
        Rule::expr => Kind::Pipe,
        Rule::equality => Kind::Same,
        Rule::range => Kind::Range,
        Rule::sum => Kind::Sum,
        Rule::product => Kind::Product,
        Rule::unary => Kind::Negate,
        Rule::postfix => Kind::Chain,
        Rule::access => Kind::Access,
        Rule::arguments => Kind::Arguments,
        Rule::argument => Kind::Argument,
        Rule::primary => Kind::Parentheses,
        Rule::conditional => Kind::Conditional,
        Rule::branch => Kind::Branch,
        Rule::quantity => Kind::Quantity,
        _ => return Shape::Token(token(pair)),
    };
    Shape::Node(node)
}

fn token(pair: &Pair<'_>) -> Kind {
    match pair.as_rule() {
        Rule::module_doc => Kind::ModuleDoc,
        Rule::doc => Kind::Doc,
        Rule::bad_item | Rule::bad_line => Kind::Error,
        Rule::name => Kind::Name,
        Rule::type_name => Kind::TypeName,
        Rule::number => Kind::Number,
        Rule::unit | Rule::percent => Kind::Unit,
        Rule::string => Kind::Text,
        Rule::boolean => Kind::Boolean,
        // All other tokens are words or signs.
        _ if pair.as_str().starts_with(|c: char| c.is_ascii_alphabetic()) => Kind::Keyword,
        _ => Kind::Punctuation,
    }
}
