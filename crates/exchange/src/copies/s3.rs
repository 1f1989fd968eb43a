//! The S3 protocol as far as copies need it: `PutObject` with `If-None-Match: *`, `GetObject`,
//! `ListObjectsV2`, signed with version 4
//! (<https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html>). Neither overwriting nor
//! deleting can be asked for: there is no call for it here.

use std::path::Path;

use aws_lc_rs::hmac;
use bytes::Bytes;
use fhir::date::{self, Millis};
use fhir::problem::{Kind, Problem};
use http::Method;
use store::Clock;

use super::manifest::Name;
use super::object::OBJECT_BYTES_MAX;
use super::place::{NAMES_MAX, too_many};
use crate::keys::{hex, read_private, sha256_hex};
use crate::outgoing::{Call, Outgoing};

/// Names in one page of a list.
const PAGE: usize = 1000;

/// What signs requests: it needs to be able to add objects, no more.
#[derive(Clone)]
pub struct S3Credentials {
    id: String,
    secret: String,
}

impl S3Credentials {
    /// Reads a file of two lines: the access key's id, and its secret.
    ///
    /// # Errors
    /// `Security` if others may read it; `Invalid` if it is something else.
    pub fn open(path: &Path) -> Result<S3Credentials, Problem> {
        let bytes = read_private(path)?;
        let text = String::from_utf8(bytes).unwrap_or_default();
        let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        match (lines.next(), lines.next(), lines.next()) {
            (Some(id), Some(secret), None) => Ok(S3Credentials {
                id: id.into(),
                secret: secret.into(),
            }),
            _ => {
                let message = "It holds two lines: the access key's id, and its secret.";
                Err(Problem::new(Kind::Invalid, message))
            }
        }
    }
}

/// A bucket.
#[derive(Clone)]
pub struct S3 {
    outgoing: Outgoing,
    /// `https://host[:port]`, without a path.
    endpoint: String,
    bucket: String,
    region: String,
    credentials: S3Credentials,
    clock: Clock,
}

impl std::fmt::Display for S3 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.endpoint, self.bucket)
    }
}

/// How long one object may take: 16 MiB over a slow line.
const SECONDS_MAX: u64 = 300;

impl S3 {
    /// A bucket at `endpoint`. Only a host that `is_private` says is meant may stand at an address that
    /// is not public.
    ///
    /// # Errors
    /// `Value` if the address or the bucket's name does not read.
    pub fn new(
        (endpoint, is_private): (&str, bool),
        (bucket, region): (&str, &str),
        credentials: S3Credentials,
        clock: Clock,
    ) -> Result<S3, Problem> {
        let wrong = |message: &str| Problem::new(Kind::Value, message);
        let endpoint = endpoint.trim_end_matches('/');
        let uri: http::Uri = endpoint
            .parse()
            .map_err(|_| wrong("The address of the store does not read."))?;
        let host = uri.host().unwrap_or_default().to_owned();
        let is_plain = uri.path() == "/" && uri.query().is_none() && !host.is_empty();
        if !is_plain || !matches!(uri.scheme_str(), Some("http" | "https")) {
            return Err(wrong("The address is https:// and a host, without a path."));
        }
        if uri.scheme_str() == Some("http") && !is_private {
            return Err(wrong("The address begins with https://."));
        }
        let word = |text: &str| {
            let plain =
                |it: u8| it.is_ascii_lowercase() || it.is_ascii_digit() || b"-.".contains(&it);
            !text.is_empty() && text.bytes().all(plain)
        };
        if !word(bucket) || !word(region) {
            return Err(wrong(
                "Buckets and regions are small letters, digits, dots and hyphens.",
            ));
        }
        let allowed = if is_private { vec![host] } else { Vec::new() };
        let outgoing = Outgoing::new(&allowed)
            .map_err(|cause| Problem::new(Kind::Exception, "No TLS.").because(cause))?;
        Ok(S3 {
            outgoing: outgoing.bounded(SECONDS_MAX, OBJECT_BYTES_MAX),
            endpoint: endpoint.into(),
            bucket: bucket.into(),
            region: region.into(),
            credentials,
            clock,
        })
    }

