//! `dmq group describe --watch`.

use std::{
    io::{self, IsTerminal as _, Write as _},
    time::Duration,
};

use client::api;

use super::{brokers::Brokers, show::Description};
use crate::{
    connection::ConnectionArgs,
    exit::Failure,
    output::{Format, say},
};

/// From one look to the next of `--watch`.
const WATCH_PERIOD: Duration = Duration::from_secs(1);

/// Puts the cursor at the top, and clears what is below.
const CLEAR: &str = "\x1b[H\x1b[J";

/// Looks at a group again and again, until Ctrl-C.
pub(super) async fn watch(connection: &ConnectionArgs, group: &str) -> Result<(), Failure> {
    let mut brokers = Brokers::find(connection).await?;
    loop {
        match brokers.ask(&api::group(group)).await {
            Ok(found) => match show(connection.output, &Description(found)) {
                // Whoever looked has seen enough.
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
                shown => shown?,
            },
            Err(failure) => {
                clear(&mut io::stdout().lock())?;
                say!("{failure}");
                // It may come, or come back; and so may brokers.
                if let Ok(found) = Brokers::find(connection).await {
                    brokers = found;
                }
            }
        }
        tokio::time::sleep(WATCH_PERIOD).await;
    }
}

/// Writes it in the place of what was there before.
fn show(format: Format, description: &Description) -> io::Result<()> {
    let mut out = io::stdout().lock();
    clear(&mut out)?;
    format.write(description, &mut out)
}

/// Clears the screen, if it is one.
fn clear(out: &mut io::StdoutLock<'_>) -> io::Result<()> {
    if out.is_terminal() { write!(out, "{CLEAR}").and_then(|()| out.flush()) } else { Ok(()) }
}
