//! The settings that the controllers keep for brokers: `/api/v1/metadata/broker-configs` for all of them,
//! `/api/v1/metadata/brokers/{id}/configs` for one. What a broker was started with is not among them.

use std::collections::BTreeMap;

use common::{BrokerId, MetadataVersion, broker_config::Configs};
use metadata_core::BrokerConfigs;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What is set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BrokerConfigsInfo {
    /// For which broker; absent: for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broker_id: Option<BrokerId>,
    /// By Kafka's names.
    #[schema(value_type = BTreeMap<String, String>)]
    pub configs: Configs,
    /// `metadataVersion` of this statement.
    pub metadata_version: MetadataVersion,
}

/// Changes some of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AlterBrokerConfigsRequest {
    /// New values; `null` sets no more what was set.
    pub configs: BTreeMap<String, Option<String>>,
}

/// All of it, as part of the full image.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AllBrokerConfigs {
    /// What is set for all brokers.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(value_type = BTreeMap<String, String>)]
    pub cluster: Configs,
    /// What is set for single ones.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(value_type = BTreeMap<String, BTreeMap<String, String>>)]
    pub brokers: BTreeMap<BrokerId, Configs>,
}

impl From<&BrokerConfigs> for AllBrokerConfigs {
    fn from(configs: &BrokerConfigs) -> Self {
        let brokers = configs.brokers().map(|(id, configs)| (id, configs.clone())).collect();
        Self { cluster: configs.of_all().clone(), brokers }
    }
}
