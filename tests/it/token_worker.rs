//! The token's worker: killed, stopped, sent junk and approached by strangers, while the daemon goes on.

use std::collections::HashSet;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use chancery::token::keeper::Keeper;
use chancery::token::{Place, Token, TokenConfig};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;

use crate::appliance::Appliance;
use crate::load::{self, Answered};

/// How long a replacement may take on a machine that does other things meanwhile.
const REPLACED: Duration = Duration::from_secs(20);

/// The processes that a process has started.
fn children(process: u32) -> Vec<u32> {
    let threads = std::fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    let lists = threads.filter_map(|thread| std::fs::read_to_string(thread.path().join("children")).ok());
    lists.flat_map(|list| list.split_whitespace().map(|id| id.parse().unwrap()).collect::<Vec<u32>>()).collect()
}

fn arguments(process: u32) -> Vec<String> {
    let line = std::fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
    line.split(|byte| *byte == 0).map(|argument| String::from_utf8_lossy(argument).into_owned()).collect()
}

fn started_as(process: u32, command: &str) -> Option<u32> {
    children(process).into_iter().find(|child| arguments(*child).get(1).is_some_and(|argument| argument == command))
}

fn keeper(appliance: &Appliance) -> Option<u32> {
    started_as(appliance.process_id(), "token-keeper")
}

fn worker(appliance: &Appliance) -> Option<u32> {
    started_as(keeper(appliance)?, "token-worker")
}

/// Where the appliance's worker listens.
fn socket(appliance: &Appliance) -> PathBuf {
    arguments(keeper(appliance).unwrap()).into_iter().skip_while(|argument| argument != "--socket").nth(1).unwrap().into()
}

/// The permissions of a file that is there.
fn mode(path: &Path) -> Option<u32> {
    Some(path.metadata().ok()?.permissions().mode() & 0o777)
}

fn signal(process: u32, signal: Signal) {
    kill(Pid::from_raw(process.try_into().unwrap()), signal).unwrap();
}

/// Waits until it is so.
#[track_caller]
fn wait_for<T>(what: &str, look: impl Fn() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < REPLACED, "{what} did not come");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn is_gone(process: u32) -> Option<()> {
    // A zombie has no command line.
    arguments(process).iter().all(String::is_empty).then_some(())
}

struct Story {
    appliance: Appliance,
    csrs: Vec<String>,
    _scratch: tempfile::TempDir,
}

impl Story {
    /// An appliance with a role, whose worker's configuration begins with these lines.
    fn begin(settings: &str) -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let dir = scratch.path().join("appliance");
        let mut appliance = Appliance::start_in(&dir);
        let root = appliance.root("root", "ec", 256);
        appliance.role("web", &root, json!({}));
        if !settings.is_empty() {
            assert!(appliance.stop());
            let file = dir.join("token.toml");
            let text = std::fs::read_to_string(&file).unwrap();
            std::fs::write(&file, format!("{settings}\n{text}")).unwrap();
            appliance = Appliance::start_in(&dir);
        }
        let csrs = load::requests(4, scratch.path());
        Self { appliance, csrs, _scratch: scratch }
    }

    /// Whether a certificate is issued now.
    fn issues(&self) -> bool {
        self.appliance.call("POST", "/v1/pki/issue/web", Some(json!({"common_name": "www.example.com"}))).status == 201
    }
}

#[test]
fn only_the_worker_has_the_module_and_nobody_outlives_the_daemon() {
    let mut story = Story::begin("");
    let appliance = &mut story.appliance;
    let (keeper, worker) = (keeper(appliance).unwrap(), worker(appliance).unwrap());
    let has_module = |process: u32| std::fs::read_to_string(format!("/proc/{process}/maps")).unwrap().contains("libsofthsm2");
    assert_eq!([appliance.process_id(), keeper, worker].map(has_module), [false, false, true]);
    let socket = socket(appliance);
    assert_eq!((mode(&socket), mode(socket.parent().unwrap())), (Some(0o600), Some(0o700)));
    appliance.kill();
    wait_for("the keeper's end", || is_gone(keeper));
    wait_for("the worker's end", || is_gone(worker));
    assert!(!socket.parent().unwrap().exists(), "what was made for the socket is taken away");
}

