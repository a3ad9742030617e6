//! Syntax errors in words of the language.

use std::collections::BTreeSet;

use pest::Parser as _;
use pest::error::InputLocation;

use crate::diagnostics::{Diagnostic, findings};
use crate::source::{FileId, Span};
use crate::syntax::grammar::{Grammar, Rule};

/// Says why the text from `start` is no `rule`: reads it again, with pest keeping account of what
/// it tried at the furthest place.
pub fn explain(text: &str, file: FileId, start: usize, rule: Rule) -> Diagnostic {
    // Process-wide and only ever switched on; it costs time in failing parses alone.
    pest::set_error_detail(true);
    let rest = &text[start..];
    let Err(error) = Grammar::parse(rule, rest) else {
        // The rule fits, and something that belongs to no rule stands after it.
        return at(text, file, start, &BTreeSet::new());
    };
    let offset = match error.location {
        InputLocation::Pos(offset) | InputLocation::Span((offset, _)) => offset,
    };
    let mut furthest = start + offset;
    let mut expected = BTreeSet::new();
    if let Some(attempts) = error.parse_attempts() {
        furthest = furthest.max(start + attempts.max_position);
        expected
            .extend(attempts.expected_tokens().iter().filter_map(|token| word(&token.to_string())));
        for stack in attempts.call_stacks() {
            if let Some(rule) = stack.deepest.get_rule().or(stack.parent.as_ref()) {
                expected.extend(rule_words(*rule));
            }
        }
    }
    at(text, file, furthest, &expected)
}

/// Says that the text at `start` does not fit, and not why.
pub fn unexplained(text: &str, file: FileId, start: usize) -> Diagnostic {
    at(text, file, start, &BTreeSet::new())
}

fn at(text: &str, file: FileId, furthest: usize, expected: &BTreeSet<String>) -> Diagnostic {
    if let Some(dots) = dots(text, file, furthest) {
        let written = &text[dots.start..dots.end];
        let error =
            Diagnostic::new(findings::SYNTAX_ERROR, dots, format!("`{written}` is no range"));
        let error = error.label("expected `..=`").safe_edit(dots, "..=");
        return error.help("a range includes both of its ends: `0.2..=1.0`");
    }
    let (start, end, found) = found(text, furthest);
    let span = Span { file, start, end };
    // Brackets begin values; where any value fits they say nothing more.
    let mut expected = expected.clone();
    expected.remove("`_`");
    if expected.contains("a value") {
        expected.remove("`(`");
        expected.remove("a name");
    }
    let is_value = expected.contains("a value");
    let message = format!("{found} does not fit here");
    let error = Diagnostic::new(findings::SYNTAX_ERROR, span, message);
    let error = match list(&expected) {
        Some(words) => error.label(format!("expected {words}")),
        None => error.label("not expected"),
    };
    match &text[start..end] {
        own if own.starts_with(char::is_whitespace) => {
            error.help("it looks like a space and is another sign: write a plain space")
        }
        "True" | "False" | "None" => {
            error.help(format!("write `{}`", text[start..end].to_lowercase()))
        }
        "=" => match named(&text[..start]) {
            Some(name) => error.help(format!("a value is named by `let`: `let {name} = …`")),
            None => error.help("an argument or a field is given by a colon: `lr: 0.1`"),
        },
        "^" => error.help(POWERS),
        "*" if text[..start].ends_with('*') => error.help(POWERS),
        "@" if is_in_define(&text[..start]) => {
            error.help("matrices are multiplied by `matmul(a, b)`, or `similarity(a, b)`")
        }
        "(" if is_first_of_line(&text[..start]) => error.help(
            "the arguments of a call begin on the line of what is called: write the parenthesis there",
        ),
        "[" if follows_a_value(&text[..start]) && is_in_define(&text[..start]) => error
            .help("parts of a tensor are taken by an operation: `split`, `gather`, `last_rows`"),
        own if is_value && own.starts_with(|c: char| c.is_ascii_uppercase()) => {
            error.help(format!("names begin with a small letter: `{}`", own.to_lowercase()))
        }
        "<" | ">" | "!" | "&" | "|" | "and" | "or" => error.help(
            "a choice is between what is the same, `==`, and what is not: the branches change places",
        ),
        _ => error,
    }
}

const POWERS: &str =
    "there is no power: `square(x)` and `sqrt(x)` are of tensors, and a number is written out";

/// The name that begins the line, or the body, which ends there, in a define.
fn named(before: &str) -> Option<&str> {
    let line = before.rsplit(['\n', '{']).next()?.trim();
    let is_name = line.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && line.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let open = open(before);
    let [.., (_, '{')] = open[..] else { return None };
    (is_name && is_in_define(before)).then_some(line)
}

/// Whether a value ends on a line before, and nothing stands on this one.
fn is_first_of_line(before: &str) -> bool {
    let value = before.trim_end();
    before[value.len()..].contains('\n') && follows_a_value(value)
}

