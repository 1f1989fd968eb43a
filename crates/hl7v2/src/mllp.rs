//! MLLP framing over bytes: `<VT> message <FS> <CR>`, found in a stream that may be careless.
//!
//! Source: HL7 "Transport Specification: MLLP, Release 1".

/// Starts a frame.
pub const START: u8 = 0x0B;
/// Ends the message in a frame.
pub const END: u8 = 0x1C;
/// Follows the end.
pub const RETURN: u8 = 0x0D;

/// How much the decoder will hold or skip.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Bytes of one message.
    pub message_bytes: usize,
    /// Bytes before a frame's start, over the whole connection, that are skipped.
    pub garbage_bytes: usize,
}

impl Default for Bounds {
    fn default() -> Bounds {
        Bounds {
            message_bytes: 32 * 1024 * 1024,
            garbage_bytes: 4 * 1024,
        }
    }
}

/// Why a stream cannot be read on. The connection is to be answered and closed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// The frame does not end within the bound; what came of it, up to the bound.
    #[error("the message is longer than {bytes_max} bytes")]
    TooLong {
        /// The bound.
        bytes_max: usize,
        /// The bytes received of the message.
        partial: Vec<u8>,
    },
    /// Too many bytes came outside frames.
    #[error("more than {bytes_max} bytes came outside an MLLP frame")]
    Garbage {
        /// The bound.
        bytes_max: usize,
    },
    /// A document in the message cannot be taken.
    #[error("a document in the message {reason}")]
    Document {
        /// Why, as the end of a sentence that begins with "a document in the message".
        reason: String,
        /// The bytes received of the message, without that document.
        partial: Vec<u8>,
    },
    /// A frame starts inside another.
    #[error("a frame starts before the last one ended")]
    StartInside {
        /// The bytes received of the message that did not end.
        partial: Vec<u8>,
    },
}

/// Finds messages in a stream of bytes.
///
/// Between frames, CR and LF are skipped freely and other bytes within a bound. The CR behind a
/// frame's end may be missing.
#[derive(Debug)]
pub struct Decoder {
    bounds: Bounds,
    buffer: Vec<u8>,
    /// Whether `buffer` starts with a message's first byte.
    inside: bool,
    /// How much of `buffer` is known to hold no end.
    scanned: usize,
    skipped: usize,
}

impl Decoder {
    /// A decoder at the start of a stream.
    pub fn new(bounds: Bounds) -> Decoder {
        Decoder {
            bounds,
            buffer: Vec::new(),
            inside: false,
            scanned: 0,
            skipped: 0,
        }
    }

    /// Takes bytes as they come from the socket.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Takes bytes that come from no socket and end no message, whatever they are.
    pub fn put(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
        self.scanned = self.buffer.len();
    }

    /// Gives back the last so many bytes of a message that has begun.
    pub fn take_back(&mut self, count: usize) -> Vec<u8> {
        let back = self
            .buffer
            .split_off(self.buffer.len().saturating_sub(count));
        // What a long message took is not held on for what is left of it.
        self.buffer.shrink_to_fit();
        self.scanned = self.scanned.min(self.buffer.len());
        back
    }

    /// What has come of a message that has begun.
    pub fn held(&self) -> &[u8] {
        match self.inside {
            true => &self.buffer,
            false => &[],
        }
    }

    /// The next whole message, without its frame; `None` until more bytes come.
    ///
    /// After `Err` the stream is of no further use.
    pub fn next_message(&mut self) -> Result<Option<Vec<u8>>, Broken> {
        if !self.inside && !self.find_start()? {
            return Ok(None);
        }
        let unseen = self.buffer.get(self.scanned..).unwrap_or_default();
        match memchr::memchr2(END, START, unseen).map(|n| n + self.scanned) {
            Some(at) if at > self.bounds.message_bytes => Err(self.too_long()),
            Some(at) if self.buffer.get(at) == Some(&END) => {
                let mut message: Vec<u8> = self.buffer.drain(..=at).collect();
                message.pop();
                (self.inside, self.scanned) = (false, 0);
                Ok(Some(message))
            }
            Some(at) => Err(Broken::StartInside {
                partial: self.buffer.drain(..at).collect(),
            }),
            None if self.buffer.len() > self.bounds.message_bytes => Err(self.too_long()),
            None => {
                self.scanned = self.buffer.len();
                Ok(None)
            }
        }
    }

