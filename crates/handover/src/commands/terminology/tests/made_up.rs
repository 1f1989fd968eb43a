//! Small releases in the published layouts; every name and identifier in them is made up, the identifiers in a
//! namespace of nobody's.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::Path;

use fhir::terminology::sctid::with_check_digit;

/// An identifier with that item number: of a concept in a made-up namespace.
pub fn id(item: u64) -> String {
    with_check_digit(item * 1_000_000_000 + 999_999_910).to_string()
}

fn description(item: u64) -> String {
    with_check_digit(item * 1_000_000_000 + 999_999_911).to_string()
}

pub fn relationship(item: u64) -> String {
    with_check_digit(item * 1_000_000_000 + 999_999_912).to_string()
}

pub fn write(folder: &Path, name: &str, lines: &[String]) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut text = String::new();
    for line in lines {
        writeln!(text, "{line}\r").unwrap();
    }
    fs::write(path, text).unwrap();
}

pub const MODULE: &str = "900000000000207008";
const IS_A: &str = "116680003";

pub fn concept(item: u64, active: u8, time: &str) -> String {
    format!(
        "{}\t{time}\t{active}\t{MODULE}\t900000000000074008",
        id(item)
    )
}

pub fn name(number: u64, item: u64, kind: &str, term: &str) -> String {
    format!(
        "{}\t20260101\t1\t{MODULE}\t{}\ten\t{kind}\t{term}\t900000000000448009",
        description(number),
        id(item)
    )
}

pub fn is_a(number: u64, child: u64, parent: u64, active: u8, time: &str) -> String {
    format!(
        "{}\t{time}\t{active}\t{MODULE}\t{}\t{}\t0\t{IS_A}\t900000000000011006\t900000000000451002",
        relationship(number),
        id(child),
        id(parent)
    )
}

pub const CONCEPTS: &str = "id\teffectiveTime\tactive\tmoduleId\tdefinitionStatusId";
pub const DESCRIPTIONS: &str = "id\teffectiveTime\tactive\tmoduleId\tconceptId\tlanguageCode\ttypeId\tterm\tcaseSignificanceId";
pub const RELATIONSHIPS: &str = "id\teffectiveTime\tactive\tmoduleId\tsourceId\tdestinationId\trelationshipGroup\ttypeId\tcharacteristicTypeId\tmodifierId";
pub const CONCRETE: &str = "id\teffectiveTime\tactive\tmoduleId\tsourceId\tvalue\trelationshipGroup\ttypeId\tcharacteristicTypeId\tmodifierId";
pub const FULL: &str = "900000000000003001";
const SYNONYM: &str = "900000000000013009";

/// A root, two branches with a concept below both, one that is no longer in use; and an extension that prefers another
/// name, takes a relationship away and adds a reference set.
pub fn snomed(folder: &Path) {
    let inner = "International/Snapshot/Terminology";
    let at = |kind: &str| format!("{inner}/sct2_{kind}_Snapshot_INT_20260101.txt");
    write(
        folder,
        &at("Concept"),
        &[
            CONCEPTS.into(),
            concept(1, 1, "20260101"),
            concept(2, 1, "20260101"),
            concept(3, 1, "20260101"),
            concept(4, 1, "20260101"),
            concept(5, 1, "20260101"),
            concept(6, 0, "20260101"),
        ],
    );
    write(
        folder,
        &format!("{inner}/sct2_Description_Snapshot-en_INT_20260101.txt"),
        &[
            DESCRIPTIONS.into(),
            name(1, 1, FULL, "Pain (finding)"),
            name(2, 2, FULL, "Headache (finding)"),
            name(3, 2, SYNONYM, "Headache"),
            name(4, 3, FULL, "Headache with fever (finding)"),
            name(5, 3, SYNONYM, "Headache with fever"),
            name(6, 4, FULL, "Fever (finding)"),
            name(7, 5, FULL, "Finding (finding)"),
            name(8, 6, FULL, "Cephalgia (finding)"),
        ],
    );
    write(
        folder,
        &format!("{inner}/sct2_TextDefinition_Snapshot-en_INT_20260101.txt"),
        &[
            DESCRIPTIONS.into(),
            name(20, 2, "900000000000550004", "Pain felt in the head."),
        ],
    );
    write(
        folder,
        &at("Relationship"),
        &[
            RELATIONSHIPS.into(),
            is_a(1, 1, 5, 1, "20260101"),
            is_a(2, 4, 5, 1, "20260101"),
            is_a(3, 2, 1, 1, "20260101"),
            is_a(4, 3, 2, 1, "20260101"),
            is_a(5, 3, 4, 1, "20260101"),
            is_a(6, 4, 1, 1, "20260101"),
        ],
    );
    // Not of the hierarchy, and must not be taken for it.
    write(
        folder,
        &at("StatedRelationship"),
        &[RELATIONSHIPS.into(), is_a(7, 1, 2, 1, "20260101")],
    );
    let preferred = |component: &str, set: &str| {
        format!("u\t20260101\t1\t{MODULE}\t{set}\t{component}\t900000000000548007")
    };
    let columns =
        "id\teffectiveTime\tactive\tmoduleId\trefsetId\treferencedComponentId\tacceptabilityId";
    write(
        folder,
        "International/Snapshot/Refset/Language/der2_cRefset_LanguageSnapshot-en_INT_20260101.txt",
        &[
            columns.into(),
            preferred(&description(3), "900000000000508004"),
            preferred(&description(5), "900000000000509007"),
        ],
    );
    maps(folder);
    extension(
        folder,
        columns,
        &preferred(&description(10), "999001261000000100"),
    );
}

