//! What Linux says about processes and the machine.

use std::fs;
use std::process::Command;
use std::time::Duration;

/// The processor time a process has used, in user and in kernel mode, threads that have ended included.
pub fn processor_time(process: u32) -> Duration {
    Duration::from_millis(ticks(process) * 1000 / ticks_per_second())
}

/// The same of a process and all that it has started, such as a daemon with its token's worker.
pub fn processor_time_of_all(process: u32) -> Duration {
    Duration::from_millis(with_children(process).into_iter().map(ticks).sum::<u64>() * 1000 / ticks_per_second())
}

fn with_children(process: u32) -> Vec<u32> {
    let mut found = vec![process];
    let mut next = 0;
    while let Some(process) = found.get(next).copied() {
        next += 1;
        // proc(5): each thread lists the children it has started.
        let threads = fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
        for children in threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok()) {
            found.extend(children.split_whitespace().filter_map(|id| id.parse::<u32>().ok()));
        }
    }
    found
}

fn ticks(process: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).expect("a running process");
    // proc(5): the name in brackets may hold blanks; utime and stime are the fields 14 and 15, in ticks.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    // The state, field 3, is the first here.
    [fields[14 - 3], fields[15 - 3]].iter().filter_map(|field| field.parse::<u64>().ok()).sum()
}

/// While it lives, the load client's thread, which is the first of this process, does not interrupt others when it is woken (SCHED_BATCH,
/// sched(7)). A client of another machine would not either: it has a processor of its own.
pub struct OutOfTheWay(());

impl OutOfTheWay {
    pub fn begin() -> Self {
        schedule("--batch");
        Self(())
    }
}

impl Drop for OutOfTheWay {
    /// What this process starts later begins as it is then.
    fn drop(&mut self) {
        schedule("--other");
    }
}

fn schedule(policy: &str) {
    let process = std::process::id().to_string();
    let status = Command::new("chrt").args([policy, "--pid", "0", &process]).status();
    assert!(status.is_ok_and(|status| status.success()), "chrt of util-linux sets the load client's policy");
}

/// How much of a process lies in memory, in MiB.
pub fn resident_mib(process: u32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).expect("a running process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
    let kib: f64 = line.trim().trim_end_matches(" kB").parse().expect("a number of kB");
    kib / 1024.0
}

/// Where the machine's processors spent their time since it started, in ticks.
#[derive(Clone, Copy)]
pub struct Shares {
    stolen: u64,
    total: u64,
}

impl Shares {
    /// proc(5), /proc/stat: user, nice, system, idle, iowait, irq, softirq, and steal, which is what the hypervisor gave to others.
    pub fn now() -> Self {
        let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
        let ticks: Vec<u64> = stat.lines().next().unwrap_or_default().split_whitespace().skip(1).take(8).flat_map(str::parse).collect();
        Self { stolen: ticks.get(7).copied().unwrap_or_default(), total: ticks.iter().sum() }
    }

    /// The share of the time since then that was stolen, of 1.
    pub fn stolen_since(self) -> f64 {
        let now = Self::now();
        (now.stolen - self.stolen) as f64 / (now.total - self.total).max(1) as f64
    }
}

pub fn load_average() -> String {
    fs::read_to_string("/proc/loadavg").unwrap_or_default().split_whitespace().take(3).collect::<Vec<_>>().join(" ")
}

pub fn processor() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = text.lines().find_map(|line| line.strip_prefix("model name")).and_then(|rest| rest.split_once(": "));
    name.map_or_else(|| "unknown processor".to_owned(), |(_, name)| name.trim().to_owned())
}

fn ticks_per_second() -> u64 {
    nix::unistd::sysconf(nix::unistd::SysconfVar::CLK_TCK).ok().flatten().and_then(|ticks| u64::try_from(ticks).ok()).unwrap_or(100)
}
