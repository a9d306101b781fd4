//! Operations asked for while others fly are gathered and sent together: a round trip costs far more than an operation.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::{Engine, Op, Outcome, QueueError};

/// How many messages are under way at once. A caller's own operations keep their order because it waits for each.
const FLIGHTS: usize = 3;

/// At most so many operations in one message, unless one caller has more.
const LOAD: usize = 512;

type Answer = Result<Vec<Outcome>, QueueError>;

#[derive(Debug)]
struct Call {
    ops: Vec<Op>,
    answer: oneshot::Sender<Answer>,
}

#[derive(Debug, Default)]
struct Gate {
    waiting: VecDeque<Call>,
    flying: usize,
}

#[derive(Debug)]
pub(crate) struct Coalescer {
    engine: Arc<dyn Engine>,
    gate: Mutex<Gate>,
}

impl Coalescer {
    pub fn new(engine: Arc<dyn Engine>) -> Self {
        Self { engine, gate: Mutex::default() }
    }

    pub fn engine(&self) -> &Arc<dyn Engine> {
        &self.engine
    }

    /// Sends operations with those of others. They are carried out even if the caller stops waiting.
    pub async fn call(self: &Arc<Self>, ops: Vec<Op>) -> Answer {
        let (answer, answered) = oneshot::channel();
        let take_off = {
            let mut gate = self.gate();
            gate.waiting.push_back(Call { ops, answer });
            let room = gate.flying < FLIGHTS;
            gate.flying += usize::from(room);
            room
        };
        if take_off {
            tokio::spawn(Flight { of: Arc::clone(self), landed: false }.fly());
        }
        let broken = || QueueError::Unreachable("the call broke off".to_owned());
        answered.await.unwrap_or_else(|_| Err(broken()))
    }

    fn gate(&self) -> MutexGuard<'_, Gate> {
        self.gate.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the next message carries. Empty when nobody waits: then the flight has landed.
    fn load(&self, landed: &mut bool) -> Vec<Call> {
        let mut gate = self.gate();
        let mut load: Vec<Call> = Vec::new();
        let mut ops = 0;
        while let Some(call) = gate.waiting.pop_front() {
            if !load.is_empty() && ops + call.ops.len() > LOAD {
                gate.waiting.push_front(call);
                break;
            }
            ops += call.ops.len();
            load.push(call);
        }
        if load.is_empty() {
            *landed = true;
            gate.flying -= 1;
        }
        load
    }
}

/// One message at a time, until nobody waits.
struct Flight {
    of: Arc<Coalescer>,
    landed: bool,
}

impl Drop for Flight {
    fn drop(&mut self) {
        // An engine that panicked takes its callers down, but not the calls after them.
        if !self.landed {
            self.of.gate().flying -= 1;
        }
    }
}

impl Flight {
    async fn fly(mut self) {
        loop {
            let mut load = self.of.load(&mut self.landed);
            if load.is_empty() {
                return;
            }
            let counts: Vec<usize> = load.iter().map(|call| call.ops.len()).collect();
            let ops: Vec<Op> = load.iter_mut().flat_map(|call| std::mem::take(&mut call.ops)).collect();
            let asked = ops.len();
            let mut answer = self.of.engine.apply(ops).await.and_then(|outcomes| {
                let said = format!("it gave {} answers to {asked} questions", outcomes.len());
                if outcomes.len() == asked {
                    Ok(outcomes.into_iter())
                } else {
                    Err(QueueError::Unreachable(said))
                }
            });
            for (call, count) in load.into_iter().zip(counts) {
                let part = match &mut answer {
                    Ok(outcomes) => Ok(outcomes.by_ref().take(count).collect()),
                    Err(error) => Err(error.clone()),
                };
                // A caller that stopped waiting needs no answer.
                let _ = call.answer.send(part);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use async_trait::async_trait;
    use model::{Queue, Timestamp, WorkerId};

    use super::*;

    /// Lets messages through when told to, and notes how large they were.
    #[derive(Debug)]
    struct Slow {
        gate: tokio::sync::Semaphore,
        loads: Mutex<Vec<usize>>,
    }

    #[async_trait]
    impl Engine for Slow {
        async fn apply(&self, ops: Vec<Op>) -> Answer {
            self.loads.lock().unwrap().push(ops.len());
            self.gate.acquire().await.unwrap().forget();
            // Each is answered by something of its own.
            let answer = |op: &Op| match op {
                Op::Claim { max, .. } => Outcome::Pushed { inserted: *max },
                _ => Outcome::Ok,
            };
            Ok(ops.iter().map(answer).collect())
        }

        async fn wake(&self, _: Queue, _: WorkerId, _: Duration) {}

        async fn now(&self) -> Result<Timestamp, QueueError> {
            Ok(Timestamp::ZERO)
        }
    }

    #[tokio::test]
    async fn what_is_asked_while_others_fly_travels_together_and_each_gets_its_own_answer() {
        let slow = Arc::new(Slow { gate: tokio::sync::Semaphore::new(0), loads: Mutex::default() });
        let coalescer = Arc::new(Coalescer::new(Arc::clone(&slow) as _));
        let mut calls = tokio::task::JoinSet::new();
        for n in 0..50 {
            let coalescer = Arc::clone(&coalescer);
            calls.spawn(async move {
                let worker = WorkerId(uuid::Uuid::nil());
                let op = Op::Claim { queue: Queue::Send, worker, max: n, own: false };
                assert_eq!(coalescer.call(vec![op]).await, Ok(vec![Outcome::Pushed { inserted: n }]));
            });
        }
        // Until each of them either flies or waits.
        let asked = || slow.loads.lock().unwrap().iter().sum::<usize>() + coalescer.gate().waiting.len();
        while asked() < 50 {
            tokio::task::yield_now().await;
        }
        slow.gate.add_permits(50);
        while let Some(call) = calls.join_next().await {
            call.unwrap();
        }
        let loads = slow.loads.lock().unwrap().clone();
        assert_eq!(loads.iter().sum::<usize>(), 50);
        assert!(loads.len() <= FLIGHTS + 1, "{loads:?}");
        assert_eq!(coalescer.gate().flying, 0);
    }
}
