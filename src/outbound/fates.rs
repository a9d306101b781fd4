//! Each way in which a request can end, against a server that behaves that way.

use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::{BreakerConfig, Error, Failure, Http, HttpConfig, Method, Outcome, Shut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const LONG: Duration = Duration::from_secs(20);
const SECRET: &str = "s3cr3t-token";

fn http() -> Http {
    Http::new(&HttpConfig::default()).unwrap()
}

/// A server that reads one request a connection and then does what it is told.
async fn server<F>(answer: impl Fn(TcpStream, String) -> F + Send + Sync + Copy + 'static) -> String
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/bot{SECRET}/send", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut head = Vec::new();
                let mut buffer = [0; 1024];
                while !head.windows(4).any(|end| end == b"\r\n\r\n") {
                    let read = stream.read(&mut buffer).await.unwrap_or(0);
                    if read == 0 {
                        return;
                    }
                    head.extend_from_slice(&buffer[..read]);
                }
                answer(stream, String::from_utf8_lossy(&head).into_owned()).await;
            });
        }
    });
    url
}

async fn write(mut stream: TcpStream, answer: &str) {
    stream.write_all(answer.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
}

fn shows_no_secret(error: Error) {
    assert!(!format!("{error} {error:?}").contains(SECRET));
}

#[tokio::test]
async fn an_answer_of_any_status_is_an_answer() {
    let url = server(|stream, head| async move {
        assert!(head.contains(concat!("user-agent: rookery/", env!("CARGO_PKG_VERSION"))));
        write(
            stream,
            "HTTP/1.1 302 Found\r\nlocation: http://10.0.0.1/\r\ncontent-length: 7\r\n\r\n{\"a\":1}",
        )
        .await;
    })
    .await;
    let request = http().provider().post(&url, LONG).bearer(SECRET);
    assert!(!format!("{request:?}").contains(SECRET));
    let answer = request.answer(100).await.unwrap();
    assert_eq!((answer.status, answer.is_success()), (302, false));
    assert_eq!(answer.header("location"), Some("http://10.0.0.1/"));
    assert_eq!(answer.json::<serde_json::Value>().unwrap()["a"], 1);
}

#[tokio::test]
async fn nobody_listening_means_not_sent() {
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let url = format!("http://{gone}/bot{SECRET}/send");
    let error = http().provider().get(&url, LONG).send().await.unwrap_err();
    assert_eq!(error, Error::Connect(Failure::Refused));
    assert_eq!(error.outcome(), Outcome::NotSent);
    shows_no_secret(error);
}

#[tokio::test]
async fn a_tls_handshake_that_fails_or_hangs_means_not_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/bot{SECRET}", listener.local_addr().unwrap());
    let quick =
        Http::new(&HttpConfig { connect_timeout: Duration::from_millis(100), ..HttpConfig::default() })
            .unwrap();
    let error = quick.provider().get(&url, LONG).send().await.unwrap_err();
    assert_eq!(error, Error::Connect(Failure::Timeout));
    drop(listener);

    let url = server(|stream, _| async move { write(stream, "no TLS here").await }).await;
    // Four bytes of a record that is none, in the first answer to the hello.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let tls = url
        .replace("http://", "https://")
        .replace(url.split('/').nth(2).unwrap(), &listener.local_addr().unwrap().to_string());
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut hello = [0; 64];
        stream.read_exact(&mut hello).await.unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
    });
    let error = http().provider().get(&tls, LONG).send().await.unwrap_err();
    assert_eq!(error, Error::Connect(Failure::Tls));
    assert_eq!(error.outcome(), Outcome::NotSent);
}

#[tokio::test]
async fn a_connection_dropped_after_the_request_leaves_doubt() {
    let url = server(|stream, _| async move { drop(stream) }).await;
    let error = http().provider().post(&url, LONG).json(&1).send().await.unwrap_err();
    assert_eq!(error, Error::NoAnswer(Failure::Closed));
    assert_eq!(error.outcome(), Outcome::Unknown);
    shows_no_secret(error);
}

#[tokio::test]
async fn silence_leaves_doubt_when_the_time_is_up() {
    let url = server(|stream, _| async move {
        std::future::pending::<()>().await;
        drop(stream);
    })
    .await;
    let error = http().provider().post(&url, Duration::from_millis(100)).send().await.unwrap_err();
    assert_eq!(error, Error::NoAnswer(Failure::Timeout));
    assert_eq!((error.outcome(), error.code()), (Outcome::Unknown, "timeout"));
}

