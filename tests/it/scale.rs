//! An appliance with many certificates starts soon and stays small.
//!
//! CHANCERY_SCALE says how many (100,000). The figures that count are those of a release build; a test only looks that they are not far off.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::appliance::Appliance;
use crate::load::{self, Choices};
use crate::store;

#[test]
fn an_appliance_with_100_000_certificates_starts_soon_and_stays_small() {
    let count: usize = std::env::var("CHANCERY_SCALE").ok().map_or(100_000, |text| text.parse().expect("a number"));
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path().join("appliance");
    let mut appliance = Appliance::start_in(&dir);
    let ca = appliance.root("root", "ec", 256);
    appliance.role("web", &ca, json!({}));
    let (runtime, csrs) = (load::runtime(), load::requests(1, scratch.path()));
    let model = load::issue(&runtime, &load::client(&appliance), "web", &csrs, 1).remove(0);
    assert!(appliance.stop());

    let begun = Instant::now();
    store::add_certificates(&dir.join("data"), &model.serial, count);
    println!("{count} certificates made in {:.1?}", begun.elapsed());

    let after_stop = measure(&dir, "after a clean stop");
    let mut appliance = after_stop.appliance;
    let client = load::client(&appliance);
    let authority = runtime.block_on(client.authority(&ca)).unwrap().into_value();
    assert!(authority.certificates_issued > count as u64);
    // Memory is looked at after use too: reading pages fills the cache.
    let ids = read_some(&runtime, &client, &ca);
    println!("after reading {ids} certificates: {} MiB", resident_mib(appliance.process_id()));
    assert_memory(resident_mib(appliance.process_id()));

    let more = load::issue(&runtime, &client, "web", &csrs, 200);
    appliance.kill();
    let after_kill = measure(&dir, "after a kill");
    load::assert_there(&runtime, &load::client(&after_kill.appliance), &more);
    drop(after_kill.appliance);

    for measured in [(after_stop.took, after_stop.mib), (after_kill.took, after_kill.mib)] {
        // Twice and more of what is promised, for a build that is not optimised and a machine that does other things.
        assert!(measured.0 < Duration::from_secs(6), "ready after {:?}", measured.0);
        assert_memory(measured.1);
    }

    // Without an index everything is read; that may take its time, and is printed.
    std::fs::remove_dir_all(dir.join("data/index")).unwrap();
    let mut rebuilt = measure(&dir, "when the index is rebuilt");
    load::assert_there(&runtime, &load::client(&rebuilt.appliance), &more);
    assert!(rebuilt.appliance.stop());
}

struct Measured {
    appliance: Appliance,
    took: Duration,
    mib: u64,
}

fn measure(dir: &std::path::Path, when: &str) -> Measured {
    let begun = Instant::now();
    let appliance = Appliance::start_in(dir);
    let took = begun.elapsed();
    let mib = resident_mib(appliance.process_id());
    println!("{when}: ready after {took:.2?}, {mib} MiB resident");
    Measured { appliance, took, mib }
}

/// Pages through some of the certificates and reads some of each page; how many it read.
fn read_some(runtime: &tokio::runtime::Runtime, client: &chancery::client::Client, ca: &str) -> usize {
    let mut choices = Choices::new(7);
    runtime.block_on(async {
        let mut filter = chancery::client::CertificateFilter { ca_id: Some(ca.to_owned()), limit: Some(1000), ..Default::default() };
        let mut read = 0;
        for _ in 0..20 {
            let page = client.certificates(&filter).await.expect("a page").into_value();
            for _ in 0..20 {
                let id = &page.data[choices.below(page.data.len() as u64) as usize].id;
                client.certificate_pem(id).await.expect("a certificate");
            }
            read += page.data.len() + 20;
            filter.cursor = page.cursor;
            if filter.cursor.is_none() {
                break;
            }
        }
        read
    })
}

fn assert_memory(mib: u64) {
    assert!(mib < 150, "{mib} MiB are resident");
}

/// What the process has in memory, as the kernel counts it.
fn resident_mib(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("the status of a process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a resident size");
    line.trim().trim_end_matches(" kB").trim().parse::<u64>().expect("a number") / 1024
}
