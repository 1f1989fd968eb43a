//! Requests to addresses that somebody else chose, such as a subscription's endpoint: only to public
//! addresses, unless the settings list the host; to the very address that was looked up and found
//! good; with a bound on time and size; following no redirect.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// How long a request may take in all.
const SECONDS_MAX: u64 = 20;
/// An answer's body is read up to here.
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// An answer's status and headers, and its body if it was read whole.
type Answered = (u16, HeaderMap, Option<Bytes>);

/// A guarded client.
#[derive(Clone)]
pub struct Outgoing {
    tls: Arc<ClientConfig>,
    /// Hosts that may stand at addresses that are not public, such as `lab.internal` or `10.0.0.7`.
    allowed: Arc<[String]>,
    seconds_max: u64,
    answer_bytes_max: usize,
}

/// One request.
#[derive(Clone, Debug)]
pub struct Call {
    pub method: Method,
    /// `https://` or `http://`.
    pub url: String,
    /// Name and value; what cannot be a header is refused.
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
}

impl Outgoing {
    /// A client that trusts the system's certificate authorities.
    ///
    /// # Errors
    /// If TLS cannot be set up.
    pub fn new(allowed: &[String]) -> Result<Outgoing, rustls::Error> {
        let mut roots = rustls::RootCertStore::empty();
        for certificate in rustls_native_certs::load_native_certs().certs {
            // One that does not read is one less to be trusted.
            let _ = roots.add(certificate);
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Outgoing::over(Arc::new(tls), allowed))
    }

    /// A client that trusts, and shows, what `tls` says.
    pub fn over(tls: Arc<ClientConfig>, allowed: &[String]) -> Outgoing {
        Outgoing {
            tls,
            allowed: allowed
                .iter()
                .map(|host| host.to_ascii_lowercase())
                .collect(),
            seconds_max: SECONDS_MAX,
            answer_bytes_max: ANSWER_BYTES_MAX,
        }
    }

    /// The same client with other bounds: for what is much longer than a notice.
    #[must_use]
    pub fn bounded(mut self, seconds_max: u64, answer_bytes_max: usize) -> Outgoing {
        self.seconds_max = seconds_max;
        self.answer_bytes_max = answer_bytes_max;
        self
    }

    /// Sends a request; its answer's status.
    ///
    /// # Errors
    /// A sentence for people, which tells nothing of what stands at an address that is not public.
    pub async fn send(&self, call: Call) -> Result<u16, String> {
        let limit = Duration::from_secs(self.seconds_max);
        match tokio::time::timeout(limit, self.sent(call)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(format!(
                "There was no answer within {} seconds.",
                self.seconds_max
            )),
        }
    }

    /// Sends a request; its answer's status and body, at most 64 KiB unless `bounded` says more.
    ///
    /// # Errors
    /// As `send`.
    pub async fn answer(&self, call: Call) -> Result<(u16, Bytes), String> {
        let (status, _, body) = self.whole_answer(call).await?;
        Ok((status, body))
    }

    /// As `answer`, with the headers.
    ///
    /// # Errors
    /// As `send`.
    pub async fn whole_answer(&self, call: Call) -> Result<(u16, HeaderMap, Bytes), String> {
        let limit = Duration::from_secs(self.seconds_max);
        let outcome = tokio::time::timeout(limit, self.asked(call)).await;
        let outcome = outcome
            .map_err(|_| format!("There was no answer within {} seconds.", self.seconds_max))?;
        match outcome? {
            (status, headers, Some(body)) => Ok((status, headers, body)),
            (_, _, None) => Err("The answer is too large, or broke off.".into()),
        }
    }

    /// Fetches what is at an address that begins with `https://`, at most 64 KiB, if it is there.
    ///
    /// # Errors
    /// As `send`.
    pub async fn fetch(&self, url: &str) -> Result<Bytes, String> {
        if !url.starts_with("https://") {
            return Err("The address begins with https://.".into());
        }
        let call = Call {
            method: Method::GET,
            url: url.to_string(),
            headers: Vec::new(),
            body: Bytes::new(),
        };
        let limit = Duration::from_secs(self.seconds_max);
        let outcome = tokio::time::timeout(limit, self.asked(call)).await;
        let outcome = outcome
            .map_err(|_| format!("There was no answer within {} seconds.", self.seconds_max))?;
        match outcome? {
            (200, _, Some(body)) => Ok(body),
            (200, _, None) => Err("The answer is too large, or broke off.".into()),
            (status, ..) => Err(format!("The address answered {status}.")),
        }
    }

