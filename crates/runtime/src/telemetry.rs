//! Log lines: one per event, on stderr, as text for people or as JSON for machines.
//!
//! Each event carries a stable name in its field `event` (`shutdown.begin`, `raft.leader_elected`); messages may
//! be reworded, names stay. A line break within a value is written as `\n`, so that one event is one line and
//! nobody can forge a line through a value. Secrets do not belong in events; a database URL is a
//! [`DatabaseUrl`](common::config::DatabaseUrl), which prints neither its password nor its parameters.

use std::{
    fmt,
    io::{self, IsTerminal as _},
    str::FromStr,
};

use thiserror::Error;
use tracing_subscriber::{
    Layer as _, Registry,
    filter::{LevelFilter, Targets},
    fmt::MakeWriter,
    layer::SubscriberExt as _,
};

/// How events are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// `time LEVEL target: message event="..." field=value`, coloured on a terminal unless `NO_COLOR` is set.
    #[default]
    Text,
    /// One JSON object with `timestamp`, `level`, `target`, `message`, `event` and the event's fields.
    Json,
}

impl LogFormat {
    /// Its name on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
        }
    }
}

impl fmt::Display for LogFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for LogFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err(format!("{text:?} is no log format; it must be `text` or `json`")),
        }
    }
}

/// What is logged, and how; also as flags of a server's command line.
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
pub struct LogOptions {
    /// How log lines are written to stderr: `text` or `json`
    #[arg(long = "log-format", env = "DMQ_LOG_FORMAT", default_value_t, value_name = "FORMAT")]
    pub format: LogFormat,
    /// What is logged: a level (`info`), or levels by target (`warn,metadata_node=debug`)
    #[arg(long = "log-level", env = "DMQ_LOG", default_value = "info", value_name = "FILTER")]
    pub filter: String,
}

impl Default for LogOptions {
    fn default() -> Self {
        Self { format: LogFormat::Text, filter: "info".to_owned() }
    }
}

/// Why logging was not set up.
#[derive(Debug, Error)]
pub enum TelemetryError {
    /// The filter is not one.
    #[error(
        "log filter {filter:?}: {detail}; write a level (`error`, `warn`, `info`, `debug`, `trace`, `off`) or levels by target (`warn,metadata_node=debug`)"
    )]
    Filter {
        /// What was given.
        filter: String,
        /// What is wrong with it.
        detail: String,
    },
    /// A second set-up in one process.
    #[error("logging was already set up in this process")]
    Twice,
}

/// Libraries that log per connection or per statement: only their warnings are worth a line, unless the filter
/// names them. openraft warns of every heartbeat that does not reach a peer, ten times a second while one is down;
/// the node says itself when a peer is lost and when it is back.
const QUIET: [(&str, LevelFilter); 5] = [
    ("hyper", LevelFilter::WARN),
    ("hyper_util", LevelFilter::WARN),
    ("reqwest", LevelFilter::WARN),
    ("sqlx", LevelFilter::WARN),
    ("openraft", LevelFilter::ERROR),
];

/// Sets up logging for this process, and sends panics through it.
///
/// # Errors
/// [`TelemetryError`].
pub fn init(options: &LogOptions) -> Result<(), TelemetryError> {
    let filter = parse_filter(&options.filter)?;
    let layer = match options.format {
        LogFormat::Text => tracing_subscriber::fmt::layer()
            .with_writer(StderrLines)
            .with_ansi(color_wanted())
            .with_filter(filter)
            .boxed(),
        LogFormat::Json => tracing_subscriber::fmt::layer()
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_span_list(false)
            .with_writer(StderrLines)
            .with_filter(filter)
            .boxed(),
    };
    tracing::subscriber::set_global_default(Registry::default().with(layer))
        .map_err(|_| TelemetryError::Twice)?;
    std::panic::set_hook(Box::new(log_panic));
    Ok(())
}

