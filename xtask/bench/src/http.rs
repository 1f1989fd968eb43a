//! One kept connection that asks and waits, for set-up and for imports.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result};

const ANSWER_SECONDS: u64 = 120;

pub struct Connection {
    stream: BufReader<TcpStream>,
}

impl Connection {
    /// # Errors
    /// When nobody listens there.
    pub fn open(to: SocketAddr) -> Result<Connection> {
        let stream = TcpStream::connect(to)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(ANSWER_SECONDS)))?;
        Ok(Connection {
            stream: BufReader::new(stream),
        })
    }

    /// Status and body of the answer.
    ///
    /// # Errors
    /// When the connection fails or the answer is not whole.
    pub fn send(
        &mut self,
        method: &str,
        path: &str,
        token: Option<&str>,
        body: &[u8],
    ) -> Result<(u16, Vec<u8>)> {
        let token = token
            .map(|token| format!("authorization: Bearer {token}\r\n"))
            .unwrap_or_default();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/fhir+json\r\n{token}content-length: {}\r\n\r\n",
            body.len()
        );
        let stream = self.stream.get_mut();
        stream.write_all(head.as_bytes())?;
        stream.write_all(body)?;
        self.answer()
    }

    fn answer(&mut self) -> Result<(u16, Vec<u8>)> {
        let first = self.line()?;
        let status = first
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok())
            .context("not an HTTP answer")?;
        let (mut length, mut chunked) = (None, false);
        loop {
            let line = self.line()?.to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse::<usize>().ok();
            }
            chunked |= line.starts_with("transfer-encoding:") && line.contains("chunked");
        }
        let mut body = Vec::new();
        while chunked {
            let size = usize::from_str_radix(
                self.line()?.split(';').next().unwrap_or_default().trim(),
                16,
            )?;
            self.read(size, &mut body)?;
            self.line()?;
            chunked = size > 0;
        }
        self.read(length.unwrap_or(0), &mut body)?;
        Ok((status, body))
    }

    fn read(&mut self, size: usize, body: &mut Vec<u8>) -> Result<()> {
        let read = self.stream.by_ref().take(size as u64).read_to_end(body)?;
        anyhow::ensure!(read == size, "the answer was cut");
        Ok(())
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        anyhow::ensure!(
            self.stream.read_line(&mut line)? > 0,
            "the server closed the connection"
        );
        Ok(line.trim_end().to_owned())
    }
}
