//! The curl forms in `scripts/`, against a cluster of their own.

use std::{path::Path, process::Command};

use testkit::{Cluster, Storage};

use crate::dmq;

async fn script(name: &'static str, storage: Storage) {
    let cluster = Cluster::start(dmq(), storage, |_| {}).await;
    let nodes = cluster.observer().urls().join(",");
    let run = tokio::task::spawn_blocking(move || {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts").join(name);
        Command::new("bash").arg(path).env("DMQ_METADATA", nodes).output().unwrap()
    });
    let output = run.await.unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{stdout}\n{stderr}");
    assert!(stdout.contains("passed"), "{stdout}\n{stderr}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn curl_tour() {
    script("curl-tour.sh", Storage::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn curl_redirect() {
    script("curl-redirect.sh", Storage::Sqlite).await;
}
