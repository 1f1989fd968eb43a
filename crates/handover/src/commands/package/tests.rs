use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use store::testing::on_each_database;

use super::*;

const PROFILE: &str = r#"{"resourceType":"StructureDefinition","url":"http://example.org/p","name":"P","status":"active","kind":"resource","abstract":false,"type":"Patient","baseDefinition":"http://hl7.org/fhir/StructureDefinition/Patient","derivation":"constraint","differential":{"element":[{"id":"Patient.name","path":"Patient.name","min":1}]}}"#;

/// A tar archive of files.
fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut all = Vec::new();
    for (name, content) in files {
        let mut header = [0_u8; 512];
        header[..name.len()].copy_from_slice(name.as_bytes());
        header[124..135].copy_from_slice(format!("{:011o}", content.len()).as_bytes());
        header[156] = b'0';
        header[257..262].copy_from_slice(b"ustar");
        header[148..156].copy_from_slice(b"        ");
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..154].copy_from_slice(format!("{sum:06o}").as_bytes());
        header[154] = 0;
        all.extend_from_slice(&header);
        all.extend_from_slice(content);
        all.resize(all.len().div_ceil(512) * 512, 0);
    }
    all.resize(all.len() + 1024, 0);
    all
}

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
    packer.write_all(bytes).unwrap();
    packer.finish().unwrap()
}

fn written(name: &str, content: &[u8]) -> PathBuf {
    let path = store::testing::folder().join(name);
    std::fs::write(&path, content).unwrap();
    path
}

fn package(version: &str, files: &[(&str, &[u8])]) -> Package {
    let named = format!(r#"{{"name":"example.p","version":"{version}"}}"#);
    let mut all: Vec<(&str, &[u8])> = vec![("package/package.json", named.as_bytes())];
    all.extend_from_slice(files);
    Package::read(&written("p.tgz", &packed(&tar(&all)))).unwrap()
}

#[test]
fn a_package_is_put_replaced_and_removed_as_a_whole() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        let set = br#"{"resourceType":"ValueSet","url":"http://example.org/vs","status":"active","compose":{"include":[{"system":"urn:x","concept":[{"code":"a"}]}]}}"#;
        let example = br#"{"resourceType":"Patient","id":"x"}"#;
        let first = package(
            "1.0.0",
            &[
                ("package/p.json", PROFILE.as_bytes()),
                ("package/vs.json", set),
                ("package/x.json", example),
                ("package/bad.json", br#"{"resourceType":"ValueSet"}"#),
            ],
        );
        assert_eq!((first.resources.len(), first.left_out.len()), (2, 1));
        assert!(store.profiles().await.unwrap().is_empty());
        put(&store, &first).await.unwrap();
        assert!(
            store
                .profiles()
                .await
                .unwrap()
                .find("http://example.org/p|1")
                .is_some()
        );
        let listed = store.packages().await.unwrap();
        assert_eq!((listed[0].name.as_str(), listed[0].total), ("example.p", 2));
        // The next version has one file less: the store follows.
        let second = package("1.1.0", &[("package/vs.json", set)]);
        put(&store, &second).await.unwrap();
        assert!(store.profiles().await.unwrap().is_empty());
        let listed = store.packages().await.unwrap();
        assert_eq!((listed[0].version.as_str(), listed.len()), ("1.1.0", 1));
        assert_eq!(remove(&store, "example.p").await.unwrap(), 1);
        assert!(store.packages().await.unwrap().is_empty());
        assert!(remove(&store, "example.p").await.is_err());
        store.close().await;
    });
}

#[test]
fn x08_what_is_no_package_is_refused_and_a_bomb_does_not_go_off() {
    for bytes in [b"no package".to_vec(), packed(b"short"), packed(&[7; 2048])] {
        assert!(Package::read(&written("bad.tgz", &bytes)).is_err());
    }
    // A header that promises more than it may.
    let mut huge = tar(&[("package/a.json", b"{}")]);
    huge[124..135].copy_from_slice(b"77777777777");
    huge[148..156].copy_from_slice(b"        ");
    let sum: u32 = huge[..512].iter().map(|byte| u32::from(*byte)).sum();
    huge[148..154].copy_from_slice(format!("{sum:06o}").as_bytes());
    huge[154] = 0;
    let refused = Package::read(&written("huge.tgz", &packed(&huge)))
        .err()
        .unwrap();
    assert!(refused.to_string().contains("larger than"), "{refused}");
}

