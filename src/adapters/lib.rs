//! Why this part exists.
