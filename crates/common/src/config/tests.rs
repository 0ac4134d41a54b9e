//! What a wrong file is told, and that no file can do harm.

use std::time::Duration;

use proptest::prelude::*;

use super::*;

const SHIPPED: &str = include_str!("../../../../services.json");

/// The shipped file with one text replaced by another.
fn changed(from: &str, to: &str) -> String {
    assert!(SHIPPED.contains(from), "{from}");
    SHIPPED.replacen(from, to, 1)
}

fn errors(text: &str) -> Vec<String> {
    ClusterConfig::parse(text).unwrap_err().0.iter().map(ToString::to_string).collect()
}

#[test]
fn the_shipped_file_is_the_built_in_cluster() {
    assert_eq!(ClusterConfig::parse(SHIPPED).unwrap(), ClusterConfig::local(3, 3));
}

#[test]
fn a_small_file_is_enough() {
    let text = r#"{"clusterId": "c", "services": {"metadata-services": [{"id": 7, "port": 9000}],
        "storage-services": [{"id": 1, "port": 8000}]}}"#;
    let config = ClusterConfig::parse(text).unwrap();
    assert_eq!(config.metadata_nodes, [MetadataNodeConfig::local(7, 9000)]);
    assert_eq!(config.brokers, [BrokerConfig::local(1, 8000, None)]);
    assert_eq!(config.raft, TimingProfile::Local.raft());
    assert_eq!(config.broker, BrokerTimings::default());
}

#[test]
fn a_rendered_configuration_reads_as_itself() {
    for config in [ClusterConfig::local(1, 0), ClusterConfig::local(3, 3), ClusterConfig::local(7, 9)] {
        assert_eq!(ClusterConfig::parse(&config.to_json()).unwrap(), config);
    }
}

