//! What Meta knows: apps, tokens, codes, files.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::{Call, Fault};

/// An app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct App {
    /// Its id.
    pub id: String,
    /// What signs its webhooks and exchanges its tokens.
    pub secret: String,
}

/// What a token is good for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Grant {
    /// The app that it was given to.
    pub app: String,
    /// Permissions with what they are for.
    pub scopes: Vec<(String, Vec<String>)>,
    /// Seconds since 1970; 0: it lasts.
    pub expires_at: i64,
    /// With which subcode it was taken back.
    pub revoked: Option<i64>,
    /// Whether it lasts long: exchanging it once more gives a fresh one.
    pub long_lived: bool,
    /// Whether it is less than a day old: Instagram renews no such token.
    pub too_young: bool,
}

/// A file that can be downloaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// What is in it.
    pub bytes: Bytes,
    /// What it is.
    pub mime: String,
    /// Whether only who shows a token gets it.
    pub needs_token: bool,
}

impl Grant {
    /// Whether it allows `scope` for `target`.
    pub fn allows(&self, scope: &str, target: &str) -> bool {
        let granted = self.scopes.iter().filter(|(granted, _)| granted == scope);
        granted.into_iter().any(|(_, targets)| targets.iter().any(|one| one == "*" || one == target))
    }
}

/// A code of the login page: whose, with which redirect, for which token.
#[derive(Debug, Clone)]
pub(super) struct Code {
    pub app: String,
    pub redirect: String,
    pub token: String,
}

#[derive(Debug, Default)]
pub(super) struct State {
    next: u64,
    pub apps: BTreeMap<String, App>,
    pub tokens: BTreeMap<String, Grant>,
    pub codes: BTreeMap<String, Code>,
    pub files: BTreeMap<String, File>,
    pub faults: Vec<(String, Fault)>,
    pub headers: BTreeMap<&'static str, String>,
    pub calls: Vec<Call>,
}

impl State {
    pub fn fresh(&mut self) -> u64 {
        self.next += 1;
        100_000_000_000 + self.next
    }

    pub fn app(&mut self) -> App {
        let id = self.fresh().to_string();
        let app = App { secret: format!("simulated-secret-{id}"), id };
        self.apps.insert(app.id.clone(), app.clone());
        app
    }

    pub fn token(&mut self, app: &App, scopes: &[(&str, &[&str])]) -> String {
        let own = |targets: &[&str]| targets.iter().map(|target| (*target).to_owned()).collect();
        let scopes = scopes.iter().map(|(scope, targets)| ((*scope).to_owned(), own(targets))).collect();
        self.add_token(Grant { app: app.id.clone(), scopes, ..Grant::default() })
    }

    pub fn add_token(&mut self, grant: Grant) -> String {
        let token = format!("EAAsimulated{}", self.fresh());
        self.tokens.insert(token.clone(), grant);
        token
    }

    pub fn grant(&mut self, token: &str) -> &mut Grant {
        self.tokens.get_mut(token).expect("the token was given by this simulator")
    }

    pub fn code(&mut self, app: &App, redirect: &str, token: &str) -> String {
        let code = format!("AQBcode{}", self.fresh());
        let meant = Code { app: app.id.clone(), redirect: redirect.to_owned(), token: token.to_owned() };
        self.codes.insert(code.clone(), meant);
        code
    }

    pub fn put_file(&mut self, file: File) -> String {
        let path = self.fresh().to_string();
        self.files.insert(path.clone(), file);
        path
    }
}
