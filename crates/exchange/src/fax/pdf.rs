//! The few objects of PDF (ISO 32000-1) that a fax needs: pages of coded rows, put in as they came, and
//! pages of plain text. The same input gives the same bytes.

use std::borrow::Cow;
use std::fmt::Write as _;

use fhir::problem::{Kind, Problem};

use super::tiff::{self, Coding};

/// Points to the inch.
const POINTS: f64 = 72.0;
/// A4, in points.
const A4: (f64, f64) = (595.0, 842.0);
/// What stays white around text, in points.
const MARGIN: f64 = 50.0;

/// A PDF as it grows.
struct Writer {
    bytes: Vec<u8>,
    /// Where each object begins; the first is object 1.
    places: Vec<usize>,
    /// The pages' numbers.
    pages: Vec<usize>,
}

/// The numbers of the objects that stand first.
const CATALOG: usize = 1;
const PAGES: usize = 2;
const FONT: usize = 3;
const BOLD: usize = 4;

impl Writer {
    fn new() -> Writer {
        Writer {
            // The second line tells programs that move files that this is not text.
            bytes: b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n".to_vec(),
            places: vec![0; BOLD],
            pages: Vec::new(),
        }
    }

    /// The number of the next object.
    fn next(&mut self) -> usize {
        self.places.push(0);
        self.places.len()
    }

    fn object(&mut self, number: usize, text: &str) {
        self.begin(number);
        self.bytes.extend_from_slice(text.as_bytes());
        self.bytes.extend_from_slice(b"\nendobj\n");
    }

    fn stream(&mut self, number: usize, entries: &str, stream: &[u8]) {
        self.begin(number);
        let head = format!("<< {entries} /Length {} >>\nstream\n", stream.len());
        self.bytes.extend_from_slice(head.as_bytes());
        self.bytes.extend_from_slice(stream);
        self.bytes.extend_from_slice(b"\nendstream\nendobj\n");
    }

    fn begin(&mut self, number: usize) {
        if let Some(place) = self.places.get_mut(number.saturating_sub(1)) {
            *place = self.bytes.len();
        }
        self.bytes
            .extend_from_slice(format!("{number} 0 obj\n").as_bytes());
    }

    /// A page of that size, in points, that shows `content` with `resources`.
    fn page(&mut self, (width, height): (f64, f64), resources: &str, content: &[u8]) {
        let (page, stream) = (self.next(), self.next());
        self.object(
            page,
            &format!(
                "<< /Type /Page /Parent {PAGES} 0 R /MediaBox [0 0 {width:.3} {height:.3}] \
                 /Resources << {resources} >> /Contents {stream} 0 R >>"
            ),
        );
        self.stream(stream, "", content);
        self.pages.push(page);
    }

    fn end(mut self) -> Vec<u8> {
        self.object(CATALOG, &format!("<< /Type /Catalog /Pages {PAGES} 0 R >>"));
        let mut kids = String::new();
        for page in &self.pages {
            let _ = write!(kids, "{page} 0 R ");
        }
        let count = self.pages.len();
        self.object(
            PAGES,
            &format!("<< /Type /Pages /Count {count} /Kids [{kids}] >>"),
        );
        for (number, name) in [(FONT, "Courier"), (BOLD, "Helvetica-Bold")] {
            let font = format!(
                "<< /Type /Font /Subtype /Type1 /BaseFont /{name} /Encoding /WinAnsiEncoding >>"
            );
            self.object(number, &font);
        }
        let start = self.bytes.len();
        let size = self.places.len() + 1;
        let mut table = format!("xref\n0 {size}\n0000000000 65535 f \n");
        for place in &self.places {
            let _ = writeln!(table, "{place:010} 00000 n ");
        }
        let _ = write!(
            table,
            "trailer\n<< /Size {size} /Root {CATALOG} 0 R >>\nstartxref\n{start}\n%%EOF\n"
        );
        self.bytes.extend_from_slice(table.as_bytes());
        self.bytes
    }
}

