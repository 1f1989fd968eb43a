//! JSON laid out for people (`_pretty=true`), with every value as it is. It is laid out while it is
//! sent: however long an answer is, no more of it is held than where it is sent as it is.

use axum::body::{Body, BodyDataStream, HttpBody};
use axum::response::Response;
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::{self, Fuse};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};

use super::format::Format;

/// Bytes laid out at once: where the indents are deep they become many times as many.
const PIECE_BYTES: usize = 64 << 10;

/// The same answer, laid out if it is JSON.
pub fn laid_out(response: Response) -> Response {
    let kind = response.headers().get(CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok());
    let is_json = kind.and_then(Format::of) == Some(Format::Json);
    let is_empty = HttpBody::size_hint(response.body()).exact() == Some(0);
    if !is_json || is_empty {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    parts.headers.remove(CONTENT_LENGTH);
    Response::from_parts(parts, laid_out_body(body))
}

fn laid_out_body(body: Body) -> Body {
    let laying = Laying {
        pieces: body.into_data_stream().fuse(),
        rest: Bytes::new(),
        layout: Layout::default(),
    };
    // Fused: who compresses it asks once more after the end.
    let pieces = stream::unfold(Some(laying), |laying| async {
        let mut laying = laying?;
        match laying.next().await {
            Ok(None) => None,
            Ok(Some(piece)) => Some((Ok(piece), Some(laying))),
            // It breaks off, as it would where it is sent as it is.
            Err(error) => Some((Err(error), None)),
        }
    });
    Body::from_stream(pieces.fuse())
}

/// An answer on its way.
struct Laying {
    pieces: Fuse<BodyDataStream>,
    /// What has come and is not laid out yet.
    rest: Bytes,
    layout: Layout,
}

impl Laying {
    /// The next piece, laid out; none after the last.
    async fn next(&mut self) -> Result<Option<Vec<u8>>, axum::Error> {
        while self.rest.is_empty() {
            let Some(piece) = self.pieces.next().await else {
                return Ok(self.layout.end());
            };
            self.rest = piece?;
        }
        let piece = self.rest.split_to(self.rest.len().min(PIECE_BYTES));
        let mut out = Vec::with_capacity(piece.len() * 2);
        self.layout.push(&piece, &mut out);
        Ok(Some(out))
    }
}

/// Lays out minified JSON, wherever it is cut into pieces: a member or item a line, two blanks an
/// indent.
#[derive(Default)]
struct Layout {
    depth: usize,
    in_text: bool,
    escaped: bool,
    /// The byte before; 0 at the beginning.
    before: u8,
}

impl Layout {
    fn push(&mut self, json: &[u8], out: &mut Vec<u8>) {
        for byte in json.iter().copied() {
            if self.in_text {
                out.push(byte);
                self.in_text = self.escaped || byte != b'"';
                self.escaped = !self.escaped && byte == b'\\';
            } else {
                self.sign(byte, out);
            }
            self.before = byte;
        }
    }

    /// A byte that is in no text.
    fn sign(&mut self, byte: u8, out: &mut Vec<u8>) {
        let opens = matches!(self.before, b'{' | b'[');
        match byte {
            b'}' | b']' => {
                self.depth = self.depth.saturating_sub(1);
                if !opens {
                    self.line(out);
                }
            }
            _ if opens => self.line(out),
            _ => {}
        }
        out.push(byte);
        match byte {
            b'{' | b'[' => self.depth += 1,
            b',' => self.line(out),
            b':' => out.push(b' '),
            b'"' => self.in_text = true,
            _ => {}
        }
    }

    fn line(&self, out: &mut Vec<u8>) {
        out.push(b'\n');
        out.extend(std::iter::repeat_n(b' ', self.depth * 2));
    }

    /// What comes last, once: an end of the line, unless there is no line.
    fn end(&mut self) -> Option<Vec<u8>> {
        let last = std::mem::take(&mut self.before);
        (last != 0).then(|| vec![b'\n'])
    }
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;
    use crate::fhir::answer;

    /// Laid out in pieces of that many bytes.
    fn pretty(json: &str, bytes: usize) -> String {
        let (mut layout, mut out) = (Layout::default(), Vec::new());
        for piece in json.as_bytes().chunks(bytes) {
            layout.push(piece, &mut out);
        }
        out.extend(layout.end().unwrap_or_default());
        assert_eq!(layout.end(), None);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn every_value_stays_as_it_is_wherever_it_is_cut() {
        let text = r#"{"a":[1.50,{}],"b":"x\"{,:}\\","c":[]}"#;
        for bytes in 1..=text.len() {
            assert_eq!(
                pretty(text, bytes),
                "{\n  \"a\": [\n    1.50,\n    {}\n  ],\n  \"b\": \"x\\\"{,:}\\\\\",\n  \"c\": []\n}\n"
            );
        }
        assert_eq!(pretty("", 1), "");
    }

    /// More than was once held at once, and that as one piece, as an answer to a change is.
    #[tokio::test]
    async fn a_long_answer_is_laid_out_while_it_is_sent_and_what_is_no_json_is_left() {
        let item = format!("\"{}\"", "x".repeat(99));
        let json = format!("[{}]", vec![item.as_str(); 400_000].join(","));
        let expected = format!("[\n  {}\n]\n", vec![item.as_str(); 400_000].join(",\n  "));
        assert!(json.len() > 32 << 20);
        let response = laid_out(answer::json(StatusCode::CREATED, json));
        assert_eq!(response.status(), StatusCode::CREATED);
        let (mut pieces, mut whole) = (response.into_body().into_data_stream(), Vec::new());
        while let Some(piece) = pieces.next().await {
            let piece = piece.unwrap();
            assert!(piece.len() < 2 * PIECE_BYTES);
            whole.extend_from_slice(&piece);
        }
        assert!(whole == expected.as_bytes());

        let mut file = answer::json(StatusCode::OK, "{}\n{}\n");
        let kind = http::HeaderValue::from_static("application/fhir+ndjson");
        file.headers_mut().insert(CONTENT_TYPE, kind);
        let file = axum::body::to_bytes(laid_out(file).into_body(), 100).await;
        assert_eq!(file.unwrap(), "{}\n{}\n");
    }
}
