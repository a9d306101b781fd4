//! The sessions that are open in this process: only through them can their accounts' calls be made, and only as long as
//! this process certainly owns them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use model::{Account, AccountId, Intake};
use tokio::sync::{OwnedRwLockReadGuard, RwLock};
use tokio::time::{Instant, timeout};

/// The open sessions. Cheap to clone; the clones are one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Live(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    /// What this process owns is certainly its own until then.
    until: Option<Instant>,
    open: HashMap<AccountId, Arc<RwLock<()>>>,
}

/// An open session. Dropping it closes the way to it at once.
#[derive(Debug)]
pub(crate) struct Opened {
    live: Live,
    account: AccountId,
    gate: Arc<RwLock<()>>,
}

/// Leave to make a call for an account. A session that is to close waits a moment for those who have it.
#[derive(Debug)]
pub(crate) struct Pass {
    _open: Option<OwnedRwLockReadGuard<()>>,
}

impl Live {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What this process owns is its own until then.
    pub(crate) fn is_certain_until(&self, until: Instant) {
        self.lock().until = Some(until);
    }

    /// Calls may be made through an account's session from now on.
    pub(crate) fn open(&self, account: AccountId) -> Opened {
        let gate = Arc::new(RwLock::new(()));
        self.lock().open.insert(account, Arc::clone(&gate));
        Opened { live: self.clone(), account, gate }
    }

    /// Whether calls of an account can be made here.
    pub(crate) fn reaches(&self, account: &Account) -> bool {
        account.intake != Intake::Session || self.gate(account.id).is_some()
    }

    /// Leave to make a call; none when the account's session is not open here, or about to close.
    pub(crate) fn enter(&self, account: &Account) -> Option<Pass> {
        if account.intake != Intake::Session {
            return Some(Pass { _open: None });
        }
        let open = self.gate(account.id)?.try_read_owned().ok()?;
        Some(Pass { _open: Some(open) })
    }

    fn gate(&self, account: AccountId) -> Option<Arc<RwLock<()>>> {
        let inner = self.lock();
        let is_certain = inner.until.is_some_and(|until| Instant::now() < until);
        inner.open.get(&account).filter(|_| is_certain).cloned()
    }
}

impl Opened {
    /// Lets nobody in any more, and returns when nobody is in, or after `longest`.
    pub(crate) async fn close(self, longest: Duration) {
        self.leave();
        // Who is in for longer finds the session closed in the middle of its call.
        drop(timeout(longest, self.gate.write()).await);
    }

    fn leave(&self) {
        let mut inner = self.live.lock();
        if inner.open.get(&self.account).is_some_and(|gate| Arc::ptr_eq(gate, &self.gate)) {
            inner.open.remove(&self.account);
        }
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        self.leave();
    }
}
