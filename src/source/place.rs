//! Texts and places in them, by number.

/// A text by its position: the embedded ones, which are the same for all [`super::Sources`], then those
/// of one of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(pub(crate) u32);

/// A range of bytes of one text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    pub file: FileId,
    pub start: usize,
    pub end: usize,
}

impl Span {
    /// Whether `other` lies within this span.
    pub fn holds(self, other: Span) -> bool {
        self.file == other.file && self.start <= other.start && other.end <= self.end
    }

    /// From the start of this span to the end of `other`; this span where `other` stands in another
    /// text.
    pub fn to(self, other: Span) -> Span {
        match self.file == other.file {
            true => Span { end: other.end.max(self.end), ..self },
            false => self,
        }
    }
}