/// Whether stderr is a terminal whose user did not ask for plain text (<https://no-color.org>).
pub fn color_wanted() -> bool {
    io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

fn parse_filter(filter: &str) -> Result<Targets, TelemetryError> {
    let wrong = |detail: String| TelemetryError::Filter { filter: filter.to_owned(), detail };
    if filter.trim().is_empty() {
        return Err(wrong("it is empty".to_owned()));
    }
    // `Targets` takes a word that is no level for a target that is to be logged in full.
    for part in filter.split(',').filter(|part| !part.contains('=')) {
        LevelFilter::from_str(part.trim()).map_err(|_| wrong(format!("{part:?} is no level")))?;
    }
    let given: Targets = filter.replace(' ', "").parse().map_err(|error| wrong(format!("{error}")))?;
    let default = given.default_level().unwrap_or(LevelFilter::OFF);
    let quiet = QUIET.iter().map(|(target, most)| (*target, default.min(*most)));
    Ok(Targets::new()
        .with_default(default)
        .with_targets(quiet)
        .with_targets(given.iter().map(|(target, level)| (target.to_owned(), level))))
}

fn log_panic(panic: &std::panic::PanicHookInfo<'_>) {
    let location = panic.location().map(ToString::to_string).unwrap_or_default();
    let thread = std::thread::current();
    let message = crate::tasks::panic_message(panic.payload());
    tracing::error!(
        event = "panic",
        location,
        thread = thread.name().unwrap_or("(unnamed)"),
        "panic: {message}"
    );
}

/// Writes each event to stderr with one call, as one line.
struct StderrLines;

impl<'a> MakeWriter<'a> for StderrLines {
    type Writer = LineWriter;

    fn make_writer(&'a self) -> Self::Writer {
        LineWriter
    }
}

struct LineWriter;

impl io::Write for LineWriter {
    /// `event` is one whole event, as the formatter hands it over.
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        match one_line(event) {
            None => io::Write::write_all(&mut io::stderr(), event)?,
            Some(line) => io::Write::write_all(&mut io::stderr(), &line)?,
        }
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// `event` with the line breaks inside it escaped; `None` if there are none.
fn one_line(event: &[u8]) -> Option<Vec<u8>> {
    let body = event.strip_suffix(b"\n").unwrap_or(event);
    if !body.iter().any(|byte| matches!(byte, b'\n' | b'\r')) {
        return None;
    }
    let mut line = Vec::with_capacity(event.len() + 8);
    for byte in body {
        match byte {
            b'\n' => line.extend_from_slice(b"\\n"),
            b'\r' => line.extend_from_slice(b"\\r"),
            byte => line.push(*byte),
        }
    }
    line.push(b'\n');
    Some(line)
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    #[test]
    fn filters_are_checked() {
        for filter in ["info", "warn,metadata_node=debug", "off", " INFO , broker = trace"] {
            assert!(parse_filter(filter).is_ok(), "{filter}");
        }
        for filter in ["", "loud", "info,broker=loud", "broker"] {
            let error = parse_filter(filter).unwrap_err().to_string();
            assert!(error.starts_with(&format!("log filter {filter:?}: ")), "{error}");
        }
    }

    #[test]
    fn chatty_libraries_are_quiet_unless_named() {
        let filter = parse_filter("debug").unwrap();
        assert!(filter.would_enable("broker", &Level::DEBUG));
        assert!(!filter.would_enable("openraft::core", &Level::INFO));
        assert!(!filter.would_enable("openraft::core", &Level::WARN));
        assert!(filter.would_enable("sqlx", &Level::WARN));
        let filter = parse_filter("error,openraft=debug").unwrap();
        assert!(filter.would_enable("openraft::core", &Level::DEBUG));
        assert!(!filter.would_enable("sqlx", &Level::WARN));
    }

    #[test]
    fn an_event_is_one_line() {
        assert_eq!(one_line(b"plain\n"), None);
        assert_eq!(one_line(b"a\nINFO forged\r\n").unwrap(), b"a\\nINFO forged\\r\n");
    }
}
