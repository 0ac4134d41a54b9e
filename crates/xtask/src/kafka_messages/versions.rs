//! Ranges of versions as the schemas write them: `"3"`, `"3+"`, `"0-12"`, `"none"`.

use std::str::FromStr;

/// Versions `min..=max`; nothing if `min > max`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Versions {
    pub(super) min: i16,
    pub(super) max: i16,
}

impl Versions {
    pub(super) const NONE: Self = Self { min: i16::MAX, max: -1 };

    pub(super) fn is_none(self) -> bool {
        self.min > self.max
    }

    pub(super) fn and(self, other: Self) -> Self {
        let both = Self { min: self.min.max(other.min), max: self.max.min(other.max) };
        if both.is_none() { Self::NONE } else { both }
    }

    /// Whether `other` lies inside.
    pub(super) fn covers(self, other: Self) -> bool {
        self.and(other) == other
    }

    /// The Rust expression that tells these versions from the others in `all`; `None` if they are all of them.
    pub(super) fn condition(self, all: Self) -> Option<String> {
        match (self.min > all.min, self.max < all.max) {
            _ if self.is_none() => Some("false".to_owned()),
            (false, false) => None,
            (true, false) => Some(format!("version >= {}", self.min)),
            (false, true) => Some(format!("version <= {}", self.max)),
            (true, true) if self.min == self.max => Some(format!("version == {}", self.min)),
            (true, true) => Some(format!("({}..={}).contains(&version)", self.min, self.max)),
        }
    }

    /// For a person: `since v3`, `until v12`, `v2 to v7`; nothing if they are all of them.
    pub(super) fn words(self, all: Self) -> Option<String> {
        match (self.min > all.min, self.max < all.max) {
            (false, false) => None,
            (true, false) => Some(format!("since v{}", self.min)),
            (false, true) => Some(format!("until v{}", self.max)),
            (true, true) if self.min == self.max => Some(format!("v{} only", self.min)),
            (true, true) => Some(format!("v{} to v{}", self.min, self.max)),
        }
    }
}

impl FromStr for Versions {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |text: &str| text.parse::<i16>().map_err(|error| format!("versions `{text}`: {error}"));
        if text == "none" {
            return Ok(Self::NONE);
        }
        if let Some(min) = text.strip_suffix('+') {
            return Ok(Self { min: number(min)?, max: i16::MAX });
        }
        match text.split_once('-') {
            Some((min, max)) => Ok(Self { min: number(min)?, max: number(max)? }),
            None => Ok(Self { min: number(text)?, max: number(text)? }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_become_conditions() {
        let all: Versions = "4-18".parse().unwrap();
        let condition = |text: &str| text.parse::<Versions>().unwrap().and(all).condition(all);
        assert_eq!(condition("0+"), None);
        assert_eq!(condition("12+").as_deref(), Some("version >= 12"));
        assert_eq!(condition("0-14").as_deref(), Some("version <= 14"));
        assert_eq!(condition("7-12").as_deref(), Some("(7..=12).contains(&version)"));
        assert_eq!(condition("9").as_deref(), Some("version == 9"));
        assert_eq!(condition("0-2").as_deref(), Some("false"));
    }
}
