//! Two ways to wait for the journal and the token: a task that awaits, and a thread that blocks. Both do what one certificate asks of them: an
//! intention, a signature and a record, with 64 requests at once. The processor time is that of this process: the token's worker has its own.

use std::path::Path;
use std::time::Instant;

use chancery::storage::{Change, Class, Options, Storage, Table};
use chancery::token::{KeyRef, Token};

use crate::keys::{self, Keys};
use crate::settings::Settings;
use crate::{daemon, process, table};

const AT_ONCE: u64 = 64;
const TBS_BYTES: usize = 520;

/// What the requests share.
#[derive(Clone)]
struct Work {
    storage: Storage,
    token: Token,
    key: KeyRef,
    end: Instant,
}

pub fn measure(settings: &Settings, keys: &Keys) {
    let mut rows = Vec::new();
    let token = keys::worker();
    for (kind, key) in &keys.keys {
        for (name, run) in [("a task awaits", awaiting as fn(Work) -> u64), ("a thread blocks", blocking)] {
            let folder = daemon::directory();
            let work = Work { storage: open(folder.path()), token: token.clone(), key: key.clone(), end: Instant::now() + settings.time };
            let (begun, before) = (Instant::now(), process::processor_time(std::process::id()));
            let done = run(work);
            let (elapsed, used) = (begun.elapsed(), process::processor_time(std::process::id()) - before);
            rows.push(vec![kind.to_string(), name.to_owned(), table::rate(done as f64 / elapsed.as_secs_f64()), table::each(used, done)]);
        }
    }
    table::print("Two commits and a signature, 64 at once", &["key", "how it waits", "a second", "processor time"], &rows);
}

fn open(folder: &Path) -> Storage {
    Storage::open(folder, Options::default()).expect("a new store").0
}

/// As many tasks as requests, on as many threads as the machine has cores.
fn awaiting(work: Work) -> u64 {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let tasks: Vec<_> = (0..AT_ONCE)
            .map(|task| {
                let work = work.clone();
                tokio::spawn(async move {
                    let mut done = 0;
                    while Instant::now() < work.end {
                        work.storage.commit(intention()).await.expect("the intention is durable");
                        let algorithm = work.key.public.key_type().default_algorithm();
                        let signature = work.token.sign(&work.key, algorithm, vec![0x30; TBS_BYTES]).await.expect("a signature");
                        work.storage.commit(record(task, done, &signature)).await.expect("the record is durable");
                        done += 1;
                    }
                    done
                })
            })
            .collect();
        let mut done = 0;
        for task in tasks {
            done += task.await.expect("a task ends");
        }
        done
    })
}

/// As many threads as requests.
fn blocking(work: Work) -> u64 {
    // The token is awaited in either case; here by a thread for each request.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let handle = runtime.handle().clone();
    let request = move |thread: u64, work: Work, handle: tokio::runtime::Handle| {
        let mut done = 0;
        while Instant::now() < work.end {
            work.storage.commit_blocking(intention()).expect("the intention is durable");
            let algorithm = work.key.public.key_type().default_algorithm();
            let signature = work.token.sign(&work.key, algorithm, vec![0x30; TBS_BYTES]);
            let signature = handle.block_on(signature).expect("a signature");
            work.storage.commit_blocking(record(thread, done, &signature)).expect("the record is durable");
            done += 1;
        }
        done
    };
    let threads: Vec<_> = (0..AT_ONCE)
        .map(|thread| {
            let (work, handle) = (work.clone(), handle.clone());
            std::thread::spawn(move || request(thread, work, handle))
        })
        .collect();
    threads.into_iter().map(|thread| thread.join().expect("a thread ends")).sum()
}

/// As long as the audit entry of an intention.
fn intention() -> Change {
    Change::new(Class::Normal).note(vec![b'i'; 300])
}

/// As long as a certificate with its audit entry.
fn record(request: u64, number: u64, signature: &[u8]) -> Change {
    let key = [request.to_be_bytes(), number.to_be_bytes()].concat();
    let value = [&[b'c'; TBS_BYTES], signature].concat();
    Change::new(Class::Normal).expect_absent(Table::Certificates, &key).put(Table::Certificates, &key, &value).note(vec![b'r'; 300])
}
