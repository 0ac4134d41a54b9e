//! Every target for a moment, always with the same inputs. `cargo xtask fuzz` is the long form.

use fuzz::{
    runner::{Budget, run},
    targets,
};
use peak_alloc::PeakAlloc;

#[global_allocator]
static METER: PeakAlloc = PeakAlloc;

/// Executions of each target: a second or two in an unoptimized build.
const EXECUTIONS: u64 = 1_000;

// One test, as the meter is the whole process's.
#[test]
fn every_target_comes_to_terms_with_mutated_inputs() {
    for target in targets::ALL {
        let report = run(target, Budget::Executions(EXECUTIONS), 1, &METER)
            .unwrap_or_else(|failure| panic!("{}: {}: {:02x?}", target.name, failure.reason, failure.input));
        println!("{}: {report}", target.name);
        assert!(report.outcomes > 1, "{}: all inputs had the same {} outcomes", target.name, report.outcomes);
    }
}