#[test]
fn the_profile_follows_the_hosts_unless_it_is_named() {
    let remote = changed(r#""host": "localhost", "port": 9091"#, r#""host": "node-1", "port": 9091"#);
    assert_eq!(ClusterConfig::parse(&remote).unwrap().profile, TimingProfile::Remote);
    let named = remote.replace(r#""profile": "auto""#, r#""profile": "local""#);
    assert_eq!(ClusterConfig::parse(&named).unwrap().raft, TimingProfile::Local.raft());
    let own = changed(
        r#""heartbeatMs": 0, "electionTimeoutMs": [0, 0]"#,
        r#""heartbeatMs": 50, "electionTimeoutMs": [150, 260]"#,
    );
    let raft = ClusterConfig::parse(&own).unwrap().raft;
    assert_eq!(raft.heartbeat, Duration::from_millis(50));
    assert_eq!(raft.election_timeout_max, Duration::from_millis(260));
}

#[test]
fn each_wrong_field_is_named_with_its_value_and_what_would_be_right() {
    let cases = [
        (
            changed(r#""port": 9092"#, r#""port": 70000"#),
            "services.metadata-services[1].port: 70000 will not do; it must be a whole number from 1 to 65535",
        ),
        (
            changed(r#""id": 102"#, r#""id": "102""#),
            r#"services.storage-services[1].id: "102" will not do; it must be a whole number from 0 to 2147483647"#,
        ),
        (
            changed(r#""id": 1,"#, r#""id": 0,"#),
            "services.metadata-services[0].id: 0 will not do; it must be a whole number from 1 to 2147483647",
        ),
        (
            changed(r#""rack": "c""#, r#""rak": "c""#),
            r#"services.storage-services[2]: "rak" is no field here; there are id, host, port, url, kafkaPort, dataDir, rack"#,
        ),
        (
            changed(r#""clusterId": "dmq-local","#, ""),
            "clusterId: it is missing; it must be a text of 1 to 64 characters out of a-z A-Z 0-9 . _ -",
        ),
        (
            changed("dmq-local", "my cluster"),
            r#"clusterId: "my cluster" will not do; it must be a text of 1 to 64 characters out of a-z A-Z 0-9 . _ -"#,
        ),
        (
            changed(r#""rack": "c""#, r#""rack": """#),
            r#"services.storage-services[2].rack: "" will not do; it must be a text of 1 to 255 bytes without control characters"#,
        ),
        (
            changed("http://localhost:8083", "https://localhost:8083"),
            r#"services.storage-services[2].url: "https://localhost:8083" will not do; it must be a URL like http://host:port"#,
        ),
        (
            changed(r#"[0, 0]"#, "[200]"),
            "raft.electionTimeoutMs: a list of 1 will not do; it must be two whole numbers from 0 to 3600000 ms, the shortest and the longest, as in [200, 300]",
        ),
        (
            changed(r#""profile": "auto""#, r#""profile": "fast""#),
            r#"raft.profile: "fast" will not do; it must be one of auto, local, remote"#,
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(errors(&text), [expected]);
    }
}

#[test]
fn a_rack_may_be_any_text() {
    let cluster = ClusterConfig::parse(&changed(r#""rack": "c""#, r#""rack": "eu/Köln 3""#)).unwrap();
    assert!(cluster.brokers.iter().any(|broker| broker.rack.as_deref() == Some("eu/Köln 3")));
}

#[test]
fn a_database_is_checked_without_being_shown() {
    let text = changed("sqlite:data/metadata-1/raft.db", "mysql://dmq:geheim@db/raft");
    let found = errors(&text);
    assert_eq!(
        found,
        [
            "services.metadata-services[0].database: a database must be `sqlite:<path>` or `postgres://<user>@<host>/<database>`"
        ]
    );
    let shared = changed("sqlite:data/metadata-1/raft.db", "postgres://dmq:geheim@db/raft").replacen(
        "sqlite:data/metadata-2/raft.db",
        "postgres://dmq:anders@db/raft",
        1,
    );
    let found = errors(&shared);
    assert_eq!(
        found,
        [
            "services.metadata-services[1].database: database postgres://dmq:***@db/raft is already that of services.metadata-services[0].database; each needs its own"
        ]
    );
}

#[test]
fn what_must_be_unique_is() {
    let cases = [
        (r#""id": 2,"#, r#""id": 1,"#, "services.metadata-services[1].id: id 1 is already"),
        (r#""id": 103"#, r#""id": 101"#, "services.storage-services[2].id: id 101 is already"),
        (
            r#""port": 8081, "url""#,
            r#""port": 9091, "url""#,
            "services.storage-services[0].port: address localhost:9091 is",
        ),
        (
            r#""kafkaPort": 29092"#,
            r#""kafkaPort": 8082"#,
            "services.storage-services[1].kafkaPort: address localhost:8082",
        ),
        (
            "http://localhost:9093",
            "http://localhost:9092/",
            "services.metadata-services[2].url: URL http://localhost:9092 is",
        ),
        (
            "data/broker-103",
            "./data//broker-101/",
            "services.storage-services[2].dataDir: directory data/broker-101 is",
        ),
        (
            "data/metadata-3/",
            "data/metadata-2/",
            "services.metadata-services[2].database: database data/metadata-2/raft.db",
        ),
    ];
    for (from, to, expected) in cases {
        let found = errors(&changed(from, to));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with(expected), "{found:?}");
    }
    let two_names = changed(r#""host": "localhost", "port": 9092"#, r#""host": "127.0.0.1", "port": 9091"#);
    assert!(errors(&two_names)[0].contains("address localhost:9091 is already"));
}

#[test]
fn timings_must_fit_each_other() {
    let cases = [
        (
            r#"[0, 0]"#,
            "[150, 300]",
            "raft.electionTimeoutMs: the shortest election timeout 150 is below 200, which is 2 times raft.heartbeatMs 100",
        ),
        (
            r#"[0, 0]"#,
            "[300, 300]",
            "raft.electionTimeoutMs: the longest election timeout 300 is not above the shortest 300",
        ),
        (
            "3000",
            "1400",
            "broker.sessionTimeoutMs: 1400 is below 1500, which is 3 times broker.heartbeatMs 500",
        ),
        (
            r#""requestTimeoutMs": 0"#,
            r#""requestTimeoutMs": 1501"#,
            "broker.requestTimeoutMs: 1501 is not within 1 and 1500, half of broker.sessionTimeoutMs 3000",
        ),
    ];
    for (from, to, expected) in cases {
        let found = errors(&changed(from, to));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with(expected), "{found:?}");
    }
}

#[test]
fn everything_wrong_is_said_at_once() {
    let text = r#"{"clusterId": "", "services": {"metadata-services": [{"id": 1, "port": 1}, {"id": 1, "port": 1}, 3]}, "x": 1}"#;
    let found = errors(text);
    let paths: Vec<&str> = found.iter().filter_map(|error| error.split(": ").next()).collect();
    let expected = [
        "(file)",
        "services.metadata-services[2]",
        "clusterId",
        "services.metadata-services[1].id",
        "services.metadata-services[1].port",
        "services.metadata-services[1].url",
        "services.metadata-services[1].database",
    ];
    assert_eq!(paths, expected, "{found:#?}");
}

#[test]
fn what_is_no_json_is_said_with_line_and_column() {
    assert_eq!(errors("{\n \"clusterId\" 3}"), ["(file): it is no JSON: expected `:` at line 2 column 14"]);
    assert!(errors(r#"{"a": 1, "a": 2}"#)[0].contains(r#"the field "a" stands here twice"#));
    assert_eq!(errors("[]"), ["(file): a list of 0 is no object; it must be one, in braces"]);
    assert!(errors(&"[".repeat(100_000))[0].contains("recursion limit"));
}

#[test]
fn an_even_quorum_is_a_warning() {
    assert_eq!(ClusterConfig::parse(SHIPPED).unwrap().warnings, Vec::<String>::new());
    let even = ClusterConfig::local(4, 1).to_json();
    let warnings = ClusterConfig::parse(&even).unwrap().warnings;
    assert_eq!(warnings, ["4 metadata nodes survive the loss of 1, as many as 3 would: use an odd number"]);
}

#[test]
fn the_schema_and_the_tables_in_docs_are_those_of_the_code() {
    let docs = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    let schema = docs.join("services.schema.json");
    let page = docs.join("configuration.md");
    let text = std::fs::read_to_string(&page).unwrap_or_default();
    let (begin, end) = ("<!-- services.json: begin -->\n", "<!-- services.json: end -->\n");
    let between = text.split_once(begin).and_then(|(before, rest)| {
        rest.split_once(end).map(|(table, after)| (before.to_owned(), table.to_owned(), after.to_owned()))
    });
    let (before, table, after) = between.expect("docs/configuration.md has the two marks");
    if std::env::var_os("DMQ_REWRITE").is_some() {
        std::fs::write(&schema, json_schema()).unwrap();
        std::fs::write(&page, format!("{before}{begin}{}{end}{after}", markdown())).unwrap();
        return;
    }
    let hint = "run this test with DMQ_REWRITE=1 and look at the difference";
    assert_eq!(std::fs::read_to_string(&schema).unwrap(), json_schema(), "{hint}");
    assert_eq!(table, markdown(), "{hint}");
}

/// Any JSON, with names that mean something every now and then.
fn any_json() -> impl Strategy<Value = serde_json::Value> {
    let names = fields::SECTIONS.iter().flat_map(|section| section.fields).map(|field| field.name);
    let name = proptest::sample::select(names.collect::<Vec<_>>()).prop_map(str::to_owned);
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        (0_u64..70_000).prop_map(Into::into),
        ".{0,20}".prop_map(Into::into),
    ];
    leaf.prop_recursive(5, 100, 6, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
            proptest::collection::btree_map(name.clone(), inner, 0..8)
                .prop_map(|fields| serde_json::Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn no_text_panics(text in ".{0,200}") {
        let _ = ClusterConfig::parse(&text);
        let _ = DatabaseUrl::parse(&text).map(|url| (url.to_string(), url.expand(|_| None).is_ok()));
        let _ = redact_url(&text);
    }

    #[test]
    fn no_json_panics(json in any_json()) {
        if let Err(errors) = ClusterConfig::parse(&json.to_string()) {
            prop_assert!(!errors.0.is_empty());
        }
    }

    /// A file that is right but for one value, replaced by anything.
    #[test]
    fn no_damaged_file_panics(position in 0_usize..40, value in any_json()) {
        let mut file: serde_json::Value = serde_json::from_str(SHIPPED).unwrap();
        let mut leaves = 0;
        replace_leaf(&mut file, position, &value, &mut leaves);
        let _ = ClusterConfig::parse(&file.to_string());
    }
}

fn replace_leaf(node: &mut serde_json::Value, position: usize, value: &serde_json::Value, seen: &mut usize) {
    match node {
        serde_json::Value::Array(items) => {
            items.iter_mut().for_each(|item| replace_leaf(item, position, value, seen));
        }
        serde_json::Value::Object(fields) => {
            fields.values_mut().for_each(|field| replace_leaf(field, position, value, seen));
        }
        leaf => {
            if *seen == position {
                *leaf = value.clone();
            }
            *seen += 1;
        }
    }
}
