//! A PDF of plain text, in the two fonts that every reader has. Nothing in it can run, and nothing is fetched.

use std::fmt::Write as _;

/// A line of the document, before it is broken to the page's width.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    Heading(String),
    Text(String),
    Small(String),
}

/// A4, in points.
const WIDTH: f64 = 595.0;
const HEIGHT: f64 = 842.0;
const MARGIN: f64 = 56.0;
/// Pages at most; what does not fit is said on the last.
const PAGES_MAX: usize = 400;
const TOO_LONG: &str = "There is more than fits here.";

/// A line as it is set.
struct Set {
    bold: bool,
    size: f64,
    /// Room above it.
    above: f64,
    bytes: Vec<u8>,
}

/// Writes the document.
pub fn write(title: &str, language: &str, lines: &[Line]) -> Vec<u8> {
    let mut set = Vec::new();
    broken(title, (true, 20.0, 0.0), &mut set);
    for line in lines {
        match line {
            Line::Heading(text) => broken(text, (true, 14.0, 14.0), &mut set),
            Line::Text(text) => broken(text, (false, 11.0, 4.0), &mut set),
            Line::Small(text) => broken(text, (false, 9.0, 0.0), &mut set),
        }
    }
    assembled(title, language, &pages(&set))
}

/// Breaks a text into lines that fit.
fn broken(text: &str, (bold, size, above): (bool, f64, f64), set: &mut Vec<Set>) {
    // No letter of Helvetica is wider than this share of its size on average in running text.
    let most = ((WIDTH - 2.0 * MARGIN) / (size * 0.55)) as usize;
    let mut line = String::new();
    let mut first = true;
    let mut put = |line: &mut String| {
        let above = if std::mem::take(&mut first) {
            above
        } else {
            0.0
        };
        set.push(Set {
            bold,
            size,
            above,
            bytes: win_ansi(line),
        });
        line.clear();
    };
    for word in text.split_whitespace() {
        let mut word = word;
        loop {
            let used = line.chars().count();
            let room = most.saturating_sub(used + usize::from(used > 0));
            if word.chars().count() <= room {
                if used > 0 {
                    line.push(' ');
                }
                line.push_str(word);
                break;
            }
            if used > 0 {
                put(&mut line);
                continue;
            }
            // A word that is longer than a line.
            let at = word.char_indices().nth(most).map_or(word.len(), |it| it.0);
            let (head, tail) = word.split_at(at);
            line.push_str(head);
            put(&mut line);
            word = tail;
        }
    }
    if !line.is_empty() {
        put(&mut line);
    }
}

/// The streams of the pages.
fn pages(set: &[Set]) -> Vec<Vec<u8>> {
    let mut pages = Vec::new();
    let mut page = Vec::new();
    let mut y = HEIGHT - MARGIN;
    for line in set {
        let step = line.above + line.size * 1.35;
        if y - step < MARGIN {
            pages.push(std::mem::take(&mut page));
            y = HEIGHT - MARGIN;
            if pages.len() + 1 >= PAGES_MAX {
                put(&mut page, "F2", 11.0, y - 20.0, TOO_LONG.as_bytes());
                break;
            }
        }
        y -= step;
        let font = if line.bold { "F2" } else { "F1" };
        put(&mut page, font, line.size, y, &line.bytes);
    }
    pages.push(page);
    pages
}

fn put(page: &mut Vec<u8>, font: &str, size: f64, y: f64, bytes: &[u8]) {
    page.extend_from_slice(format!("BT /{font} {size} Tf {MARGIN} {y:.1} Td (").as_bytes());
    for byte in bytes {
        if matches!(byte, b'(' | b')' | b'\\') {
            page.push(b'\\');
        }
        page.push(*byte);
    }
    page.extend_from_slice(b") Tj ET\n");
}

