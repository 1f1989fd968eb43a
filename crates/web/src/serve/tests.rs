//! The listener, by real sockets.

use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Request};
use axum::response::Response;
use axum::routing::{any, get, post};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::Limits;

#[tokio::test]
async fn behind_a_proxy_the_client_is_whom_the_proxy_saw() {
    let tell = get(
        |axum::extract::ConnectInfo(at): axum::extract::ConnectInfo<std::net::SocketAddr>| async move {
            at.ip().to_string()
        },
    );
    let router = super::behind_proxy(Router::new().route("/", tell), true);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = watch::channel(false);
    let serving = tokio::spawn(super::serve(listener, router, None, Limits::of(8), stopped));
    let mut client = TcpStream::connect(address).await.unwrap();
    let request = "GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\
                   x-forwarded-for: 1.2.3.4, 198.51.100.7\r\n\r\n";
    client.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    assert!(answer.ends_with("198.51.100.7"), "{answer}");
    assert!(
        answer.contains("strict-transport-security: max-age="),
        "{answer}"
    );
    stop.send(true).unwrap();
    serving.await.unwrap();
}

#[tokio::test]
async fn requests_under_way_finish_when_the_node_stops() {
    let slow = get(|| async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        "done"
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = watch::channel(false);
    let router = Router::new().route("/", slow);
    let serving = tokio::spawn(super::serve(listener, router, None, Limits::of(8), stopped));
    let mut client = TcpStream::connect(address).await.unwrap();
    client
        .write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    stop.send(true).unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    assert!(answer.ends_with("done"), "{answer}");
    serving.await.unwrap();
    assert!(TcpStream::connect(address).await.is_err());
}

/// So short that a test need not wait, but for pauses that say nothing.
fn short() -> Limits {
    Limits {
        head: Duration::from_millis(200),
        grace: Duration::from_millis(200),
        body_bytes_a_second_min: 64 * 1024,
        ..Limits::of(8)
    }
}

/// A listener with a handler that takes a body as it comes, one that rests first, and one that
/// speaks something else after the head.
async fn doors(limits: Limits) -> (TcpStream, watch::Sender<bool>) {
    let length = |body: Bytes| async move { body.len().to_string() };
    let router = Router::new()
        .route("/", post(length).get(|| async { "here" }))
        .route("/late", post(rest_first))
        .route("/echo", any(echo))
        .layer(DefaultBodyLimit::max(8 << 20));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap());
    let (stop, stopped) = watch::channel(false);
    tokio::spawn(super::serve(listener, router, None, limits, stopped));
    (client.await.unwrap(), stop)
}

async fn rest_first(request: Request) -> String {
    tokio::time::sleep(Duration::from_millis(700)).await;
    let body = axum::body::to_bytes(request.into_body(), 8 << 20).await;
    body.unwrap().len().to_string()
}

async fn echo(request: Request) -> Response {
    tokio::spawn(async move {
        let mut stream = TokioIo::new(hyper::upgrade::on(request).await.unwrap());
        let mut byte = [0];
        while stream.read_exact(&mut byte).await.is_ok() {
            stream.write_all(&byte).await.unwrap();
        }
    });
    let answer = Response::builder().status(101).header("upgrade", "echo");
    let answer = answer.header("connection", "upgrade");
    answer.body(axum::body::Body::empty()).unwrap()
}

/// Sends the bytes one at a time until the other side ends the connection; what it said.
async fn dribbled(client: TcpStream, bytes: &[u8]) -> String {
    let (mut from, mut to) = client.into_split();
    let reading = tokio::spawn(async move {
        let mut told = Vec::new();
        // A reset after the answer is an end as well.
        let _ = from.read_to_end(&mut told).await;
        String::from_utf8_lossy(&told).into_owned()
    });
    for byte in bytes {
        if reading.is_finished() || to.write_all(&[*byte]).await.is_err() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(reading.is_finished(), "all was sent and nothing said");
    reading.await.unwrap()
}

/// What is answered first, up to where it ends with `end`.
async fn read_until(client: &mut TcpStream, end: &str) -> String {
    let mut told = String::new();
    while !told.ends_with(end) {
        let mut bytes = [0; 1024];
        let count = client.read(&mut bytes).await.unwrap();
        assert!(count > 0, "ended after {told}");
        told.push_str(&String::from_utf8_lossy(&bytes[..count]));
    }
    told
}

#[tokio::test]
async fn l01_a_body_that_comes_a_byte_at_a_time_is_answered_408_and_its_connection_ends() {
    let (mut client, _stop) = doors(short()).await;
    let head = "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 4000\r\n\r\n";
    client.write_all(head.as_bytes()).await.unwrap();
    let told = dribbled(client, &[b'x'; 3999]).await;
    assert!(told.starts_with("HTTP/1.1 408 "), "{told}");
    assert!(told.contains("connection: close"), "{told}");
    assert!(told.ends_with("came too slowly.\n"), "{told}");
}

#[tokio::test]
async fn l01_a_head_that_comes_a_byte_at_a_time_ends_its_connection() {
    let (client, _stop) = doors(short()).await;
    let head = format!("GET / HTTP/1.1\r\nx-long: {}", "x".repeat(4000));
    assert_eq!(dribbled(client, head.as_bytes()).await, "");
    // So does one that follows an answer.
    let (mut client, _stop) = doors(short()).await;
    client
        .write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    assert!(read_until(&mut client, "here").await.contains(" 200 "));
    assert_eq!(dribbled(client, head.as_bytes()).await, "");
}

#[tokio::test]
async fn l01_bodies_at_their_speed_idle_connections_and_slow_handlers_are_let_be() {
    let (mut client, _stop) = doors(short()).await;
    for (path, bytes) in [("/", 4 << 20), ("/late", 1 << 20)] {
        let head = format!("POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: {bytes}\r\n\r\n");
        client.write_all(head.as_bytes()).await.unwrap();
        client.write_all(&vec![b'x'; bytes]).await.unwrap();
        let told = read_until(&mut client, &bytes.to_string()).await;
        assert!(told.starts_with("HTTP/1.1 200 "), "{path}: {told}");
        // Idle for longer than a head may take.
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let head = "GET /echo HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n";
    client.write_all(head.as_bytes()).await.unwrap();
    read_until(&mut client, "\r\n\r\n").await;
    for _ in 0..3 {
        client.write_all(b"?").await.unwrap();
        assert_eq!(read_until(&mut client, "?").await, "?");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