fn maps(folder: &Path) {
    write(folder, "International/Snapshot/Refset/Content/der2_cRefset_AssociationSnapshot_INT_20260101.txt", &[
        "id\teffectiveTime\tactive\tmoduleId\trefsetId\treferencedComponentId\ttargetComponentId".into(),
        format!("u\t20260101\t1\t{MODULE}\t900000000000526001\t{}\t{}", id(6), id(2)),
        format!("u\t20260101\t0\t{MODULE}\t900000000000526001\t{}\t{}", id(6), id(1)),
    ]);
    write(folder, "International/Snapshot/Refset/Map/der2_iisssccRefset_ExtendedMapSnapshot_INT_20260101.txt", &[
        "id\teffectiveTime\tactive\tmoduleId\trefsetId\treferencedComponentId\tmapGroup\tmapPriority\tmapRule\tmapAdvice\tmapTarget\tcorrelationId\tmapCategoryId".into(),
        format!("u\t20260101\t1\t{MODULE}\t447562003\t{}\t1\t1\tTRUE\tALWAYS R51\tR51\t447561005\t447637006", id(2)),
    ]);
}

fn extension(folder: &Path, language_columns: &str, preferred: &str) {
    let inner = "UKClinical/Snapshot/Terminology";
    let last = "UKCLSnapshot_GB1000000_20260102.txt";
    write(
        folder,
        &format!("{inner}/sct2_Concept_{last}"),
        &[
            CONCEPTS.into(),
            concept(7, 1, "20260102"),
            concept(8, 1, "20260102"),
        ],
    );
    write(
        folder,
        &format!("{inner}/sct2_Description_UKCLSnapshot-en_GB1000000_20260102.txt"),
        &[
            DESCRIPTIONS.into(),
            name(10, 2, SYNONYM, "Ache of head"),
            name(
                11,
                7,
                FULL,
                "Made-up simple reference set (foundation metadata concept)",
            ),
            name(12, 8, FULL, "Rare (finding)"),
        ],
    );
    // The extension takes back that fever is a pain.
    write(
        folder,
        &format!("{inner}/sct2_Relationship_{last}"),
        &[
            RELATIONSHIPS.into(),
            is_a(6, 4, 1, 0, "20260102"),
            is_a(8, 8, 5, 1, "20260102"),
        ],
    );
    write(
        folder,
        &format!(
            "UKClinical/Snapshot/Refset/Language/der2_cRefset_Language{}",
            "UKCLSnapshot-en_GB1000000_20260102.txt"
        ),
        &[language_columns.into(), preferred.into()],
    );
    let member =
        |item: u64, active: u8| format!("u\t20260102\t{active}\t{MODULE}\t{}\t{}", id(7), id(item));
    write(
        folder,
        &format!("UKClinical/Snapshot/Refset/Content/der2_Refset_Simple{last}"),
        &[
            "id\teffectiveTime\tactive\tmoduleId\trefsetId\treferencedComponentId".into(),
            member(2, 1),
            member(3, 1),
            member(4, 0),
        ],
    );
}

/// The release after that: one concept more.
pub fn snomed_next(folder: &Path) {
    snomed(folder);
    let inner = "UKDrug/Snapshot/Terminology";
    let last = "UKDGSnapshot_GB1000001_20260202.txt";
    write(
        folder,
        &format!("{inner}/sct2_Concept_{last}"),
        &[CONCEPTS.into(), concept(9, 1, "20260202")],
    );
    write(
        folder,
        &format!("{inner}/sct2_Description_UKDGSnapshot-en_GB1000001_20260202.txt"),
        &[DESCRIPTIONS.into(), name(13, 9, FULL, "Newly found")],
    );
}

