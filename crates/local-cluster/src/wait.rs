//! Waiting for a condition, with a deadline and with words for what is still missing.

use std::{
    fmt::Display,
    time::{Duration, Instant},
};

use thiserror::Error;

/// Between two looks at a condition.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// A condition that did not come about in time.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{what}: not within {} ms; last: {last}", .deadline.as_millis())]
pub struct WaitError {
    /// What was waited for.
    pub what: String,
    /// How long.
    pub deadline: Duration,
    /// What the last look saw.
    pub last: String,
}

/// Looks until `check` gives a value; its error says what is still missing. A look that hangs ends with the deadline.
///
/// # Errors
/// If there is no value within `deadline`.
pub async fn wait_for<T, E: Display>(
    what: &str,
    deadline: Duration,
    mut check: impl AsyncFnMut() -> Result<T, E>,
) -> Result<T, WaitError> {
    let until = Instant::now() + deadline;
    let mut last = "no look was finished".to_owned();
    loop {
        let left = until.saturating_duration_since(Instant::now());
        match tokio::time::timeout(left, check()).await {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(missing)) => last = missing.to_string(),
            Err(_) => return Err(WaitError { what: what.to_owned(), deadline, last }),
        }
        if Instant::now() >= until {
            return Err(WaitError { what: what.to_owned(), deadline, last });
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_last_look_is_told_when_time_is_up() {
        let mut looks = 0;
        let error = wait_for("three looks", Duration::from_millis(15), async || {
            looks += 1;
            if looks < 100 { Err(format!("look {looks}")) } else { Ok(()) }
        });
        let error = error.await.unwrap_err();
        assert!(error.to_string().starts_with("three looks: not within 15 ms; last: look "), "{error}");
        let hangs = wait_for("never", Duration::from_millis(5), std::future::pending::<Result<(), String>>);
        assert!(hangs.await.is_err());
    }
}
