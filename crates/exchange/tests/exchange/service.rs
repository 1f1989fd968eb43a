//! A MESH that holds and answers what a test says.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use exchange::mesh::{Credentials, Mesh, tls};
use store::Clock;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// The mailbox of the organisation there, and another.
pub const MAILBOX: &str = "X26ABC1";
pub const OTHER: &str = "X26ABC2";

/// A request: such as `GET /inbox/M1`, without the mailbox's own path.
#[derive(Clone, Debug)]
pub struct Asked {
    pub call: String,
    pub headers: BTreeMap<String, String>,
}

impl Asked {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |it| it)
    }
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Said {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Said {
    pub fn of(status: u16, body: &str) -> Said {
        Said {
            status,
            headers: Vec::new(),
            body: body.as_bytes().to_vec(),
        }
    }

    pub fn with(mut self, name: &str, value: &str) -> Said {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// The service; dropping it ends it.
pub struct Service {
    url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    serving: JoinHandle<()>,
}

impl Drop for Service {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Service {
    pub async fn start(answers: impl Fn(&Asked) -> Said + Send + Sync + 'static) -> Service {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (answers, noted) = (Arc::new(answers), asked.clone());
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (answers, noted) = (answers.clone(), noted.clone());
                tokio::spawn(async move {
                    // A client that goes away in the middle is no fault of the service.
                    let _ = serve(stream, |asked: Asked| {
                        let said = answers(&asked);
                        noted.lock().unwrap().push(asked);
                        said
                    })
                    .await;
                });
            }
        });
        Service {
            url,
            asked,
            serving,
        }
    }

    /// The organisation's mailbox there.
    pub fn mesh(&self, clock: &Clock) -> Mesh {
        let credentials = Credentials::new(MAILBOX, "password", "key").unwrap();
        let tls = tls::client(tls::Pem::default()).unwrap();
        Mesh::new(&self.url, tls, credentials, clock.clone()).unwrap()
    }

    /// The requests so far that begin so, in order.
    pub fn asked(&self, begin: &str) -> Vec<Asked> {
        let asked = self.asked.lock().unwrap();
        let fitting = asked.iter().filter(|it| it.call.starts_with(begin));
        fitting.cloned().collect()
    }
}

/// One request of a connection, and its answer.
async fn serve(
    mut stream: TcpStream,
    answer: impl FnOnce(Asked) -> Said,
) -> Result<(), std::io::Error> {
    let mut came = Vec::new();
    let head = loop {
        if let Some(at) = came.windows(4).position(|it| it == b"\r\n\r\n") {
            break at;
        }
        if stream.read_buf(&mut came).await? == 0 {
            return Ok(());
        }
    };
    let text = String::from_utf8_lossy(&came[..head]).into_owned();
    let mut lines = text.split("\r\n");
    let mut first = lines.next().unwrap_or_default().split(' ');
    let method = first.next().unwrap_or_default().to_owned();
    let path = first.next().unwrap_or_default();
    let path = path.trim_start_matches(&format!("/messageexchange/{MAILBOX}"));
    let headers: BTreeMap<String, String> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let length = headers.get("content-length");
    let length: usize = length.and_then(|it| it.parse().ok()).unwrap_or(0);
    while came.len() < head + 4 + length {
        if stream.read_buf(&mut came).await? == 0 {
            return Ok(());
        }
    }
    let call = format!("{method} {path}");
    let said = answer(Asked { call, headers });
    let mut told = format!("HTTP/1.1 {} Told\r\n", said.status);
    for (name, value) in &said.headers {
        told.push_str(&format!("{name}: {value}\r\n"));
    }
    told.push_str(&format!("content-length: {}\r\n\r\n", said.body.len()));
    stream.write_all(told.as_bytes()).await?;
    if method != "HEAD" {
        stream.write_all(&said.body).await?;
    }
    stream.shutdown().await
}

/// A message that waits there.
#[derive(Clone)]
pub struct Waiting {
    id: String,
    workflow: String,
    said: Said,
}

impl Waiting {
    pub fn of(id: &str, workflow: &str, body: &str) -> Waiting {
        let said = Said::of(200, body)
            .with("mex-messagetype", "DATA")
            .with("mex-from", OTHER)
            .with("mex-to", MAILBOX)
            .with("mex-workflowid", workflow);
        Waiting::said(id, workflow, said)
    }

    /// One about which the service answers so.
    pub fn said(id: &str, workflow: &str, said: Said) -> Waiting {
        Waiting {
            id: id.to_owned(),
            workflow: workflow.to_owned(),
            said,
        }
    }

    pub fn with(mut self, name: &str, value: &str) -> Waiting {
        self.said = self.said.with(name, value);
        self
    }
}

/// A mailbox: messages wait in it until they are acknowledged, and what is sent is taken.
#[derive(Default)]
pub struct Inbox {
    waiting: Mutex<Vec<Waiting>>,
    taken: Mutex<BTreeSet<String>>,
}

impl Inbox {
    pub fn put(&self, message: Waiting) {
        self.waiting.lock().unwrap().push(message);
    }

    /// The ids of those that were acknowledged.
    pub fn taken(&self) -> Vec<String> {
        self.taken.lock().unwrap().iter().cloned().collect()
    }

    pub fn answer(&self, asked: &Asked) -> Said {
        let (method, path) = asked.call.split_once(' ').unwrap();
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        match (method, parts.as_slice()) {
            ("POST", [""]) => Said::of(200, "{}"),
            ("POST", ["outbox"]) => Said::of(202, r#"{"message_id":"SENT"}"#),
            ("GET", ["inbox"]) => self.listed(query),
            ("PUT", ["inbox", id, "status", "acknowledged"]) => {
                self.taken.lock().unwrap().insert((*id).to_owned());
                Said::of(200, "{}")
            }
            ("HEAD" | "GET", ["inbox", id]) => {
                let waiting = self.waiting.lock().unwrap();
                let found = waiting.iter().find(|it| it.id == *id);
                found.map_or_else(|| Said::of(404, ""), |it| it.said.clone())
            }
            _ => Said::of(404, ""),
        }
    }

    fn listed(&self, query: &str) -> Said {
        let (waiting, taken) = (self.waiting.lock().unwrap(), self.taken.lock().unwrap());
        let wanted = query
            .split('&')
            .find_map(|it| it.strip_prefix("workflow_filter="));
        let ids: Vec<&str> = waiting
            .iter()
            .filter(|it| wanted.is_none_or(|wanted| wanted == it.workflow))
            .filter(|it| !taken.contains(&it.id))
            .map(|it| it.id.as_str())
            .collect();
        let body = serde_json::json!({ "messages": ids, "links": {} });
        Said::of(200, &body.to_string())
    }
}
