//! Programs made of the pieces of others: what the grammar allows and nobody would write.

use std::collections::HashMap;
use std::ops::Range;

use cpipe::syntax::lossless::{Node, SyntaxKind};

use crate::mutations::{Random, mutated, parsed};

/// Numbers at which something ends.
const NUMBERS: [&str; 24] = [
    "0",
    "1",
    "2",
    "3",
    "7",
    "16",
    "32",
    "100",
    "101",
    "0.0",
    "0.1",
    "0.5",
    "0.999",
    "1.0",
    "1e-300",
    "1e300",
    "1e308",
    "5e-324",
    "2147483648",
    "4294967295",
    "9007199254740993",
    "4611686018427387904",
    "9223372036854775807",
    "9223372036854775808",
];

/// What programs are made of, by what it is.
pub struct Pieces(HashMap<SyntaxKind, Vec<String>>);

impl Pieces {
    pub fn of<'t>(texts: impl IntoIterator<Item = &'t str>) -> Self {
        const LONGEST: usize = 600;
        let mut pieces: HashMap<SyntaxKind, Vec<String>> = HashMap::new();
        for text in texts {
            let parsed = parsed(text);
            let root = parsed.lossless.root();
            for node in root.descendants().filter(|node| is_piece(*node, root)) {
                if node.text().len() <= LONGEST {
                    pieces.entry(node.kind()).or_default().push(node.text().to_owned());
                }
            }
        }
        for own in pieces.values_mut() {
            own.sort();
            own.dedup();
        }
        pieces.insert(SyntaxKind::Number, NUMBERS.map(str::to_owned).to_vec());
        Self(pieces)
    }

    /// A piece of that kind, or rarely one of another kind.
    fn one(&self, kind: SyntaxKind, random: &mut Random) -> &str {
        const VALUES: [SyntaxKind; 6] = [
            SyntaxKind::Chain,
            SyntaxKind::Number,
            SyntaxKind::Quantity,
            SyntaxKind::Sum,
            SyntaxKind::Pipe,
            SyntaxKind::Conditional,
        ];
        let kind = match random.below(8) {
            0 => VALUES[random.below(VALUES.len())],
            _ => kind,
        };
        let own = self.0.get(&kind).map(Vec::as_slice).unwrap_or_default();
        own.get(random.below(own.len())).map_or("x", String::as_str)
    }

    /// Something that has a value, as an override gives one.
    pub fn value(&self, random: &mut Random) -> String {
        const KINDS: [SyntaxKind; 8] = [
            SyntaxKind::Chain,
            SyntaxKind::Number,
            SyntaxKind::Quantity,
            SyntaxKind::Name,
            SyntaxKind::Boolean,
            SyntaxKind::Product,
            SyntaxKind::Negate,
            SyntaxKind::Pipe,
        ];
        let value = self.one(KINDS[random.below(KINDS.len())], random).to_owned();
        match random.below(6) {
            0 => mutated(&value, random.seed),
            _ => value,
        }
    }

    /// A text in which a few nodes are others of their kind, are gone, or are there twice.
    pub fn grown(&self, text: &str, random: &mut Random) -> String {
        let parsed = parsed(text);
        let root = parsed.lossless.root();
        let nodes: Vec<Node<'_>> =
            root.descendants().filter(|node| is_piece(*node, root)).collect();
        let mut changes: Vec<(Range<usize>, String)> = Vec::new();
        for _ in 0..1 + random.below(4) {
            let Some(node) = nodes.get(random.below(nodes.len())) else { break };
            let range = node.range();
            if changes.iter().any(|(own, _)| own.start < range.end && range.start < own.end) {
                continue;
            }
            let own = node.text();
            let other = match random.below(10) {
                0 => String::new(),
                1 => format!("{own}, {own}"),
                2 => format!("{own}\n{own}"),
                3 => format!("({own})"),
                _ => self.one(node.kind(), random).to_owned(),
            };
            changes.push((range, other));
        }
        changes.sort_by_key(|(range, _)| std::cmp::Reverse(range.start));
        let mut text = text.to_owned();
        for (range, other) in changes {
            text.replace_range(range, &other);
        }
        text
    }
}

fn is_piece(node: Node<'_>, root: Node<'_>) -> bool {
    use SyntaxKind::{Error, Keyword, Punctuation};
    node != root
        && !node.kind().is_trivia()
        && ![Error, Keyword, Punctuation].contains(&node.kind())
}
