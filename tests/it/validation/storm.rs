//! A thousand clients with one wrong name, and those who have nothing to do with it.

use chancery::acme_server::validation::{ConnectionFault, Place};

use super::*;
use crate::name_server::{NameServer, own_address};

const CLIENTS: usize = 1_000;

async fn of_account(validator: &Validator, name: &str, account: usize) -> Result<(), ValidationFault> {
    let identifier = host(name);
    let account_url = format!("{ACCOUNT}{account}");
    let attempt = Attempt {
        identifier: &identifier,
        kind: ChallengeKind::Http01,
        token: TOKEN,
        key_authorization: KEY_AUTHORIZATION,
        account_url: &account_url,
        issuer_domains: &[],
    };
    validator.validate(attempt).await
}

/// The wrong name's server takes connections and says nothing, which is the slowest there is.
#[tokio::test(flavor = "multi_thread")]
async fn one_wrong_name_slows_nobody_else() {
    let (silent, good) = (own_address(), own_address());
    let slow = WebServer::start(&[silent.into()], &json!({PATH: {"silent": true}}));
    let _web = WebServer::start(&[good.into()], &json!({PATH: right()}));
    let names = NameServer::start(&[("example", &format!("wrong A {silent}\n*.good A {good}\n"))]);
    let settings = ValidationSettings { attempts: 2, pause: Duration::from_millis(100), within: Duration::from_secs(3), ..once() };
    let validator = validator(names.address, settings);
    let storm: Vec<_> = (0..CLIENTS)
        .map(|client| {
            let validator = validator.clone();
            tokio::spawn(async move { of_account(&validator, "wrong.example", client).await })
        })
        .collect();
    // The storm has begun when somebody waits for that server.
    let begun = Instant::now();
    while slow.seen().is_empty() {
        assert!(begun.elapsed() < PATIENCE);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    for number in 0..20 {
        let begun = Instant::now();
        // Also for one of those whose other name is wrong.
        assert_eq!(of_account(&validator, &format!("n{number}.good.example"), number).await, Ok(()));
        assert!(begun.elapsed() < Duration::from_secs(3), "it waited for the wrong one: {:?}", begun.elapsed());
    }
    let fault = ValidationFault::Connection { at: Place::Asked("wrong.example".to_owned()), fault: ConnectionFault::TimedOut };
    for client in storm {
        assert_eq!(client.await.unwrap(), Err(fault.clone()));
    }
    assert!(slow.seen().len() < 50, "what one finds out is told to the others: {}", slow.seen().len());
    assert!(begun.elapsed() < PATIENCE, "the storm is over soon: {:?}", begun.elapsed());
}

/// A client that is a little slow with its page is given time.
#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_comes_late_is_found() {
    let web = own_address();
    let names = NameServer::start(&[("example", &format!("late A {web}\n"))]);
    let settings = ValidationSettings { attempts: 8, pause: Duration::from_millis(200), ..once() };
    let validator = validator(names.address, settings);
    let validating = tokio::spawn(async move { of_account(&validator, "late.example", 1).await });
    tokio::time::sleep(Duration::from_millis(300)).await;
    let _server = WebServer::start(&[web.into()], &json!({PATH: right()}));
    assert_eq!(validating.await.unwrap(), Ok(()));
}
