//! Accounts that are devices: what a person is told to do, and clear words when nobody keeps the session.

use std::time::{Duration, Instant};

use model::{Connection, PairingKind, PairingStep, WorkerId};
use serde_json::{Value, json};
use store::{Owned, SessionChange};

use crate::support::{Answer, App};

const LONG: Duration = Duration::from_hours(1);

async fn device(app: &App) -> String {
    let account = app.post("/v1/accounts", json!({"channel": "device"})).await.ok(201);
    let state = (&account["intake"], &account["connection"], &account["external_id"]);
    assert_eq!(state, (&json!("session"), &json!("connecting"), &Value::Null));
    account["id"].as_str().unwrap().to_owned()
}

/// A worker takes what there is.
async fn taken(app: &App) -> Owned {
    let worker: WorkerId = uuid::Uuid::from_u128(8).into();
    app.store.take_accounts(worker, LONG, false).await.unwrap().accounts.remove(0)
}

fn to_scan(code: &str) -> SessionChange {
    let expires_at = model::Timestamp::from_micros(4_000_000_000_000_000);
    let step = PairingStep { kind: PairingKind::Qr, code: code.to_owned(), expires_at };
    SessionChange { step: Some(step), ..SessionChange::to(Connection::QrRequired, None) }
}

#[tokio::test]
async fn a_person_is_told_what_to_do_until_it_is_done() {
    let app = App::new().await;
    let path = format!("/v1/accounts/{}", device(&app).await);
    let owned = taken(&app).await;
    app.store.change_session(&owned, &to_scan("first")).await.unwrap().unwrap();
    let told = app.post(&format!("{path}/connect"), json!({})).await.ok(202);
    assert_eq!((&told["connection"], &told["step"]["kind"]), (&json!("qr_required"), &json!("qr")));
    assert_eq!(app.get(&format!("{path}/status")).await.ok(200)["step"], told["step"]);
    app.post(&format!("{path}/restart"), json!({})).await.problem(409);

    let change = SessionChange::to(Connection::Connected, None);
    let change = SessionChange { external_id: Some("me".to_owned()), name: Some("Me".to_owned()), ..change };
    app.store.change_session(&owned, &change).await.unwrap().unwrap();
    let account = app.post(&format!("{path}/connect"), json!({})).await.ok(200);
    assert_eq!((&account["connection"], &account["name"]), (&json!("connected"), &json!("Me")));
    assert_eq!(app.get(&format!("{path}/status")).await.ok(200)["step"], Value::Null);

    // What was the owner's word counts no more once a person disconnected it.
    app.store.retire_worker(owned.worker).await.unwrap();
    app.post(&format!("{path}/disconnect"), json!({})).await.ok(200);
    assert!(app.store.change_session(&owned, &to_scan("late")).await.unwrap().is_none());
    assert_eq!(app.get(&path).await.ok(200)["connection"], "disconnected");
}

#[tokio::test]
async fn without_an_owner_nothing_is_promised() {
    let app = App::new().await;
    let path = format!("/v1/accounts/{}", device(&app).await);
    let nobody = app.post(&format!("{path}/connect"), json!({})).await;
    assert!(
        nobody.headers.contains_key("retry-after") && nobody.text.contains("no worker"),
        "{}",
        nobody.text
    );
    nobody.problem(503);
    app.post(&format!("{path}/logout"), json!({})).await.problem(409);
    let owned = taken(&app).await;
    app.store.change_session(&owned, &SessionChange::to(Connection::Connected, None)).await.unwrap();
    app.store.retire_worker(owned.worker).await.unwrap();
    let nobody = app.post(&format!("{path}/logout"), json!({})).await;
    assert!(nobody.text.contains("no worker"), "{}", nobody.text);
    nobody.problem(503);
}

#[tokio::test]
async fn an_owner_that_cannot_log_out_says_why() {
    let app = App::new().await;
    let path = format!("/v1/accounts/{}", device(&app).await);
    let owned = taken(&app).await;
    app.store.change_session(&owned, &SessionChange::to(Connection::Connected, None)).await.unwrap();
    let control = app.hints.control().clone();
    let mut orders = control.orders();
    let refusing = async move {
        loop {
            if let events::Order::LogOut(_, receipt) = orders.next().await {
                return control.refuse(receipt, "the network is away");
            }
        }
    };
    let path = format!("{path}/logout");
    let (answer, ()) = tokio::join!(app.post(&path, json!({})), refusing);
    assert!(answer.text.contains("the network is away"), "{}", answer.text);
    answer.problem(503);
}

