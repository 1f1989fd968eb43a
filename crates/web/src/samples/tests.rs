use axum::response::Response;

use super::all;

async fn html(response: Response) -> String {
    let bytes = axum::body::to_bytes(response.into_body(), 1 << 20)
        .await
        .unwrap();
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// A13, for text that stands anywhere in a page.
#[tokio::test]
async fn text_from_outside_stays_text_on_every_page() {
    for hostile in [
        "<script>bad()</script>",
        "\"><img src=x onerror=bad()>",
        "'><svg onload=bad()>",
    ] {
        for (name, response) in all(hostile) {
            let html = html(response).await;
            assert!(!html.contains(hostile), "{name} lets {hostile} through");
            assert!(html.contains("bad()"), "{name} shows nothing of it");
            for tag in ["<script>bad", "<img src=x", "<svg onload"] {
                assert!(!html.contains(tag), "{name} makes a tag of {hostile}");
            }
        }
    }
}

#[tokio::test]
async fn pages_have_no_inline_handler_and_every_script_has_the_nonce() {
    for (name, response) in all("Jane") {
        let policy = response.headers()["content-security-policy"]
            .to_str()
            .unwrap()
            .to_owned();
        let (_, rest) = policy.split_once("'nonce-").unwrap();
        let nonce = format!("nonce=\"{}\"", rest.split_once('\'').unwrap().0);
        let html = html(response).await;
        for script in html.split("<script").skip(1) {
            assert!(script.split_once('>').unwrap().0.contains(&nonce), "{name}");
        }
        for handler in [" onclick=", " onload=", " style=", "javascript:"] {
            assert!(!html.contains(handler), "{name} has {handler}");
        }
    }
}

/// The whole of a first visit and of a later one, compressed as browsers ask for it.
#[tokio::test]
async fn pages_are_light() {
    use std::io::Write;
    let size = |bytes: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(4));
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap().len()
    };
    for (name, response) in all("Jane O'Neill") {
        let html = html(response).await;
        let page = size(html.as_bytes());
        let named = |it: &&crate::page::assets::File| html.contains(it.address);
        let files = crate::page::assets::FILES.iter().filter(named);
        let files: usize = files.map(|it| it.gzip.len()).sum();
        println!("{name}: {page} bytes, with its files {}", page + files);
        assert!(page <= 6_000, "{name}: {page}");
        assert!(page + files <= 60_000, "{name}: {}", page + files);
    }
}

#[tokio::test]
async fn the_logo_and_the_typeface_of_the_nhs_are_not_used() {
    for (name, response) in all("Jane") {
        let html = html(response).await;
        assert!(!html.contains("nhsuk-header__logo"), "{name}");
        assert!(!html.contains("NHS England"), "{name}");
    }
    for file in crate::page::assets::FILES {
        let text = String::from_utf8_lossy(file.plain);
        assert!(!text.contains("assets.nhs.uk"), "{}", file.name);
        assert!(!text.contains("@font-face"), "{}", file.name);
    }
    let ours = crate::page::assets::FILES
        .iter()
        .find(|file| file.name == "handover.css")
        .unwrap();
    let ours = std::str::from_utf8(ours.plain).unwrap();
    assert!(ours.contains("html{font-family:Arial,Helvetica,sans-serif}"));
}
