//! What is told in a row rather than looked up.

/// A text of some pages.
pub struct Guide {
    pub name: &'static str,
    pub title: &'static str,
    /// As Markdown, without the title.
    pub text: &'static str,
}

pub const GUIDES: &[Guide] = &[
    Guide {
        name: "guide.language",
        title: "The language",
        text: include_str!("guides/language.md"),
    },
    Guide {
        name: "guide.method",
        title: "A method in an afternoon",
        text: include_str!("guides/method.md"),
    },
];

/// The guide of that name.
pub fn named(name: &str) -> Option<&'static Guide> {
    GUIDES.iter().find(|guide| guide.name == name)
}
