//! Keys and tokens, as Orkes has them. Orkes cannot be run here, so this server imitates its token endpoint, and one
//! call that wants a token; everything else is tested with the real server.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use k1_hil::Blame;
use k1_hil::conductor::{Client, ConductorError, Keys};
use serde_json::{Value, json};

/// Counts the tokens that were given out; only the last one is good.
#[derive(Clone, Default)]
struct Tokens {
    given: Arc<AtomicU32>,
    good: Arc<AtomicU32>,
}

async fn token(State(tokens): State<Tokens>, keys: String) -> (StatusCode, String) {
    let keys: Value = serde_json::from_str(&keys).unwrap();
    if keys != json!({ "keyId": "id", "keySecret": "secret" }) {
        return (StatusCode::UNAUTHORIZED, json!({ "message": "Invalid key" }).to_string());
    }
    let number = tokens.given.fetch_add(1, Ordering::SeqCst) + 1;
    tokens.good.store(number, Ordering::SeqCst);
    (StatusCode::OK, json!({ "token": format!("token-{number}") }).to_string())
}

async fn task(State(tokens): State<Tokens>, headers: HeaderMap) -> (StatusCode, String) {
    let good = format!("token-{}", tokens.good.load(Ordering::SeqCst));
    if headers.get("X-Authorization").is_none_or(|token| token.as_bytes() != good.as_bytes()) {
        return (
            StatusCode::UNAUTHORIZED,
            json!({ "error": "EXPIRED_TOKEN", "message": "Expired" }).to_string(),
        );
    }
    let task = json!({ "taskId": "t", "status": "IN_PROGRESS", "workflowInstanceId": "w" });
    (StatusCode::OK, task.to_string())
}

async fn server() -> (Tokens, String) {
    let tokens = Tokens::default();
    let router = Router::new()
        .route("/api/token", post(token))
        .route("/api/tasks/{id}", get(task))
        .with_state(tokens.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (tokens, address)
}

fn keys(secret: &str) -> Option<Keys> {
    Some(Keys { id: "id".to_owned(), secret: secret.to_owned() })
}

#[tokio::test]
async fn a_token_is_asked_for_once_and_again_when_it_is_refused() {
    let (tokens, address) = server().await;
    let client = Client::new(&address, keys("secret")).unwrap();
    client.task("t").await.unwrap().unwrap();
    client.task("t").await.unwrap().unwrap();
    assert_eq!(tokens.given.load(Ordering::SeqCst), 1);

    tokens.good.store(0, Ordering::SeqCst); // it expired
    let asked = futures_util::future::join_all((0..20).map(|_| client.task("t"))).await;
    assert!(asked.into_iter().all(|task| task.is_ok()));
    assert_eq!(tokens.given.load(Ordering::SeqCst), 2, "of many who are refused, one asks");
}

#[tokio::test]
async fn a_wrong_key_is_a_matter_of_the_set_up() {
    let (_tokens, address) = server().await;
    let error = Client::new(&address, keys("other")).unwrap().task("t").await.unwrap_err();
    assert_eq!(error.to_string(), format!("{address} does not accept the key: Invalid key"));
    assert_eq!(error.blame(), Blame::Configuration);

    let error = Client::new(&address, None).unwrap().task("t").await.unwrap_err();
    assert!(
        matches!(&error, ConductorError::Refused { status: 401, message, .. } if message == "Expired"),
        "{error}"
    );
    assert_eq!(error.blame(), Blame::Configuration);
}
