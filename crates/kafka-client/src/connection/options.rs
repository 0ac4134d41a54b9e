//! Settings of a connection.

use std::time::Duration;

/// Settings of a connection, by Kafka's names.
#[derive(Debug, Clone)]
pub struct ConnectionOptions {
    /// Name that the client gives itself: `client.id`.
    pub client_id: String,
    /// How long a connection may take to be made: `socket.connection.setup.timeout.ms`.
    pub connection_setup_timeout: Duration,
    /// How long an answer may take, on top of what the request itself lets the broker wait: `request.timeout.ms`.
    /// When it is over, the connection is closed: answers come in order, so nothing behind it would be answered either.
    /// A request that is not answered has to be written within this time.
    pub request_timeout: Duration,
    /// Requests without an answer at a time; the next one waits.
    pub max_in_flight: usize,
    /// The longest answer, in bytes. A longer one closes the connection.
    pub answer_bytes_max: usize,
}

impl Default for ConnectionOptions {
    fn default() -> Self {
        Self {
            client_id: "dmq".to_owned(),
            connection_setup_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(30),
            max_in_flight: 32,
            answer_bytes_max: 128 << 20,
        }
    }
}
