//! Killed at any moment, renewals, secrets and webhooks are as before a step or as after it.
//!
//! CHANCERY_DEEDS_CRASH_ROUNDS says how often (8), CHANCERY_DEEDS_CRASH_SEED repeats a run's choices.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chancery::api::events::CreateWebhook;
use chancery::api::pki::{Issue, Renew};
use chancery::api::secrets::WriteSecret;
use chancery::client::{Client, ClientError};
use serde_json::json;
use tokio::runtime::Runtime;

use crate::appliance::Appliance;
use crate::load::{self, Choices};

#[derive(Default)]
struct Books {
    /// Each renewed certificate with the one it took the place of, by answers.
    renewed: Vec<(String, String)>,
    /// The newest number that was answered to be written to a path, and that was asked for; zero is nothing.
    secrets: BTreeMap<String, (u32, u32)>,
    webhooks: BTreeSet<String>,
    /// Those whose end was asked for.
    ending: BTreeSet<String>,
    ended: BTreeSet<String>,
    faults: Vec<String>,
}

type Shared = Arc<Mutex<Books>>;

#[test]
fn a_kill_leaves_each_deed_undone_or_done() {
    let rounds: usize = std::env::var("CHANCERY_DEEDS_CRASH_ROUNDS").ok().map_or(8, |text| text.parse().expect("a number of rounds"));
    let mut choices = Choices::from_environment("CHANCERY_DEEDS_CRASH_SEED");
    let runtime = load::runtime();
    let dir = tempfile::tempdir().unwrap();
    let mut appliance = Appliance::start_in(dir.path());
    let ca = appliance.root("root", "ec", 256);
    appliance.role("web", &ca, json!({}));
    appliance.role("kept", &ca, json!({"store_private_keys": true}));
    let books = Shared::default();
    for round in 1..=rounds {
        let killed = Arc::new(AtomicBool::new(false));
        let mut tasks = tokio::task::JoinSet::new();
        for worker in 0..4_u32 {
            let (client, books, killed) = (load::client(&appliance), books.clone(), killed.clone());
            let work = async move {
                for step in 0.. {
                    let outcome = match worker {
                        0 | 1 => renew(&client, &books, if worker == 0 { "web" } else { "kept" }).await,
                        2 => keep_a_secret(&client, &books, step % 3).await,
                        _ => hook(&client, &books).await,
                    };
                    if let Err(error) = outcome {
                        let is_cut_off = matches!(error, ClientError::Interrupted { .. } | ClientError::Unreachable { .. });
                        if !is_cut_off || !killed.load(Ordering::SeqCst) {
                            books.lock().unwrap().faults.push(format!("{error:?}"));
                        }
                        return;
                    }
                }
            };
            tasks.spawn_on(work, runtime.handle());
        }
        std::thread::sleep(Duration::from_millis(50 + choices.below(500)));
        killed.store(true, Ordering::SeqCst);
        appliance.kill();
        runtime.block_on(tasks.join_all());
        chancery::audit::verify(&dir.path().join("data")).unwrap_or_else(|error| panic!("round {round}: {error}"));
        appliance = Appliance::start_in(dir.path());
        let health = appliance.call_as(None, "GET", "/healthz", None).expect(200);
        assert!(health.get("key_faults").is_none(), "round {round}: {health}");
        check(&runtime, &load::client(&appliance), &mut books.lock().unwrap(), round);
    }
    let books = books.lock().unwrap();
    let written = books.secrets.values().map(|(answered, _)| answered).sum::<u32>();
    println!("{rounds} kills: {} renewals, {written} values, {} webhooks deleted", books.renewed.len(), books.ended.len());
    assert!(!books.renewed.is_empty() && written > 0 && !books.ended.is_empty(), "there was load");
    assert!(appliance.stop() && !appliance.log().contains("panicked"), "{}", appliance.log());
}

