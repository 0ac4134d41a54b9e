//! `docker-compose.yml` is read as Compose would read it, and must describe a cluster that can start.

use std::collections::BTreeSet;

use serde_json::Value;

fn compose() -> Value {
    let text = include_str!("../../../docker-compose.yml");
    serde_saphyr::from_str(text).expect("docker-compose.yml is YAML")
}

/// `$$` is how Compose writes a literal `$`.
fn inline_config(compose: &Value, name: &str) -> String {
    let content = compose.pointer(&format!("/configs/{name}/content")).and_then(Value::as_str);
    content.expect("an inline config").replace("$$", "$")
}

fn services_json(compose: &Value) -> Value {
    serde_json::from_str(&inline_config(compose, "services")).expect("services.json is JSON")
}

fn nodes<'a>(services: &'a Value, kind: &str) -> &'a Vec<Value> {
    services.pointer(&format!("/services/{kind}")).and_then(Value::as_array).expect("a list of services")
}

#[test]
fn every_process_of_the_topology_has_a_container_that_plays_it() {
    let compose = compose();
    let services = services_json(&compose);
    for (kind, role) in [("metadata-services", "metadata-node"), ("storage-services", "broker")] {
        assert_eq!(nodes(&services, kind).len(), 3);
        for node in nodes(&services, kind) {
            let host = node["host"].as_str().unwrap();
            let container = &compose["services"][host];
            let expected = [role, "--id", &node["id"].to_string()];
            let command: Vec<&str> =
                container["command"].as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
            assert_eq!(command, expected, "container {host}");
            assert_eq!(node["url"], format!("http://{host}:{}", node["port"]));
            let published = container["ports"].as_array().unwrap();
            for port in [&node["port"], &node["kafkaPort"]].into_iter().filter(|port| !port.is_null()) {
                assert!(
                    published.contains(&Value::from(format!("{port}:{port}"))),
                    "{host} publishes {port}"
                );
            }
            assert_eq!(container["configs"][0]["target"], container["environment"]["DMQ_SERVICES"]);
            let ready = format!("{}/readyz", node["url"].as_str().unwrap());
            assert_eq!(container["healthcheck"]["test"].as_array().unwrap().last().unwrap(), &ready);
            assert_eq!(container["build"], ".");
        }
    }
}

#[test]
fn every_metadata_node_has_a_database_server_of_its_own() {
    let compose = compose();
    let services = services_json(&compose);
    let mut servers = BTreeSet::new();
    for node in nodes(&services, "metadata-services") {
        let database = node["database"].as_str().unwrap();
        assert!(database.contains("${DMQ_DB_PASSWORD}"), "the password comes from the environment");
        let server = database.rsplit('@').next().and_then(|tail| tail.split('/').next()).unwrap().to_owned();
        let container = &compose["services"][node["host"].as_str().unwrap()];
        assert!(container["environment"]["DMQ_DB_PASSWORD"].is_string());
        assert_eq!(container["depends_on"][&server]["condition"], "service_healthy");
        assert!(compose["services"][&server]["image"].as_str().unwrap().starts_with("postgres:"));
        let volume = compose["services"][&server]["volumes"][0].as_str().unwrap();
        assert!(compose["volumes"].as_object().unwrap().contains_key(volume.split(':').next().unwrap()));
        servers.insert(server);
    }
    assert_eq!(servers.len(), 3, "voters that share a database server fail together");
}

#[test]
fn prometheus_scrapes_every_process() {
    let compose = compose();
    let services = services_json(&compose);
    let prometheus: Value = serde_saphyr::from_str(&inline_config(&compose, "prometheus")).expect("YAML");
    let jobs = prometheus["scrape_configs"].as_array().unwrap();
    let scraped: BTreeSet<&str> = jobs
        .iter()
        .flat_map(|job| job["static_configs"][0]["targets"].as_array().unwrap())
        .map(|target| target.as_str().unwrap())
        .collect();
    let wanted: Vec<String> = ["metadata-services", "storage-services"]
        .iter()
        .flat_map(|kind| nodes(&services, kind))
        .map(|node| format!("{}:{}", node["host"].as_str().unwrap(), node["port"]))
        .collect();
    assert_eq!(scraped, wanted.iter().map(String::as_str).collect());
}

#[test]
fn the_image_is_built_with_the_compiler_of_the_tree() {
    let channel = include_str!("../../../rust-toolchain.toml")
        .lines()
        .find_map(|line| line.strip_prefix("channel = "))
        .expect("the toolchain is named")
        .trim_matches('"');
    let dockerfile = include_str!("../../../Dockerfile");
    for line in [format!("FROM rust:{channel}-bookworm AS build"), format!("ENV RUSTUP_TOOLCHAIN={channel}")]
    {
        assert!(dockerfile.lines().any(|it| it == line), "{line}");
    }
}