#[test]
fn a_worker_that_is_killed_under_load_is_replaced_and_no_certificate_is_lost_or_doubled() {
    let story = Story::begin("");
    let (appliance, runtime) = (&story.appliance, load::runtime());
    let daemon = appliance.process_id();
    let (stop, signed) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let mut tasks = tokio::task::JoinSet::new();
    for csr in &story.csrs {
        let (client, csr, stop, signed) = (load::client(appliance), csr.clone(), stop.clone(), signed.clone());
        let sign_until = async move {
            let (mut answered, mut refused) = (Vec::new(), Vec::new());
            while !stop.load(Ordering::Relaxed) {
                match load::sign(&client, "web", &csr).await {
                    Ok(certificate) => {
                        answered.push(certificate);
                        signed.fetch_add(1, Ordering::Relaxed);
                    }
                    Err(error) => {
                        let problem = error.problem().unwrap_or_else(|| panic!("no problem document: {error:?}"));
                        refused.push(problem.code.clone());
                    }
                }
            }
            (answered, refused)
        };
        tasks.spawn_on(sign_until, runtime.handle());
    }
    let mut replaced = Vec::new();
    for _ in 0..8 {
        let before = signed.load(Ordering::Relaxed);
        std::thread::sleep(Duration::from_millis(400));
        wait_for("certificates under load", || (signed.load(Ordering::Relaxed) > before + 3).then_some(()));
        let old = wait_for("a worker", || worker(appliance));
        signal(old, Signal::SIGKILL);
        let begun = Instant::now();
        wait_for("another worker", || worker(appliance).filter(|new| *new != old));
        wait_for("a signature", || story.issues().then_some(()));
        replaced.push(begun.elapsed());
    }
    stop.store(true, Ordering::Relaxed);
    let outcomes = runtime.block_on(tasks.join_all());
    let refused: Vec<_> = outcomes.iter().flat_map(|(_, refused)| refused.clone()).collect();
    assert!(refused.iter().all(|code| ["token_unavailable", "token_busy"].contains(&code.as_str())), "{refused:?}");
    let answered: Vec<Answered> = outcomes.into_iter().flat_map(|(answered, _)| answered).collect();
    assert!(answered.len() > 20, "{} certificates under load", answered.len());
    load::assert_there(&runtime, &load::client(appliance), &answered);
    let serials: HashSet<_> = answered.iter().map(|certificate| certificate.serial.clone()).collect();
    assert_eq!(serials.len(), answered.len(), "no serial number twice");

    let metrics = appliance.call("GET", "/metrics", None).text();
    let count = |name: &str| -> u64 {
        let line = metrics.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{name}:\n{metrics}"));
        line.rsplit(' ').next().unwrap().parse::<f64>().unwrap() as u64
    };
    assert!(count("chancery_token_signatures_total") >= serials.len() as u64);
    assert_eq!(appliance.process_id(), daemon);
    assert!(!appliance.log().contains("panicked"), "{}", appliance.log());
    replaced.sort();
    println!("{} certificates, {} refused; back after {:?} (median), {:?} (most)", serials.len(), refused.len(), replaced[4], replaced[7]);
}

#[test]
fn a_worker_that_is_stopped_is_ended_and_replaced() {
    let story = Story::begin("watchdog = \"2s\"");
    let old = worker(&story.appliance).unwrap();
    assert!(story.issues());
    signal(old, Signal::SIGSTOP);
    // What is asked meanwhile waits for the next worker, or is told to come back; and what needs no signature goes on.
    let begun = Instant::now();
    let asked = story.appliance.call("POST", "/v1/pki/issue/web", Some(json!({"common_name": "www.example.com"})));
    assert!([201, 503].contains(&asked.status), "{}", asked.text());
    assert!(begun.elapsed() < REPLACED, "{:?}", begun.elapsed());
    let new = wait_for("another worker", || worker(&story.appliance).filter(|new| *new != old));
    assert_ne!(old, new);
    wait_for("a signature", || story.issues().then_some(()));
    assert!(story.appliance.log().contains("shows no sign of life"), "{}", story.appliance.log());
}

