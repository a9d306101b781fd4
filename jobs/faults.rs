//! Places between two commits at which tests end or freeze the process. A build without the feature `faults` has no trace
//! of them, and only tests' builds have it.
//!
//! `ROOKERY_FAULT=name:how[:nth]` names a place, what happens there (`kill` or `stop`: the signals that nobody can catch)
//! and at which time that the process comes by it; at the first unless said.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::process::{Signal, getpid, kill_process};

const VARIABLE: &str = "ROOKERY_FAULT";

#[derive(Debug)]
struct Fault {
    name: String,
    signal: Signal,
    /// How often the place is still to be passed, this time included.
    left: AtomicU64,
}

/// The process is at this place.
///
/// # Panics
/// When the variable cannot be read: a test that says it wrongly would prove nothing.
pub(crate) fn reached(name: &str) {
    static FAULT: OnceLock<Option<Fault>> = OnceLock::new();
    let fault = FAULT.get_or_init(|| {
        let asked = std::env::var(VARIABLE).ok()?;
        Some(Fault::read(&asked).unwrap_or_else(|| panic!("{VARIABLE}={asked} is not name:how[:nth]")))
    });
    if let Some(fault) = fault
        && fault.strikes(name)
    {
        kill_process(getpid(), fault.signal).expect("a process may signal itself");
    }
}

impl Fault {
    fn read(asked: &str) -> Option<Self> {
        let mut words = asked.split(':');
        let name = words.next()?.to_owned();
        let signal = match words.next()? {
            "kill" => Signal::KILL,
            "stop" => Signal::STOP,
            _ => return None,
        };
        let nth = words.next().map_or(Some(1), |nth| nth.parse().ok())?;
        words.next().is_none().then_some(Self { name, signal, left: AtomicU64::new(nth) })
    }

    fn strikes(&self, name: &str) -> bool {
        self.name == name && self.left.fetch_sub(1, Ordering::SeqCst) == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_strikes_once_at_its_time() {
        let fault = Fault::read("send_loaded:kill:3").unwrap();
        assert_eq!(fault.signal, Signal::KILL);
        let passed = ["send_loaded", "send_granted", "send_loaded", "send_loaded", "send_loaded"];
        assert_eq!(passed.map(|name| fault.strikes(name)), [false, false, false, true, false]);
        assert!(Fault::read("send_loaded:stop").unwrap().strikes("send_loaded"));
    }

    #[test]
    fn what_makes_no_sense_is_no_fault() {
        for asked in ["", "send_loaded", "send_loaded:hang", "send_loaded:kill:x", "a:kill:1:2"] {
            assert!(Fault::read(asked).is_none(), "{asked}");
        }
    }
}
