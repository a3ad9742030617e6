//! Documentation: what the library, the user's modules and the findings say of themselves.

pub mod markdown;
