//! What is wrong with a configuration.

use std::fmt;

use thiserror::Error;

/// One thing that is wrong: where, what stands there, what would be right.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{path}: {problem}")]
pub struct ConfigError {
    /// Path of the field, as in `services.metadata-services[1].port`; `(file)` for the whole.
    pub path: String,
    /// The value and what would be right, in words. Never holds a secret.
    pub problem: String,
}

/// Everything that is wrong with a configuration, in the order of the file. Never empty.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub struct ConfigErrors(pub Vec<ConfigError>);

impl fmt::Display for ConfigErrors {
    /// One error per line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, error) in self.0.iter().enumerate() {
            if position > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{error}")?;
        }
        Ok(())
    }
}