/// A certificate and three in its place, one after the other.
async fn renew(client: &Client, books: &Shared, role: &str) -> Result<(), ClientError> {
    let body = Issue { common_name: "www.example.com".to_owned(), ..Issue::default() };
    let mut old = client.issue(role, &body).await?.into_value().id;
    for _ in 0..3 {
        let new = client.renew(&old, &Renew::default()).await?.into_value().id;
        books.lock().unwrap().renewed.push((old, new.clone()));
        old = new;
    }
    Ok(())
}

/// Writes the next number to one of three paths; the value is its version.
async fn keep_a_secret(client: &Client, books: &Shared, path: u32) -> Result<(), ClientError> {
    let path = format!("crash/{path}");
    let next = books.lock().unwrap().secrets.get(&path).map_or(0, |(answered, _)| *answered) + 1;
    books.lock().unwrap().secrets.entry(path.clone()).or_default().1 = next;
    let body = WriteSecret { value: next.to_string().into(), expected_version: Some(next - 1), ..WriteSecret::default() };
    client.write_secret(&path, &body).await?;
    books.lock().unwrap().secrets.insert(path, (next, next));
    Ok(())
}

/// One that nobody listens to, made, and deleted unless it is one of the first.
async fn hook(client: &Client, books: &Shared) -> Result<(), ClientError> {
    let body =
        CreateWebhook { url: "https://127.0.0.1:9/crash".to_owned(), events: Some(vec!["ca.*".to_owned()]), ..CreateWebhook::default() };
    let made = client.create_webhook(&body).await?.into_value().webhook.id;
    let stays = {
        let mut books = books.lock().unwrap();
        books.webhooks.insert(made.clone());
        books.webhooks.len() <= STAYING
    };
    if stays {
        return Ok(());
    }
    books.lock().unwrap().ending.insert(made.clone());
    client.delete_webhook(&made).await?;
    books.lock().unwrap().webhooks.remove(&made);
    books.lock().unwrap().ended.insert(made);
    Ok(())
}

/// So many webhooks of a round are not deleted.
const STAYING: usize = 10;

fn check(runtime: &Runtime, client: &Client, books: &mut Books, round: usize) {
    assert!(books.faults.is_empty(), "round {round}: {:#?}", books.faults);
    runtime.block_on(async {
        // Both ends of each renewal name the other, also of one that was not answered.
        for (old, new) in &books.renewed {
            let (was, is) = (client.certificate(old).await.expect("the old one"), client.certificate(new).await.expect("the new one"));
            assert_eq!(is.value.renewed_from.as_ref(), Some(old), "round {round}");
            let newest = was.value.renewed_by.as_ref().expect("it was renewed");
            let newest = client.certificate(newest).await.expect("what is named is there");
            assert_eq!(newest.value.renewed_from.as_ref(), Some(old), "round {round}");
        }
        for (path, (answered, asked)) in &mut books.secrets {
            let found = match client.secret(path, None).await {
                Ok(secret) => {
                    let secret = secret.into_value();
                    let value = secret.value.expect("its value");
                    assert_eq!(value.expose(), secret.summary.version.to_string(), "round {round}: value and version are one change");
                    secret.summary.version
                }
                Err(error) if error.status() == Some(404) => 0,
                Err(error) => panic!("round {round}: {error:?}"),
            };
            assert!([*answered, *asked].contains(&found), "round {round}: {path} is {found}, not {answered} or {asked}");
            (*answered, *asked) = (found, found);
        }
        let mut listed = BTreeSet::new();
        let mut cursor = None;
        loop {
            let page = client.webhooks(cursor.as_deref()).await.expect("a page").into_value();
            for hook in page.data {
                client.webhook(&hook.id).await.expect("what is listed can be shown");
                listed.insert(hook.id);
            }
            cursor = page.cursor;
            if cursor.is_none() {
                break;
            }
        }
        for id in &books.webhooks {
            assert!(listed.contains(id) || books.ending.contains(id), "round {round}: {id} was answered and is not there");
        }
        for id in &listed {
            assert!(!books.ended.contains(id), "round {round}: {id} was deleted");
            // Fifty of them are all an organisation has.
            client.delete_webhook(id).await.expect("it can be deleted");
        }
        books.webhooks.clear();
    });
}