/// The objects, with the table of where each stands.
fn assembled(title: &str, language: &str, pages: &[Vec<u8>]) -> Vec<u8> {
    let mut objects: Vec<Vec<u8>> = Vec::new();
    // Catalogue, pages, two fonts, information; then a page and its stream each.
    let kids: Vec<String> = (0..pages.len())
        .map(|it| format!("{} 0 R", 6 + 2 * it))
        .collect();
    objects.push(
        format!("<</Type/Catalog/Pages 2 0 R/Lang({language})/ViewerPreferences<</DisplayDocTitle true>>>>")
            .into_bytes(),
    );
    let count = pages.len();
    objects.push(format!("<</Type/Pages/Count {count}/Kids[{}]>>", kids.join(" ")).into_bytes());
    for name in ["Helvetica", "Helvetica-Bold"] {
        objects.push(
            format!("<</Type/Font/Subtype/Type1/BaseFont/{name}/Encoding/WinAnsiEncoding>>")
                .into_bytes(),
        );
    }
    let mut information = String::from("<</Title<FEFF");
    for unit in title.encode_utf16() {
        let _ = write!(information, "{unit:04X}");
    }
    information.push_str(">>>");
    objects.push(information.into_bytes());
    for (number, page) in pages.iter().enumerate() {
        let stream = 7 + 2 * number;
        objects.push(
            format!(
                "<</Type/Page/Parent 2 0 R/MediaBox[0 0 {WIDTH} {HEIGHT}]/Resources<</Font<</F1 3 0 R/F2 4 0 R>>>>/Contents {stream} 0 R>>"
            )
            .into_bytes(),
        );
        let mut content = format!("<</Length {}>>\nstream\n", page.len()).into_bytes();
        content.extend_from_slice(page);
        content.extend_from_slice(b"\nendstream");
        objects.push(content);
    }
    let mut file = b"%PDF-1.4\n%\xE2\xE3\xCF\xD3\n".to_vec();
    let mut places = Vec::new();
    for (number, object) in objects.iter().enumerate() {
        places.push(file.len());
        file.extend_from_slice(format!("{} 0 obj\n", number + 1).as_bytes());
        file.extend_from_slice(object);
        file.extend_from_slice(b"\nendobj\n");
    }
    let at = file.len();
    let mut end = format!("xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1);
    for place in places {
        let _ = writeln!(end, "{place:010} 00000 n ");
    }
    let _ = write!(
        end,
        "trailer\n<</Size {}/Root 1 0 R/Info 5 0 R>>\nstartxref\n{at}\n%%EOF\n",
        objects.len() + 1
    );
    file.extend_from_slice(end.as_bytes());
    file
}

/// The text in the fonts' encoding. Letters that these fonts lack stand without their mark; others as a question mark.
fn win_ansi(text: &str) -> Vec<u8> {
    let one = |letter: char| match letter {
        ' '..='~' => letter as u8,
        '\u{a0}'..='\u{ff}' => letter as u32 as u8,
        '–' => 0x96,
        '—' => 0x97,
        '‘' => 0x91,
        '’' => 0x92,
        '“' => 0x93,
        '”' => 0x94,
        '•' => 0x95,
        '…' => 0x85,
        '€' => 0x80,
        'ŵ' | 'ẁ' | 'ẃ' | 'ẅ' => b'w',
        'Ŵ' | 'Ẁ' | 'Ẃ' | 'Ẅ' => b'W',
        'ŷ' | 'ỳ' => b'y',
        'Ŷ' | 'Ỳ' => b'Y',
        _ => b'?',
    };
    // Signs that say more than a letter are written out.
    let text = text.replace('≥', ">=").replace('≤', "<=").replace('μ', "µ");
    text.chars().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_says_where_each_of_its_objects_stands() {
        let lines = [
            Line::Heading("Results (new)".into()),
            Line::Text("Haemoglobin ≥ 115 µmol ŵy — well ".repeat(300)),
            Line::Small("x".repeat(500)),
        ];
        let file = write("Your record", "en", &lines);
        // The places are counted in bytes of the file, of which some are no letters of ASCII.
        let read = |from: usize| -> String { file[from..].iter().map(|it| *it as char).collect() };
        let text = read(0);
        let end = text.rsplit("startxref\n").next().unwrap();
        let at: usize = end.lines().next().unwrap().parse().unwrap();
        assert!(file[at..].starts_with(b"xref\n"));
        let end = read(at);
        let table: Vec<&str> = end
            .lines()
            .skip(3)
            .take_while(|it| it.ends_with("n "))
            .collect();
        assert!(table.len() > 8, "more than one page");
        for (number, line) in table.iter().enumerate() {
            let place: usize = line[..10].parse().unwrap();
            let begins = format!("{} 0 obj\n", number + 1);
            assert!(file[place..].starts_with(begins.as_bytes()), "{begins}");
        }
        assert!(text.contains("(Results \\(new\\)) Tj"));
        assert!(
            text.contains(">= 115 \u{b5}mol wy"),
            "what the fonts lack is written otherwise"
        );
    }
}
