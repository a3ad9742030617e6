//! Documents: what is to be written, and where lines may break.

/// A part of a document. `Line`s break all together with the group they stand in, or not at all.
#[derive(Debug)]
pub enum Doc<'t> {
    Text(&'t str),
    /// Text that may have several lines, which stay as they are.
    Verbatim(&'t str),
    /// A blank that is no place to break.
    Space,
    /// Text where the group breaks only, or where it does not.
    IfBroken(&'static str),
    IfFlat(&'static str),
    /// Blanks where the group breaks: what fills a column.
    Pad(usize),
    /// A blank, or a line break.
    Line,
    /// Nothing, or a line break.
    Soft,
    /// A blank, or a line break and a blank line.
    Blank,
    /// Line breaks for certain, the second with a blank line.
    Hard,
    HardBlank,
    /// A comment behind what stands before it on the line.
    Behind(&'t str),
    /// A comment on a line of its own.
    Own(&'t str),
    Nest(usize, Vec<Doc<'t>>),
    Group(Vec<Doc<'t>>, Breaks),
    All(Vec<Doc<'t>>),
}

/// Whether a group breaks in any case, because of what it holds or as it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Breaks {
    Always,
    WhereTooLong,
}

impl<'t> Doc<'t> {
    pub fn group(parts: Vec<Doc<'t>>) -> Self {
        Self::group_if(false, parts)
    }

    /// A group that breaks in any case if `broken`.
    pub fn group_if(broken: bool, parts: Vec<Doc<'t>>) -> Self {
        match broken || parts.iter().any(Doc::breaks) {
            true => Doc::Group(parts, Breaks::Always),
            false => Doc::Group(parts, Breaks::WhereTooLong),
        }
    }

    /// Whether no line is wide enough for it.
    pub fn breaks(&self) -> bool {
        match self {
            Doc::Hard | Doc::HardBlank | Doc::Behind(_) | Doc::Own(_) => true,
            Doc::Verbatim(text) => text.contains('\n'),
            Doc::Group(_, breaks) => *breaks == Breaks::Always,
            Doc::Nest(_, parts) | Doc::All(parts) => parts.iter().any(Doc::breaks),
            _ => false,
        }
    }

    /// The columns it takes on one line; none where it breaks.
    pub fn width(&self) -> Option<usize> {
        match self {
            Doc::Text(text) => Some(width(text)),
            Doc::IfFlat(text) => Some(text.len()),
            Doc::Space | Doc::Line | Doc::Blank => Some(1),
            Doc::Pad(_) | Doc::Soft | Doc::IfBroken(_) => Some(0),
            Doc::Hard | Doc::HardBlank | Doc::Behind(_) | Doc::Own(_) | Doc::Verbatim(_) => None,
            Doc::Group(_, Breaks::Always) => None,
            Doc::Group(parts, _) | Doc::Nest(_, parts) | Doc::All(parts) => {
                parts.iter().map(Doc::width).sum()
            }
        }
    }
}

/// The columns of a text.
pub fn width(text: &str) -> usize {
    text.chars().count()
}