#[tokio::test]
async fn an_answer_that_breaks_off_was_an_answer() {
    let url = server(|stream, _| async move {
        write(stream, "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf").await;
    })
    .await;
    let error = http().provider().get(&url, LONG).answer(1_000).await.unwrap_err();
    assert!(matches!(error, Error::BrokenAnswer { status: 200, .. }), "{error:?}");
    assert_eq!(error.outcome(), Outcome::Answered);
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_told_or_not() {
    let told = server(|stream, _| async move {
        write(stream, "HTTP/1.1 200 OK\r\ncontent-length: 11\r\n\r\nhello world").await;
    })
    .await;
    let untold = server(|stream, _| async move {
        write(stream, "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nhello world").await;
    })
    .await;
    for url in [told, untold] {
        let error = http().provider().get(&url, LONG).answer(10).await.unwrap_err();
        assert_eq!(error, Error::TooLarge { status: 200, limit: 10 });
        let answer = http().provider().get(&url, LONG).answer(11).await.unwrap();
        assert_eq!(&answer.body[..], b"hello world");
    }
}

#[tokio::test]
async fn a_full_host_lets_requests_wait_and_then_says_not_sent() {
    let url = server(|stream, _| async move {
        std::future::pending::<()>().await;
        drop(stream);
    })
    .await;
    let one = Http::new(&HttpConfig { max_per_host: 1, ..HttpConfig::default() }).unwrap();
    let (first, second) = tokio::join!(
        one.provider().get(&url, Duration::from_millis(300)).send(),
        one.provider().get(&url, Duration::from_millis(100)).send(),
    );
    assert_eq!(first.unwrap_err(), Error::NoAnswer(Failure::Timeout));
    assert_eq!(second.unwrap_err(), Error::Busy);
}

#[tokio::test]
async fn requests_that_wait_for_news_take_nobodys_place() {
    static POLLS: AtomicUsize = AtomicUsize::new(0);
    let url = server(|stream, asked| async move {
        if asked.contains("/news") {
            POLLS.fetch_add(1, Ordering::Relaxed);
            std::future::pending::<()>().await;
        }
        write(stream, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    })
    .await;
    let one = Http::new(&HttpConfig { max_per_host: 1, ..HttpConfig::default() }).unwrap();
    let news = format!("{url}/news");
    let polls = [(); 3].map(|()| tokio::spawn(one.provider().get(&news, LONG).waiting().send()));
    let all_wait = async {
        while POLLS.load(Ordering::Relaxed) < 3 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LONG, all_wait).await.expect("three polls wait at once");
    assert_eq!(one.provider().get(&url, LONG).send().await.unwrap().status(), 200);
    for poll in polls {
        poll.abort();
    }
}

#[tokio::test]
async fn users_urls_reach_public_addresses_only() {
    let url = server(|stream, _| async move {
        write(stream, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    })
    .await;
    let by_name = url.replace("127.0.0.1", "localhost");
    for url in [&url, &by_name] {
        let error = http().public().get(url, LONG).send().await.unwrap_err();
        assert_eq!((error, error.outcome()), (Error::NotPublic, Outcome::NotSent), "{url}");
        let open = Http::new(&HttpConfig { allow_private: true, ..HttpConfig::default() }).unwrap();
        assert_eq!(open.public().get(url, LONG).send().await.unwrap().status(), 200);
    }
}

#[tokio::test]
async fn what_is_no_request_is_not_sent() {
    for url in ["not a url", "ftp://example.com/", "file:///etc/passwd", "data:,x"] {
        let error = http().public().get(url, LONG).send().await.unwrap_err();
        assert!(matches!(error, Error::Invalid(_)), "{url}: {error:?}");
    }
    let error = http()
        .provider()
        .request(Method::GET, "http://127.0.0.1:1/", LONG)
        .header("bad header", "x")
        .send()
        .await
        .unwrap_err();
    assert_eq!(error.outcome(), Outcome::NotSent);
}

#[tokio::test]
async fn a_host_that_is_down_is_left_alone_and_others_are_not() {
    static CALLS: AtomicUsize = AtomicUsize::new(0);
    let failing = server(|stream, _| async move {
        let status = if CALLS.fetch_add(1, Ordering::Relaxed) < 3 { "503 Sorry" } else { "200 OK" };
        write(stream, &format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n")).await;
    })
    .await;
    let well = server(|stream, _| async move {
        write(stream, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    })
    .await;
    let pause = Duration::from_millis(200);
    let breaker = BreakerConfig { failing: 3, first: pause, longest: pause, ..BreakerConfig::default() };
    let http = Http::new(&HttpConfig { breaker: Some(breaker), ..HttpConfig::default() }).unwrap();
    for _ in 0..3 {
        assert_eq!(http.provider().get(&failing, LONG).answer(10).await.unwrap().status, 503);
    }
    let gate = http.gate(10);
    let error = http.provider().get(&failing, LONG).send().await.unwrap_err();
    let Error::HostDown { retry_in } = error else { panic!("{error:?}") };
    assert!(retry_in <= pause && error.outcome() == Outcome::NotSent, "{error:?}");
    assert!(matches!(gate.enter(&failing).await, Err(Shut::Down(_))));
    assert_eq!(CALLS.load(Ordering::Relaxed), 3);
    assert_eq!(http.provider().get(&well, LONG).send().await.unwrap().status(), 200);
    assert!(gate.enter(&well).await.is_ok());
    tokio::time::sleep(pause).await;
    assert!(gate.enter(&failing).await.is_ok());
    assert_eq!(http.provider().get(&failing, LONG).answer(10).await.unwrap().status, 200);
    assert_eq!(http.provider().get(&failing, LONG).answer(10).await.unwrap().status, 200);
}

#[tokio::test]
async fn users_urls_have_no_breaker() {
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let url = format!("http://{gone}/hook");
    let http = Http::new(&HttpConfig { allow_private: true, ..HttpConfig::default() }).unwrap();
    for _ in 0..10 {
        let error = http.public().get(&url, LONG).send().await.unwrap_err();
        assert_eq!(error, Error::Connect(Failure::Refused));
    }
}
