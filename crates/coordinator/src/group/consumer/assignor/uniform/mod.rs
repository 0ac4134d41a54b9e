//! `uniform`: everybody has as many partitions as the others, as far as what they read allows it, and keeps what it has as
//! far as that allows it.

mod heterogeneous;
mod homogeneous;

use super::Spec;
use crate::assignment::Assignment;

pub(super) fn assign(spec: &Spec<'_>) -> Vec<Assignment> {
    match spec.subscriptions.as_slice() {
        [topics] => homogeneous::assign(topics, spec),
        _ => heterogeneous::assign(spec),
    }
}