/// One medicine with its packs, its ingredient and its lookups.
pub fn dmd(folder: &Path) {
    let file = |name: &str, text: String| {
        fs::write(
            folder.join(name),
            format!("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<!--made up-->\n{text}\n"),
        )
        .unwrap();
    };
    let list = |name: &str, infos: &str| format!("<{name}>{infos}</{name}>");
    file(
        "f_lookup2_3010125.xml",
        list(
            "LOOKUP",
            &format!(
                "{}{}{}",
                list(
                    "UNIT_OF_MEASURE",
                    &format!(
                        "<INFO><CD>{}</CD><CDDT>2020-01-01</CDDT><CDPREV>{}</CDPREV><DESC>mg</DESC></INFO>",
                        id(21),
                        id(98)
                    )
                ),
                list(
                    "FORM",
                    &format!("<INFO><CD>{}</CD><DESC>Tablet</DESC></INFO>", id(22))
                ),
                list("SUPPLIER", "<INFO><CD>1</CD><DESC>Drugco Ltd</DESC></INFO>"),
            ),
        ),
    );
    file(
        "f_ingredient2_3010125.xml",
        list(
            "INGREDIENT_SUBSTANCES",
            &format!("<ING><ISID>{}</ISID><NM>Madeupine</NM></ING>", id(10)),
        ),
    );
    file(
        "f_vtm2_3010125.xml",
        list(
            "VIRTUAL_THERAPEUTIC_MOIETIES",
            &format!("<VTM><VTMID>{}</VTMID><NM>Madeupine</NM></VTM>", id(11)),
        ),
    );
    file(
        "f_vmp2_3010125.xml",
        list(
            "VIRTUAL_MED_PRODUCTS",
            &format!(
                "<VMPS><VMP><VPID>{}</VPID><VPIDPREV>{}</VPIDPREV><VTMID>{}</VTMID><NM>Madeupine 5mg tablets &amp; wrapper</NM><ABBREVNM/><BASISCD>0001</BASISCD></VMP></VMPS>\
         <VIRTUAL_PRODUCT_INGREDIENT><VPI><VPID>{0}</VPID><ISID>{}</ISID><STRNT_NMRTR_VAL>5</STRNT_NMRTR_VAL><STRNT_NMRTR_UOMCD>{}</STRNT_NMRTR_UOMCD></VPI></VIRTUAL_PRODUCT_INGREDIENT>\
         <DRUG_FORM><DFORM><VPID>{0}</VPID><FORMCD>{}</FORMCD></DFORM></DRUG_FORM>",
                id(12),
                id(99),
                id(11),
                id(10),
                id(21),
                id(22)
            ),
        ),
    );
    file(
        "f_vmpp2_3010125.xml",
        list(
            "VIRTUAL_MED_PRODUCT_PACK",
            &format!(
                "<VMPPS><VMPP><VPPID>{}</VPPID><NM>Madeupine 5mg tablets 28 tablet</NM><VPID>{}</VPID><QTYVAL>28</QTYVAL></VMPP></VMPPS>",
                id(13),
                id(12)
            ),
        ),
    );
    file(
        "f_amp2_3010125.xml",
        list(
            "ACTUAL_MEDICINAL_PRODUCTS",
            &format!(
                "<AMPS><AMP><APID>{}</APID><VPID>{}</VPID><NM>Madeup 5mg tablets</NM><DESC>Madeup 5mg tablets (Drugco Ltd)</DESC><SUPPCD>1</SUPPCD></AMP>\
         <AMP><INVALID>1</INVALID><APID>{}</APID><VPID>{1}</VPID><NM>Oldup 5mg tablets</NM></AMP></AMPS>",
                id(14),
                id(12),
                id(16)
            ),
        ),
    );
    file(
        "f_ampp2_3010125.xml",
        list(
            "ACTUAL_MEDICINAL_PROD_PACKS",
            &format!(
                "<AMPPS><AMPP><APPID>{}</APPID><NM>Madeup 5mg tablets (Drugco Ltd) 28 tablet</NM><VPPID>{}</VPPID><APID>{}</APID></AMPP></AMPPS>",
                id(15),
                id(13),
                id(14)
            ),
        ),
    );
}

pub fn icd10_claml(folder: &Path) {
    let text = r#"<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE ClaML SYSTEM "ClaML.dtd">
<ClaML version="2.0.0"><Title name="ICD-10" date="2026-01-01" version="2026">Made up</Title>
<Class code="XXI" kind="chapter"><SubClass code="Z98"/><Rubric kind="preferred"><Label xml:lang="en">Made-up chapter</Label></Rubric></Class>
<Class code="Z98" kind="category"><SuperClass code="XXI"/><Rubric kind="preferred"><Label xml:lang="en">Other made-up states</Label></Rubric></Class>
<Class code="Z98.1" kind="category"><SuperClass code="Z98"/><Rubric kind="preferred"><Label xml:lang="en">Made-up
 state &amp; <Reference>after</Reference></Label></Rubric><Rubric kind="inclusion"><Label xml:lang="en">Wobbly after</Label></Rubric></Class>
</ClaML>"#;
    fs::write(folder.join("icd10.xml"), text).unwrap();
}

