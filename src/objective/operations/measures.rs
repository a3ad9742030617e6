//! What is worth watching while an objective is minimized.

use super::Operation;
use crate::device::by_rank;

pub const OPERATIONS: &[(&str, Operation)] = &[("greater", |x| {
    by_rank!(x.array(0).rank(), D => {
        x.tensor::<D>(0).inner().greater(x.tensor::<D>(1).inner()).float().into()
    })
})];
