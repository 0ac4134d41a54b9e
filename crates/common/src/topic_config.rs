//! The settings of a topic: names, types, ranges and defaults, as in Kafka.
