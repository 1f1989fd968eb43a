//! A locked PDF of plain lines, blank rules and bar codes: PDF 2.0 with the standard security handler of revision 6 and
//! AES-256 (ISO 32000-2, 7.6.4), which current readers open with the passphrase and print.

mod lock;

use std::fmt::Write as _;

use fhir::problem::Problem;

use super::code128;
use lock::Lock;

/// A4, in points.
const WIDTH: f64 = 595.0;
const HEIGHT: f64 = 842.0;
const MARGIN: f64 = 48.0;
const LINE: f64 = 13.0;
/// Characters in a line of 10-point Courier between the margins.
const LINE_CHARS: usize = 82;
/// Pages of one file.
pub const PAGES_MAX: usize = 1_500;

/// Pages as they are filled, from top to bottom.
pub struct Sheet {
    /// What stands at the head of every page.
    head: String,
    pages: Vec<String>,
    content: String,
    top: f64,
    /// Whether a character could not be written.
    lacks: bool,
    full: bool,
}

impl Sheet {
    pub fn new(head: &str) -> Sheet {
        let mut sheet = Sheet {
            head: head.to_owned(),
            pages: Vec::new(),
            content: String::new(),
            top: 0.0,
            lacks: false,
            full: false,
        };
        sheet.begin();
        sheet
    }

    fn begin(&mut self) {
        self.top = HEIGHT - MARGIN;
        let head = self.head.clone();
        self.put(&head, "/B 11");
        self.top -= LINE;
    }

    /// Ends the page, if something stands on it.
    pub fn turn(&mut self) {
        if self.pages.len() + 1 >= PAGES_MAX {
            self.full = true;
            return;
        }
        let page = std::mem::take(&mut self.content);
        self.pages.push(page);
        self.begin();
    }

    fn room(&mut self, points: f64) {
        if self.top - points < MARGIN {
            self.turn();
        }
    }

    fn put(&mut self, text: &str, font: &str) {
        self.top -= LINE;
        let at = self.top;
        let _ = write!(self.content, "BT {font} Tf {MARGIN:.1} {at:.1} Td <");
        for letter in text.chars() {
            let byte = match coded(letter) {
                Some(byte) => byte,
                None => {
                    self.lacks = true;
                    b'?'
                }
            };
            let _ = write!(self.content, "{byte:02x}");
        }
        self.content.push_str("> Tj ET\n");
    }

    /// A line, broken where it is too long.
    pub fn line(&mut self, text: &str) {
        for piece in wrapped(text) {
            self.room(LINE);
            self.put(&piece, "/F 10");
        }
    }

    pub fn bold(&mut self, text: &str) {
        self.room(LINE * 3.0);
        self.top -= LINE / 2.0;
        self.put(text, "/B 12");
    }

    /// A line to write on.
    pub fn rule(&mut self) {
        self.room(26.0);
        self.top -= 26.0;
        let (at, right) = (self.top, WIDTH - MARGIN);
        let _ = writeln!(
            self.content,
            "0.5 w {MARGIN:.1} {at:.1} m {right:.1} {at:.1} l S"
        );
    }

    /// A bar code with its text below it.
    pub fn bars(&mut self, text: &str) {
        let Some((bars, width)) = code128::bars(text) else {
            return;
        };
        self.room(70.0);
        self.top -= 44.0;
        let (unit, at) = (300.0 / f64::from(width), self.top);
        for (from, wide) in bars {
            let left = MARGIN + f64::from(from) * unit;
            let _ = write!(
                self.content,
                "{left:.2} {at:.1} {:.2} 40 re ",
                f64::from(wide) * unit
            );
        }
        self.content.push_str("f\n");
        self.line(text);
    }

    /// Whether a character could not be written, and whether pages are missing.
    pub fn lacks(&self) -> (bool, bool) {
        (self.lacks, self.full)
    }

    /// The file, locked.
    ///
    /// # Errors
    /// `Exception` if it cannot be locked.
    pub fn locked(mut self, passphrase: &str) -> Result<Vec<u8>, Problem> {
        let last = std::mem::take(&mut self.content);
        self.pages.push(last);
        let lock = Lock::new(passphrase)?;
        file(&self.pages, &lock)
    }
}

/// The objects that stand first: catalogue, list of pages, two fonts, the lock.
const FIRST: usize = 5;

