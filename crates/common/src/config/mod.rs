//! The configuration of a cluster: `services.json`, read and checked.
