//! What is printed: each figure beside its baseline, with the spread of its rounds, and whether it reaches what it should.

use crate::Result;

/// One value for each round.
#[derive(Debug, Clone)]
pub(crate) struct Samples(Vec<f64>);

impl Samples {
    pub(crate) fn new(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        Self(values)
    }

    /// One that was taken once.
    pub(crate) fn one(value: f64) -> Self {
        Self(vec![value])
    }

    pub(crate) fn median(&self) -> f64 {
        self.share(0.5)
    }

    /// The value that so many of them are not above.
    pub(crate) fn share(&self, share: f64) -> f64 {
        let rank = (self.0.len() as f64 * share) as usize;
        self.0.get(rank.min(self.0.len().saturating_sub(1))).copied().unwrap_or(f64::NAN)
    }

    pub(crate) fn map(&self, change: impl Fn(f64) -> f64) -> Self {
        Self::new(self.0.iter().map(|value| change(*value)).collect())
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

/// What a figure should be.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Goal {
    AtLeast(f64),
    AtMost(f64),
}

/// What the line of a figure ends with.
pub(crate) const MET: &str = ": met";
pub(crate) const MISSED: &str = ": MISSED";

/// Prints something to compare with, or that has no goal.
pub(crate) fn row(what: &str, samples: &Samples, unit: &str) {
    println!("{}", line(what, samples, unit));
}

/// Prints a figure. Its median decides.
pub(crate) fn figure(what: &str, samples: &Samples, unit: &str, goal: Goal) {
    let value = samples.median();
    let (met, wanted) = match goal {
        Goal::AtLeast(least) => (value >= least, format!(">= {least}")),
        Goal::AtMost(most) => (value <= most, format!("<= {most}")),
    };
    println!("{}goal {wanted}{}", line(what, samples, unit), if met { MET } else { MISSED });
}

fn line(what: &str, samples: &Samples, unit: &str) -> String {
    let spread = match samples.len() {
        0 | 1 => String::new(),
        _ => format!("({} to {})", short(samples.share(0.0)), short(samples.share(1.0))),
    };
    format!("  {what:<56} {:>11} {unit:<9} {spread:<24}", short(samples.median()))
}

fn short(value: f64) -> String {
    if value.abs() < 10.0 { format!("{value:.2}") } else { format!("{value:.0}") }
}

/// Runs all of them in turns, so that all see the same machine: once unheeded, then so many rounds, every other one
/// backwards. A run gives its value.
pub(crate) fn alternate(rounds: usize, runs: &mut [&mut dyn FnMut() -> Result<f64>]) -> Result<Vec<Samples>> {
    let mut values = vec![Vec::new(); runs.len()];
    for round in 0..=rounds {
        let mut order: Vec<usize> = (0..runs.len()).collect();
        if round % 2 == 1 {
            order.reverse();
        }
        for at in order {
            if let (Some(run), Some(values)) = (runs.get_mut(at), values.get_mut(at)) {
                let value = run()?;
                if round > 0 {
                    values.push(value);
                }
            }
        }
    }
    Ok(values.into_iter().map(Samples::new).collect())
}

/// As [`alternate`] with two of them, and how many times the second the first is, in each round.
pub(crate) fn compare(
    rounds: usize,
    mut first: impl FnMut() -> Result<f64>,
    mut second: impl FnMut() -> Result<f64>,
) -> Result<[Samples; 3]> {
    let mut pairs = (Vec::new(), Vec::new());
    for round in 0..=rounds {
        let pair = if round % 2 == 1 {
            let second = second()?;
            (first()?, second)
        } else {
            (first()?, second()?)
        };
        if round > 0 {
            pairs.0.push(pair.0);
            pairs.1.push(pair.1);
        }
    }
    let ratios = pairs.0.iter().zip(&pairs.1).map(|(first, second)| first / second).collect();
    Ok([Samples::new(pairs.0), Samples::new(pairs.1), Samples::new(ratios)])
}
