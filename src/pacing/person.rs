//! The rules of an account that must look like a person at a phone, and those that bind campaigns on every network: the
//! table. A rule is a line.

use std::borrow::Cow::{self, Borrowed};
use std::time::Duration;

use model::Pace;

use crate::{
    AgeStep, Batch, Bucket, Cap, Failures, Gap, IdenticalText, Kind, MaySend, NewContacts, OptOut,
    QuietHours, Ramp, Reach, ResponseShare, Rule, Stage, StaleContact, Typing, WarmUp,
};

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

const fn hours(hours: u64) -> Duration {
    Duration::from_hours(hours)
}

const fn days(days: u64) -> Duration {
    Duration::from_hours(24 * days)
}

const fn line(key: &'static str, name: &'static str, reach: Reach, kind: Kind, source: &'static str) -> Rule {
    Rule { key: Borrowed(key), name: Borrowed(name), kind, reach, source: Borrowed(source) }
}

const fn step(from_days: u64, count: u32) -> AgeStep {
    AgeStep { from: days(from_days), count }
}

const fn stage(until_hours: u64, may_send: MaySend, new_contacts: Option<Ramp>) -> Stage {
    Stage { until: hours(until_hours), may_send, new_contacts }
}

const HOUSE: &str = "our own rule for WhatsApp Web, 2026-11-01";
const ALL: &str = "our own rule for every network, 2026-11-01";

const STEPS: &[AgeStep] =
    &[step(0, 30), step(1, 50), step(3, 100), step(7, 200), step(14, 500), step(30, 1_000)];

const STAGES: &[Stage] = &[
    stage(24, MaySend::None, None),
    stage(96, MaySend::Persons, Some(Ramp::Flat(20))),
    stage(192, MaySend::All, Some(Ramp::Flat(50))),
    stage(360, MaySend::All, Some(Ramp::Rising(50, 200))),
];

/// In lower case and without accents, which are left out of what is compared with them.
#[rustfmt::skip]
const STOP_WORDS: &[Cow<'static, str>] = &[
    // English, as carriers ask for them.
    Borrowed("stop"), Borrowed("stopall"), Borrowed("stop all"), Borrowed("unsubscribe"),
    Borrowed("cancel"), Borrowed("end"), Borrowed("quit"), Borrowed("revoke"),
    Borrowed("optout"), Borrowed("opt out"), Borrowed("stop promotions"),
    // Spanish.
    Borrowed("baja"), Borrowed("alto"), Borrowed("dar de baja"), Borrowed("darme de baja"),
    Borrowed("cancelar"), Borrowed("detener"),
    // Portuguese.
    Borrowed("sair"), Borrowed("parar"), Borrowed("pare"), Borrowed("descadastrar"),
    Borrowed("remover"),
    // French.
    Borrowed("arret"), Borrowed("arreter"), Borrowed("arretez"), Borrowed("desabonner"),
    Borrowed("se desabonner"), Borrowed("desinscription"), Borrowed("desinscrire"),
    // German.
    Borrowed("stopp"), Borrowed("abmelden"), Borrowed("abbestellen"), Borrowed("austragen"),
    // Italian.
    Borrowed("basta"), Borrowed("ferma"), Borrowed("annulla"), Borrowed("cancellami"),
    Borrowed("disiscrivimi"), Borrowed("disiscriviti"),
];

/// Like a person.
#[rustfmt::skip]
pub(crate) const RULES: &[Rule] = &[
    line("gap_reply", "gap", Reach::Account, Kind::Gap(Pace::Reply, Gap { min: ms(300), max: ms(1_500) }), HOUSE),
    line("gap_bulk", "gap", Reach::Account, Kind::Gap(Pace::Bulk, Gap { min: secs(2), max: secs(5) }), HOUSE),
    line("same_recipient", "same_recipient", Reach::Chat, Kind::Bucket(Bucket { every: secs(6), burst: 1 }), HOUSE),
    line("per_minute", "per_minute", Reach::Account, Kind::Cap(Cap { count: 15, window: secs(60) }), HOUSE),
    line("batch", "batch", Reach::Account, Kind::Batch(Batch { size: 50, pause: secs(300) }), HOUSE),
    line("new_contacts", "new_contacts", Reach::Account, Kind::NewContacts(NewContacts { steps: Borrowed(STEPS) }), HOUSE),
    line("typing", "typing", Reach::Chat, Kind::Typing(Typing { per_char: (ms(40), ms(80)), extra: ms(500), min: ms(500), max: secs(2) }), HOUSE),
    line("warm_up", "warm_up", Reach::Account, Kind::WarmUp(WarmUp { stages: Borrowed(STAGES) }), HOUSE),
    line("stale_contact", "stale_contact", Reach::Chat, Kind::StaleContact(StaleContact { after: days(30) }), HOUSE),
    line("identical_text", "identical_text", Reach::Account, Kind::IdenticalText(IdenticalText { in_a_row: 10, rest: hours(24) }), HOUSE),
    line("response_rate", "response_rate", Reach::Account, Kind::ResponseRate(ResponseShare { recipients: 20, within: days(7), after: hours(24), slow_below: 0.5, pause_below: 0.2, pause: hours(24) }), HOUSE),
];

/// On every network.
#[rustfmt::skip]
pub(crate) const COMMON: &[Rule] = &[
    line("opt_out", "opted_out", Reach::Chat, Kind::OptOut(OptOut { words: Borrowed(STOP_WORDS) }), ALL),
    line("quiet_hours", "quiet_hours", Reach::Account, Kind::QuietHours(QuietHours { from: None, until: None }), ALL),
    line("failures", "failures", Reach::Account, Kind::Failures(Failures { in_a_row: 5, first: secs(5), longest: secs(3_600) }), ALL),
];
