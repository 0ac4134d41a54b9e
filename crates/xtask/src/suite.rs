//! Runs cargo, and the test suite with one summary at its end.

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
};

/// Runs cargo; an error if it fails.
pub fn cargo(args: &[&str]) -> Result<(), String> {
    let status = Command::new(cargo_path()).args(args).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("`cargo {}` ended with {status}", args.join(" "))),
        Err(error) => Err(format!("`cargo {}` could not be started: {error}", args.join(" "))),
    }
}

/// Runs the binary of a crate of the workspace, built with this profile.
pub fn run(package: &str, profile: &str, args: &[String]) -> Result<(), String> {
    let command = ["run", "--quiet", "--package", package, "--profile", profile, "--"];
    cargo(&command.into_iter().chain(args.iter().map(String::as_str)).collect::<Vec<_>>())
}

/// Runs every test of the workspace, then other people's Kafka clients against a cluster and a selection of those clients'
/// own tests, and prints the sum of what all of them report. With arguments for cargo, such as a filter, only its tests run.
///
/// Everything runs even when something fails, so that one run tells everything.
pub fn test(extra: &[String]) -> Result<(), String> {
    let mut totals = Totals::default();
    let mut cargo_test = Command::new(cargo_path());
    cargo_test.args(["test", "--workspace", "--no-fail-fast"]).args(extra);
    let mut results = vec![counted(cargo_test, &mut totals)];
    if extra.is_empty() {
        results.push(counted(Command::new("scripts/clients/run.sh"), &mut totals));
        let mut suites = Command::new("scripts/suites/run.sh");
        suites.arg("--short");
        results.push(counted(suites, &mut totals));
    }
    println!("\ntotal: {} passed, {} failed, {} skipped", totals.passed, totals.failed, totals.ignored);
    results.into_iter().collect::<Result<Vec<()>, String>>()?;
    if totals.passed == 0 { Err("no test ran".to_owned()) } else { Ok(()) }
}

/// Runs a command, shows what it writes, and adds up its results.
fn counted(mut command: Command, totals: &mut Totals) -> Result<(), String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("`{name}` could not be started: {error}"))?;
    if let Some(stdout) = child.stdout.take() {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            println!("{line}");
            totals.add(&line);
        }
    }
    match child.wait() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("`{name}` ended with {status}")),
        Err(error) => Err(format!("`{name}` was lost: {error}")),
    }
}

fn cargo_path() -> std::ffi::OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// Sums of the `test result:` lines.
#[derive(Debug, Default, PartialEq, Eq)]
struct Totals {
    passed: u64,
    failed: u64,
    ignored: u64,
}

impl Totals {
    fn add(&mut self, line: &str) {
        let Some(counts) = line.strip_prefix("test result: ") else { return };
        for part in counts.split(['.', ';']) {
            let mut words = part.split_whitespace();
            let Some(count) = words.next().and_then(|word| word.parse::<u64>().ok()) else { continue };
            match words.next() {
                Some("passed") => self.passed += count,
                Some("failed") => self.failed += count,
                Some("ignored") => self.ignored += count,
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Totals;

    #[test]
    fn sums_the_result_lines_and_nothing_else() {
        let mut totals = Totals::default();
        totals.add("test store::reopen ... ok");
        totals.add(
            "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 3 filtered out; finished in 0.11s",
        );
        totals.add("test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.0s");
        assert_eq!(totals, Totals { passed: 15, failed: 2, ignored: 1 });
    }
}
