//! What may come into the house, by the rules of `deny.toml`: licences, banned crates, sources. cargo-deny checks the same
//! and more where it is installed; this needs only cargo, and no network.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use spdx::{Expression, ParseMode};

use crate::cargo::{Metadata, Package, metadata, root};

#[derive(Deserialize)]
struct Rules {
    licenses: Licences,
    bans: Bans,
    sources: Sources,
}

#[derive(Deserialize)]
struct Licences {
    allow: BTreeSet<String>,
    exceptions: Vec<Exception>,
}

#[derive(Deserialize)]
struct Exception {
    #[serde(rename = "crate")]
    name: String,
    allow: BTreeSet<String>,
}

#[derive(Deserialize)]
struct Bans {
    deny: Vec<Ban>,
}

#[derive(Deserialize)]
struct Ban {
    #[serde(rename = "crate")]
    name: String,
    reason: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Sources {
    allow_registry: BTreeSet<String>,
}

fn rules() -> Rules {
    let text = std::fs::read_to_string(root().join("deny.toml")).expect("deny.toml is there");
    toml::from_str(&text).expect("deny.toml says what is read here")
}

/// The lock as it stands, for this machine: what was built is at hand, so no network is asked.
fn lock() -> Metadata {
    let target = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    metadata(&["--locked", "--offline", "--filter-platform", &target])
}

fn foreign(lock: &Metadata) -> Vec<&Package> {
    let resolved: BTreeSet<_> =
        lock.resolve.as_ref().expect("cargo resolved").nodes.iter().map(|node| &node.id).collect();
    let packages = lock.packages.iter().filter(|package| resolved.contains(&package.id));
    packages.filter(|package| package.source.is_some()).collect()
}

#[test]
fn every_crate_comes_under_a_licence_that_we_accept() {
    let rules = rules().licenses;
    let exceptions: BTreeMap<_, _> =
        rules.exceptions.iter().map(|own| (own.name.as_str(), &own.allow)).collect();
    let mut refused = Vec::new();
    for package in foreign(&lock()) {
        let own = exceptions.get(package.name.as_str());
        let accepted = package.license.as_deref().is_some_and(|licence| {
            Expression::parse_mode(licence, ParseMode::LAX).is_ok_and(|licence| {
                licence.evaluate(|required| {
                    let id = required.license.id().map_or("", |id| id.name);
                    required.addition.is_none()
                        && (rules.allow.contains(id) || own.is_some_and(|own| own.contains(id)))
                })
            })
        });
        if !accepted {
            refused.push(format!("{} {}: {:?}", package.name, package.version, package.license));
        }
    }
    assert!(refused.is_empty(), "{refused:#?}");
}

#[test]
fn no_crate_is_banned_and_all_are_from_where_we_know() {
    let rules = rules();
    for package in foreign(&lock()) {
        let ban = rules.bans.deny.iter().find(|ban| package.name == ban.name);
        assert!(ban.is_none(), "{} is banned: {}", package.name, ban.map_or("", |ban| &ban.reason));
        let source = package.source.as_deref().unwrap_or_default();
        let known = source
            .strip_prefix("registry+")
            .is_some_and(|registry| rules.sources.allow_registry.contains(registry));
        assert!(known, "{} comes from {source}", package.name);
    }
}
