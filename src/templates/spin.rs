//! Variations: `{hi|hello|hey {there|friend}}`. What was marked as one is read as a tree, and a seed chooses.

use std::collections::BTreeSet;

use crate::marks::{BAR, BRACE, CLOSE, OPEN};

/// A part of a text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Words(String),
    /// One of these.
    Choice(Vec<Vec<Part>>),
}

/// A text with its alternatives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Spun(Vec<Part>);

impl Spun {
    /// Reads a text whose variations are marked. A mark without its mate means nothing and is left out.
    pub(crate) fn read(marked: &str) -> Self {
        // The innermost list of parts is the last; each level above it has the alternatives that are complete.
        let mut levels: Vec<Vec<Vec<Part>>> = Vec::new();
        let mut parts: Vec<Part> = Vec::new();
        let mut words = String::new();
        let flush = |words: &mut String, parts: &mut Vec<Part>| {
            if !words.is_empty() {
                parts.push(Part::Words(std::mem::take(words)));
            }
        };
        for c in marked.chars() {
            match c {
                OPEN => {
                    flush(&mut words, &mut parts);
                    levels.push(vec![std::mem::take(&mut parts)]);
                }
                BAR | CLOSE => {
                    flush(&mut words, &mut parts);
                    let alternative = std::mem::take(&mut parts);
                    if let Some(level) = levels.last_mut() {
                        level.push(alternative);
                    }
                    if c == CLOSE
                        && let Some(mut level) = levels.pop()
                    {
                        let alternatives = level.split_off(1);
                        parts = level.pop().unwrap_or_default();
                        parts.push(Part::Choice(alternatives));
                    }
                }
                BRACE => words.push('{'),
                c => words.push(c),
            }
        }
        flush(&mut words, &mut parts);
        Self(parts)
    }

    /// One of its texts, always the same for a seed.
    pub(crate) fn pick(&self, seed: u64) -> String {
        let mut text = String::new();
        pick(&self.0, &mut Dice(seed), &mut text);
        text
    }

    /// How many texts it can be; alternatives that are equal count once.
    pub(crate) fn count(&self) -> u64 {
        count(&self.0)
    }

    /// The bytes of its longest text.
    pub(crate) fn longest(&self) -> usize {
        longest(&self.0)
    }
}

fn pick(parts: &[Part], dice: &mut Dice, text: &mut String) {
    for part in parts {
        match part {
            Part::Words(words) => text.push_str(words),
            Part::Choice(alternatives) => pick(&alternatives[dice.below(alternatives.len())], dice, text),
        }
    }
}

fn count(parts: &[Part]) -> u64 {
    parts.iter().fold(1, |product: u64, part| match part {
        Part::Words(_) => product,
        Part::Choice(alternatives) => {
            let different: BTreeSet<_> = alternatives.iter().collect();
            let sum = different.into_iter().map(|parts| count(parts)).fold(0, u64::saturating_add);
            product.saturating_mul(sum)
        }
    })
}

fn longest(parts: &[Part]) -> usize {
    let of = |part: &Part| match part {
        Part::Words(words) => words.len(),
        Part::Choice(alternatives) => alternatives.iter().map(|parts| longest(parts)).max().unwrap_or(0),
    };
    parts.iter().map(of).sum()
}

/// `SplitMix64`: the same numbers for a seed in every release, also for seeds that lie side by side.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// Less than `n`, each as likely as the others (but for one in 2⁵⁴ with 1,000 of them).
    fn below(&mut self, n: usize) -> usize {
        let wide = u128::from(self.next()) * (n as u128);
        usize::try_from(wide >> 64).unwrap_or(0)
    }
}