    async fn sent(&self, call: Call) -> Result<u16, String> {
        Ok(self.asked(call).await?.0)
    }

    async fn asked(&self, call: Call) -> Result<Answered, String> {
        let uri: Uri = call.url.parse().map_err(|_| "The address does not read.")?;
        let host = uri.host().ok_or("The address names no host.")?.to_string();
        let is_tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err("The address begins with https:// or http://.".into()),
        };
        let port = uri.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
        let bare = host
            .trim_start_matches('[')
            .trim_end_matches(']')
            .to_string();
        let address = self.resolve(&bare, port).await?;
        let request = request(&uri, &host, call)?;
        let unreachable = |_| "The address cannot be reached.".to_string();
        let tcp = TcpStream::connect(address).await.map_err(unreachable)?;
        if !is_tls {
            return exchange(tcp, request, self.answer_bytes_max).await;
        }
        let name = ServerName::try_from(bare).map_err(|_| "The host's name does not read.")?;
        let connected = TlsConnector::from(self.tls.clone())
            .connect(name, tcp)
            .await;
        let stream = connected.map_err(|error| {
            tracing::info!(%error, "no TLS to an address");
            "The certificate there is not one that this node trusts.".to_string()
        })?;
        exchange(stream, request, self.answer_bytes_max).await
    }

    /// The address to go to. Every address of the name must be good: which one would be taken is
    /// for others to decide.
    async fn resolve(&self, host: &str, port: u16) -> Result<SocketAddr, String> {
        let found = tokio::net::lookup_host((host, port)).await;
        let found: Vec<SocketAddr> = found.map_err(|_| "The host is not known.")?.collect();
        let is_allowed = self
            .allowed
            .iter()
            .any(|known| known.eq_ignore_ascii_case(host));
        if !is_allowed && !found.iter().all(|address| is_public(address.ip())) {
            return Err(
                "The address is not public; list the host in [subscriptions] allowed_hosts if it is meant."
                    .into(),
            );
        }
        found
            .first()
            .copied()
            .ok_or_else(|| "The host is not known.".into())
    }
}

fn request(uri: &Uri, host: &str, call: Call) -> Result<Request<Full<Bytes>>, String> {
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let authority = match uri.port_u16() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_string(),
    };
    let mut request = Request::builder()
        .method(call.method)
        .uri(path)
        .header(header::HOST, authority);
    for (name, value) in &call.headers {
        let name =
            HeaderName::try_from(name.trim()).map_err(|_| "A header's name does not read.")?;
        let value =
            HeaderValue::try_from(value.trim()).map_err(|_| "A header's value does not read.")?;
        if is_ours(&name) {
            return Err(format!("The header {name} is the node's to set."));
        }
        request = request.header(name, value);
    }
    let request = request.body(Full::new(call.body));
    request.map_err(|_| "The request does not read.".into())
}

/// Headers with which a request could be made into two, or sent elsewhere.
fn is_ours(name: &HeaderName) -> bool {
    let ours = [
        header::HOST,
        header::CONTENT_LENGTH,
        header::TRANSFER_ENCODING,
        header::CONNECTION,
        header::UPGRADE,
        header::TE,
        header::EXPECT,
    ];
    ours.contains(name)
}

async fn exchange<S>(
    stream: S,
    request: Request<Full<Bytes>>,
    answer_bytes_max: usize,
) -> Result<Answered, String>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let broken = |_| "The connection broke off before the answer came.".to_string();
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(broken)?;
    let driven = tokio::spawn(connection);
    let answer = sender.send_request(request).await.map_err(broken);
    let answered = match answer {
        Ok(answer) => {
            let (parts, body) = answer.into_parts();
            let body = Limited::new(body, answer_bytes_max).collect().await;
            let body = body.ok().map(|body| body.to_bytes());
            Ok((parts.status.as_u16(), parts.headers, body))
        }
        Err(problem) => Err(problem),
    };
    driven.abort();
    answered
}

