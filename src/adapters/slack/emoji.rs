//! Emoji by Slack's names. Slack has its own name for each, and workspaces have more of their own; the commonest are
//! here, and any other goes by its name between colons.

/// Slack's short names (read 2026-11-20); of several names for one emoji the first is the one that Slack tells.
const NAMES: &[(&str, &str)] = &[
    ("+1", "👍"),
    ("thumbsup", "👍"),
    ("-1", "👎"),
    ("thumbsdown", "👎"),
    ("heart", "❤️"),
    ("orange_heart", "🧡"),
    ("yellow_heart", "💛"),
    ("green_heart", "💚"),
    ("blue_heart", "💙"),
    ("purple_heart", "💜"),
    ("black_heart", "🖤"),
    ("broken_heart", "💔"),
    ("sparkling_heart", "💖"),
    ("grinning", "😀"),
    ("smiley", "😃"),
    ("smile", "😄"),
    ("grin", "😁"),
    ("laughing", "😆"),
    ("sweat_smile", "😅"),
    ("joy", "😂"),
    ("rolling_on_the_floor_laughing", "🤣"),
    ("slightly_smiling_face", "🙂"),
    ("upside_down_face", "🙃"),
    ("wink", "😉"),
    ("blush", "😊"),
    ("innocent", "😇"),
    ("smiling_face_with_3_hearts", "🥰"),
    ("heart_eyes", "😍"),
    ("star-struck", "🤩"),
    ("kissing_heart", "😘"),
    ("yum", "😋"),
    ("stuck_out_tongue", "😛"),
    ("stuck_out_tongue_winking_eye", "😜"),
    ("hugging_face", "🤗"),
    ("face_with_hand_over_mouth", "🤭"),
    ("shushing_face", "🤫"),
    ("thinking_face", "🤔"),
    ("neutral_face", "😐"),
    ("expressionless", "😑"),
    ("no_mouth", "😶"),
    ("smirk", "😏"),
    ("unamused", "😒"),
    ("face_with_rolling_eyes", "🙄"),
    ("grimacing", "😬"),
    ("relieved", "😌"),
    ("pensive", "😔"),
    ("sleepy", "😪"),
    ("sleeping", "😴"),
    ("mask", "😷"),
    ("nerd_face", "🤓"),
    ("sunglasses", "😎"),
    ("partying_face", "🥳"),
    ("confused", "😕"),
    ("worried", "😟"),
    ("slightly_frowning_face", "🙁"),
    ("open_mouth", "😮"),
    ("astonished", "😲"),
    ("flushed", "😳"),
    ("pleading_face", "🥺"),
    ("cry", "😢"),
    ("sob", "😭"),
    ("scream", "😱"),
    ("disappointed", "😞"),
    ("sweat", "😓"),
    ("weary", "😩"),
    ("tired_face", "😫"),
    ("triumph", "😤"),
    ("rage", "😡"),
    ("angry", "😠"),
    ("exploding_head", "🤯"),
    ("skull", "💀"),
    ("hankey", "💩"),
    ("clown_face", "🤡"),
    ("ghost", "👻"),
    ("robot_face", "🤖"),
    ("see_no_evil", "🙈"),
    ("wave", "👋"),
    ("raised_hand", "✋"),
    ("ok_hand", "👌"),
    ("v", "✌️"),
    ("crossed_fingers", "🤞"),
    ("point_left", "👈"),
    ("point_right", "👉"),
    ("point_up_2", "👆"),
    ("point_down", "👇"),
    ("fist", "✊"),
    ("facepunch", "👊"),
    ("clap", "👏"),
    ("raised_hands", "🙌"),
    ("open_hands", "👐"),
    ("handshake", "🤝"),
    ("pray", "🙏"),
    ("muscle", "💪"),
    ("eyes", "👀"),
    ("shrug", "🤷"),
    ("face_palm", "🤦"),
    ("tada", "🎉"),
    ("confetti_ball", "🎊"),
    ("balloon", "🎈"),
    ("gift", "🎁"),
    ("trophy", "🏆"),
    ("fire", "🔥"),
    ("100", "💯"),
    ("sparkles", "✨"),
    ("star", "⭐"),
    ("star2", "🌟"),
    ("boom", "💥"),
    ("zap", "⚡"),
    ("rocket", "🚀"),
    ("bulb", "💡"),
    ("bell", "🔔"),
    ("mega", "📣"),
    ("pushpin", "📌"),
    ("paperclip", "📎"),
    ("memo", "📝"),
    ("calendar", "📆"),
    ("lock", "🔒"),
    ("key", "🔑"),
    ("hammer_and_wrench", "🛠️"),
    ("bug", "🐛"),
    ("coffee", "☕"),
    ("beer", "🍺"),
    ("pizza", "🍕"),
    ("cake", "🍰"),
    ("sunny", "☀️"),
    ("rainbow", "🌈"),
    ("white_check_mark", "✅"),
    ("heavy_check_mark", "✔️"),
    ("x", "❌"),
    ("warning", "⚠️"),
    ("question", "❓"),
    ("exclamation", "❗"),
    ("heavy_plus_sign", "➕"),
    ("red_circle", "🔴"),
    ("large_green_circle", "🟢"),
    ("arrow_up", "⬆️"),
    ("arrow_down", "⬇️"),
    ("arrow_right", "➡️"),
    ("no_entry", "⛔"),
    ("hourglass", "⌛"),
    ("point_up", "☝️"),
    ("dog", "🐶"),
    ("cat", "🐱"),
    ("earth_africa", "🌍"),
    ("poop", "💩"),
];

