//! The log against a naive one, and against everything a disk can do to it.

mod backlog;
mod basics;
mod compacted;
mod compaction;
mod crash;
mod damage;
mod golden;
mod inspect;
mod model;
mod repair;
mod support;
mod swapping;
mod together;
mod unapplied;