/// The sandbox lets it start no program, so the way back is to be started again, which a service manager does when it fails.
#[test]
fn a_daemon_whose_keeper_is_killed_ends_and_serves_again_when_it_is_started() {
    let story = Story::begin("");
    let (daemon, old_worker) = (story.appliance.process_id(), worker(&story.appliance).unwrap());
    signal(keeper(&story.appliance).unwrap(), Signal::SIGKILL);
    wait_for("the old worker's end", || is_gone(old_worker));
    wait_for("the daemon's end", || is_gone(daemon));
    assert!(story.appliance.log().contains("lets no other be started"), "{}", story.appliance.log());
    let again = Appliance::start_in(story.appliance.dir());
    let body = json!({"common_name": "www.example.com"});
    again.call("POST", "/v1/pki/issue/web", Some(body)).expect(201);
}

#[test]
fn junk_ends_its_connection_and_nothing_else() {
    let story = Story::begin("");
    let before = worker(&story.appliance).unwrap();
    let hello = [&9_u32.to_le_bytes()[..], b"chy-tokn\x01"].concat();
    let after_hello = |junk: &[u8]| [&hello, junk].concat();
    let junk = [
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        vec![0xff; 64],
        vec![0; 4],
        [&9_u32.to_le_bytes()[..], b"chy-tokn\x02"].concat(),
        after_hello(&u32::MAX.to_le_bytes()),
        after_hello(&[3, 0, 0, 0, 9, 9, 9]),
        // A signature request that stops in the middle, and a digest of a wrong length.
        after_hello(&[10, 0, 0, 0, 0, 1, 0]),
        after_hello(&[&[66, 0, 0, 0, 0, 1, 0][..], &[7; 48], &[12], b"ecdsa-sha256", &[1, 1]].concat()),
    ];
    for bytes in &junk {
        let mut stream = UnixStream::connect(socket(&story.appliance)).unwrap();
        stream.set_read_timeout(Some(REPLACED)).unwrap();
        // It may be refused while it is still being written.
        let _ = stream.write_all(bytes);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        assert!(answer.len() < 200, "{bytes:?} was answered with {answer:?}");
        assert!(story.issues());
    }
    // More connections than are held do not keep the daemon from its own.
    let idle: Vec<_> = (0..40).map(|_| UnixStream::connect(socket(&story.appliance)).unwrap()).collect();
    assert!(story.issues());
    drop(idle);
    assert_eq!(worker(&story.appliance), Some(before));
    assert!(!story.appliance.log().contains("panicked"), "{}", story.appliance.log());
}

/// A worker of its own, ended when dropped.
struct Alone(Child);

impl Drop for Alone {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_stranger_is_refused_whatever_the_socket_s_mode() {
    if !nix::unistd::geteuid().is_root() {
        println!("skipped: only root can become somebody else");
        return;
    }
    let story = Story::begin("");
    // In a directory that everybody may enter, on a socket everybody may write to.
    let place = tempfile::tempdir().unwrap();
    std::fs::set_permissions(place.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let (socket, log) = (place.path().join("open.sock"), place.path().join("log"));
    let text = std::fs::read_to_string(story.appliance.path("token.toml")).unwrap();
    let file = place.path().join("token.toml");
    std::fs::write(&file, format!("listen = {socket:?}\n{text}")).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_chanceryd"));
    command.args(["token-worker", "--config"]).arg(&file).stdin(Stdio::null()).stderr(std::fs::File::create(&log).unwrap());
    let alone = Alone(command.spawn().unwrap());
    // The worker closes its new socket to others; what is opened before it has done so is closed again.
    wait_for("its socket", || mode(&socket).filter(|mode| *mode == 0o600));
    std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(0o666)).unwrap();