fn file(pages: &[String], lock: &Lock) -> Result<Vec<u8>, Problem> {
    let mut bytes = b"%PDF-2.0\n%\xe2\xe3\xcf\xd3\n".to_vec();
    let mut places = Vec::new();
    let object = |bytes: &mut Vec<u8>, places: &mut Vec<usize>, text: &str| {
        places.push(bytes.len());
        let number = places.len();
        bytes.extend_from_slice(format!("{number} 0 obj\n{text}\nendobj\n").as_bytes());
    };
    object(&mut bytes, &mut places, "<< /Type /Catalog /Pages 2 0 R >>");
    let mut kids = String::new();
    for at in 0..pages.len() {
        let _ = write!(kids, "{} 0 R ", FIRST + 1 + at * 2);
    }
    let list = format!("<< /Type /Pages /Count {} /Kids [{kids}] >>", pages.len());
    object(&mut bytes, &mut places, &list);
    for name in ["Courier", "Helvetica-Bold"] {
        let font = format!(
            "<< /Type /Font /Subtype /Type1 /BaseFont /{name} /Encoding /WinAnsiEncoding >>"
        );
        object(&mut bytes, &mut places, &font);
    }
    object(&mut bytes, &mut places, &lock.dictionary());
    for (at, page) in pages.iter().enumerate() {
        let stream = FIRST + 2 + at * 2;
        let told = format!(
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {WIDTH} {HEIGHT}] \
             /Resources << /Font << /F 3 0 R /B 4 0 R >> >> /Contents {stream} 0 R >>"
        );
        object(&mut bytes, &mut places, &told);
        let sealed = lock.seal(page.as_bytes())?;
        places.push(bytes.len());
        let head = format!("{stream} 0 obj\n<< /Length {} >>\nstream\n", sealed.len());
        bytes.extend_from_slice(head.as_bytes());
        bytes.extend_from_slice(&sealed);
        bytes.extend_from_slice(b"\nendstream\nendobj\n");
    }
    let start = bytes.len();
    let size = places.len() + 1;
    let mut table = format!("xref\n0 {size}\n0000000000 65535 f \n");
    for place in &places {
        let _ = writeln!(table, "{place:010} 00000 n ");
    }
    let id = lock.id();
    let _ = write!(
        table,
        "trailer\n<< /Size {size} /Root 1 0 R /Encrypt {FIRST} 0 R /ID [<{id}> <{id}>] >>\nstartxref\n{start}\n%%EOF\n"
    );
    bytes.extend_from_slice(table.as_bytes());
    Ok(bytes)
}

/// A character in WinAnsiEncoding.
fn coded(letter: char) -> Option<u8> {
    let byte = match letter {
        ' '..='~' | '\u{a0}'..='\u{ff}' => letter as u32,
        '\t' | '\n' => u32::from(b' '),
        '€' => 0x80,
        '…' => 0x85,
        '‘' => 0x91,
        '’' => 0x92,
        '“' => 0x93,
        '”' => 0x94,
        '•' => 0x95,
        '–' | '‐' | '‑' => 0x96,
        '—' => 0x97,
        'μ' => 0xb5,
        _ => return None,
    };
    u8::try_from(byte).ok()
}

/// A line in pieces, broken between words where that is possible.
fn wrapped(text: &str) -> Vec<String> {
    let mut pieces = Vec::new();
    for line in text.lines() {
        let mut piece = String::new();
        let mut length = 0;
        for word in line.split_inclusive(' ') {
            let letters = word.trim_end().chars().count();
            if length > 0 && length + letters > LINE_CHARS {
                pieces.push(std::mem::take(&mut piece));
                length = 0;
            }
            for letter in word.chars() {
                if length >= LINE_CHARS {
                    pieces.push(std::mem::take(&mut piece));
                    length = 0;
                }
                piece.push(letter);
                length += 1;
            }
        }
        pieces.push(piece);
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_locked_pdf_holds_no_word_in_plain_and_says_what_it_could_not_write() {
        let mut sheet = Sheet::new("Downtime pack");
        sheet.bold("CANARY, Jane");
        sheet.line("Canary-penicillin");
        sheet.bars("HO-1234");
        sheet.rule();
        assert_eq!(sheet.lacks(), (false, false));
        sheet.line("Łukasz");
        assert_eq!(sheet.lacks(), (true, false));
        for _ in 0..200 {
            sheet.line("more");
        }
        let file = sheet.locked("four words do not belong").unwrap();
        let text = String::from_utf8_lossy(&file);
        assert!(text.starts_with("%PDF-2.0") && text.ends_with("%%EOF\n"));
        // Every line that is written begins so; shorter, it could stand in what is sealed by chance.
        for word in ["CANARY", "Canary", "Downtime", "43414e415259", "BT /"] {
            assert!(!text.contains(word), "{word}");
        }
        // 45 of the lines fit on the first page below the rest, 55 on each of those that follow.
        assert!(
            text.contains("/V 5 /R 6") && text.contains("/Count 4"),
            "{text}"
        );
        if let Some(place) = std::env::var_os("HANDOVER_KEEP_PDF") {
            std::fs::write(place, &file).unwrap();
        }
    }
}
