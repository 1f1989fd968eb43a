//! An organisation's own logo and font on its pages, where the settings name them. Handover brings neither the NHS logo nor
//! the NHS's font: both belong to organisations that hold a licence, which put their own files here.

use std::path::Path;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use fhir::problem::{Kind, Problem};
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use sha2::{Digest as _, Sha256};

use super::assets;

/// Bytes of a logo, at most: it comes with each first visit, on bad lines too.
const LOGO_BYTES_MAX: u64 = 20_000;
/// Bytes of one weight of a font, at most.
const FONT_BYTES_MAX: u64 = 60_000;
const SVG: &str = "image/svg+xml";
const PNG: &str = "image/png";
const WOFF2: &str = "font/woff2";

/// What an organisation's pages look like beyond the design system.
#[derive(Clone, Debug, Default)]
pub struct Look {
    logo: Option<File>,
    fonts: Vec<File>,
    style: Option<File>,
}

/// A file that is served under a name which changes with its content.
#[derive(Clone, Debug)]
struct File {
    address: String,
    kind: &'static str,
    bytes: Bytes,
}

impl File {
    fn new(name: &str, kind: &'static str, bytes: Bytes) -> File {
        let digest = Sha256::digest(&bytes);
        let digest: String = digest
            .iter()
            .take(8)
            .map(|it| format!("{it:02x}"))
            .collect();
        let (stem, ending) = name.rsplit_once('.').unwrap_or((name, ""));
        File {
            address: format!("/assets/own/{stem}-{digest}.{ending}"),
            kind,
            bytes,
        }
    }
}

impl Look {
    /// Reads the files that the settings name: a logo (SVG or PNG) and a font in its regular and its bold weight (WOFF2).
    ///
    /// # Errors
    /// `NoStore`, `TooLong`, `Value`: names the file, and what is wrong with it.
    pub fn read(logo: Option<&Path>, fonts: [Option<&Path>; 2]) -> Result<Look, Problem> {
        let logo = logo.map(|path| {
            let bytes = read(path, LOGO_BYTES_MAX)?;
            let (name, kind) = match logo_kind(&bytes) {
                Some(PNG) => ("logo.png", PNG),
                Some(_) => ("logo.svg", SVG),
                None => return Err(wrong(path, "is neither SVG nor PNG")),
            };
            Ok(File::new(name, kind, bytes))
        });
        let mut faces = String::new();
        let mut files = Vec::new();
        for (path, name, weight) in [
            (fonts[0], "regular.woff2", "400"),
            (fonts[1], "bold.woff2", "600 700"),
        ] {
            let Some(path) = path else { continue };
            let bytes = read(path, FONT_BYTES_MAX)?;
            if !bytes.starts_with(b"wOF2") {
                return Err(wrong(path, "is no WOFF2 font"));
            }
            let file = File::new(name, WOFF2, bytes);
            faces.push_str(&format!(
                "@font-face{{font-family:own;font-weight:{weight};font-display:swap;src:url({}) format('woff2')}}\n",
                file.address
            ));
            files.push(file);
        }
        let style = (!files.is_empty()).then(|| {
            let css = format!(
                "{faces}html,body,button,input,select,textarea{{font-family:own,Arial,Helvetica,sans-serif}}\n"
            );
            File::new("own.css", "text/css; charset=utf-8", Bytes::from(css))
        });
        Ok(Look {
            logo: logo.transpose()?,
            fonts: files,
            style,
        })
    }

    /// The logo's address, if there is one.
    pub fn logo(&self) -> Option<&str> {
        self.logo.as_ref().map(|it| it.address.as_str())
    }

    /// The address of a style sheet that puts the font on, if there is one.
    pub fn style(&self) -> Option<&str> {
        self.style.as_ref().map(|it| it.address.as_str())
    }

    /// `GET /assets/own/{file}`: one of these files, kept by browsers for a year.
    pub fn answer(&self, name: &str) -> Response {
        let mut all = self.logo.iter().chain(&self.fonts).chain(&self.style);
        let wanted = |it: &&File| it.address.strip_prefix("/assets/own/") == Some(name);
        let Some(file) = all.find(wanted) else {
            return assets::absent();
        };
        let mut response = Response::new(Body::from(file.bytes.clone()));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(file.kind));
        headers.insert(
            CACHE_CONTROL,
            HeaderValue::from_static("public, max-age=31536000, immutable"),
        );
        response
    }
}

fn logo_kind(bytes: &[u8]) -> Option<&'static str> {
    if bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
        return Some(PNG);
    }
    let text = str::from_utf8(bytes).ok()?;
    (text.trim_start().starts_with('<') && text.contains("<svg")).then_some(SVG)
}

fn read(path: &Path, bytes_max: u64) -> Result<Bytes, Problem> {
    let failed = |cause| {
        let message = format!("{} cannot be read.", path.display());
        Problem::new(Kind::NoStore, message).because(cause)
    };
    if std::fs::metadata(path).map_err(failed)?.len() > bytes_max {
        return Err(wrong(path, &format!("has more than {bytes_max} bytes")));
    }
    Ok(Bytes::from(std::fs::read(path).map_err(failed)?))
}

fn wrong(path: &Path, what: &str) -> Problem {
    Problem::new(Kind::Value, format!("{} {what}.", path.display()))
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;

    #[test]
    fn a_logo_and_a_font_are_served_under_names_of_their_content_and_what_is_neither_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            path
        };
        let logo = write(
            "l",
            b"<?xml version='1.0'?><svg xmlns='http://www.w3.org/2000/svg'/>",
        );
        let font = write("f", b"wOF2 made up");
        let look = Look::read(Some(&logo), [Some(&font), None]).unwrap();
        let address = look.logo().unwrap();
        let name = address.strip_prefix("/assets/own/").unwrap();
        assert!(
            name.starts_with("logo-") && name.ends_with(".svg"),
            "{name}"
        );
        assert_eq!(look.answer(name).status(), StatusCode::OK);
        assert_eq!(look.answer("logo.svg").status(), StatusCode::NOT_FOUND);
        let style = look.style().unwrap().strip_prefix("/assets/own/").unwrap();
        assert_eq!(
            look.answer(style).headers()[CONTENT_TYPE],
            "text/css; charset=utf-8"
        );

        let wrong = Look::read(Some(&font), [None, None]).unwrap_err();
        assert!(wrong.message.contains("neither SVG nor PNG"), "{wrong}");
        let wrong = Look::read(None, [None, Some(&logo)]).unwrap_err();
        assert!(wrong.message.contains("no WOFF2"), "{wrong}");
        let large = write("large", &vec![b'<'; 20_001]);
        assert!(Look::read(Some(&large), [None, None]).is_err());
        assert!(Look::read(Some(&folder.path().join("none")), [None, None]).is_err());
        assert!(Look::default().logo().is_none());
    }
}
