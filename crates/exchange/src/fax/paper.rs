//! What goes out as paper: a cover sheet, and a letter's parts in forms that a fax server takes.

use access::Ods;
use fhir::problem::{Kind, Problem};

use super::number;
use super::pdf::{self, Line};

/// A file for the fax server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sheet {
    pub bytes: Vec<u8>,
    /// How the file's name ends, by which the fax server knows what it is.
    pub extension: &'static str,
    /// How many pages it has, where that can be told here.
    pub pages: Option<usize>,
}

/// Whether a fax can carry a part of that type; what it is by itself says nothing of its content.
pub fn carries(content_type: &str) -> bool {
    matches!(
        plain(content_type).as_str(),
        "application/pdf" | "text/plain" | "image/tiff"
    )
}

fn plain(content_type: &str) -> String {
    let first = content_type.split(';').next().unwrap_or_default();
    first.trim().to_ascii_lowercase()
}

/// A letter's part as a file for the fax server.
///
/// # Errors
/// `NotSupported` if a fax cannot carry it, or cannot carry it whole.
pub fn sheet(content_type: &str, bytes: &[u8]) -> Result<Sheet, Problem> {
    match plain(content_type).as_str() {
        "application/pdf" => Ok(Sheet {
            pages: pdf::pages_of(bytes),
            bytes: bytes.to_vec(),
            extension: "pdf",
        }),
        "image/tiff" => Ok(Sheet {
            pages: None,
            bytes: bytes.to_vec(),
            extension: "tif",
        }),
        "text/plain" => {
            let text = std::str::from_utf8(bytes).map_err(|_| {
                Problem::new(Kind::NotSupported, "The text of the letter is not UTF-8.")
            })?;
            let text = text.replace("\r\n", "\n").replace('\r', "\n");
            let lines: Vec<Line> = text.split('\n').map(Line::plain).collect();
            let (bytes, pages) = pdf::of_text(&lines)?;
            Ok(Sheet {
                bytes,
                extension: "pdf",
                pages: Some(pages),
            })
        }
        other => Err(Problem::new(
            Kind::NotSupported,
            format!("A part of the letter is of the type {other}, which a fax cannot carry."),
        )),
    }
}

/// What stands on a cover sheet: who sends to whom. Nothing of the letter, and nobody's name in it.
pub struct Cover<'a> {
    pub to: &'a str,
    pub to_ods: &'a str,
    pub dialled: &'a str,
    pub from: &'a str,
    pub from_ods: &'a Ods,
    /// Whom to ring if it is not for whoever reads it.
    pub contact: &'a str,
    /// Day and time, as people read it.
    pub when: &'a str,
    pub urgent: bool,
    /// With this one; where it can be told.
    pub pages: Option<usize>,
    /// By which the sender finds it again.
    pub tag: &'a str,
}

impl Cover<'_> {
    /// # Errors
    /// `NotSupported` if a name has a character that cannot be written.
    pub fn sheet(&self) -> Result<Sheet, Problem> {
        let contact = match self.contact {
            "" => "the organisation that sent it",
            contact => contact,
        };
        let pages = match self.pages {
            Some(pages) => format!("{pages} with this one"),
            None => "as printed at the top of each page".to_owned(),
        };
        let mut lines = vec![
            Line::bold("Fax: confidential"),
            Line::plain(""),
            Line::plain(""),
            Line::plain(format!("To:     {} ({})", self.to, self.to_ods)),
            Line::plain(format!("Fax:    {}", number::shown(self.dialled))),
            Line::plain(""),
            Line::plain(format!("From:   {} ({})", self.from, self.from_ods)),
            Line::plain(format!("Sent:   {}", self.when)),
            Line::plain(format!("Pages:  {pages}")),
            Line::plain(format!("Our reference: {}", self.tag)),
            Line::plain(""),
            Line::plain(""),
        ];
        if self.urgent {
            lines.push(Line::bold("URGENT"));
            lines.push(Line::plain(""));
        }
        let (to, from) = (self.to, self.from);
        lines.extend([
            Line::bold("If this is not for you"),
            Line::plain(""),
            Line::plain(format!(
                "This fax is for {to} only. If you are somebody else, do not read on, copy or pass it on. Ring {contact} \
                 at once and say that it came to you; keep it closed until they tell you what to do with it."
            )),
            Line::plain(""),
            Line::bold("If pages are missing"),
            Line::plain(""),
            Line::plain(format!("Ring {contact}.")),
            Line::plain(""),
            Line::plain(""),
            Line::plain(format!(
                "{from} can send letters without a fax machine. Ask us how to join: then this number can be switched off."
            )),
        ]);
        let (bytes, pages) = pdf::of_text(&lines)?;
        Ok(Sheet {
            bytes,
            extension: "pdf",
            pages: Some(pages),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_fax_cannot_carry_whole_is_refused_and_not_sent_short() {
        assert_eq!(
            sheet("text/plain; charset=utf-8", b"Dear\r\n")
                .unwrap()
                .pages,
            Some(1)
        );
        assert!(sheet("text/plain", "ξ".as_bytes()).is_err());
        assert!(sheet("text/plain", b"\xff").is_err());
        assert!(sheet("text/html", b"<p>").is_err());
        assert!(carries("Application/PDF") && !carries("text/html"));
    }
}
