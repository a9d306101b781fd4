//! Pacing seen from outside, one decision at a time. Whole lanes are judged in `tests/oracle`.

mod campaigns;
mod contacts;
mod decisions;
mod numbers;
mod support;
