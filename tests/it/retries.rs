//! Requests that are sent again with their `Idempotency-Key`: many at once, and over kill -9.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chancery::api::pki::Issue;
use chancery::client::{CertificateFilter, Client, ClientError};
use serde_json::json;
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::appliance::Appliance;
use crate::load;

fn wanted(name: &str) -> Issue {
    Issue { common_name: format!("{name}.example.com"), ..Issue::default() }
}

/// How many certificates there are of each name.
fn issued(runtime: &Runtime, client: &Client) -> BTreeMap<String, usize> {
    let mut found = BTreeMap::new();
    for certificate in runtime.block_on(load::listed(client, CertificateFilter::default())) {
        *found.entry(certificate.common_name).or_default() += 1;
    }
    found
}

#[test]
fn a_thousand_over_128_connections_make_one_certificate() {
    let appliance = Appliance::start();
    let ca = appliance.root("root", "ec", 256);
    appliance.role("web", &ca, json!({}));
    let runtime = load::runtime();
    let client = load::client(&appliance);
    let keyed = client.clone().with_idempotency_key("one of a thousand").with_timeout(Duration::from_secs(300));
    // As many as the machine opens connections for in good time; the others are right behind.
    let open = Arc::new(Semaphore::new(128));
    let answers = runtime.block_on(async {
        let mut tasks = JoinSet::new();
        for _ in 0..1_000 {
            let (client, open) = (keyed.clone(), open.clone());
            tasks.spawn(async move {
                let _open = open.acquire().await.unwrap();
                client.issue("web", &wanted("once")).await.expect("an answer").into_value()
            });
        }
        tasks.join_all().await
    });
    assert_eq!(answers.len(), 1_000);
    assert!(answers.iter().all(|answer| answer.id == answers[0].id && answer.certificate == answers[0].certificate));
    assert_eq!(answers.iter().filter(|answer| answer.private_key.is_some()).count(), 1, "the private key is told once");
    assert_eq!(issued(&runtime, &client), BTreeMap::from([("once.example.com".to_owned(), 1)]));
    let signed = appliance.told("certificate.intend");
    let signed = signed.iter().filter(|entry| entry["details"]["common_name"] == "once.example.com").count();
    assert_eq!(signed, 1, "nothing else was even signed");
}

#[test]
fn killed_at_any_moment_what_is_sent_again_makes_one_certificate() {
    const ROUNDS: usize = 6;
    const AT_ONCE: usize = 12;
    let dir = tempfile::tempdir().unwrap();
    let mut choices = load::Choices::from_environment("CHANCERY_RETRIES_SEED");
    let mut appliance = Appliance::start_in(dir.path());
    let ca = appliance.root("root", "ec", 256);
    appliance.role("web", &ca, json!({}));
    let runtime = load::runtime();
    let mut asked = Vec::new();
    for round in 0..ROUNDS {
        let client = load::client(&appliance);
        let mut tasks = JoinSet::new();
        for task in 0..AT_ONCE {
            let client = client.clone();
            tasks.spawn_on(
                async move {
                    let mut asked = Vec::new();
                    // Fewer than the keys that are remembered of one caller, however quick the machine.
                    for number in 0..100 {
                        let name = format!("r{round}-{task}-{number}");
                        let answer = client.clone().with_idempotency_key(&name).issue("web", &wanted(&name)).await;
                        let id = match answer {
                            Ok(answer) => Some(answer.into_value().id),
                            Err(ClientError::Refused(problem)) => panic!("{problem:?}"),
                            Err(_) => None,
                        };
                        let is_over = id.is_none();
                        asked.push((name, id));
                        if is_over {
                            break;
                        }
                    }
                    asked
                },
                runtime.handle(),
            );
        }
        std::thread::sleep(Duration::from_millis(200 + choices.below(600)));
        appliance.kill();
        asked.extend(runtime.block_on(tasks.join_all()).into_iter().flatten());
        appliance = Appliance::start_in(dir.path());
    }
    let client = load::client(&appliance);
    let mut expected = BTreeMap::new();
    for (name, id) in &asked {
        let again = runtime.block_on(client.clone().with_idempotency_key(name).issue("web", &wanted(name))).expect("an answer");
        let again = again.into_value();
        assert!(id.as_ref().is_none_or(|id| *id == again.id), "{name} was answered with {id:?} and {}", again.id);
        expected.insert(format!("{name}.example.com"), 1);
    }
    assert!(asked.len() > ROUNDS * AT_ONCE, "it was asked for while it was killed");
    assert_eq!(issued(&runtime, &client), expected);
}
