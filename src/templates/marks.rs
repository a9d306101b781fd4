//! What stands for the braces of a text while its variables are filled in: characters that no text has.
//!
//! They are noncharacters of Unicode, kept for a program's own use. A text that has one is refused, and a value loses it,
//! so nothing but the text itself can say where a variation begins.

/// A variation begins.
pub(crate) const OPEN: char = '\u{FDD0}';
/// Its next alternative begins.
pub(crate) const BAR: char = '\u{FDD1}';
/// It ends.
pub(crate) const CLOSE: char = '\u{FDD2}';
/// A brace that means itself, out of the engine's sight.
pub(crate) const BRACE: char = '\u{FDD3}';

/// Whether it is one of them.
pub(crate) const fn is_mark(c: char) -> bool {
    matches!(c, OPEN | BAR | CLOSE | BRACE)
}
