//! The walls of the house: which part may use which, and where foreign crates live. The manifests are the rule; this
//! compares them with the table that the rule was decided by, so that a wall falls on purpose or not at all.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use crate::cargo::{Metadata, Package, metadata};

/// Each part with the parts that it may use. `tests` uses what it likes.
const PARTS: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("store", &["model"]),
    ("queue", &["model"]),
    ("pacing", &["model"]),
    ("outbound", &[]),
    ("channel", &["model"]),
    ("adapters", &["model", "channel", "outbound"]),
    // It shares nothing with what it judges.
    ("sandbox", &[]),
    ("media", &["model", "outbound"]),
    ("templates", &["model"]),
    ("events", &["model"]),
    ("jobs", &["model", "store", "queue", "pacing", "channel", "outbound", "media", "templates", "events"]),
    ("front", &["model", "store", "queue", "pacing", "channel", "media", "templates", "events"]),
    (
        "rookery",
        &[
            "model",
            "store",
            "queue",
            "pacing",
            "outbound",
            "channel",
            "adapters",
            "sandbox",
            "media",
            "templates",
            "events",
            "jobs",
            "front",
        ],
    ),
];

/// Foreign crates with the only parts that may use them. What is not here (tokio, serde, tracing, thiserror, uuid as the
/// type of ids, and the like) is free.
const HOMES: &[(&str, &[&str])] = &[
    ("chrono", &["model"]),
    ("chrono-tz", &["model"]),
    ("sqlx", &["store"]),
    ("chacha20poly1305", &["store"]),
    ("argon2", &["store"]),
    ("apalis-core", &["queue"]),
    ("redis", &["queue", "events"]),
    ("governor", &["pacing"]),
    ("reqwest", &["outbound", "adapters"]),
    ("rustls", &["outbound"]),
    ("ed25519-dalek", &["adapters"]),
    ("twilight-gateway", &["adapters"]),
    ("object_store", &["media"]),
    ("minijinja", &["templates"]),
    ("apalis", &["jobs"]),
    ("cron", &["jobs"]),
    // The binary serves the router that the front gives it.
    ("axum", &["front", "sandbox", "rookery"]),
    ("utoipa", &["front"]),
    ("utoipa-axum", &["front"]),
    ("utoipa-swagger-ui", &["front"]),
    ("tower_governor", &["front"]),
    ("maud", &["front"]),
    ("socketioxide", &["front"]),
    ("clap", &["rookery"]),
    ("tracing-subscriber", &["rookery"]),
    ("metrics-exporter-prometheus", &["rookery"]),
];

fn house() -> Metadata {
    metadata(&["--no-deps"])
}

/// The parts and what they use: ours, and foreign. What only their tests use is their own affair.
fn used(part: &Package, ours: bool) -> BTreeSet<&str> {
    let normal = part.dependencies.iter().filter(|used| used.kind.is_none());
    normal.filter(|used| used.path.is_some() == ours).map(|used| used.name.as_str()).collect()
}

#[test]
fn each_part_uses_only_what_lies_below_it() {
    let table: BTreeMap<_, BTreeSet<_>> =
        PARTS.iter().map(|(part, may)| (*part, may.iter().copied().collect())).collect();
    for part in &house().packages {
        if part.name == "tests" {
            continue;
        }
        let may =
            table.get(part.name.as_str()).unwrap_or_else(|| panic!("{} is not in the table", part.name));
        let uses = used(part, true);
        let beyond: Vec<_> = uses.difference(may).collect();
        assert!(beyond.is_empty(), "{} may not use {beyond:?}", part.name);
    }
}

#[test]
fn foreign_crates_stay_where_they_live() {
    let homes: BTreeMap<_, _> = HOMES.iter().copied().collect();
    let mut strays = Vec::new();
    for part in house().packages.iter().filter(|part| part.name != "tests") {
        for foreign in used(part, false) {
            if homes.get(foreign).is_some_and(|homes| !homes.contains(&part.name.as_str())) {
                strays.push(format!("{foreign} does not live in {}", part.name));
            }
        }
    }
    assert!(strays.is_empty(), "{strays:#?}");
}

#[test]
fn a_dependency_that_nothing_uses_is_an_open_door() {
    let mut open = Vec::new();
    for part in &house().packages {
        let folder = part.manifest_path.parent().expect("a manifest lies in a folder");
        let mut text = String::new();
        read_all(folder, &mut text);
        for name in used(part, true).union(&used(part, false)) {
            let name = name.replace('-', "_");
            let mentioned =
                [format!("{name}::"), format!("use {name};"), format!("{name} as "), format!("use {name} ")];
            if !mentioned.iter().any(|mention| text.contains(mention)) {
                open.push(format!("{} names {name} and does not use it", part.name));
            }
        }
    }
    assert!(open.is_empty(), "{open:#?}");
}

fn read_all(folder: &Path, text: &mut String) {
    for entry in fs::read_dir(folder).expect("a folder of ours is readable") {
        let path = entry.expect("an entry of ours is readable").path();
        if path.is_dir() {
            read_all(&path, text);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            text.push_str(&fs::read_to_string(&path).expect("a file of ours is text"));
        }
    }
}
