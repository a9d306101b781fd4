//! The audit log: what was done is there, newest first, for those who may read it.

use serde_json::{Value, json};

use crate::support::App;

async fn slow_down(app: &App, account: &str, count: u32) {
    app.patch(&format!("/v1/accounts/{account}"), json!({"pacing": {"per_minute": {"count": count}}}))
        .await
        .ok(200);
}

fn counts(page: &Value) -> Vec<u64> {
    let entries = page["data"].as_array().expect("a page");
    entries
        .iter()
        .map(|entry| entry["detail"]["after"]["pacing"]["per_minute"]["count"].as_u64().expect("a number"))
        .collect()
}

#[tokio::test]
async fn what_was_done_is_told_newest_first_and_page_by_page() {
    let app = App::new().await;
    let (one, two) = (app.account("one").await, app.account("two").await);
    for count in [9, 8, 7] {
        slow_down(&app, &one, count).await;
    }
    slow_down(&app, &two, 5).await;
    let first = app.get("/v1/audit?limit=3").await.ok(200);
    assert_eq!(counts(&first), [5, 7, 8]);
    assert_eq!(first["data"][0]["action"], "account.pacing");
    assert_eq!(first["data"][0]["subject"], format!("account:{two}"));
    assert!(first["data"][0]["actor"].as_str().unwrap().starts_with("api_key:"), "{first}");
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = app.get(&format!("/v1/audit?limit=3&cursor={cursor}")).await.ok(200);
    assert_eq!((counts(&second), &second["next_cursor"]), (vec![9], &json!(null)));
    assert_eq!(counts(&app.get(&format!("/v1/audit?account_id={one}")).await.ok(200)), [7, 8, 9]);
    assert_eq!(app.get("/v1/audit?limit=0").await.field(), "limit");
}

#[tokio::test]
async fn it_is_for_operators_and_for_those_who_make_keys() {
    let app = App::new().await;
    let (mine, other) = (app.account("one").await, app.account("two").await);
    slow_down(&app, &mine, 9).await;
    slow_down(&app, &other, 5).await;
    let key = |scope: &str| vec![scope.to_owned()];
    let reader = app.key_with(key("accounts:read"), None).await;
    app.get_as(&reader, "/v1/audit").await.problem(403);
    for scope in ["operator", "keys:write"] {
        let admin = app.key_with(key(scope), None).await;
        assert_eq!(counts(&app.get_as(&admin, "/v1/audit").await.ok(200)), [5, 9]);
    }
    let limited = app.key_with(key("keys:write"), Some(vec![mine.parse().unwrap()])).await;
    assert_eq!(counts(&app.get_as(&limited, "/v1/audit").await.ok(200)), [9]);
    app.get_as(&limited, &format!("/v1/audit?account_id={other}")).await.problem(404);

    let stranger = app.store.create_workspace("other").await.unwrap();
    let stranger = app.key_in(stranger, key("operator"), None).await;
    assert_eq!(app.get_as(&stranger, "/v1/audit").await.ok(200)["data"], json!([]));
}