    /// Adds an object. One of that name that is there already stays, and is taken for this one: the
    /// name holds the digest.
    pub(super) async fn add(&self, key: &str, bytes: Bytes) -> Result<(), Problem> {
        let only_new = [("if-none-match", "*".to_owned())];
        let (status, answer) = self.ask(Method::PUT, key, "", &only_new, bytes).await?;
        match status {
            200 | 201 | 412 => Ok(()),
            status => Err(refused(status, &answer)),
        }
    }

    pub(super) async fn read(&self, key: &str) -> Result<Bytes, Problem> {
        let (status, answer) = self.ask(Method::GET, key, "", &[], Bytes::new()).await?;
        match status {
            200 => Ok(answer),
            status => Err(refused(status, &answer)),
        }
    }

    pub(super) async fn names(&self, organisation: &str) -> Result<Vec<Name>, Problem> {
        let mut names = Vec::new();
        let mut after = String::new();
        loop {
            let mut query = format!("list-type=2&max-keys={PAGE}&prefix={organisation}%2F");
            if !after.is_empty() {
                // In the order of their names, as what is signed must be.
                query = format!(
                    "list-type=2&max-keys={PAGE}&prefix={organisation}%2F&start-after={}",
                    after.replace('/', "%2F")
                );
            }
            let (status, answer) = self.ask(Method::GET, "", &query, &[], Bytes::new()).await?;
            if status != 200 {
                return Err(refused(status, &answer));
            }
            let text = String::from_utf8_lossy(&answer);
            let keys: Vec<&str> = elements(&text, "Key").collect();
            names.extend(keys.iter().filter_map(|key| Name::parse(key)));
            let is_more = elements(&text, "IsTruncated").next() == Some("true");
            match keys.last() {
                Some(last) if is_more && **last > *after => after = (*last).to_owned(),
                _ => return Ok(names),
            }
            if names.len() > NAMES_MAX {
                return Err(too_many());
            }
        }
    }

    async fn ask(
        &self,
        method: Method,
        key: &str,
        query: &str,
        headers: &[(&str, String)],
        body: Bytes,
    ) -> Result<(u16, Bytes), Problem> {
        let path = match key {
            "" => format!("/{}", self.bucket),
            key => format!("/{}/{key}", self.bucket),
        };
        let host = self.endpoint.split("://").nth(1).unwrap_or_default();
        let stamp = stamp(self.clock.now());
        let body_hash = sha256_hex(&body);
        let mut all = vec![
            ("host".to_owned(), host.to_owned()),
            ("x-amz-content-sha256".to_owned(), body_hash.clone()),
            ("x-amz-date".to_owned(), stamp.clone()),
        ];
        all.extend(
            headers
                .iter()
                .map(|(name, value)| ((*name).to_owned(), value.clone())),
        );
        all.sort_unstable();
        let request = [method.as_str(), &path, query];
        let authorization = self.sign(request, &all, &body_hash, &stamp);
        all.retain(|(name, _)| name != "host");
        all.push(("authorization".into(), authorization));
        let url = match query {
            "" => format!("{}{path}", self.endpoint),
            query => format!("{}{path}?{query}", self.endpoint),
        };
        let call = Call {
            method,
            url,
            headers: all,
            body,
        };
        self.outgoing.answer(call).await.map_err(|sentence| {
            let sentence = match sentence.contains("not public") {
                true => {
                    "The store's address is not public; set [backup] s3_private if it is meant."
                        .into()
                }
                false => sentence,
            };
            Problem::new(Kind::Transient, sentence)
        })
    }

