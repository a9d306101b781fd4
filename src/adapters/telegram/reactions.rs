//! The emoji that Telegram takes as reactions: a closed list, so that a wrong one is refused without a call.

/// Bot API 10.3, type `ReactionTypeEmoji` (read 2026-11-20).
const EMOJI: &[&str] = &[
    "❤",
    "👍",
    "👎",
    "🔥",
    "🥰",
    "👏",
    "😁",
    "🤔",
    "🤯",
    "😱",
    "🤬",
    "😢",
    "🎉",
    "🤩",
    "🤮",
    "💩",
    "🙏",
    "👌",
    "🕊",
    "🤡",
    "🥱",
    "🥴",
    "😍",
    "🐳",
    "❤‍🔥",
    "🌚",
    "🌭",
    "💯",
    "🤣",
    "⚡",
    "🍌",
    "🏆",
    "💔",
    "🤨",
    "😐",
    "🍓",
    "🍾",
    "💋",
    "🖕",
    "😈",
    "😴",
    "😭",
    "🤓",
    "👻",
    "👨‍💻",
    "👀",
    "🎃",
    "🙈",
    "😇",
    "😨",
    "🤝",
    "✍",
    "🤗",
    "🫡",
    "🎅",
    "🎄",
    "☃",
    "💅",
    "🤪",
    "🗿",
    "🆒",
    "💘",
    "🙉",
    "🦄",
    "😘",
    "💊",
    "🙊",
    "😎",
    "👾",
    "🤷‍♂",
    "🤷",
    "🤷‍♀",
    "😡",
];

/// The reaction in Telegram's spelling, which has no variation selectors; none when it is not on the list.
pub(super) fn spelling(emoji: &str) -> Option<&'static str> {
    let bare: String = emoji.chars().filter(|&c| c != '\u{FE0F}').collect();
    EMOJI.iter().copied().find(|known| *known == bare)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keyboards_that_add_a_variation_selector_are_understood() {
        assert_eq!(spelling("❤\u{FE0F}"), Some("❤"));
        assert_eq!(spelling("❤\u{FE0F}\u{200D}🔥"), Some("❤\u{200D}🔥"));
        assert_eq!(spelling("👍"), Some("👍"));
        assert_eq!(spelling("🥕"), None);
        assert_eq!(spelling(""), None);
    }

    #[test]
    fn the_list_is_whole_and_spelled_like_telegram() {
        assert_eq!(EMOJI.len(), 73);
        assert!(EMOJI.iter().all(|emoji| spelling(emoji) == Some(emoji)));
    }
}
