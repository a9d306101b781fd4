//! What shall become of a field that may be empty.

/// Leaves a field as it is, empties it or fills it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Patch<T> {
    /// It stays as it is.
    #[default]
    Keep,
    /// It is empty from now on.
    Clear,
    /// It is this from now on.
    To(T),
}

impl<T> Patch<T> {
    /// Whether the field is written.
    pub const fn is_change(&self) -> bool {
        !matches!(self, Self::Keep)
    }

    /// What is written, if it is not emptied.
    pub const fn value(&self) -> Option<&T> {
        match self {
            Self::To(value) => Some(value),
            Self::Keep | Self::Clear => None,
        }
    }
}
