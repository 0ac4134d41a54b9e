//! Output: data on stdout, talk on stderr; tables for people, JSON for scripts.

use std::{
    fmt::{self, Write as _},
    io::{self, Write},
};

use clap::ValueEnum;
use serde::Serialize;

use crate::exit::Failure;

/// How data is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Tables for people. Their layout may change.
    #[default]
    Table,
    /// The JSON of the REST API, indented.
    Json,
}

/// Something with a form for people. Its JSON form is its [`Serialize`].
pub(crate) trait Render {
    /// Writes it for people, with a line feed at the end.
    fn render(&self, out: &mut dyn Write) -> io::Result<()>;
}

impl Format {
    /// Writes `data` to stdout.
    ///
    /// # Errors
    /// If stdout cannot be written to. A closed pipe (`dmq topic list | head -1`) is no error.
    pub(crate) fn emit<T: Serialize + Render>(self, data: &T) -> Result<(), Failure> {
        match self.write(data, &mut io::stdout().lock()) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::failed(error)),
            _ => Ok(()),
        }
    }

    /// Writes `data`, all of it.
    ///
    /// # Errors
    /// If `out` cannot be written to.
    pub(crate) fn write<T: Serialize + Render>(self, data: &T, out: &mut dyn Write) -> io::Result<()> {
        match self {
            Self::Table => data.render(out)?,
            Self::Json => {
                serde_json::to_writer_pretty(&mut *out, data)?;
                writeln!(out)?;
            }
        }
        out.flush()
    }
}

/// Says something to people, on stderr.
macro_rules! say {
    ($($arg:tt)*) => {{
        use std::io::Write as _;
        // A closed stderr is no reason to stop.
        let _ = writeln!(std::io::stderr(), $($arg)*);
    }};
}
pub(crate) use say;

/// A table: a head, and rows of cells, in columns as wide as their widest cell.
pub(crate) struct Table<const N: usize>(Vec<[String; N]>);

impl<const N: usize> Table<N> {
    /// A table with these column heads.
    pub(crate) fn new(head: [&str; N]) -> Self {
        Self(vec![head.map(str::to_owned)])
    }

    /// Adds a row.
    pub(crate) fn row(&mut self, cells: [String; N]) {
        self.0.push(cells);
    }

    /// Writes it, with two spaces between columns and none at line ends.
    pub(crate) fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut widths = [0; N];
        for row in &self.0 {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        for row in &self.0 {
            let mut line = String::new();
            for (width, cell) in widths.iter().zip(row) {
                // Writing to a String cannot fail.
                let _ = write!(line, "{cell:width$}  ");
            }
            writeln!(out, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

/// `-` for what is not there.
pub(crate) fn or_dash<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

/// Values with commas between them.
pub(crate) fn comma_separated<T: ToString>(values: impl IntoIterator<Item = T>) -> String {
    let values: Vec<String> = values.into_iter().map(|value| value.to_string()).collect();
    if values.is_empty() { "-".to_owned() } else { values.join(",") }
}

/// `1 broker`, `3 brokers`, `2 processes`.
pub(crate) fn count(number: impl fmt::Display, noun: &str) -> String {
    let number = number.to_string();
    let ending = match noun {
        _ if number == "1" => "",
        noun if noun.ends_with('s') => "es",
        _ => "s",
    };
    format!("{number} {noun}{ending}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_aligned_and_have_no_trailing_spaces() {
        let mut table = Table::new(["ID", "STATUS"]);
        table.row(["101".into(), "ONLINE".into()]);
        table.row(["7".into(), or_dash::<u8>(None)]);
        let mut out = Vec::new();
        table.write(&mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text, "ID   STATUS\n101  ONLINE\n7    -\n");
    }

    #[test]
    fn numbers_and_nouns_agree() {
        assert_eq!(count(1, "broker"), "1 broker");
        assert_eq!(count(0, "broker"), "0 brokers");
        assert_eq!(count(2, "process"), "2 processes");
    }
}
