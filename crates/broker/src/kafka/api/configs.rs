//! What the APIs about settings share.

/// Where a value comes from, by Kafka's numbers (`DescribeConfigsResponse.ConfigSource`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// The topic sets it.
    Topic,
    /// Nobody does.
    Default,
}

impl Source {
    /// Its number.
    pub(super) fn code(self) -> i8 {
        match self {
            Self::Topic => 1,
            Self::Default => 5,
        }
    }
}
