//! A door before a node's own, which changes what is asked or answered.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::client::http::{Answer, whole};

/// What was asked.
#[derive(Clone, Debug)]
pub struct Asked {
    pub method: String,
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Asked {
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self
            .headers
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    pub fn set(&mut self, name: &str, value: &str) {
        self.drop_header(name);
        self.headers.push((name.to_owned(), value.to_owned()));
    }

    pub fn drop_header(&mut self, name: &str) {
        self.headers
            .retain(|(key, _)| !key.eq_ignore_ascii_case(name));
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn is(&self, method: &str, part: &str) -> bool {
        self.method == method && self.path.contains(part)
    }
}

/// Another answer: that status, and JSON.
pub fn instead(answer: &mut Answer, status: u16, body: &Value) {
    answer.status = status;
    answer.body = body.to_string().into_bytes();
}

/// Changes an answer's JSON.
pub fn change(answer: &mut Answer, change: impl FnOnce(&mut Value)) {
    if let Ok(mut json) = serde_json::from_slice(&answer.body) {
        change(&mut json);
        answer.body = json.to_string().into_bytes();
    }
}

pub fn drop_header(answer: &mut Answer, name: &str) {
    answer
        .headers
        .retain(|(key, _)| !key.eq_ignore_ascii_case(name));
}

pub fn set_header(answer: &mut Answer, name: &str, value: &str) {
    drop_header(answer, name);
    answer.headers.push((name.to_owned(), value.to_owned()));
}

pub type Asking = Box<dyn Fn(&mut Asked) + Send + Sync>;
/// The first is what was asked before `Asking` changed it.
pub type Answering = Box<dyn Fn(&Asked, &mut Answer) + Send + Sync>;

/// The door; dropping it shuts it.
pub struct Door {
    pub address: SocketAddr,
    ended: Arc<AtomicBool>,
}

struct Way {
    node: SocketAddr,
    own: SocketAddr,
    asking: Asking,
    answering: Answering,
}

impl Door {
    pub fn open(node: SocketAddr, asking: Asking, answering: Answering) -> Door {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let ended = Arc::new(AtomicBool::new(false));
        let way = Arc::new(Way {
            node,
            own: address,
            asking,
            answering,
        });
        let over = ended.clone();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if over.load(Ordering::SeqCst) {
                    break;
                }
                let way = way.clone();
                thread::spawn(move || way.carry(stream));
            }
        });
        Door { address, ended }
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
    }
}

impl Way {
    fn carry(&self, mut stream: TcpStream) {
        let _ = stream.set_read_timeout(Some(Duration::from_secs(20)));
        let Some(asked) = read(&mut stream) else {
            return;
        };
        let mut changed = asked.clone();
        (self.asking)(&mut changed);
        let Some(mut answer) = self.ask(&changed) else {
            return;
        };
        self.as_own(&mut answer);
        (self.answering)(&asked, &mut answer);
        let mut head = format!("HTTP/1.1 {} X\r\nconnection: close\r\n", answer.status);
        let ours = ["connection", "content-length", "transfer-encoding"];
        for (name, value) in &answer.headers {
            if !ours.contains(&name.to_ascii_lowercase().as_str()) {
                head.push_str(&format!("{name}: {value}\r\n"));
            }
        }
        if !matches!(answer.status, 204 | 304) {
            head.push_str(&format!("content-length: {}\r\n", answer.body.len()));
        }
        head.push_str("\r\n");
        let _ = stream.write_all(&[head.as_bytes(), &answer.body].concat());
        let _ = stream.flush();
    }

    fn ask(&self, asked: &Asked) -> Option<Answer> {
        let mut node = TcpStream::connect(self.node).ok()?;
        node.set_read_timeout(Some(Duration::from_secs(20))).ok()?;
        let mut head = format!(
            "{} {} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n",
            asked.method, asked.path, self.node
        );
        for (name, value) in &asked.headers {
            let ours = ["host", "connection", "content-length", "transfer-encoding"];
            if !ours.contains(&name.to_ascii_lowercase().as_str()) {
                head.push_str(&format!("{name}: {value}\r\n"));
            }
        }
        head.push_str(&format!("content-length: {}\r\n\r\n", asked.body.len()));
        node.write_all(&[head.as_bytes(), &asked.body].concat())
            .ok()?;
        let mut bytes = Vec::new();
        node.read_to_end(&mut bytes).ok()?;
        whole(&bytes)
    }

    /// The node's address becomes the door's, so that links lead here.
    fn as_own(&self, answer: &mut Answer) {
        let (from, to) = (self.node.to_string(), self.own.to_string());
        for (_, value) in &mut answer.headers {
            *value = value.replace(&from, &to);
        }
        if let Ok(text) = std::str::from_utf8(&answer.body)
            && text.contains(&from)
        {
            answer.body = text.replace(&from, &to).into_bytes();
        }
    }
}

fn read(stream: &mut TcpStream) -> Option<Asked> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 16 * 1024];
    loop {
        if let Some(asked) = parse(&bytes) {
            return Some(asked);
        }
        match stream.read(&mut buffer) {
            Ok(count) if count > 0 => bytes.extend(&buffer[..count]),
            _ => return None,
        }
    }
}

fn parse(bytes: &[u8]) -> Option<Asked> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&bytes[..end]).ok()?;
    let mut lines = head.split("\r\n");
    let mut first = lines.next()?.split(' ');
    let (method, path) = (first.next()?.to_owned(), first.next()?.to_owned());
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect();
    let mut asked = Asked {
        method,
        path,
        headers,
        body: Vec::new(),
    };
    let length = asked
        .header("content-length")
        .and_then(|it| it.parse().ok())
        .unwrap_or(0);
    asked.body = bytes.get(end + 4..end + 4 + length)?.to_vec();
    Some(asked)
}