fn follows_a_value(before: &str) -> bool {
    let word = before.rsplit(|c: char| !(c.is_alphanumeric() || c == '_')).next();
    before.ends_with([')', ']']) || word.is_some_and(|word| !["", "view", "views"].contains(&word))
}

/// Whether a text ends in the body of a define.
fn is_in_define(before: &str) -> bool {
    let Some(&(at, '{')) = open(before).first() else { return false };
    let head = &before[..at];
    let item = ["define ", "pipeline "].map(|word| head.rfind(word));
    item[0] > item[1]
}

/// The brackets that are open at the end of a text, outermost first, and where.
fn open(text: &str) -> Vec<(usize, char)> {
    let mut open = Vec::new();
    let mut lines = 0;
    for line in text.split_inclusive('\n') {
        // What is in a comment opens nothing.
        let code = line.find("//").map_or(line, |at| &line[..at]);
        for (at, c) in code.char_indices() {
            match c {
                '(' | '[' | '{' => open.push((lines + at, c)),
                ')' | ']' | '}' => drop(open.pop()),
                _ => {}
            }
        }
        lines += line.len();
    }
    open
}

/// The dots around that place that are to be those of a range: they stand between numbers.
fn dots(text: &str, file: FileId, at: usize) -> Option<Span> {
    let is_dot = |place: &usize| text.as_bytes().get(*place) == Some(&b'.');
    let start = (0..at).rev().take_while(is_dot).last().unwrap_or(at);
    let end = start + (start..text.len()).take_while(is_dot).count();
    let before = text[..start].trim_end_matches(SPACES).chars().next_back();
    let after = text[end..].trim_start_matches(SPACES);
    // Two dots in the place of a point: `0..03`.
    let is_point = after.starts_with('0') && after[1..].starts_with(|c: char| c.is_ascii_digit());
    let ends = [before, after.chars().next()];
    let is_range = ends.iter().all(|end| end.is_some_and(|c| c.is_ascii_digit())) && !is_point;
    (end - start > 1 && is_range).then_some(Span { file, start, end })
}

/// White space of the language.
const SPACES: [char; 4] = [' ', '\n', '\t', '\r'];

/// The token at `from`, past white space and comments.
fn found(text: &str, from: usize) -> (usize, usize, String) {
    let mut start = from.min(text.len());
    loop {
        let rest = text[start..].trim_start_matches(SPACES);
        start = text.len() - rest.len();
        match rest.strip_prefix("//") {
            Some(comment) => start += 2 + comment.find('\n').unwrap_or(comment.len()),
            None => break,
        }
    }
    let rest = &text[start..];
    let Some(first) = rest.chars().next() else {
        return (text.len(), text.len(), "the end of the file".to_owned());
    };
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let length = match is_word(first) {
        true => rest.find(|c| !is_word(c)).unwrap_or(rest.len()).min(40),
        false => first.len_utf8(),
    };
    let length =
        (length..=rest.len()).find(|end| rest.is_char_boundary(*end)).unwrap_or(rest.len());
    (start, start + length, format!("`{}`", rest[..length].escape_debug()))
}

/// A literal token as it is shown, if it helps.
fn word(token: &str) -> Option<String> {
    let token = token.trim();
    // Like the other operators, `==` may follow any value.
    let helps = !token.is_empty()
        && token != "=="
        && !token.contains(['/', '\\', '"', '.', '?', '>', '<', '*', '+', '-', '|']);
    (helps && token.chars().all(|c| !c.is_alphanumeric())).then(|| format!("`{token}`"))
}

fn rule_words(rule: Rule) -> Option<String> {
    let words = match rule {
        Rule::name | Rule::name_start => "a name",
        Rule::expr
        | Rule::primary
        | Rule::unary
        | Rule::postfix
        | Rule::number
        | Rule::quantity => "a value",
        Rule::type_ | Rule::type_name | Rule::named_type => "a type",
        Rule::quote => "`\"` at the end of the text",
        Rule::arrow => "`->` and the type of what it makes",
        Rule::equals => "`=`",
        Rule::colon => "`:`",
        Rule::comma => "`,`",
        Rule::open_paren => "`(`",
        Rule::close_paren => "`)`",
        Rule::open_brace => "`{`",
        Rule::close_brace => "`}`",
        Rule::open_bracket => "`[`",
        Rule::close_bracket => "`]`",
        Rule::kw_else => "`else`",
        Rule::item | Rule::use_item | Rule::define | Rule::external | Rule::pipeline => {
            "`use`, `define` or `pipeline`"
        }
        Rule::kw_use | Rule::kw_define | Rule::kw_pipeline => "`use`, `define` or `pipeline`",
        Rule::field => "a field, `name: value`",
        Rule::setting => "a setting, `name: value`",
        _ => return None,
    };
    Some(words.to_owned())
}

/// "a, b or c"
fn list(words: &BTreeSet<String>) -> Option<String> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        [] => None,
        [one] => Some((*one).to_owned()),
        [first @ .., last] => Some(format!("{} or {last}", first.join(", "))),
    }
}
