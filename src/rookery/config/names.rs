//! Names that are set and mean nothing here: a mistyped one would otherwise be obeyed by nobody, in silence.

/// Every name that begins with `ROOKERY_`, those of channels aside.
const OURS: &[&str] = &[
    "ROOKERY_ACCOUNTS",
    "ROOKERY_ALLOW_PRIVATE_ADDRESSES",
    "ROOKERY_BREAKER_FAILURES",
    "ROOKERY_BREAKER_FIRST_MS",
    "ROOKERY_BREAKER_LONGEST_MS",
    "ROOKERY_BREAKER_UNREACHABLE",
    "ROOKERY_CONCURRENCY",
    "ROOKERY_DATA",
    "ROOKERY_DATABASE_CONNECTIONS",
    "ROOKERY_ENCRYPTION_KEY",
    "ROOKERY_HOST",
    "ROOKERY_LOG",
    "ROOKERY_LOG_FORMAT",
    "ROOKERY_MAX_REQUESTS",
    "ROOKERY_MEDIA_URL",
    "ROOKERY_METRICS_ADDR",
    "ROOKERY_PROVIDER_CONNECTIONS",
    "ROOKERY_PUBLIC_URL",
    "ROOKERY_QUEUES",
    "ROOKERY_RATE_PER_ADDRESS",
    "ROOKERY_RATE_PER_KEY",
    "ROOKERY_REDIS_PREFIX",
    "ROOKERY_UPLOAD_LIMIT_MB",
];

/// What makes the installation's own apps: provider, variable, the secret's name, and whether an app needs it.
pub(super) const APPS: &[(&str, &[AppVariable])] = &[
    (
        "meta",
        &[
            ("META_APP_ID", "app_id", true),
            ("META_APP_SECRET", "app_secret", true),
            ("META_VERIFY_TOKEN", "app_verify_token", false),
        ],
    ),
    ("tiktok", &[("TIKTOK_APP_KEY", "app_key", true), ("TIKTOK_APP_SECRET", "app_secret", true)]),
];

/// A variable, the secret that it sets, and whether an app needs it.
pub(super) type AppVariable = (&'static str, &'static str, bool);

/// Names that tests and their servers use among themselves, and those of faults in builds that have them.
const TESTS: &[&str] = &["ROOKERY_TEST_", "ROOKERY_REQUIRE_FLEET", "ROOKERY_LONG", "ROOKERY_FAULT"];

/// Closer than this, in letters, and it may have been meant.
const NEAR: usize = 4;

/// Whether it switches a channel that this release knows of.
pub(super) fn is_switch(name: &str) -> bool {
    channels().any(|channel| name == format!("ENABLE_{channel}"))
}

/// What to tell about the names that nobody reads.
pub(super) fn doubts<'a>(names: impl Iterator<Item = &'a String>) -> Vec<String> {
    let known: Vec<String> = OURS
        .iter()
        .map(|name| (*name).to_owned())
        .chain(APPS.iter().flat_map(|(_, variables)| variables.iter().map(|(name, ..)| (*name).to_owned())))
        .chain(channels().flat_map(|name| [format!("ENABLE_{name}"), format!("ROOKERY_{name}_URL")]))
        .collect();
    let is_ours =
        |name: &str| ["ROOKERY_", "ENABLE_", "META_", "TIKTOK_"].iter().any(|ours| name.starts_with(ours));
    names
        .filter(|name| is_ours(name) && !TESTS.iter().any(|prefix| name.starts_with(prefix)))
        .filter(|name| !known.contains(name))
        .map(|name| doubt(name, &known))
        .collect()
}

fn doubt(name: &str, known: &[String]) -> String {
    let near = known
        .iter()
        .map(|known| (strsim::damerau_levenshtein(name, known), known))
        .filter(|(distance, _)| *distance <= NEAR)
        .min();
    match near {
        Some((_, near)) => format!("{name} is set, but means nothing; is {near} meant?"),
        None => format!("{name} is set, but means nothing here"),
    }
}

fn channels() -> impl Iterator<Item = String> {
    adapters::channel_names().map(str::to_uppercase)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(names: &[&str]) -> Vec<String> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        doubts(names.iter())
    }

    #[test]
    fn a_mistyped_name_is_told_with_the_one_that_may_be_meant() {
        let told = told(&["ROOKERY_CONCURENCY", "ENABLE_TELEGRM", "ROOKERY_TELEGRAM_ULR", "META_APP_SECRT"]);
        for (said, near) in told.iter().zip([
            "ROOKERY_CONCURRENCY",
            "ENABLE_TELEGRAM",
            "ROOKERY_TELEGRAM_URL",
            "META_APP_SECRET",
        ]) {
            assert!(said.contains(near), "{said}");
        }
        assert_eq!(told.len(), 4);
    }

    #[test]
    fn known_names_and_those_of_others_are_not_told() {
        let names = [
            "ROOKERY_DATA",
            "ENABLE_SANDBOX",
            "ROOKERY_TELEGRAM_URL",
            "ROOKERY_TEST_REDIS_URL",
            "PATH",
            "PORT",
        ];
        assert!(told(&names).is_empty(), "{:?}", told(&names));
    }

    #[test]
    fn every_name_that_is_read_is_known() {
        let readers = [include_str!("../config.rs"), include_str!("reader.rs")].concat();
        let words = readers.split(|c: char| !c.is_ascii_uppercase() && c != '_');
        let read = words.filter(|word| word.starts_with("ROOKERY_") && !word.ends_with('_'));
        for name in read.filter(|name| !["ROOKERY_TELEGRAM_URL", "ROOKERY_SANDBOX_URL"].contains(name)) {
            assert!(OURS.contains(&name), "{name}");
        }
    }
}