    // Of the system's Python, which everybody may run.
    let ask = "import socket,sys\ns=socket.socket(socket.AF_UNIX)\ntry:\n s.connect(sys.argv[1]); s.settimeout(20)\n \
               s.sendall(b'\\x09\\0\\0\\0chy-tokn\\x01'); told=s.recv(4096)\nexcept (ConnectionResetError, BrokenPipeError): told=b''\n\
               print('greeted' if b'chy-tokn' in told else 'refused' if not told else 'what?')";
    let answered = |as_whom: &[&str]| {
        let python = ["/usr/bin/python3", "-c", ask];
        let [program, arguments @ ..] = &[as_whom, &python].concat()[..] else { unreachable!() };
        let output = Command::new(program).args(arguments).arg(&socket).output().unwrap();
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)).trim().to_owned()
    };
    assert_eq!(answered(&[]), "greeted");
    assert_eq!(answered(&["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]), "refused");
    let told = std::fs::read_to_string(&log).unwrap();
    assert!(told.contains("a stranger was refused"), "{told}");
    drop(alone);
}

#[test]
fn a_worker_that_is_ended_while_it_opens_its_token_ends_in_order() {
    use std::os::unix::process::ExitStatusExt;

    let mut story = Story::begin("");
    assert!(story.appliance.stop());
    let place = tempfile::tempdir().unwrap();
    let text = std::fs::read_to_string(story.appliance.path("token.toml")).unwrap();
    let (file, socket) = (place.path().join("token.toml"), place.path().join("worker.sock"));
    std::fs::write(&file, format!("listen = {socket:?}\n{text}")).unwrap();
    for turn in 0..100_u64 {
        let mut command = Command::new(env!("CARGO_BIN_EXE_chanceryd"));
        command.args(["token-worker", "--config"]).arg(&file).stdin(Stdio::null()).stderr(Stdio::null());
        let mut worker = Alone(command.spawn().unwrap());
        // From before it begins until after it has logged in; every other time from when it listens, however long that takes.
        let is_to_listen = turn % 2 == 1;
        if is_to_listen {
            wait_for("its socket", || socket.exists().then_some(()));
        }
        std::thread::sleep(Duration::from_micros(if is_to_listen { 0 } else { 10_000 } + 700 * turn));
        signal(worker.0.id(), Signal::SIGTERM);
        let status = worker.0.wait().unwrap();
        // Before it listens the default ends it; a crash of the module's would be another one.
        let is_by_default = !is_to_listen && status.signal() == Some(Signal::SIGTERM as i32);
        assert!(status.success() || is_by_default, "turn {turn}: {status}");
        let _ = std::fs::remove_file(&socket);
    }
}

#[test]
fn a_wrong_pin_is_said_at_the_start_and_tried_once() {
    let mut story = Story::begin("");
    assert!(story.appliance.stop());
    let pin = story.appliance.path("token.pin");
    let right = std::fs::read(&pin).unwrap();
    std::fs::write(&pin, "wrong").unwrap();
    let dir = story.appliance.dir().to_owned();
    let Err((status, log)) = Appliance::try_start_in(&dir) else { panic!("it started with a wrong PIN") };
    assert!(!status.success() && log.contains("the token refused the PIN"), "{log}");
    assert_eq!(log.matches("answer=PinIncorrect").count(), 1, "{log}");
    std::fs::write(&pin, right).unwrap();
    story.appliance = Appliance::start_in(&dir);
    assert!(story.issues());
}

/// Answers are read by a task, which ends with its runtime.
#[test]
fn a_token_that_was_opened_on_a_runtime_answers_when_that_has_ended() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path().join("appliance");
    assert!(Appliance::start_in(&dir).stop());
    let keeper = Keeper::start(Path::new(env!("CARGO_BIN_EXE_chanceryd")), &dir.join("token.toml"), scratch.path()).unwrap();
    let config = TokenConfig { name: "default".to_owned(), workers: vec![Place::Kept(keeper)], queue: 100 };
    let runtime = || tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let (first, second) = (runtime(), runtime());
    let token = first.block_on(async {
        let token = Token::open(vec![config], Duration::from_secs(60)).unwrap();
        assert_eq!(token.random(8).await.unwrap().len(), 8);
        token
    });
    drop(first);
    assert_eq!(second.block_on(token.random(8)).unwrap().len(), 8);
}
