//! Which versions of which APIs a broker has, and the one to speak (KIP-35).

use std::{collections::BTreeMap, ops::RangeInclusive};

use kafka_wire::{ApiKey, Request, messages::ApiVersionsResponse};

/// The versions that a broker says it has, by API.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Versions(BTreeMap<i16, RangeInclusive<i16>>);

impl Versions {
    pub(crate) fn of(response: &ApiVersionsResponse) -> Self {
        let ranges = response.api_keys.iter().map(|api| (api.api_key, api.min_version..=api.max_version));
        Self(ranges.collect())
    }

    /// The highest version of `R` up to `most` that both sides know.
    pub fn best<R: Request>(&self, most: i16) -> Option<i16> {
        let theirs = self.get(R::KEY)?;
        let best = most.min(*theirs.end()).min(*R::VERSIONS.end());
        (theirs.contains(&best) && R::VERSIONS.contains(&best)).then_some(best)
    }

    /// The broker's range for an API; `None` if it does not have it.
    pub fn get(&self, key: ApiKey) -> Option<&RangeInclusive<i16>> {
        self.0.get(&(key as i16))
    }
}

#[cfg(test)]
mod tests {
    use kafka_wire::messages::{FetchRequest, MetadataRequest, api_versions::ApiVersion};

    use super::*;

    fn broker(api_key: ApiKey, min_version: i16, max_version: i16) -> Versions {
        let api = ApiVersion { api_key: api_key as i16, min_version, max_version };
        Versions::of(&ApiVersionsResponse { api_keys: vec![api], ..ApiVersionsResponse::default() })
    }

    #[test]
    fn the_highest_common_version_is_spoken() {
        assert_eq!(broker(ApiKey::Fetch, 0, 99).best::<FetchRequest>(i16::MAX), Some(18));
        assert_eq!(broker(ApiKey::Fetch, 0, 11).best::<FetchRequest>(i16::MAX), Some(11));
        assert_eq!(broker(ApiKey::Fetch, 4, 16).best::<FetchRequest>(12), Some(12));
    }

    #[test]
    fn without_a_common_version_there_is_none() {
        assert_eq!(broker(ApiKey::Fetch, 0, 3).best::<FetchRequest>(i16::MAX), None);
        assert_eq!(broker(ApiKey::Fetch, 13, 17).best::<FetchRequest>(12), None);
        assert_eq!(broker(ApiKey::Fetch, 4, 17).best::<MetadataRequest>(i16::MAX), None);
    }
}
