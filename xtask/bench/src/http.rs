//! One kept connection that asks and waits, for set-up and for imports.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

const ANSWER_SECONDS: u64 = 120;

/// An answer whose body was read and not kept.
pub struct Counted {
    pub status: u16,
    /// The lines of its head.
    pub head: Vec<String>,
    pub first_byte_seconds: f64,
    pub seconds: f64,
    pub bytes: usize,
}

impl Counted {
    /// What a header says.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.iter().find_map(|line| {
            let (is, value) = line.split_once(':')?;
            is.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

enum Length {
    Known(usize),
    Chunked,
}

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

    /// Asks with further header lines; status and head of the answer, the seconds until its first
    /// byte, and how many bytes its body had: they are read and not kept.
    ///
    /// # Errors
    /// When the connection fails or the answer is not whole.
    pub fn count(&mut self, path: &str, token: &str, lines: &str) -> Result<Counted> {
        let began = Instant::now();
        let head = format!(
            "GET {path} HTTP/1.1\r\nhost: localhost\r\naccept: application/fhir+json\r\nauthorization: Bearer {token}\r\n{lines}\r\n"
        );
        self.stream.get_mut().write_all(head.as_bytes())?;
        let (status, head, length) = self.head()?;
        let mut bytes = 0;
        let mut first_byte = None;
        match length {
            Length::Known(length) => bytes = self.skip(length, began, &mut first_byte)?,
            Length::Chunked => loop {
                let line = self.line()?;
                let size = line.split(';').next().unwrap_or_default().trim();
                let size = usize::from_str_radix(size, 16)?;
                bytes += self.skip(size, began, &mut first_byte)?;
                self.line()?;
                if size == 0 {
                    break;
                }
            },
        }
        Ok(Counted {
            status,
            head,
            first_byte_seconds: first_byte.unwrap_or_else(|| began.elapsed().as_secs_f64()),
            seconds: began.elapsed().as_secs_f64(),
            bytes,
        })
    }

    fn skip(&mut self, size: usize, began: Instant, first_byte: &mut Option<f64>) -> Result<usize> {
        let mut left = size;
        while left > 0 {
            let there = self.stream.fill_buf()?.len().min(left);
            anyhow::ensure!(there > 0, "the answer was cut");
            first_byte.get_or_insert_with(|| began.elapsed().as_secs_f64());
            self.stream.consume(there);
            left -= there;
        }
        Ok(size)
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

    /// As a browser asks, with its own header lines: status, head and body of the answer.
    ///
    /// # Errors
    /// When the connection fails or the answer is not whole.
    pub fn visit(
        &mut self,
        method: &str,
        path: &str,
        lines: &str,
        body: &str,
    ) -> Result<(u16, Vec<String>, Vec<u8>)> {
        let length = body.len();
        let host = match lines.contains("host: ") {
            true => "",
            false => "host: localhost\r\n",
        };
        let asked = format!(
            "{method} {path} HTTP/1.1\r\n{host}{lines}content-length: {length}\r\n\r\n{body}"
        );
        self.stream.get_mut().write_all(asked.as_bytes())?;
        self.whole()
    }

    fn answer(&mut self) -> Result<(u16, Vec<u8>)> {
        let (status, _, body) = self.whole()?;
        Ok((status, body))
    }

    fn whole(&mut self) -> Result<(u16, Vec<String>, Vec<u8>)> {
        let (status, head, length) = self.head()?;
        let mut body = Vec::new();
        match length {
            Length::Known(length) => self.read(length, &mut body)?,
            Length::Chunked => loop {
                let line = self.line()?;
                let size = line.split(';').next().unwrap_or_default().trim();
                let size = usize::from_str_radix(size, 16)?;
                self.read(size, &mut body)?;
                self.line()?;
                if size == 0 {
                    break;
                }
            },
        }
        Ok((status, head, body))
    }

    fn head(&mut self) -> Result<(u16, Vec<String>, Length)> {
        let first = self.line()?;
        let status = first
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok())
            .context("not an HTTP answer")?;
        let mut length = Length::Known(0);
        let mut head = Vec::new();
        loop {
            let line = self.line()?;
            if line.is_empty() {
                return Ok((status, head, length));
            }
            let folded = line.to_ascii_lowercase();
            if let Some(value) = folded.strip_prefix("content-length:") {
                length = Length::Known(value.trim().parse()?);
            }
            if folded.starts_with("transfer-encoding:") && folded.contains("chunked") {
                length = Length::Chunked;
            }
            head.push(line);
        }
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