/// The skin tones that Slack writes behind a name.
const TONES: &[(&str, &str)] = &[
    ("skin-tone-2", "\u{1f3fb}"),
    ("skin-tone-3", "\u{1f3fc}"),
    ("skin-tone-4", "\u{1f3fd}"),
    ("skin-tone-5", "\u{1f3fe}"),
    ("skin-tone-6", "\u{1f3ff}"),
];

/// The emoji behind Slack's name for it (`+1::skin-tone-2`); one that is not known keeps its name, between colons.
pub(super) fn unicode(name: &str) -> String {
    let (stem, tone) = name.split_once("::").unwrap_or((name, ""));
    match find(stem) {
        Some(emoji) => format!("{emoji}{}", tone_sign(tone).unwrap_or_default()),
        None => format!(":{name}:"),
    }
}

/// Slack's name for a reaction: an emoji, or a name with or without colons (workspaces have emoji of their own).
pub(super) fn name(emoji: &str) -> Option<String> {
    let tone = TONES.iter().find(|(_, sign)| emoji.contains(sign));
    let bare = tone.map_or_else(|| emoji.to_owned(), |(_, sign)| emoji.replace(sign, ""));
    if let Some((name, _)) = NAMES.iter().find(|(_, known)| same(known, &bare)) {
        return Some(tone.map_or_else(|| (*name).to_owned(), |(tone, _)| format!("{name}::{tone}")));
    }
    let name = emoji.trim_matches(':');
    let is_name = !name.is_empty()
        && name.chars().all(|c| c.is_alphanumeric() && !c.is_uppercase() || "_-+:'".contains(c));
    is_name.then(|| name.to_owned())
}

/// `text` with the names between colons that are known shown as emoji.
pub(super) fn shown(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(':') {
        out.push_str(&rest[..start]);
        let after = &rest[start + 1..];
        let found = after.find(':').and_then(|end| Some((find(&after[..end])?, &after[end + 1..])));
        if let Some((emoji, left)) = found {
            out.push_str(emoji);
            let tone = left.strip_prefix(':').and_then(|left| left.split_once(':'));
            let tone = tone.and_then(|(tone, left)| Some((tone_sign(tone)?, left)));
            rest = left;
            if let Some((sign, left)) = tone {
                out.push_str(sign);
                rest = left;
            }
        } else {
            out.push(':');
            rest = after;
        }
    }
    out + rest
}

fn find(name: &str) -> Option<&'static str> {
    NAMES.iter().find(|(known, _)| *known == name).map(|(_, emoji)| *emoji)
}

fn tone_sign(tone: &str) -> Option<&'static str> {
    TONES.iter().find(|(known, _)| *known == tone).map(|(_, sign)| *sign)
}

/// Keyboards add and leave out variation selectors.
fn same(one: &str, other: &str) -> bool {
    let bare = |text: &str| text.chars().filter(|&c| c != '\u{fe0f}').collect::<String>();
    bare(one) == bare(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_emoji_lead_to_each_other() {
        for (slack, emoji) in
            NAMES.iter().filter(|(slack, _)| !["thumbsup", "thumbsdown", "poop"].contains(slack))
        {
            assert_eq!(name(emoji).as_deref(), Some(*slack));
            assert_eq!(unicode(slack), *emoji);
        }
        assert_eq!(name("👋🏼").as_deref(), Some("wave::skin-tone-3"));
        assert_eq!(unicode("wave::skin-tone-3"), "👋🏼");
        assert_eq!(name("❤").as_deref(), Some("heart"));
    }

    #[test]
    fn emoji_of_a_workspace_go_by_name() {
        assert_eq!(name(":party_parrot:").as_deref(), Some("party_parrot"));
        assert_eq!(name("party_parrot").as_deref(), Some("party_parrot"));
        assert_eq!(unicode("party_parrot"), ":party_parrot:");
        for bad in ["🦑", "", "::", "two words"] {
            assert_eq!(name(bad), None, "{bad}");
        }
    }
}
