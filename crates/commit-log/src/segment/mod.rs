//! One segment: a `.log` file of batches, and beside it a `.frames` file that says of each batch where it is and
//! what its header was.
//!
//! A [`Segment`] is a small value without open files. A clone of it is a view: what is appended later does not
//! show in it, and since files only grow, everything it shows stays readable. That is how reads, flushes and
//! recovery work outside the log's owner.

mod frame;
mod index;
mod read;
mod scan;
mod search;
mod view;
mod writer;

pub(crate) use frame::Frame;
pub(crate) use scan::ScanEnd;
pub(crate) use search::Span;
pub(crate) use view::{Segment, file_name, parse_file_name};
pub(crate) use writer::{NEW_SUFFIX, SegmentWriter};
