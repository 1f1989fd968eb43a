//! An MLLP sender that waits for the acknowledgement of each message, as hospital systems do.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

const START: u8 = 0x0b;
const END: [u8; 2] = [0x1c, 0x0d];
const ANSWER_SECONDS: u64 = 10;

/// One connection to an MLLP port.
pub struct Sender {
    stream: BufReader<TcpStream>,
}

impl Sender {
    pub fn connect(to: SocketAddr) -> io::Result<Sender> {
        let stream = TcpStream::connect_timeout(&to, Duration::from_secs(2))?;
        stream.set_read_timeout(Some(Duration::from_secs(ANSWER_SECONDS)))?;
        stream.set_nodelay(true)?;
        Ok(Sender {
            stream: BufReader::new(stream),
        })
    }

    /// The same, which waits so long for an answer.
    pub fn waiting(self, seconds: u64) -> io::Result<Sender> {
        let within = Some(Duration::from_secs(seconds));
        self.stream.get_ref().set_read_timeout(within)?;
        Ok(self)
    }

    /// Sends one message and gives the acknowledgement's text.
    pub fn send(&mut self, message: &str) -> io::Result<String> {
        let mut frame = vec![START];
        frame.extend(message.as_bytes());
        frame.extend(END);
        self.stream.get_mut().write_all(&frame)?;
        let mut answer = Vec::new();
        self.stream.read_until(END[1], &mut answer)?;
        while !answer.ends_with(&END) {
            if self.stream.read_until(END[1], &mut answer)? == 0 {
                return Err(io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    "no whole acknowledgement",
                ));
            }
        }
        let text = answer.strip_prefix(&[START]).unwrap_or(&answer);
        Ok(String::from_utf8_lossy(&text[..text.len() - END.len()]).into_owned())
    }
}

/// The code of an acknowledgement: `AA`, `AE` or `AR`.
pub fn code(acknowledgement: &str) -> &str {
    let msa = acknowledgement
        .split('\r')
        .find(|segment| segment.starts_with("MSA|"));
    msa.and_then(|segment| segment.split('|').nth(1))
        .unwrap_or("none")
}
