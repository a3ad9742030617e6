//! What is told in a row rather than looked up.

use crate::check::types::TypeName;

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
        name: "guide.pictures",
        title: "Pictures of your own",
        text: include_str!("guides/pictures.md"),
    },
    Guide {
        name: "guide.method",
        title: "A method in an afternoon",
        text: include_str!("guides/method.md"),
    },
    Guide {
        name: "guide.methods",
        title: "The methods on a small budget",
        text: include_str!("guides/methods.md"),
    },
];

/// What the guide to the language says of a type: an item of its list.
pub fn of_type(name: TypeName) -> Option<&'static str> {
    let (_, list) = named("guide.language")?.text.split_once("\n- ")?;
    let (list, _) = list.split_once("\n\n")?;
    let forms = [format!("`{}`", name.text()), format!("`{}[", name.text())];
    list.split("\n- ").find(|item| forms.iter().any(|form| item.contains(form)))
}

/// The guide of that name.
pub fn named(name: &str) -> Option<&'static Guide> {
    GUIDES.iter().find(|guide| guide.name == name)
}