    fn sign(
        &self,
        [method, path, query]: [&str; 3],
        headers: &[(String, String)],
        body_hash: &str,
        stamp: &str,
    ) -> String {
        let names: Vec<&str> = headers.iter().map(|(name, _)| name.as_str()).collect();
        let names = names.join(";");
        let lines: String = headers
            .iter()
            .map(|(name, value)| format!("{name}:{value}\n"))
            .collect();
        let canonical = format!("{method}\n{path}\n{query}\n{lines}\n{names}\n{body_hash}");
        let day = stamp.get(..8).unwrap_or_default();
        let realm = format!("{day}/{}/s3/aws4_request", self.region);
        let to_sign = format!(
            "AWS4-HMAC-SHA256\n{stamp}\n{realm}\n{}",
            sha256_hex(canonical.as_bytes())
        );
        let first = format!("AWS4{}", self.credentials.secret).into_bytes();
        let key = [day, &self.region, "s3", "aws4_request"]
            .into_iter()
            .fold(first, |key, word| keyed(&key, word.as_bytes()));
        let signature = hex(&keyed(&key, to_sign.as_bytes()));
        format!(
            "AWS4-HMAC-SHA256 Credential={}/{realm}, SignedHeaders={names}, Signature={signature}",
            self.credentials.id
        )
    }
}

fn keyed(key: &[u8], text: &[u8]) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    hmac::sign(&key, text).as_ref().to_vec()
}

/// `20260105T090000Z`.
fn stamp(now: Millis) -> String {
    let instant = date::instant(now);
    let seconds = instant.get(..19).unwrap_or_default();
    let mut stamp: String = seconds
        .chars()
        .filter(|c| c.is_ascii_alphanumeric())
        .collect();
    stamp.push('Z');
    stamp
}

/// The texts of the elements of that name. The keys that are wanted hold nothing that XML would escape.
fn elements<'t>(text: &'t str, name: &'static str) -> impl Iterator<Item = &'t str> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    text.match_indices(&open)
        .filter_map(move |(at, open)| text.get(at + open.len()..)?.split(&close).next())
        .collect::<Vec<_>>()
        .into_iter()
}

fn refused(status: u16, answer: &[u8]) -> Problem {
    let text = String::from_utf8_lossy(answer);
    let code: String = elements(&text, "Code")
        .next()
        .unwrap_or("no reason")
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .take(60)
        .collect();
    let message = format!("The store of the copies answered {status} ({code}).");
    Problem::new(Kind::NoStore, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The published example "GET Object" of the page named above, but for its Range header's place in time.
    #[test]
    fn the_published_example_has_the_published_signature() {
        let s3 = S3 {
            outgoing: Outgoing::new(&[]).unwrap(),
            endpoint: "https://examplebucket.s3.amazonaws.com".into(),
            bucket: "examplebucket".into(),
            region: "us-east-1".into(),
            credentials: S3Credentials {
                id: "AKIAIOSFODNN7EXAMPLE".into(),
                secret: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".into(),
            },
            clock: Clock::fixed(0),
        };
        let empty = sha256_hex(b"");
        let headers = [
            ("host", "examplebucket.s3.amazonaws.com"),
            ("range", "bytes=0-9"),
            ("x-amz-content-sha256", &empty),
            ("x-amz-date", "20130524T000000Z"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
        let signed = s3.sign(
            ["GET", "/test.txt", ""],
            &headers,
            &empty,
            "20130524T000000Z",
        );
        assert_eq!(
            signed,
            "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, \
             SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, \
             Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
        );
        assert_eq!(stamp(1_767_603_600_123), "20260105T090000Z");
    }

    #[test]
    fn only_a_host_that_is_meant_may_be_private_or_without_tls() {
        let credentials = || S3Credentials {
            id: "a".into(),
            secret: "b".into(),
        };
        let new = |endpoint: &str, private| {
            let names = ("copies", "eu-west-2");
            S3::new((endpoint, private), names, credentials(), Clock::fixed(0))
        };
        assert!(new("http://10.0.0.1:9000", false).is_err());
        assert!(new("http://10.0.0.1:9000/", true).is_ok());
        assert!(new("https://s3.example.org/path", false).is_err());
        assert!(new("ftp://s3.example.org", true).is_err());
    }
}