    /// Whether a message has begun and not ended: closing now would cut it.
    pub fn is_inside(&self) -> bool {
        self.inside
    }

    /// How many bytes are held.
    pub fn held_bytes(&self) -> usize {
        self.buffer.len()
    }

    /// What of an unfinished message has come, when the stream ends inside one.
    pub fn into_partial(self) -> Option<Vec<u8>> {
        self.inside.then_some(self.buffer)
    }

    fn find_start(&mut self) -> Result<bool, Broken> {
        let start = memchr::memchr(START, &self.buffer);
        let before = start.unwrap_or(self.buffer.len());
        let between = self.buffer.iter().take(before);
        self.skipped += between.filter(|b| !matches!(b, b'\r' | b'\n')).count();
        if self.skipped > self.bounds.garbage_bytes {
            return Err(Broken::Garbage {
                bytes_max: self.bounds.garbage_bytes,
            });
        }
        self.buffer.drain(..start.map_or(before, |at| at + 1));
        self.inside = start.is_some();
        Ok(self.inside)
    }

    fn too_long(&mut self) -> Broken {
        self.buffer.truncate(self.bounds.message_bytes);
        Broken::TooLong {
            bytes_max: self.bounds.message_bytes,
            partial: std::mem::take(&mut self.buffer),
        }
    }
}

/// A message in its frame.
pub fn frame(message: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(message.len() + 3);
    out.push(START);
    out.extend_from_slice(message);
    out.extend_from_slice(&[END, RETURN]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decode(stream: &[u8], chunk: usize, bounds: Bounds) -> Result<Vec<Vec<u8>>, Broken> {
        let mut decoder = Decoder::new(bounds);
        let mut messages = Vec::new();
        for bytes in stream.chunks(chunk.max(1)) {
            decoder.push(bytes);
            while let Some(message) = decoder.next_message()? {
                messages.push(message);
            }
        }
        Ok(messages)
    }

    const SMALL: Bounds = Bounds {
        message_bytes: 16,
        garbage_bytes: 4,
    };

    #[test]
    fn a_missing_return_and_some_garbage_are_forgiven() {
        let stream = b"\r\nxy\x0Bone\x1C\x0Btwo\x1C\r\n\x0Bthree\x1C\r";
        let messages = decode(stream, 100, SMALL).unwrap();
        assert_eq!(
            messages,
            [b"one".to_vec(), b"two".to_vec(), b"three".to_vec()]
        );
    }

    #[test]
    fn endless_garbage_and_endless_messages_are_bounded() {
        assert!(matches!(
            decode(b"abcdefgh", 3, SMALL),
            Err(Broken::Garbage { .. })
        ));
        let endless = [&[START][..], &[b'a'; 40]].concat();
        for chunk in [1, 7, 64] {
            match decode(&endless, chunk, SMALL) {
                Err(Broken::TooLong { partial, .. }) => assert_eq!(partial.len(), 16),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn a_frame_inside_a_frame_keeps_what_came() {
        let partial = b"MSH|1".to_vec();
        assert_eq!(
            decode(b"\x0BMSH|1\x0BMSH|2\x1C\r", 4, SMALL),
            Err(Broken::StartInside { partial })
        );
    }

    proptest! {
        #[test]
        fn messages_come_out_as_they_went_in_however_cut(
            messages in proptest::collection::vec("[a-z|\r]{0,16}", 0..6), chunk in 1usize..40,
        ) {
            let stream: Vec<u8> = messages.iter().flat_map(|m| frame(m.as_bytes())).collect();
            let read = decode(&stream, chunk, SMALL).unwrap();
            let expected: Vec<Vec<u8>> = messages.iter().map(|m| m.clone().into_bytes()).collect();
            prop_assert_eq!(read, expected);
        }

        #[test]
        fn any_bytes_are_decoded_without_panic(stream in proptest::collection::vec(any::<u8>(), 0..200), chunk in 1usize..9) {
            let _ = decode(&stream, chunk, SMALL);
        }
    }
}