/// Whether an address is one of the Internet's
/// (<https://www.iana.org/assignments/iana-ipv4-special-registry/>,
/// <https://www.iana.org/assignments/iana-ipv6-special-registry/>).
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => match address.to_ipv4() {
            // Mapped (::ffff:a.b.c.d) and compatible (::a.b.c.d) ones are the other's.
            Some(inner) => is_public_v4(inner) && address.to_ipv4_mapped().is_some(),
            None => is_public_v6(address),
        },
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = match (a, b, c) {
        // This network, private, loopback, link-local (cloud metadata is there), shared.
        (0 | 10 | 127, ..) | (172, 16..=31, _) | (192, 168, _) | (169, 254, _) => true,
        (100, 64..=127, _) => true,
        // Protocol assignments, documentation, 6to4 relays, benchmarks.
        (192, 0, 0 | 2) | (198, 51, 100) | (203, 0, 113) | (192, 88, 99) => true,
        (198, 18 | 19, _) => true,
        // Multicast and reserved.
        (224..=255, ..) => true,
        _ => false,
    };
    !special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, ..] = address.segments();
    // Only global unicast, without documentation, Teredo, ORCHID and 6to4, which lead elsewhere.
    (0x2000..=0x3fff).contains(&a)
        && !(a == 0x2001 && (b < 0x0200 || b == 0x0db8))
        && a != 0x2002
        && a != 0x3fff
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    #[test]
    fn only_the_internets_addresses_are_public() {
        for (text, public) in [
            ("8.8.8.8", true),
            ("81.2.69.142", true),
            ("2a00:1450:4009::1", true),
            ("127.0.0.1", false),
            ("10.1.2.3", false),
            ("172.31.0.1", false),
            ("172.32.0.1", true),
            ("192.168.0.1", false),
            ("169.254.169.254", false),
            ("100.64.0.1", false),
            ("0.0.0.0", false),
            ("224.0.0.1", false),
            ("255.255.255.255", false),
            ("198.18.0.1", false),
            ("::1", false),
            ("::", false),
            ("fe80::1", false),
            ("fd00:ec2::254", false),
            ("::ffff:10.0.0.1", false),
            ("::ffff:8.8.8.8", true),
            ("::127.0.0.1", false),
            ("64:ff9b::a00:1", false),
            ("2002:a00:1::", false),
            ("2001:db8::1", false),
        ] {
            assert_eq!(is_public(text.parse().unwrap()), public, "{text}");
        }
    }

    fn call(url: &str) -> Call {
        Call {
            method: Method::POST,
            url: url.into(),
            headers: Vec::new(),
            body: Bytes::from_static(b"{}"),
        }
    }

    #[tokio::test]
    async fn what_is_not_public_is_not_asked_unless_it_is_listed() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let guarded = Outgoing::new(&[]).unwrap();
        for url in [
            format!("http://127.0.0.1:{port}/"),
            format!("http://localhost:{port}/"),
            format!("http://[::1]:{port}/"),
            format!("http://2130706433:{port}/"),
            "ftp://example.org/".into(),
            "no address".into(),
        ] {
            assert!(guarded.send(call(&url)).await.is_err(), "{url}");
        }
        let serving = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut asked = vec![0; 4096];
            let length = stream.read(&mut asked).await.unwrap();
            let redirect =
                b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1/\r\ncontent-length: 0\r\n\r\n";
            stream.write_all(redirect).await.unwrap();
            String::from_utf8_lossy(&asked[..length]).into_owned()
        });
        let open = Outgoing::new(&["127.0.0.1".into()]).unwrap();
        // A redirect is an answer, and not followed.
        let status = open
            .send(call(&format!("http://127.0.0.1:{port}/hook?a=1")))
            .await;
        assert_eq!(status, Ok(302));
        assert!(
            serving
                .await
                .unwrap()
                .starts_with("POST /hook?a=1 HTTP/1.1\r\n")
        );
        let mut forged = call("http://127.0.0.1:1/");
        forged.headers.push(("Host".into(), "elsewhere".into()));
        assert!(open.send(forged).await.unwrap_err().contains("host"));
    }
}
