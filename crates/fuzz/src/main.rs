//! `cargo run -p fuzz -- --seconds 60`: runs the fuzz targets, all or those named.

use std::{fs, path::PathBuf, process::ExitCode, time::Duration};

use clap::Parser;
use fuzz::{
    Target,
    runner::{Budget, Failure, replay, run},
    targets,
};
use peak_alloc::PeakAlloc;

#[global_allocator]
static METER: PeakAlloc = PeakAlloc;

/// Where inputs that failed are written to.
const FAILURES: &str = "target/fuzz-failures";

#[derive(Parser)]
#[command(name = "cargo xtask fuzz", about = "Runs fuzz targets on mutated inputs")]
struct Args {
    /// Targets to run; all of them by default
    #[arg(value_name = "TARGET")]
    targets: Vec<String>,
    /// How long to run, all targets together
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Run each target so many times instead
    #[arg(long, conflicts_with = "seconds")]
    executions: Option<u64>,
    /// What the inputs follow from; another one makes other inputs
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Run the one target on this input, once
    #[arg(long, value_name = "FILE")]
    replay: Option<PathBuf>,
    /// Name the targets
    #[arg(long)]
    list: bool,
}

fn main() -> ExitCode {
    let args = Args::parse();
    match go(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("fuzz: {message}");
            ExitCode::FAILURE
        }
    }
}

fn go(args: &Args) -> Result<(), String> {
    let chosen = choose(&args.targets)?;
    if args.list {
        chosen.iter().for_each(|target| println!("{:14} {}", target.name, target.about));
        return Ok(());
    }
    if let Some(path) = &args.replay {
        let [target] = chosen.as_slice() else { return Err("--replay needs exactly one target".to_owned()) };
        let input = fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
        return replay(target, &input, &METER)
            .map(|outcome| println!("{}: nothing wrong, outcome {outcome:x}", target.name))
            .map_err(|failure| format!("{}: {}", target.name, failure.reason));
    }
    let each = Duration::from_secs(args.seconds) / u32::try_from(chosen.len()).unwrap_or(1).max(1);
    let budget = args.executions.map_or(Budget::Time(each), Budget::Executions);
    for target in chosen {
        match run(target, budget, args.seed, &METER) {
            Ok(report) => println!("{}: {report}", target.name),
            Err(failure) => return Err(write_down(target, &failure)),
        }
    }
    Ok(())
}

fn choose(names: &[String]) -> Result<Vec<&'static Target>, String> {
    if names.is_empty() {
        return Ok(targets::ALL.iter().collect());
    }
    let find = |name: &String| {
        targets::ALL
            .iter()
            .find(|target| target.name == name)
            .ok_or_else(|| format!("there is no target `{name}`"))
    };
    names.iter().map(find).collect()
}

/// Keeps the input, and says where.
fn write_down(target: &Target, failure: &Failure) -> String {
    let path =
        PathBuf::from(FAILURES).join(format!("{}-{:08x}", target.name, crc32c::crc32c(&failure.input)));
    let written = fs::create_dir_all(FAILURES).and_then(|()| fs::write(&path, &failure.input));
    let place = match written {
        Ok(()) => format!("`cargo xtask fuzz {} --replay {}` does it again", target.name, path.display()),
        Err(error) => format!("{}: {error}", path.display()),
    };
    format!("{}: {}\n{place}", target.name, failure.reason)
}
