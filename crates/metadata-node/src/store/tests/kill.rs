//! A process of its own that is killed by SIGKILL, and a disk that is full.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use super::{Place, created, on_both_databases, rows};
use crate::store::{Op, StoreError, StoreOptions};

on_both_databases!(killed_while_writing);

/// Tells the child process which database to write to.
const CHILD: &str = "DMQ_TEST_STORE_CHILD";

/// Not a test by itself: what [`killed_while_writing`] runs in a process of its own. Writes, and says so once it is durable.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child() {
    let Ok(url) = std::env::var(CHILD) else { return };
    let place = Place { url, dir: None, database: None };
    let running = place.open().await;
    let mut index = running.opened.last_log.map_or(0, |last| last.index);
    loop {
        index += 1;
        running.store.ask(|done| Op::Append(rows(1, index..=index), done)).await.unwrap();
        println!("durable {index}");
        running.store.project(vec![created(1, index)]).await.unwrap();
        if index % 100 == 0 {
            running.store.flush().await.unwrap();
            println!("projected {index}");
        }
    }
}

async fn killed_while_writing(place: Place) {
    let (mut durable, mut projected) = (0, 0);
    for round in 1..=6 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "store::tests::kill::child", "--nocapture"])
            .env(CHILD, &place.url)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut seen = 0;
        let mut take = |line: String| {
            if let Some(index) = line.strip_prefix("durable ") {
                durable = durable.max(index.parse().unwrap());
                seen += 1;
            } else if let Some(index) = line.strip_prefix("projected ") {
                projected = projected.max(index.parse().unwrap());
            }
            seen
        };
        while take(lines.next().expect("the child ended").unwrap()) < 100 * round {}
        child.kill().unwrap();
        child.wait().unwrap();
        // What it had said before it died counts too. Its last line may be cut short.
        let rest: Vec<String> = lines.map_while(Result::ok).collect();
        for line in rest.into_iter().rev().skip(1) {
            take(line);
        }

        let running = place.open().await;
        let last = running.opened.last_log.unwrap().index;
        assert!(last >= durable, "entry {durable} was acknowledged, the log ends at {last}");
        assert_eq!(last, running.store.log(1, usize::MAX).await.unwrap().len() as u64);
        let at = running.opened.projected.map_or(0, |at| at.index);
        assert!(
            at >= projected && at <= last,
            "projected {projected} was acknowledged, found {at} of {last}"
        );
        assert_eq!(at.to_string(), place.sql("SELECT count(*) FROM topics").await);
        assert_eq!(at.to_string(), place.sql("SELECT count(*) FROM metadata_events").await);
        // The node applies what lies between again.
        let again = (at.saturating_sub(3).max(1)..=last).map(|index| created(1, index)).collect();
        running.store.project(again).await.unwrap();
        running.store.flush().await.unwrap();
        assert_eq!(last.to_string(), place.sql("SELECT count(*) FROM topics").await);
        (durable, projected) = (last, last);
        running.close().await;
    }
}

/// Nothing is left on the device, as SQLite sees it.
#[tokio::test]
async fn a_full_disk_loses_nothing_that_was_acknowledged() {
    let place = Place::sqlite();
    place.open().await.close().await;
    let options = StoreOptions { database: format!("{}?max_page_count=200", place.url), ..place.options() };
    let running = super::Running::open(options).await.unwrap();
    let mut acknowledged = 0;
    let error = loop {
        let batch = rows(1, acknowledged + 1..=acknowledged + 50);
        match running.store.append(batch).await {
            Ok(()) => acknowledged += 50,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, StoreError::Full { .. }), "{error}");
    assert!(error.to_string().contains("free space"), "{error}");
    assert_eq!(std::io::ErrorKind::StorageFull, std::io::Error::from(error).kind());
    assert!(running.store.append(rows(1, 1..=1)).await.is_err(), "a failed store stays so");
    running.ended().await;

    let running = place.open().await;
    assert!(acknowledged > 100);
    assert_eq!(acknowledged, running.opened.last_log.unwrap().index);
    running.store.append(rows(1, acknowledged + 1..=acknowledged + 50)).await.unwrap();
    running.close().await;
}
