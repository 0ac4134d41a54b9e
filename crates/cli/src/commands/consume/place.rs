//! Where reading begins or ends, as people write it.

use std::str::FromStr;

use common::Offset;
use kafka_client::{OffsetSpec, StartAt};

use crate::commands::{days_from_civil, now_ms};

/// Where reading begins or ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place(pub(crate) StartAt);

impl FromStr for Place {
    type Err = String;

    /// `earliest`, `latest`, an offset, `15m` (that long ago; s, m, h, d), or `2026-11-21T04:06:43Z` (UTC).
    fn from_str(text: &str) -> Result<Self, String> {
        let listed = |spec| Ok(Self(StartAt::Listed(spec)));
        match text {
            "earliest" | "beginning" => return listed(OffsetSpec::Earliest),
            "latest" | "end" => return listed(OffsetSpec::Latest),
            _ => {}
        }
        if let Some(offset) = text.parse::<i64>().ok().filter(|offset| *offset >= 0) {
            return Ok(Self(StartAt::Offset(Offset(offset))));
        }
        match time_ms(text) {
            Some(time_ms) => listed(OffsetSpec::Timestamp(time_ms)),
            None => Err("wanted: earliest, latest, an offset, 15m (ago), or 2026-11-21T04:06:43Z".to_owned()),
        }
    }
}

/// `15m` (that long ago), or `2026-11-21T04:06:43Z`, in Unix milliseconds.
pub(crate) fn time_ms(text: &str) -> Option<i64> {
    ago(text).map(|ms| now_ms().saturating_sub(ms)).or_else(|| utc_ms(text))
}

/// `90s`, `15m`, `2h`, `1d` in ms.
fn ago(text: &str) -> Option<i64> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let unit_ms = match unit {
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.parse::<i64>().ok().filter(|number| *number >= 0)?.checked_mul(unit_ms)
}

/// `2026-11-21`, `2026-11-21T04:06`, `2026-11-21T04:06:43.123Z` in Unix milliseconds; always UTC.
fn utc_ms(text: &str) -> Option<i64> {
    let text = text.strip_suffix('Z').unwrap_or(text);
    let (date, time) = text.split_once(['T', ' ']).unwrap_or((text, "00:00"));
    let mut parts = date.split('-').map(str::parse::<u64>);
    let (year, month, day) = (parts.next()?.ok()?, parts.next()?.ok()?, parts.next()?.ok()?);
    let mut parts = time.split(':');
    let (hour, minute) = (parts.next()?.parse::<u64>().ok()?, parts.next()?.parse::<u64>().ok()?);
    let second: f64 = parts.next().map_or(Some(0.0), |second| second.parse().ok())?;
    let fits = (1970..=9999).contains(&year)
        && (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && hour < 24
        && minute < 60
        && (0.0..61.0).contains(&second)
        && parts.next().is_none();
    if !fits {
        return None;
    }
    let minutes = (days_from_civil(year, month, day) * 24 + hour) * 60 + minute;
    i64::try_from(minutes * 60_000).ok()?.checked_add((second * 1000.0).round() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_words_offsets_or_times() {
        let place = |text: &str| text.parse::<Place>().map(|place| place.0);
        assert_eq!(place("earliest"), Ok(StartAt::Listed(OffsetSpec::Earliest)));
        assert_eq!(place("42"), Ok(StartAt::Offset(Offset(42))));
        let time = Ok(StartAt::Listed(OffsetSpec::Timestamp(951_827_696_789)));
        assert_eq!(place("2000-02-29T12:34:56.789Z"), time);
        assert!(matches!(place("15m"), Ok(StartAt::Listed(OffsetSpec::Timestamp(_)))));
        for wrong in ["", "-1", "x", "2000-13-01", "2000-01-01T25:00", "m", "-5m"] {
            assert!(place(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn days_only_are_midnight() {
        assert_eq!(utc_ms("1970-01-02"), Some(86_400_000));
        assert_eq!(utc_ms("2026-11-21 04:00"), Some(1_795_233_600_000));
    }
}
