//! What stops a gradient.

use super::Operation;

pub const OPERATIONS: &[(&str, Operation)] = &[("detach", |x| x.array(0).constant())];
