//! Limits by a network's name, without an adapter and without settings: for playing rules forward, also those of networks
//! that have no adapter yet.

use channel::Limit;

use crate::{discord, instagram, messenger, sandbox, slack, telegram, tiktok, whatsapp_cloud};

/// Each network with its limits, and how many sends of one account may be under way at once.
const ALL: &[(&str, &[Limit], u32)] = &[
    ("discord", discord::limits::LIMITS, discord::limits::WIDTH),
    ("instagram", instagram::limits::LIMITS, instagram::limits::WIDTH),
    ("messenger", messenger::limits::LIMITS, messenger::limits::WIDTH),
    ("sandbox", sandbox::LIMITS, sandbox::WIDTH),
    ("slack", slack::limits::LIMITS, slack::limits::WIDTH),
    ("telegram", telegram::limits::LIMITS, telegram::limits::WIDTH),
    ("tiktok", tiktok::limits::LIMITS, tiktok::limits::WIDTH),
    ("whatsapp_cloud", whatsapp_cloud::limits::LIMITS, whatsapp_cloud::limits::WIDTH),
];

/// The limits of a network, and how many sends of one account may be under way at once. None for a network that nothing is
/// known of; no limits where an account is paced like a person.
pub fn limits(channel: &str) -> Option<(&'static [Limit], u32)> {
    ALL.iter().find(|(name, ..)| *name == channel).map(|(_, limits, width)| (*limits, *width))
}

/// The names that [`limits`] knows, in the order of the alphabet.
pub fn channel_names() -> impl Iterator<Item = &'static str> {
    ALL.iter().map(|(name, ..)| *name)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_limit_can_be_kept_and_says_where_it_comes_from() {
        for (channel, limits, width) in ALL {
            assert!(*width >= 1, "{channel}");
            let names: BTreeSet<_> = limits.iter().map(|limit| limit.name).collect();
            assert_eq!(names.len(), limits.len(), "{channel} has two limits of one name");
            for limit in *limits {
                let what = format!("{channel}.{}", limit.name);
                assert!(limit.count >= 1 && limit.seconds > 0.0, "{what}");
                assert_ne!(limit.burst, Some(0), "{what}");
                assert!(!limit.source.is_empty() && limit.read_on.len() == "2026-11-20".len(), "{what}");
            }
        }
    }

    #[test]
    fn names_are_listed_once_and_in_order() {
        let names: Vec<_> = channel_names().collect();
        assert!(names.is_sorted_by(|one, next| one < next), "{names:?}");
        assert!(names.iter().all(|name| limits(name).is_some()));
        assert_eq!(limits("pigeon"), None);
    }

    #[test]
    fn a_network_with_an_adapter_has_the_limits_of_its_capabilities() {
        let http = outbound::Http::new(&outbound::HttpConfig::default()).unwrap();
        let channels = crate::channels(&crate::AdaptersConfig::new(http));
        for channel in channels.iter() {
            let can = channel.capabilities();
            assert_eq!(
                limits(channel.name()),
                Some((can.limits.as_slice(), can.width)),
                "{}",
                channel.name()
            );
        }
    }
}
