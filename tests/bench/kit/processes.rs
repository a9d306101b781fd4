//! What processes cost: processor time and memory, read from `/proc`.

use std::collections::BTreeMap;
use std::fs;

/// What the kernel counts processor time in, everywhere that Linux runs today.
const TICKS: f64 = 100.0;

/// A process and everything below it.
#[derive(Debug, Clone, Copy)]
pub struct Tree(pub u32);

/// One line of `/proc/<pid>/stat`.
struct Stat {
    parent: u32,
    own: f64,
    /// What its children used that have ended and were waited for.
    ended: f64,
}

impl Tree {
    /// Processor seconds used so far, by those that have ended, too.
    pub fn seconds(self) -> f64 {
        let all = all();
        self.members(&all).iter().filter_map(|pid| all.get(pid)).map(|stat| stat.own + stat.ended).sum()
    }

    /// Memory in use now, in bytes: each page that several share is counted once for all of them.
    pub fn bytes(self) -> u64 {
        self.members(&all()).into_iter().map(|pid| field(pid, "smaps_rollup", "Pss:")).sum()
    }

    /// Resident memory in use now, in bytes, shared pages counted for each.
    pub fn resident_bytes(self) -> u64 {
        self.members(&all()).into_iter().map(|pid| field(pid, "status", "VmRSS:")).sum()
    }

    /// The most resident memory that each had so far, added up, in bytes.
    pub fn peak_bytes(self) -> u64 {
        self.members(&all()).into_iter().map(|pid| field(pid, "status", "VmHWM:")).sum()
    }

    fn members(self, all: &BTreeMap<u32, Stat>) -> Vec<u32> {
        let mut members = vec![self.0];
        let mut next = 0;
        while let Some(parent) = members.get(next).copied() {
            members.extend(all.iter().filter(|(_, stat)| stat.parent == parent).map(|(pid, _)| *pid));
            next += 1;
        }
        members
    }
}

/// Processes that this one started and that were called with `word` first, for example `worker`.
pub fn children(word: &str) -> Vec<Tree> {
    let here = std::process::id();
    let called = |pid: u32| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        line.split(|byte| *byte == 0).nth(1).is_some_and(|first| first == word.as_bytes())
    };
    let all = all();
    let ours = all.iter().filter(|(_, stat)| stat.parent == here).map(|(pid, _)| *pid);
    ours.filter(|pid| called(*pid)).map(Tree).collect()
}

/// A line of kilobytes of one of a process's files; 0 when the process is gone.
fn field(pid: u32, file: &str, name: &str) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1024
}

fn all() -> BTreeMap<u32, Stat> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter_map(|pid| Some((pid, stat(pid)?))).collect()
}

fn stat(pid: u32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in brackets may hold anything; the state follows it.
    let (_, rest) = text.rsplit_once(')')?;
    let words: Vec<&str> = rest.split_whitespace().collect();
    let seconds = |place: usize| words.get(place)?.parse::<f64>().ok().map(|ticks| ticks / TICKS);
    Some(Stat {
        parent: words.get(1)?.parse().ok()?,
        own: seconds(11)? + seconds(12)?,
        ended: seconds(13)? + seconds(14)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_uses_something() {
        let tree = Tree(std::process::id());
        let resident = tree.resident_bytes();
        // The kernel counts in batches a thread, so the peak may lag behind by some pages.
        assert!(resident > 100_000 && tree.peak_bytes() > resident / 2);
        assert!(tree.bytes() > 0);
        let begun = std::time::Instant::now();
        while tree.seconds() == 0.0 {
            assert!(begun.elapsed().as_secs() < 60, "time passes and nothing is counted");
        }
        assert!(children("nobody-is-called-so").is_empty());
    }
}
