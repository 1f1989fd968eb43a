//! Whether a server still agrees on TLS 1.0 or 1.1, which RFC 8996 forbids. The client in use here cannot even offer
//! them, so the first message is written by hand; nothing follows it.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::connected;

/// A version that must not be agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Old {
    Tls10,
    Tls11,
}

impl Old {
    fn minor(self) -> u8 {
        match self {
            Old::Tls10 => 1,
            Old::Tls11 => 2,
        }
    }
}

const HANDSHAKE: u8 = 0x16;
const SERVER_HELLO: u8 = 2;

/// Whether the server answers an offer of that version, and no newer one, by agreeing.
///
/// # Errors
/// A sentence for the operator, if it cannot be reached.
pub async fn takes_old(host: &str, port: u16, old: Old, seconds_max: u64) -> Result<bool, String> {
    let asking = async {
        let mut stream = connected(host, port).await?;
        let sent = stream.write_all(&hello(host, old)).await;
        let mut head = [0; 6];
        // Whoever closes or sends an alert does not agree.
        let read = stream.read_exact(&mut head).await;
        Ok(sent.is_ok() && read.is_ok() && agrees(&head))
    };
    match tokio::time::timeout(Duration::from_secs(seconds_max), asking).await {
        Ok(answered) => answered,
        // Silence is no agreement either.
        Err(_) => Ok(false),
    }
}

fn agrees(head: &[u8; 6]) -> bool {
    let [kind, _, _, _, _, message] = *head;
    kind == HANDSHAKE && message == SERVER_HELLO
}

/// A ClientHello (RFC 4346 7.4.1.2) that offers only the old version, with suites that it has.
fn hello(host: &str, old: Old) -> Vec<u8> {
    let version = [3, old.minor()];
    let suites: [u16; 6] = [0xc013, 0xc014, 0xc009, 0xc00a, 0x002f, 0x0035];
    let mut body = version.to_vec();
    body.extend(rand::random::<[u8; 32]>());
    body.push(0);
    body.extend(length(suites.len() * 2));
    body.extend(suites.iter().flat_map(|suite| suite.to_be_bytes()));
    body.extend([1, 0]);
    let mut extensions = Vec::new();
    if host.parse::<std::net::IpAddr>().is_err() {
        let mut name = vec![0];
        name.extend(length(host.len()));
        name.extend(host.as_bytes());
        extensions.extend([0, 0]);
        extensions.extend(length(name.len() + 2));
        extensions.extend(length(name.len()));
        extensions.extend(name);
    }
    // The curves P-256 and X25519, and points that are not compressed.
    extensions.extend([0, 10, 0, 6, 0, 4, 0, 23, 0, 29, 0, 11, 0, 2, 1, 0]);
    body.extend(length(extensions.len()));
    body.extend(extensions);
    let mut message = vec![1, 0];
    message.extend(length(body.len()));
    message.extend(body);
    let mut record = vec![HANDSHAKE, 3, 1];
    record.extend(length(message.len()));
    record.extend(message);
    record
}

fn length(of: usize) -> [u8; 2] {
    u16::try_from(of).unwrap_or(u16::MAX).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    async fn answered(answer: &'static [u8]) -> bool {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let serving = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut hello = vec![0; 1024];
            let count = stream.read(&mut hello).await.unwrap();
            stream.write_all(answer).await.unwrap();
            hello.truncate(count);
            hello
        });
        let takes = takes_old("127.0.0.1", port, Old::Tls11, 5).await.unwrap();
        let hello = serving.await.unwrap();
        assert_eq!(hello.get(..3), Some(&[0x16, 3, 1][..]));
        assert_eq!(hello.get(9..11), Some(&[3, 2][..]));
        takes
    }

    #[tokio::test]
    async fn only_a_server_hello_agrees_on_an_old_version() {
        assert!(answered(&[0x16, 3, 2, 0, 50, 2, 0, 0, 46]).await);
        assert!(!answered(&[0x15, 3, 2, 0, 2, 2, 70]).await);
        assert!(!answered(b"").await);
        assert!(!answered(b"HTTP/1.1 400 Bad Request\r\n\r\n").await);
    }
}
