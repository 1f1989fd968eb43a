//! Embeds the pages' templates and static files in the binary.
//!
//! The NHS design system's files are not ours to commit: `cargo xtask setup` brings them into
//! `assets` below cargo's target folder (or the folder that `HANDOVER_ASSETS` names), and this script reads them from
//! there. Static files are compressed and given a name that changes with their content once, here,
//! so that serving one is a lookup.

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// Static files: name in our pages, path under the assets folder.
const FRONTEND: [(&str, &str); 2] = [
    ("nhsuk.css", "nhsuk-frontend.min.css"),
    ("nhsuk.js", "nhsuk-frontend.min.js"),
];

fn main() -> Outcome<()> {
    println!("cargo:rerun-if-env-changed=HANDOVER_ASSETS");
    println!("cargo:rerun-if-env-changed=CARGO_TARGET_DIR");
    let manifest = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let assets = assets_folder(&manifest)?;
    let macros = assets.join("nhsuk-frontend-jinja/nhsuk_frontend_jinja/templates");
    let frontend = assets.join("node_modules/nhsuk-frontend/dist/nhsuk");
    for needed in [&macros, &frontend] {
        println!("cargo:rerun-if-changed={}", needed.display());
        if !needed.is_dir() {
            return Err(format!(
                "the pages' design system is not in {}: run `cargo xtask setup` first \
                 (or set HANDOVER_ASSETS to the folder that holds it)",
                assets.display()
            )
            .into());
        }
    }
    println!(
        "cargo:rustc-env=HANDOVER_ASSETS_FOLDER={}",
        assets.display()
    );
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let mut code = String::new();
    write_templates(&mut code, &[macros, watched(manifest.join("templates"))])?;
    write_files(
        &mut code,
        &frontend,
        &watched(manifest.join("assets")),
        &out,
    )?;
    fs::write(out.join("embedded.rs"), code)?;
    Ok(())
}

fn watched(folder: PathBuf) -> PathBuf {
    println!("cargo:rerun-if-changed={}", folder.display());
    folder
}

fn assets_folder(manifest: &Path) -> Outcome<PathBuf> {
    if let Some(folder) = env::var_os("HANDOVER_ASSETS") {
        return Ok(PathBuf::from(folder));
    }
    if let Some(target) = env::var_os("CARGO_TARGET_DIR") {
        let folder = PathBuf::from(target).join("assets");
        if folder.is_dir() {
            return Ok(folder);
        }
    }
    let workspace = manifest
        .ancestors()
        .nth(2)
        .ok_or("the crate is not inside a workspace")?;
    Ok(workspace.join("target/assets"))
}

/// Every file below `folder`, sorted, so that the same input gives the same binary.
fn files_below(folder: &Path) -> Outcome<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(files_below(&path)?);
        } else {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn write_templates(code: &mut String, folders: &[PathBuf]) -> Outcome<()> {
    writeln!(code, "pub static TEMPLATES: &[(&str, &str)] = &[")?;
    for folder in folders {
        for path in files_below(folder)? {
            if path.extension().is_some_and(|e| e == "jinja") {
                let name = path
                    .strip_prefix(folder)?
                    .to_string_lossy()
                    .replace('\\', "/");
                writeln!(code, "    ({name:?}, include_str!({path:?})),")?;
            }
        }
    }
    writeln!(code, "];")?;
    Ok(())
}

fn write_files(code: &mut String, frontend: &Path, own: &Path, out: &Path) -> Outcome<()> {
    writeln!(code, "pub static FILES: &[File] = &[")?;
    for (name, file) in FRONTEND {
        write_file(code, name, &frontend.join(file), out)?;
    }
    for path in files_below(own)? {
        let name = path
            .file_name()
            .ok_or("a file without a name")?
            .to_string_lossy()
            .into_owned();
        write_file(code, &name, &path, out)?;
    }
    writeln!(code, "];")?;
    // The style sheet names its icons by a fixed address.
    writeln!(code, "pub static ICONS: &[(&str, &[u8])] = &[")?;
    for path in files_below(&frontend.join("assets/images"))? {
        let name = path
            .file_name()
            .ok_or("a file without a name")?
            .to_string_lossy()
            .into_owned();
        if name.starts_with("nhsuk-icon-") && !name.contains("mask") && name.ends_with(".svg") {
            writeln!(code, "    ({name:?}, include_bytes!({path:?})),")?;
        }
    }
    writeln!(code, "];")?;
    Ok(())
}

fn write_file(code: &mut String, name: &str, path: &Path, out: &Path) -> Outcome<()> {
    let mut plain = fs::read(path)?;
    let mut path = path.to_path_buf();
    if name == "nhsuk.css" {
        plain = without_typefaces(&String::from_utf8(plain)?).into_bytes();
        path = out.join(name);
        fs::write(&path, &plain)?;
    }
    let digest = Sha256::digest(&plain);
    let mut tag = String::new();
    for byte in digest.iter().take(6) {
        write!(tag, "{byte:02x}")?;
    }
    let (stem, extension) = name
        .rsplit_once('.')
        .ok_or("a static file needs an extension")?;
    let kind = match extension {
        "css" => "text/css; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "svg" => "image/svg+xml",
        _ => return Err(format!("{name}: no content type is known for this file").into()),
    };
    let packed = out.join(format!("{name}.gz"));
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&plain)?;
    fs::write(&packed, encoder.finish()?)?;
    writeln!(
        code,
        "    File {{ name: {name:?}, address: \"/assets/{stem}.{tag}.{extension}\", kind: {kind:?}, \
         plain: include_bytes!({path:?}), gzip: include_bytes!({packed:?}) }},"
    )?;
    Ok(())
}

/// The style sheet without its typeface, which is licensed to NHS organisations only and would be
/// fetched from elsewhere.
fn without_typefaces(css: &str) -> String {
    let mut kept = String::with_capacity(css.len());
    let mut rest = css;
    while let Some((before, after)) = rest.split_once("@font-face{") {
        kept.push_str(before);
        rest = after.split_once('}').map_or("", |(_, after)| after);
    }
    kept + rest
}