#[test]
fn x08_a_package_that_unpacks_without_end_is_given_up() {
    // What is not wanted counts as well, file after file: the bound is on all that comes out.
    let one = tar(&[("package/a.bin", &[0; 40 << 20])]);
    let file = &one[..one.len() - 1024];
    let mut read = 0;
    let endless = std::iter::repeat_n(file, 100);
    let endless = endless.fold(
        Box::new(std::io::empty()) as Box<dyn std::io::Read>,
        |all, file| Box::new(std::io::Read::chain(all, file)),
    );
    let counted = Counted(endless, &mut read);
    let refused = archive::unpacked(counted).err().unwrap();
    assert!(refused.to_string().contains("512 MiB"), "{refused}");
    assert!(read <= 513 << 20, "{read}");
}

/// Counts what is read through it.
struct Counted<'c, R>(R, &'c mut u64);

impl<R: std::io::Read> std::io::Read for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.0.read(buffer)?;
        *self.1 += read as u64;
        Ok(read)
    }
}

#[test]
fn x08_a_name_that_leads_elsewhere_writes_nothing_there() {
    let files: [(&str, &[u8]); 3] = [
        ("../../../../escaped.json", b"{}"),
        ("/escaped.json", b"{}"),
        (
            "package/package.json",
            br#"{"name":"example.p","version":"1"}"#,
        ),
    ];
    let path = written("slip.tgz", &packed(&tar(&files)));
    let before = listing(path.parent().unwrap());
    let package = Package::read(&path).unwrap();
    // A package becomes resources, never files: names are only told.
    assert!(package.resources.is_empty());
    assert_eq!(listing(path.parent().unwrap()), before);
    assert!(!Path::new("/escaped.json").exists());
}

fn listing(folder: &Path) -> Vec<PathBuf> {
    let listed = std::fs::read_dir(folder).unwrap();
    let mut paths: Vec<PathBuf> = listed.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

#[test]
fn x08_any_bytes_are_a_package_or_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("any.tgz");
    let target = |bytes: &[u8]| {
        // As an archive, and as what an archive packs.
        std::fs::write(&path, bytes).unwrap();
        let said = |read: anyhow::Result<Vec<archive::File>>| match read {
            Ok(files) => format!("{} files", files.len().min(20)),
            Err(error) => error.root_cause().to_string(),
        };
        let packed = said(archive::files(&path));
        let mut plain = Vec::new();
        let unpacking = flate2::read::GzDecoder::new(bytes);
        let _ =
            std::io::Read::read_to_end(&mut std::io::Read::take(unpacking, 4 << 20), &mut plain);
        format!("{packed} {}", said(archive::unpacked(&plain[..])))
    };
    let words = [
        "ustar",
        "77777777777",
        "package/",
        "path=",
        "x.json",
        "\0\0\0\0",
    ];
    crate::commands::fuzz::explore("archives", &words, target);
    assert_eq!(
        listing(folder.path()),
        [path],
        "nothing is unpacked to disk"
    );
}

#[test]
fn uk_core_is_a_package() {
    let shared = std::env::var_os("HANDOVER_SHARED").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
        PathBuf::from,
    );
    let folder = shared.join("data/nhs/ukcore");
    if !folder.is_dir() {
        println!("SKIPPED: UK Core is not here");
        return;
    }
    let package = Package::read(&folder).unwrap();
    // Its author left text between two elements, which FHIR's XML does not have.
    assert_eq!(package.left_out.len(), 1, "{:?}", package.left_out);
    assert!(package.left_out[0].contains("CodeSystem-UKCore-EthnicCategoryScotland"));
    assert_eq!(package.resources.len(), 153 + 134 + 87 + 3);
    assert_eq!(package.name, "UKCore.R4.STU.02.00.00");
}
