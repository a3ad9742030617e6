//! Documentation: what the library, the user's modules and the findings say of themselves.

mod code;
pub mod guides;
mod html;
mod item;
pub mod markdown;
mod model;
mod page;

pub use html::escape;
pub use page::{Page, Pictures, page};