/// The pages of a fax as a PDF, each as large as it was on paper.
///
/// # Errors
/// `Structure` if a page names bytes that the file does not have.
pub fn of_fax(file: &[u8], pages: &[tiff::Page]) -> Result<Vec<u8>, Problem> {
    let mut pdf = Writer::new();
    for page in pages {
        let width = f64::from(page.columns) / page.dots.0 * POINTS;
        let height = f64::from(page.rows) / page.dots.1 * POINTS;
        let (mut resources, mut content) = (String::new(), String::new());
        let mut above = 0;
        for (number, strip) in page.strips.iter().enumerate() {
            let image = pdf.next();
            let bytes = coded(file, page, strip)?;
            pdf.stream(image, &image_entries(page, strip.rows), &bytes);
            let _ = write!(resources, "/S{number} {image} 0 R ");
            above += strip.rows;
            let tall = f64::from(strip.rows) / page.dots.1 * POINTS;
            let bottom = height - f64::from(above) / page.dots.1 * POINTS;
            let _ = writeln!(
                content,
                "q {width:.4} 0 0 {tall:.4} 0 {bottom:.4} cm /S{number} Do Q"
            );
        }
        let resources = format!("/XObject << {resources}>>");
        pdf.page((width, height), &resources, content.as_bytes());
    }
    Ok(pdf.end())
}

/// A strip's bytes, with the first dot in the highest bit, as PDF wants them.
fn coded<'f>(
    file: &'f [u8],
    page: &tiff::Page,
    strip: &tiff::Strip,
) -> Result<Cow<'f, [u8]>, Problem> {
    let end = strip.start.checked_add(strip.length);
    let bytes = end.and_then(|end| file.get(strip.start..end));
    let bytes = bytes.ok_or_else(|| Problem::new(Kind::Structure, "The fax ends too early."))?;
    Ok(match page.reversed {
        true => bytes.iter().map(|byte| byte.reverse_bits()).collect(),
        false => Cow::Borrowed(bytes),
    })
}

/// What is said of a strip's picture (ISO 32000-1, table 11). What is coded as black has the value 0 and is
/// shown as black unless `BlackIs1`.
fn image_entries(page: &tiff::Page, rows: u32) -> String {
    let (k, aligned) = match page.coding {
        Coding::Rows => (0, true),
        Coding::OneDimensional => (0, false),
        Coding::TwoDimensional => (1, false),
        Coding::Group4 => (-1, false),
    };
    let (columns, inverted) = (page.columns, page.inverted);
    format!(
        "/Type /XObject /Subtype /Image /Width {columns} /Height {rows} /ColorSpace /DeviceGray \
         /BitsPerComponent 1 /Filter /CCITTFaxDecode /DecodeParms << /K {k} /Columns {columns} \
         /Rows {rows} /BlackIs1 {inverted} /EncodedByteAlign {aligned} /EndOfBlock false >>"
    )
}

/// A line of text on a page.
pub struct Line {
    pub text: String,
    /// Large and bold, such as a heading.
    pub bold: bool,
}

impl Line {
    pub fn plain(text: impl Into<String>) -> Line {
        let (text, bold) = (text.into(), false);
        Line { text, bold }
    }

    pub fn bold(text: impl Into<String>) -> Line {
        let (text, bold) = (text.into(), true);
        Line { text, bold }
    }
}

/// Characters in a line of text: 10-point Courier between the margins.
const LINE_CHARS: usize = 82;
/// Large ones.
const BOLD_CHARS: usize = 44;
/// Lines on a page, and points between them.
const PAGE_LINES: usize = 52;
const LINE_POINTS: f64 = 14.0;

/// A PDF of lines of text, broken where they are too long; and how many pages it has.
///
/// # Errors
/// `NotSupported` if a character cannot be written: a letter in which one is missing says something else.
pub fn of_text(lines: &[Line]) -> Result<(Vec<u8>, usize), Problem> {
    let mut rows = Vec::new();
    for line in lines {
        let most = if line.bold { BOLD_CHARS } else { LINE_CHARS };
        for piece in wrapped(&line.text, most) {
            rows.push((written(&piece)?, line.bold));
        }
    }
    let mut pdf = Writer::new();
    let resources = format!("/Font << /F {FONT} 0 R /B {BOLD} 0 R >>");
    let pages = rows.chunks(PAGE_LINES);
    let count = pages.len().max(1);
    for page in pages {
        let mut content = Vec::new();
        for (number, (text, bold)) in page.iter().enumerate() {
            let font = if *bold { "/B 18" } else { "/F 10" };
            let down = f64::from(u32::try_from(number).unwrap_or(0)) * LINE_POINTS;
            let top = A4.1 - MARGIN - LINE_POINTS - down;
            let head = format!("BT {font} Tf {MARGIN:.1} {top:.1} Td (");
            content.extend_from_slice(head.as_bytes());
            content.extend_from_slice(text);
            content.extend_from_slice(b") Tj ET\n");
        }
        pdf.page(A4, &resources, &content);
    }
    if rows.is_empty() {
        pdf.page(A4, &resources, b"");
    }
    Ok((pdf.end(), count))
}

