//! A stand-in for an S3-compatible store with versions and a lock: objects can be added under new names,
//! listed and read, and nothing else, whoever asks. It speaks as much of the protocol as copies need. That requests
//! are signed as they should be is held by the published example in `exchange::copies`; here each must name the credential,
//! and the digest of its body.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use exchange::keys::sha256_hex;

/// What it holds, and how many requests of the node's were refused.
#[derive(Default)]
struct Held {
    objects: BTreeMap<String, Vec<u8>>,
    refused: usize,
}

/// The running stand-in. It ends with the test's process.
pub struct Bucket {
    pub address: SocketAddr,
    held: Arc<Mutex<Held>>,
}

struct Asked {
    method: String,
    /// Path without the bucket, and query.
    key: String,
    query: String,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

impl Bucket {
    pub fn start() -> Bucket {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let held = Arc::new(Mutex::new(Held::default()));
        let shared = held.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let held = shared.clone();
                thread::spawn(move || {
                    if let Some(asked) = read(&stream) {
                        let (status, body) = answer(&held, &asked);
                        let head = format!(
                            "HTTP/1.1 {status} x\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                            body.len()
                        );
                        let mut stream = &stream;
                        let _ = stream.write_all(head.as_bytes());
                        let _ = stream.write_all(&body);
                    }
                });
            }
        });
        Bucket { address, held }
    }

    pub fn names(&self) -> Vec<String> {
        self.held.lock().unwrap().objects.keys().cloned().collect()
    }

    pub fn object(&self, name: &str) -> Vec<u8> {
        self.held.lock().unwrap().objects[name].clone()
    }

    /// Requests of the node's that asked for what it may not.
    pub fn refused_of_the_node(&self) -> usize {
        self.held.lock().unwrap().refused
    }

    /// Past the protocol, as only who owns the store can.
    pub fn remove_by_its_owner(&self, name: &str) {
        self.held.lock().unwrap().objects.remove(name).unwrap();
    }

    /// A request with the node's credential, of the thief's making.
    pub fn ask_as_thief(&self, method: &str, name: &str, only_new: bool) -> u16 {
        let body = b"all your copies are mine";
        let mut headers = format!(
            "authorization: AWS4-HMAC-SHA256 Credential=ADDONLY/x\r\nx-thief: 1\r\nx-amz-content-sha256: {}\r\n",
            sha256_hex(body)
        );
        if only_new {
            headers += "if-none-match: *\r\n";
        }
        let head = format!(
            "{method} /copies/{name} HTTP/1.1\r\nhost: {}\r\n{headers}content-length: {}\r\n\r\n",
            self.address,
            body.len()
        );
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(body).unwrap();
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).unwrap();
        line.split(' ').nth(1).unwrap().parse().unwrap()
    }
}

fn read(stream: &TcpStream) -> Option<Asked> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split(' ');
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let key = path
        .strip_prefix("/copies")?
        .trim_start_matches('/')
        .to_owned();
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else {
            break;
        };
        headers.insert(name.to_ascii_lowercase(), value.to_owned());
    }
    let length = headers
        .get("content-length")
        .map_or(0, |it| it.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Asked {
        method,
        key,
        query: query.to_owned(),
        headers,
        body,
    })
}

fn answer(held: &Mutex<Held>, asked: &Asked) -> (u16, Vec<u8>) {
    let mut held = held.lock().unwrap();
    let header = |name: &str| asked.headers.get(name).map_or("", String::as_str);
    let signed = "AWS4-HMAC-SHA256 Credential=ADDONLY/";
    let is_allowed = header("authorization").starts_with(signed)
        && header("x-amz-content-sha256") == sha256_hex(&asked.body);
    let only_new = header("if-none-match") == "*";
    let is_thief = asked.headers.contains_key("x-thief");
    let (status, body) = match asked.method.as_str() {
        _ if !is_allowed => (403, b"<Error><Code>AccessDenied</Code></Error>".to_vec()),
        "PUT" if only_new && held.objects.contains_key(&asked.key) => (
            412,
            b"<Error><Code>PreconditionFailed</Code></Error>".to_vec(),
        ),
        "PUT" if only_new => {
            held.objects.insert(asked.key.clone(), asked.body.clone());
            (200, Vec::new())
        }
        "GET" if asked.key.is_empty() => (200, list(&held.objects, &asked.query)),
        "GET" => match held.objects.get(&asked.key) {
            Some(object) => (200, object.clone()),
            None => (404, b"<Error><Code>NoSuchKey</Code></Error>".to_vec()),
        },
        _ => (403, b"<Error><Code>AccessDenied</Code></Error>".to_vec()),
    };
    if status == 403 && !is_thief {
        held.refused += 1;
    }
    (status, body)
}

/// `ListObjectsV2`, three names a page, so that there are pages.
fn list(objects: &BTreeMap<String, Vec<u8>>, query: &str) -> Vec<u8> {
    let part = |name: &str| {
        let lead = format!("{name}=");
        let found = query.split('&').find_map(|part| part.strip_prefix(&lead));
        found.unwrap_or_default().replace("%2F", "/")
    };
    let (prefix, after) = (part("prefix"), part("start-after"));
    let wanted = objects
        .keys()
        .filter(|key| key.starts_with(&prefix) && **key > after);
    let page: Vec<&String> = wanted.clone().take(3).collect();
    let keys: String = page
        .iter()
        .map(|key| format!("<Contents><Key>{key}</Key></Contents>"))
        .collect();
    let is_more = wanted.count() > page.len();
    format!("<ListBucketResult><IsTruncated>{is_more}</IsTruncated>{keys}</ListBucketResult>")
        .into_bytes()
}
