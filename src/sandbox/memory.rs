//! A map that forgets its oldest entries, so that a sandbox left running does not grow without end.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, Hash, RandomState};

#[derive(Debug)]
pub(crate) struct Memory<K, V> {
    entries: HashMap<K, V>,
    order: VecDeque<K>,
    cap: usize,
    /// How many entries were forgotten: what depends on them is no longer certain.
    pub(crate) forgotten: u64,
}

impl<K: Copy + Eq + Hash, V> Memory<K, V> {
    pub(crate) fn new(cap: usize) -> Self {
        Self { entries: HashMap::new(), order: VecDeque::new(), cap, forgotten: 0 }
    }

    pub(crate) fn get(&self, key: K) -> Option<&V> {
        self.entries.get(&key)
    }

    pub(crate) fn get_mut(&mut self, key: K) -> Option<&mut V> {
        self.entries.get_mut(&key)
    }

    pub(crate) fn insert(&mut self, key: K, value: V) {
        if self.entries.insert(key, value).is_some() {
            return;
        }
        self.order.push_back(key);
        if self.order.len() > self.cap
            && let Some(oldest) = self.order.pop_front()
        {
            self.entries.remove(&oldest);
            self.forgotten += 1;
        }
    }
}

/// Short stand-ins for long keys.
#[derive(Debug, Default)]
pub(crate) struct Keys(RandomState);

impl Keys {
    /// 64 bits for `parts`; two different ones collide once in billions.
    pub(crate) fn key(&self, parts: &[&str]) -> u64 {
        self.0.hash_one(parts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_go_first_and_are_counted() {
        let mut memory = Memory::new(2);
        for n in 0..3 {
            memory.insert(n, n);
            memory.insert(n, n * 10);
        }
        assert_eq!((memory.get(0), memory.get(1), memory.get(2)), (None, Some(&10), Some(&20)));
        assert_eq!(memory.forgotten, 1);
    }
}