/// A line in pieces of at most `most` characters, broken between words where that is possible.
fn wrapped(text: &str, most: usize) -> Vec<String> {
    let mut pieces = Vec::new();
    let mut piece = String::new();
    let mut length = 0;
    for word in text.trim_end().split_inclusive(' ') {
        let letters = word.trim_end().chars().count();
        if length > 0 && length + letters > most {
            pieces.push(std::mem::take(&mut piece));
            length = 0;
        }
        for letter in word.chars() {
            if length >= most {
                if letter == ' ' {
                    continue;
                }
                pieces.push(std::mem::take(&mut piece));
                length = 0;
            }
            piece.push(letter);
            length += 1;
        }
    }
    pieces.push(piece);
    pieces
}

/// Text in WinAnsiEncoding, escaped for a string between parentheses.
fn written(text: &str) -> Result<Vec<u8>, Problem> {
    let mut bytes = Vec::new();
    for letter in text.chars() {
        let byte = match letter {
            '\\' | '(' | ')' => {
                bytes.push(b'\\');
                letter as u32
            }
            '\t' => u32::from(b' '),
            ' '..='~' | '\u{a0}'..='\u{ff}' => letter as u32,
            '€' => 0x80,
            '…' => 0x85,
            '‘' => 0x91,
            '’' => 0x92,
            '“' => 0x93,
            '”' => 0x94,
            '•' => 0x95,
            '–' | '‐' | '‑' => 0x96,
            '—' => 0x97,
            '™' => 0x99,
            'μ' => 0xb5,
            '≤' => {
                bytes.push(b'<');
                u32::from(b'=')
            }
            '≥' => {
                bytes.push(b'>');
                u32::from(b'=')
            }
            '\u{feff}' | '\u{200b}' => continue,
            other => {
                let message = format!(
                    "The text has the character {other:?}, which cannot be written on a fax's page here."
                );
                return Err(Problem::new(Kind::NotSupported, message));
            }
        };
        bytes.push(u8::try_from(byte).unwrap_or(b'?'));
    }
    Ok(bytes)
}

/// How many pages a PDF has, where that can be told without unpacking it.
pub fn pages_of(pdf: &[u8]) -> Option<usize> {
    let text = String::from_utf8_lossy(pdf);
    // Objects that are packed into streams are not seen here.
    if text.contains("/ObjStm") {
        return None;
    }
    let is_page = |rest: &str| {
        let rest = rest.trim_start();
        rest.strip_prefix("/Page")
            .is_some_and(|rest| !rest.starts_with(|it: char| it.is_ascii_alphanumeric()))
    };
    match text
        .split("/Type")
        .skip(1)
        .filter(|rest| is_page(rest))
        .count()
    {
        0 => None,
        count => Some(count),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_broken_between_words_and_written_or_refused_whole() {
        assert_eq!(wrapped("aaa bbb cc", 7), ["aaa bbb", "cc"]);
        assert_eq!(wrapped("abcdefgh", 3), ["abc", "def", "gh"]);
        assert_eq!(wrapped("", 3), [""]);
        assert_eq!(written("5 µg (≥ 2)").unwrap(), b"5 \xb5g \\(>= 2\\)");
        let refused = written("ξ").unwrap_err();
        assert_eq!(refused.kind, Kind::NotSupported);
        let many: Vec<Line> = (0..60)
            .map(|it| Line::plain(format!("line {it}")))
            .collect();
        let (pdf, pages) = of_text(&many).unwrap();
        assert_eq!((pages, pages_of(&pdf)), (2, Some(2)));
        let (pdf, pages) = of_text(&[]).unwrap();
        assert_eq!((pages, pages_of(&pdf)), (1, Some(1)));
        assert_eq!(pages_of(b"%PDF-1.5 /Type /ObjStm /Type /Page"), None);
    }
}
