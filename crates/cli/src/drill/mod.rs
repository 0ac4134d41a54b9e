//! Drills: break the real thing while it works, measure how long it is out of order, and check afterwards that it
//! kept every promise.
//!
//! | module | what it holds |
//! |---|---|
//! | [`workload`] | writers that never stop, and write down how each write ended |
//! | [`history`] | the checker: what was acknowledged must be there, what was refused must not |
//! | [`records`] | producers and a consumer, and the checker of what became of every record |
//! | [`groups`] | members of consumer groups, and the checker of what they had, read and committed |
//! | [`target`] | the cluster that is hurt: a throw-away one, or the one that `dmq up` runs |
//! | [`stage`] | one run: cluster, workload, what was seen; the checks that every drill ends with |
//! | [`scripts`] | what each drill does |
//! | [`report`] | verdict, timings, findings |

pub(crate) mod catalogue;
pub(crate) mod groups;
pub(crate) mod history;
pub(crate) mod records;
pub(crate) mod report;
pub(crate) mod scripts;
pub(crate) mod stage;
pub(crate) mod stage_records;
pub(crate) mod target;
pub(crate) mod workload;
