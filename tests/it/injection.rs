//! strace at every thread of a daemon, making system calls fail or end it.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::appliance::run;

/// It lets go when dropped.
pub struct Injection(Child);

impl Injection {
    /// `inject` is strace's: `fdatasync:error=EIO:when=12`. The calls are counted for each thread by itself.
    pub fn begin(process: u32, inject: &str) -> Self {
        let calls = inject.split(':').next().unwrap_or_default();
        let mut command = Command::new("strace");
        command.args(["-f", "-qq", "-e", &format!("trace={calls}"), "-e", &format!("inject={inject}"), "-o", "/dev/null", "-p"]);
        let mut child = command.arg(process.to_string()).stdin(Stdio::null()).stderr(Stdio::null()).spawn().expect("strace starts");
        let begun = Instant::now();
        while !is_traced(process) {
            if let Some(status) = child.try_wait().unwrap() {
                panic!("strace ended with {status}; is tracing permitted here?");
            }
            assert!(begun.elapsed() < Duration::from_secs(20), "strace did not attach");
            std::thread::sleep(Duration::from_millis(20));
        }
        Self(child)
    }
}

impl Drop for Injection {
    fn drop(&mut self) {
        // Asked to end, strace lets the daemon go first. One whose daemon it has just killed may wait for it for ever; the kernel lets go then.
        run(Command::new("kill").arg(self.0.id().to_string()));
        let begun = Instant::now();
        while self.0.try_wait().is_ok_and(|status| status.is_none()) && begun.elapsed() < Duration::from_secs(3) {
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Whether every thread is being traced.
fn is_traced(process: u32) -> bool {
    let tasks = fs::read_dir(format!("/proc/{process}/task")).unwrap();
    let status = tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("status")).ok());
    status.into_iter().all(|status| status.lines().any(|line| line.starts_with("TracerPid:") && !line.ends_with("\t0")))
}
