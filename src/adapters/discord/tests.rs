//! The channel without a network.
