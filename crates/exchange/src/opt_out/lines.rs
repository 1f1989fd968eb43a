//! The file of the service, both ways: an NHS number, a comma and a line feed a line.

use access::NhsNumber;

/// Bytes of a line of ours.
pub(super) const LINE_BYTES: usize = 12;
/// A line of an answer is at most so long.
const LINE_MAX: usize = 40;

/// A line as it is sent.
pub(super) fn push(body: &mut Vec<u8>, number: &NhsNumber) {
    body.extend_from_slice(number.digits().as_bytes());
    body.extend_from_slice(b",\n");
}

/// What is wrong with an answer. It never quotes a line: there may be a number in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// A line is no NHS number and a comma.
    Line,
    /// It is an account of what the service did, not an answer.
    Receipt,
}

/// Reads an answer piece by piece; a line may go over from one to the next.
#[derive(Debug, Default)]
pub(super) struct Lines {
    rest: Vec<u8>,
    has_begun: bool,
}

impl Lines {
    /// The numbers of the lines that end in this piece.
    pub(super) fn read(&mut self, piece: &[u8]) -> Result<Vec<NhsNumber>, Fault> {
        let mut found = Vec::new();
        let mut lines = piece.split(|byte| *byte == b'\n').peekable();
        while let Some(line) = lines.next() {
            self.rest
                .extend_from_slice(line.get(..line.len().min(LINE_MAX + 1)).unwrap_or_default());
            let begin = self.rest.iter().find(|byte| !byte.is_ascii_whitespace());
            if !self.has_begun && begin == Some(&b'{') {
                return Err(Fault::Receipt);
            }
            self.has_begun |= begin.is_some();
            if self.rest.len() > LINE_MAX {
                return Err(Fault::Line);
            }
            if lines.peek().is_some() {
                found.extend(number(&std::mem::take(&mut self.rest))?);
            }
        }
        Ok(found)
    }

    /// The number of a last line that does not end.
    pub(super) fn end(self) -> Result<Option<NhsNumber>, Fault> {
        number(&self.rest)
    }
}

fn number(line: &[u8]) -> Result<Option<NhsNumber>, Fault> {
    let line = std::str::from_utf8(line).map_err(|_| Fault::Line)?.trim();
    if line.is_empty() {
        return Ok(None);
    }
    let digits = line.strip_suffix(',').unwrap_or(line);
    let is_plain = digits.len() == 10 && digits.bytes().all(|it| it.is_ascii_digit());
    match NhsNumber::parse(digits) {
        Ok(number) if is_plain => Ok(Some(number)),
        _ => Err(Fault::Line),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pieces: &[&str]) -> Result<Vec<String>, Fault> {
        let mut lines = Lines::default();
        let mut found = Vec::new();
        for piece in pieces {
            found.extend(lines.read(piece.as_bytes())?);
        }
        found.extend(lines.end()?);
        Ok(found.iter().map(|it| it.digits().to_string()).collect())
    }

    #[test]
    fn p20_an_answer_reads_however_it_is_cut() {
        let whole = "9434765919,\n9999999468,\r\n\n9000000009";
        let expected = ["9434765919", "9999999468", "9000000009"];
        assert_eq!(read(&[whole]).unwrap(), expected);
        for at in 0..whole.len() {
            let (one, two) = whole.split_at(at);
            assert_eq!(read(&[one, two]).unwrap(), expected, "{at}");
        }
        assert!(read(&[""]).unwrap().is_empty());
        let mut body = Vec::new();
        push(&mut body, &NhsNumber::parse("943 476 5919").unwrap());
        assert_eq!(body, b"9434765919,\n");
        assert_eq!(body.len(), LINE_BYTES);
    }

    #[test]
    fn p20_what_is_no_answer_is_refused_as_a_whole() {
        for wrong in [
            "9434765918,\n",
            "9434765919,\n943476591,\n",
            "9434765919,x\n",
            "943 476 5919,\n",
            "The file contains one or more invalid NHS Numbers.",
            "NHS_NUMBER,\n9434765919,\n",
        ] {
            assert_eq!(read(&[wrong]), Err(Fault::Line), "{wrong}");
        }
        assert_eq!(read(&[&"9".repeat(100)]), Err(Fault::Line));
        assert_eq!(read(&[" \n{\"status\": \"pending\"}"]), Err(Fault::Receipt));
        assert_eq!(read(&["9434765919,\n{}"]), Err(Fault::Line));
    }
}
