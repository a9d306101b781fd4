//! Visits to pages of providers: good for one return, kept sealed, and gone when their time is over.

use std::collections::BTreeMap;
use std::time::Duration;

use model::{Actor, ChannelAppId};
use serde_json::json;
use store::{NewOauthLogin, OauthCandidate, StoreError};

use crate::bench::{Bench, on_both};

const MINUTE: Duration = Duration::from_mins(1);

async fn app(bench: &Bench) -> ChannelAppId {
    bench.store.keep_default_app("bazaar", &BTreeMap::new()).await.unwrap()
}

fn visit(app: ChannelAppId, state: &[u8]) -> NewOauthLogin {
    NewOauthLogin {
        channel: "mall".to_owned(),
        app_id: app,
        actor: Actor("api_key:1".to_owned()),
        state_hash: state.to_vec(),
        settings: json!({"region": "eu"}),
        lasting: MINUTE * 10,
    }
}

on_both! {
    async fn a_state_is_good_for_one_return_in_time(bench: &Bench) {
        let app = app(bench).await;
        let (id, until) = bench.store.begin_oauth(bench.workspace, &visit(app, b"one")).await.unwrap();
        bench.store.begin_oauth(bench.workspace, &visit(app, b"two")).await.unwrap();
        assert_eq!(until, bench.now() + MINUTE * 10);
        assert!(bench.store.return_from_oauth("other", b"one").await.unwrap().is_none());
        assert!(bench.store.return_from_oauth("mall", b"three").await.unwrap().is_none());
        let elsewhere = bench.another().await;
        let (first, second) = tokio::join!(
            bench.store.return_from_oauth("mall", b"one"),
            elsewhere.return_from_oauth("mall", b"one"),
        );
        let returned: Vec<_> = [first.unwrap(), second.unwrap()].into_iter().flatten().collect();
        assert_eq!(returned.iter().map(|login| login.id).collect::<Vec<_>>(), [id]);
        bench.advance(MINUTE * 10);
        assert!(bench.store.return_from_oauth("mall", b"two").await.unwrap().is_none());
        elsewhere.close().await;
    }

    async fn what_came_of_it_is_sealed_and_is_who_began_its(bench: &Bench) {
        let app = app(bench).await;
        let (id, _) = bench.store.begin_oauth(bench.workspace, &visit(app, b"one")).await.unwrap();
        let candidate = OauthCandidate {
            external_id: "page".to_owned(),
            name: None,
            credentials: BTreeMap::from([("token".to_owned(), "planted-secret-1234".to_owned())]),
            settings: json!({}),
        };
        assert!(!format!("{candidate:?}").contains("planted"));
        bench.store.finish_oauth(id, Ok(std::slice::from_ref(&candidate)), MINUTE * 30).await.unwrap();
        let actor = Actor("api_key:1".to_owned());
        let login = bench.store.oauth_login(bench.workspace, id, &actor).await.unwrap();
        assert_eq!((login.candidates, login.settings), (Some(vec![candidate]), json!({"region": "eu"})));
        let other = Actor("api_key:2".to_owned());
        let stranger = bench.store.oauth_login(bench.workspace, id, &other).await;
        assert!(matches!(stranger, Err(StoreError::NotFound(_))));
        if let Some(files) = bench.files() {
            assert!(!files.windows(19).any(|part| part == b"planted-secret-1234"), "it lies there unsealed");
        }
        bench.advance(MINUTE * 30);
        assert!(bench.store.oauth_login(bench.workspace, id, &actor).await.is_err());
        bench.advance(MINUTE);
        let nothing = crate::bench::START - Duration::from_hours(1);
        assert_eq!(bench.store.purge(nothing, nothing, nothing, 10).await.unwrap().visits, 1);
    }
}