pub fn icd10_text(folder: &Path) {
    let text = "CODE\tALT_CODE\tUSAGE\tUSAGE_UK\tDESCRIPTION\tMODIFIER_4\n\
        Z98\tZ98\tDEFAULT\t3\tOther made-up states\t\n\
        Z98.1\tZ981\tDEFAULT\t3\tMade-up state\t\n\
        Z98.11\tZ9811\tDEFAULT\t3\tMade-up state, left\tleft\n";
    fs::write(
        folder.join("ICD10_Edition5_CodesAndTitlesAndMetadata_GB_20260401.txt"),
        text,
    )
    .unwrap();
}

pub fn loinc(folder: &Path) {
    let table = "\"LOINC_NUM\",\"COMPONENT\",\"PROPERTY\",\"SYSTEM\",\"CLASS\",\"VersionLastChanged\",\"DefinitionDescription\",\"STATUS\",\"SHORTNAME\",\"LONG_COMMON_NAME\"\r\n\
        \"99901-1\",\"Madeupine\",\"MCnc\",\"Ser\",\"DRUG\",\"2.78\",\"\",\"ACTIVE\",\"Madeupine Ser-mCnc\",\"Madeupine [Mass/volume] in Serum, \"\"made up\"\"\"\r\n\
        \"99902-9\",\"Oldupine\",\"MCnc\",\"Ser\",\"DRUG\",\"2.9\",\"\",\"DEPRECATED\",\"\",\"Oldupine\"\r\n";
    let write = |name: &str, text: &str| {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write("LoincTable/Loinc.csv", table);
    write(
        "LoincTable/MapTo.csv",
        "\"LOINC\",\"MAP_TO\",\"COMMENT\"\r\n\"99902-9\",\"99901-1\",\"\"\r\n",
    );
    write(
        "AccessoryFiles/ComponentHierarchyBySystem/ComponentHierarchyBySystem.csv",
        "PATH_TO_ROOT,SEQUENCE,IMMEDIATE_PARENT,CODE,CODE_TEXT\r\n,1,,LP99900-1,Madeupine | Serum\r\nLP99900-1,1,LP99900-1,99901-1,Madeupine\r\n",
    );
}

/// Packs a folder: every second file deflated, the others stored.
pub fn archive(folder: &Path, target: &Path) {
    let mut files = Vec::new();
    walk(folder, folder, &mut files);
    let (mut bytes, mut directory) = (Vec::new(), Vec::new());
    for (number, (name, content)) in files.iter().enumerate() {
        let at = u32::try_from(bytes.len()).unwrap();
        let method: u16 = if number % 2 == 0 { 8 } else { 0 };
        let packed = if method == 8 {
            deflated(content)
        } else {
            content.clone()
        };
        let mut common = Vec::new();
        for part in [20u16, 0, method, 0, 0] {
            common.extend(part.to_le_bytes());
        }
        for part in [
            0u32,
            u32::try_from(packed.len()).unwrap(),
            u32::try_from(content.len()).unwrap(),
        ] {
            common.extend(part.to_le_bytes());
        }
        common.extend(u16::try_from(name.len()).unwrap().to_le_bytes());
        common.extend(0u16.to_le_bytes());
        bytes.extend(b"PK\x03\x04");
        bytes.extend(&common);
        bytes.extend(name.as_bytes());
        bytes.extend(&packed);
        directory.extend(b"PK\x01\x02\x14\x00");
        directory.extend(&common);
        directory.extend([0; 10]);
        directory.extend(at.to_le_bytes());
        directory.extend(name.as_bytes());
    }
    let start = u32::try_from(bytes.len()).unwrap();
    let count = u16::try_from(files.len()).unwrap();
    bytes.extend(&directory);
    bytes.extend(b"PK\x05\x06\0\0\0\0");
    bytes.extend(count.to_le_bytes());
    bytes.extend(count.to_le_bytes());
    bytes.extend(u32::try_from(directory.len()).unwrap().to_le_bytes());
    bytes.extend(start.to_le_bytes());
    bytes.extend([0, 0]);
    fs::write(target, bytes).unwrap();
}

fn deflated(content: &[u8]) -> Vec<u8> {
    let mut encoder =
        flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

fn walk(root: &Path, folder: &Path, files: &mut Vec<(String, Vec<u8>)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(root, &path, files);
        } else if path.extension().is_none_or(|end| end != "zip") {
            let name = path
                .strip_prefix(root)
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned();
            files.push((name, fs::read(&path).unwrap()));
        }
    }
}
