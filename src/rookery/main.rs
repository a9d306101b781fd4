//! Why this part exists.
fn main() {}
