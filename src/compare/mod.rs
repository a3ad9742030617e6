//! Runs beside each other: `cpipe compare`.

mod arms;
mod classes;
mod curves;
mod page;
pub mod record;
mod text;

pub use arms::Comparison;
pub use page::page;
pub use record::Record;
pub use text::render;
