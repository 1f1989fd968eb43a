//! What an acknowledgement says.

/// MSH and MSA of an answer.
pub(super) struct Acknowledgement {
    /// MSA-1.
    pub(super) code: String,
    /// MSA-2.
    pub(super) control: String,
    /// MSH-4.
    pub(super) facility: String,
    /// MSH-5 and MSH-6.
    pub(super) addressed: [String; 2],
    pub(super) has_line_feeds: bool,
    kind: String,
    own_control: String,
    second: String,
}

impl Acknowledgement {
    /// # Errors
    /// Says what it is instead.
    pub(super) fn read(bytes: &[u8]) -> Result<Acknowledgement, String> {
        let text = String::from_utf8_lossy(bytes);
        let has_line_feeds = text.contains('\n');
        let segments: Vec<&str> = text
            .split(['\r', '\n'])
            .filter(|it| !it.is_empty())
            .collect();
        let header = segments.first().filter(|it| it.starts_with("MSH"));
        let header = header.ok_or("The answer does not begin with MSH.")?;
        let separator = header
            .chars()
            .nth(3)
            .ok_or("The answer's MSH ends early.")?;
        let field = |segment: &str, number: usize| {
            segment
                .split(separator)
                .nth(number)
                .unwrap_or_default()
                .to_owned()
        };
        let msa = segments.iter().find(|it| it.starts_with("MSA"));
        let msa = msa.ok_or("The answer has no MSA.")?;
        // MSH-1 is the separator itself, so that MSH-n stands at n - 1.
        Ok(Acknowledgement {
            code: field(msa, 1).chars().take(4).collect(),
            control: field(msa, 2),
            facility: field(header, 3),
            addressed: [field(header, 4), field(header, 5)],
            has_line_feeds,
            kind: field(header, 8),
            own_control: field(header, 9),
            second: segments
                .get(1)
                .map(|it| it.chars().take(3).collect())
                .unwrap_or_default(),
        })
    }

    /// Whether it is built as an acknowledgement is.
    pub(super) fn shape(&self) -> Result<String, String> {
        if !self.kind.starts_with("ACK") {
            return Err("MSH-9 of the answer is not ACK".into());
        }
        if self.own_control.is_empty() {
            return Err("MSH-10 of the answer is empty".into());
        }
        if !["MSA", "SFT", "UAC"].contains(&self.second.as_str()) {
            return Err("MSA does not follow MSH".into());
        }
        Ok("MSH with ACK and an id of its own, then MSA".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_acknowledgement_is_read_and_what_is_none_is_said() {
        let bytes = b"MSH|^~\\&|A|RXX01|B|C|20260105||ACK^A28^ACK|77|T|2.4\rMSA|AA|1234\r";
        let read = Acknowledgement::read(bytes).unwrap();
        assert_eq!((read.code.as_str(), read.control.as_str()), ("AA", "1234"));
        assert_eq!(read.facility, "RXX01");
        assert_eq!(read.addressed, ["B", "C"]);
        assert!(read.shape().is_ok() && !read.has_line_feeds);
        assert!(Acknowledgement::read(b"hello").is_err());
        assert!(Acknowledgement::read(b"MSH|^~\\&|A\r").is_err());
        let odd =
            Acknowledgement::read(b"MSH|^~\\&|A|R|B|C|2026||ADT^A01|1|T|2.4\nMSA|AA|1\n").unwrap();
        assert!(odd.shape().is_err() && odd.has_line_feeds);
    }
}
