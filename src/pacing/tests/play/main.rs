//! The play seen from outside: order, times, previews, and what a year costs.

mod answers;
mod order;
mod preview;
mod scene;
mod told;
mod year;
