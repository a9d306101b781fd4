//! The control path: whoever serves a person asks, the owner of an account does and confirms.
//!
//! An account has one owner in the fleet, and whoever asks does not know which process that is. So everybody hears the
//! order, the owner acts, and its word comes back the same way. Without a word within the time limit nobody knows
//! whether it was done, so every order may be repeated.

use std::sync::Arc;
use std::time::Duration;

use model::AccountId;
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use crate::bus::Bus;

#[derive(Debug, Clone, Serialize, Deserialize)]
enum Word {
    Look,
    /// The number names the order when a confirmation is wanted.
    Order {
        account: AccountId,
        what: What,
        order: Option<u64>,
    },
    Done {
        order: u64,
        /// Why not, if it was not done.
        refused: Option<String>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum What {
    Restart,
    LogOut,
}

/// What an owner is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Accounts came, went or changed: look at the rows.
    Look,
    /// Begin the account's poll or session anew, then [`Control::confirm`].
    Restart(AccountId, Receipt),
    /// Have the network forget the account's device, then [`Control::confirm`], or [`Control::refuse`].
    LogOut(AccountId, Receipt),
}

/// What is owed to whoever gave an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt(Option<u64>);

/// Why an order is not known to be done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unconfirmed {
    /// No owner said that it was. It may still do it.
    #[error("no owner of the account confirmed it in time")]
    Silence,
    /// Its owner could not do it.
    #[error("{0}")]
    Refused(String),
}

/// The way to the owners of accounts. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Control(Arc<Bus<Word>>);

/// Hears orders from the moment it was made.
#[derive(Debug)]
pub struct Orders(broadcast::Receiver<Word>);

impl Control {
    pub(crate) fn in_process() -> Self {
        Self(Arc::new(Bus::in_process()))
    }

    pub(crate) fn over_redis(url: &str, prefix: &str) -> Result<Self, crate::BusError> {
        Ok(Self(Arc::new(Bus::over_redis(url, format!("{prefix}:control"))?)))
    }

    /// Tells all workers that accounts came, went or changed. They would find out by themselves a moment later.
    pub fn look(&self) {
        self.0.say(Word::Look);
    }

    /// Has the account's owner, if it has one, begin anew. Nobody says whether it did.
    pub fn restart(&self, account: AccountId) {
        self.0.say(Word::Order { account, what: What::Restart, order: None });
    }

    /// Has the account's owner begin anew, and returns once it did. `order` is any number that no other order has.
    pub async fn restart_confirmed(
        &self,
        account: AccountId,
        order: u64,
        patience: Duration,
    ) -> Result<(), Unconfirmed> {
        self.confirmed(What::Restart, account, order, patience).await
    }

    /// Has the account's owner log out at the network, and returns once it did.
    pub async fn log_out_confirmed(
        &self,
        account: AccountId,
        order: u64,
        patience: Duration,
    ) -> Result<(), Unconfirmed> {
        self.confirmed(What::LogOut, account, order, patience).await
    }

    async fn confirmed(
        &self,
        what: What,
        account: AccountId,
        order: u64,
        patience: Duration,
    ) -> Result<(), Unconfirmed> {
        let mut words = self.0.listen();
        self.0.say(Word::Order { account, what, order: Some(order) });
        let confirmed = async {
            loop {
                match words.recv().await {
                    Ok(Word::Done { order: done, refused }) if done == order => {
                        return refused.map_or(Ok(()), |why| Err(Unconfirmed::Refused(why)));
                    }
                    Ok(_) | Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return Err(Unconfirmed::Silence),
                }
            }
        };
        tokio::time::timeout(patience, confirmed).await.unwrap_or(Err(Unconfirmed::Silence))
    }

    /// Tells whoever gave the order that it was done.
    pub fn confirm(&self, receipt: Receipt) {
        self.done(receipt, None);
    }

    /// Tells whoever gave the order that it could not be done, and why.
    pub fn refuse(&self, receipt: Receipt, why: &str) {
        self.done(receipt, Some(why.to_owned()));
    }

    fn done(&self, receipt: Receipt, refused: Option<String>) {
        if let Receipt(Some(order)) = receipt {
            self.0.say(Word::Done { order, refused });
        }
    }

    /// Begins to listen to orders.
    pub fn orders(&self) -> Orders {
        Orders(self.0.listen())
    }
}

impl Orders {
    /// The next order. One that was missed counts as [`Order::Look`].
    pub async fn next(&mut self) -> Order {
        loop {
            match self.0.recv().await {
                Ok(Word::Order { account, what: What::Restart, order }) => {
                    return Order::Restart(account, Receipt(order));
                }
                Ok(Word::Order { account, what: What::LogOut, order }) => {
                    return Order::LogOut(account, Receipt(order));
                }
                Ok(Word::Look) | Err(RecvError::Lagged(_)) => return Order::Look,
                Ok(Word::Done { .. }) => {}
                // No more orders will come.
                Err(RecvError::Closed) => std::future::pending().await,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_order_is_done_once_its_owner_says_so() {
        let control = Control::in_process();
        let account = AccountId(model::Ids::from_os().uuid(model::Timestamp::ZERO));
        let mut orders = control.orders();
        let owner = async {
            let Order::Restart(named, receipt) = orders.next().await else { panic!("not this order") };
            assert_eq!(named, account);
            control.confirm(Receipt(Some(8)));
            control.confirm(receipt);
        };
        let asked = control.restart_confirmed(account, 7, Duration::from_mins(1));
        let (asked, ()) = tokio::join!(asked, owner);
        assert_eq!(asked, Ok(()));
    }

    #[tokio::test]
    async fn an_owner_says_why_it_cannot() {
        let control = Control::in_process();
        let account = AccountId(model::Ids::from_os().uuid(model::Timestamp::ZERO));
        let mut orders = control.orders();
        let owner = async {
            let Order::LogOut(_, receipt) = orders.next().await else { panic!("not this order") };
            control.refuse(receipt, "the network is away");
        };
        let asked = control.log_out_confirmed(account, 7, Duration::from_mins(1));
        let (asked, ()) = tokio::join!(asked, owner);
        assert_eq!(asked, Err(Unconfirmed::Refused("the network is away".to_owned())));
    }

    #[tokio::test]
    async fn nobody_confirms_an_order_that_nobody_heard() {
        let control = Control::in_process();
        let account = AccountId(model::Ids::from_os().uuid(model::Timestamp::ZERO));
        let asked = control.restart_confirmed(account, 7, Duration::ZERO).await;
        assert_eq!(asked, Err(Unconfirmed::Silence));
    }
}
