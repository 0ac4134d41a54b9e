//! Kafka's jars: fetched by Maven, read by `unzip`.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// Path of a jar of a Kafka release (`kafka-clients`, say), fetched into `target/` at the first use.
pub(super) fn fetch(root: &Path, artifact: &str, version: &str) -> Result<PathBuf, String> {
    let dir = root.join("target/kafka-clients");
    let jar = dir.join(format!("{artifact}-{version}.jar"));
    if jar.exists() {
        return Ok(jar);
    }
    let status = Command::new("mvn")
        .args(["-q", "dependency:copy"])
        .arg(format!("-Dartifact=org.apache.kafka:{artifact}:{version}"))
        .arg(format!("-DoutputDirectory={}", dir.display()))
        .current_dir(std::env::temp_dir())
        .status()
        .map_err(|error| format!("mvn (needed to fetch {artifact} {version}): {error}"))?;
    if status.success() && jar.exists() {
        Ok(jar)
    } else {
        Err(format!("mvn could not fetch {artifact} {version}: {status}"))
    }
}

/// Text of one file in the jar.
pub(super) fn read(jar: &Path, file: &str) -> Result<String, String> {
    let output = Command::new("unzip")
        .arg("-p")
        .args([jar, Path::new(file)])
        .output()
        .map_err(|error| format!("unzip: {error}"))?;
    if !output.status.success() {
        return Err(format!("{} has no {file}", jar.display()));
    }
    String::from_utf8(output.stdout).map_err(|error| format!("{file}: {error}"))
}