/// An account whose session is open, by its row: its owner hears nothing.
async fn with_a_silent_owner(app: &App) -> String {
    let path = format!("/v1/accounts/{}", device(app).await);
    let owned = taken(app).await;
    let change = SessionChange::to(Connection::Connected, None);
    let change = SessionChange { external_id: Some("me".to_owned()), ..change };
    app.store.change_session(&owned, &change).await.unwrap().unwrap();
    path
}

fn not_confirmed(answer: Answer, began: Instant) {
    assert!(began.elapsed() < Duration::from_secs(15), "it was waited for {:?}", began.elapsed());
    assert!(answer.headers.contains_key("retry-after"), "{answer:?}");
    assert!(answer.text.contains("did not confirm in time"), "{}", answer.text);
    answer.problem(503);
}

#[tokio::test]
async fn an_owner_that_is_silent_is_waited_for_a_while_only() {
    let app = App::new().await;
    let (path, began) = (with_a_silent_owner(&app).await, Instant::now());
    let [restart, log_out] = ["restart", "logout"].map(|what| format!("{path}/{what}"));
    let (restarted, logged_out) = tokio::join!(app.post(&restart, json!({})), app.post(&log_out, json!({})));
    not_confirmed(restarted, began);
    not_confirmed(logged_out, began);
}

#[tokio::test]
async fn a_disconnection_that_nobody_confirms_is_written_all_the_same() {
    let app = App::new().await;
    let (path, began) = (with_a_silent_owner(&app).await, Instant::now());
    not_confirmed(app.post(&format!("{path}/disconnect"), json!({})).await, began);
    assert_eq!(app.get(&path).await.ok(200)["connection"], "disconnected");
}

#[tokio::test]
async fn an_account_whose_own_worker_is_gone_says_that_nobody_serves_it() {
    let app = App::new().await;
    let path = format!("/v1/accounts/{}", device(&app).await);
    let worker: WorkerId = uuid::Uuid::from_u128(9).into();
    let account = path.rsplit('/').next().unwrap().parse().unwrap();
    app.store.renew_owned(worker, LONG, true).await.unwrap();
    assert_eq!(app.store.pin_accounts(worker, &[account]).await.unwrap(), [account]);
    let pin = |lives: bool| json!({"worker": worker, "lives": lives});
    assert_eq!(app.get(&format!("{path}/status")).await.ok(200)["pin"], pin(true));

    app.store.retire_worker(worker).await.unwrap();
    let status = app.get(&format!("{path}/status")).await.ok(200);
    assert_eq!((&status["pin"], &status["owner"]), (&pin(false), &Value::Null));
    let nobody = app.post(&format!("{path}/restart"), json!({})).await;
    assert!(nobody.text.contains("no worker serves this account"), "{}", nobody.text);
    nobody.problem(503);
}

#[tokio::test]
async fn mistakes_name_their_field() {
    let app = App::new().await;
    for (body, field) in [
        (json!({"channel": "device", "credentials": {"token": "x"}}), "credentials.token"),
        (json!({"channel": "device", "intake": "webhook"}), "intake"),
        (json!({"channel": "device", "intake": "poll"}), "intake"),
    ] {
        assert_eq!(app.post("/v1/accounts", body.clone()).await.field(), field, "{body}");
    }
    let path = format!("/v1/accounts/{}", device(&app).await);
    for (body, field) in [
        (json!({"by": "pigeon"}), "by"),
        (json!({"by": "code"}), "phone"),
        (json!({"by": "code", "phone": "call me"}), "phone"),
        (json!({"by": "qr", "phone": "+49 30 1234567"}), "phone"),
    ] {
        assert_eq!(app.post(&format!("{path}/connect"), body.clone()).await.field(), field, "{body}");
    }
    assert_eq!(app.patch(&path, json!({"credentials": {"token": "x"}})).await.field(), "credentials");
    let other = format!("/v1/accounts/{}", app.account("one").await);
    assert_eq!(app.post(&format!("{other}/connect"), json!({"by": "qr"})).await.field(), "by");
    app.post(&format!("{other}/logout"), json!({})).await.problem(409);
}
