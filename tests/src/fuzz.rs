//! Each parser of the libraries as a target of bytes: see `fuzz/README.md`.

mod mail;
#[path = "../../fuzz/mutate.rs"]
mod mutate;

use access::Ods;
use exchange::fax::{pdf, tiff};
use exchange::jws::{self, Statement};
use exchange::jwt::{Jwks, Jwt};
use exchange::manifest::ParcelText;
use exchange::{Member, SigningKey, note};
use fhir::definitions::Definitions;
use fhir::fhirpath::{Context, Expression, Fault, Node};
use fhir::json::{Json, Limits, parse};
use fhir::patch::{self, Form};
use fhir::path::Path;
use fhir::problem::{Kind, Problem};
use fhir::search::{self, Search};
use fhir::terminology::code_system::CodeSystem;
use fhir::terminology::compose::ValueSet;
use fhir::terminology::ecl;
use fhir::validate::validate;
use fhir::{ucum, xml};
use hl7v2::ack::{Answer, ack};
use hl7v2::mllp::{Bounds, Decoder};
use hl7v2::time::Zone;
use hl7v2::to_fhir::{self, Unidentified};
use web::bulk::Intake;

use mutate::explore;

const SMALL: Limits = Limits {
    depth: 64,
    bytes: 64 << 10,
    nodes: 20_000,
};

/// A refusal: it blames the input, not the node, and says why. Without the numbers in it, so that what is alike is
/// alike.
fn refusal(problem: &Problem) -> String {
    assert!(!problem.message.is_empty());
    assert!(
        !matches!(problem.kind, Kind::Exception | Kind::NoStore),
        "{problem:?}"
    );
    let kind = problem.code();
    let message = problem.message.replace(|c: char| c.is_ascii_digit(), "");
    format!("{kind} {message}")
}

/// How many values there are in it, and how deep they lie.
fn measure(json: &Json<'_>) -> (u32, u16) {
    let parts: Vec<(u32, u16)> = match json {
        Json::Array(items) => items.iter().map(measure).collect(),
        Json::Object(members) => members.iter().map(|(_, value)| measure(value)).collect(),
        _ => return (1, 0),
    };
    let nodes: u32 = parts.iter().map(|(nodes, _)| nodes).sum();
    let depth = parts.iter().map(|(_, depth)| *depth).max().unwrap_or(0);
    (nodes + 1, depth + 1)
}

/// Reads a resource by all that reads resources.
fn json_target(bytes: &[u8]) -> String {
    let json = match parse(bytes, &SMALL) {
        Ok(json) => json,
        Err(problem) => return refusal(&problem),
    };
    let (nodes, depth) = measure(&json);
    assert!(nodes <= SMALL.nodes && depth <= SMALL.depth);
    let written = json.to_bytes();
    assert_eq!(
        parse(&written, &SMALL).as_ref(),
        Ok(&json),
        "it is not what was read"
    );
    let ty = json.text("resourceType").unwrap_or_default();
    let entries = search::extract(ty, &json).len();
    let _ = search::Custom::read(&json, 1);
    let _ = CodeSystem::read(&json).map(|read| read.hierarchy().map(|_| ()));
    let _ = ValueSet::read(&json);
    match validate(&json, Definitions::r4()) {
        Ok(()) => format!("{ty} {}", entries.min(20)),
        Err(problem) => refusal(&problem),
    }
}

#[test]
fn x01_x03_any_json_is_read_or_refused_within_bounds() {
    let words = [
        "\"resourceType\":\"Patient\"",
        "\"contained\":[{",
        "\"extension\":[{\"url\":\"x\"",
        "\"valueDecimal\":1.0",
        "\"_name\":",
        "null",
        "true",
        "[[[[",
        "{\"a\":",
        "\\u",
        "\"div\":\"<div>",
        "\"reference\":\"#a\"",
        "Observation",
        "Bundle",
        "ValueSet",
        "CodeSystem",
        "SearchParameter",
        "\"concept\":[{\"code\":\"a\"",
    ];
    explore("json", &words, json_target);
}

fn xml_target(bytes: &[u8]) -> String {
    // The same bytes as an ITK3 message: read or refused, with a reason that people can be told.
    if let Err(unread) = fhir::itk3::read(bytes, &SMALL) {
        refusal(&unread.problem);
    }
    let json = match xml::to_json(bytes, &SMALL) {
        Ok(json) => json,
        Err(problem) => return refusal(&problem),
    };
    // Nothing is written out that was named and not there: what comes out is bound by what came in.
    assert!(
        json.len() <= bytes.len() * 8 + 1024,
        "{} of {}",
        json.len(),
        bytes.len()
    );
    let wide = Limits {
        bytes: json.len(),
        ..SMALL
    };
    let read = parse(&json, &wide).expect("what is written is JSON");
    match xml::from_json(&read, &wide, false) {
        Ok(again) => {
            let again = xml::to_json(&again, &SMALL);
            again.map_or_else(
                |problem| refusal(&problem),
                |_| format!("{:?}", read.text("resourceType")),
            )
        }
        Err(problem) => refusal(&problem),
    }
}

#[test]
fn x04_any_xml_is_read_or_refused_within_bounds() {
    let words = [
        "<!DOCTYPE x [",
        "<!ENTITY a \"",
        "&a;",
        "&#0;",
        "&#x10ffff;",
        "<![CDATA[",
        "]]>",
        "<!--",
        "-->",
        "<?x ",
        "?>",
        "<extension url=\"x\">",
        "</extension>",
        "xmlns=\"http://hl7.org/fhir\"",
        " value=\"",
        "<contained>",
        "<div xmlns=\"http://www.w3.org/1999/xhtml\">",
        "<p>",
        "</p>",
        "xmlns:x=\"y\"",
    ];
    explore("xml", &words, xml_target);
}

fn hl7v2_target(bytes: &[u8]) -> String {
    let header = hl7v2::header(bytes);
    let read = hl7v2::parse(bytes);
    let fault = header.as_ref().err().or(read.as_ref().err());
    let answer = fault.map_or(Answer::Accept, |_| Answer::Reject);
    let reply = ack(header.as_ref().ok(), answer, fault, "1", 0);
    // Whatever came, the answer is a message that names its sender's and is not longer than that by much.
    assert!(hl7v2::header(&reply).is_ok(), "{}", reply.escape_ascii());
    assert!(reply.len() <= bytes.len() * 4 + 4096);
    let message = match read {
        Ok(message) => message,
        Err(fault) => return format!("{} {}", fault.segment, fault.reason),
    };
    let context = to_fhir::Context {
        received_at: 0,
        zone: Zone::default(),
        organisation: "RZZ98".into(),
        unidentified: Unidentified::Refuse,
    };
    match to_fhir::map(&message, &context) {
        Ok(mapped) => format!("{} resources", mapped.resources.len().min(20)),
        Err(problem) => refusal(&problem),
    }
}

#[test]
fn x06_any_hl7_v2_is_mapped_or_refused_with_a_reason() {
    let words = [
        "\rPID|1||",
        "\rOBX|1|ED|X||^AP^^Base64^",
        "\rTXA|1|",
        "\rNTE|1||",
        "\rMRG|1",
        "\rMSH|^~\\&|",
        "\\X00\\",
        "\\.sp9999999999\\",
        "\\H\\",
        "\"\"",
        "~~~~",
        "^^^^",
        "&&&&",
        "||||||||",
        "UNICODE UTF-8",
        "8859/1",
        "ADT^A40",
        "ORU^R01",
        "MDM^T11",
        "20240230",
        "9990000018^^^NHS^NH",
    ];
    explore("hl7v2", &words, hl7v2_target);
}

fn mllp_target(bytes: &[u8]) -> String {
    let bounds = Bounds {
        message_bytes: 4096,
        garbage_bytes: 64,
    };
    let decoded = |chunk: usize| {
        let mut decoder = Decoder::new(bounds);
        let mut messages = Vec::new();
        for piece in bytes.chunks(chunk) {
            decoder.push(piece);
            loop {
                match decoder.next_message() {
                    Ok(Some(message)) => messages.push(message),
                    Ok(None) => break,
                    Err(_) => return (messages, true),
                }
            }
            assert!(decoder.held_bytes() <= bounds.message_bytes + chunk);
        }
        (messages, false)
    };
    let (whole, broken) = decoded(bytes.len().max(1));
    for chunk in [1, 3, 64] {
        let (messages, cut) = decoded(chunk);
        assert_eq!((messages, cut), (whole.clone(), broken), "cut by {chunk}");
    }
    format!("{} {broken}", whole.len().min(10))
}

#[test]
fn x06_frames_are_found_however_the_stream_is_cut() {
    explore(
        "mllp",
        &["\x0b", "\x1c\r", "\x0b\x0b", "MSH|", "\r\n"],
        mllp_target,
    );
}

const STEPS_MAX: u32 = 20_000;

fn fhirpath_target(bytes: &[u8]) -> String {
    let (text, definitions) = (String::from_utf8_lossy(bytes), Definitions::r4());
    let patient = include_bytes!("../../fuzz/corpus/json/patient.json");
    let patient = parse(patient, &SMALL).unwrap();
    let _ = (ecl::parse(&text), ucum::Unit::parse(&text));
    if let Ok(operations) = parse(bytes, &SMALL) {
        let form = if operations.as_array().is_some() {
            Form::Json
        } else {
            Form::FhirPath
        };
        return match patch::apply(patient, &operations, form, &SMALL) {
            Ok(changed) => {
                let (nodes, depth) = measure(&changed);
                assert!(nodes <= SMALL.nodes && depth <= SMALL.depth);
                "patched".into()
            }
            Err(problem) => refusal(&problem),
        };
    }
    if let Ok(path) = Path::compile(&text, definitions) {
        path.each(&patient, definitions, &mut |_| {});
    }
    let expression = match Expression::compile(&text, definitions) {
        Ok(expression) => expression,
        Err(not) => return not.reason,
    };
    let mut context = Context::of(Node::resource(&patient, definitions).unwrap());
    context.steps_max = STEPS_MAX;
    match expression.evaluate(&context, definitions) {
        Ok(found) => format!("{} found", found.len().min(20)),
        Err(Fault::Invalid(reason)) => reason.into(),
        Err(Fault::TooCostly) => "too costly".into(),
    }
}

#[test]
fn x01_any_fhirpath_patch_or_unit_ends_within_its_steps() {
    let words = [
        ".descendants()",
        ".children()",
        ".repeat(",
        ".where(",
        ".select($this | $this)",
        ".aggregate(",
        ".matches('",
        ".replaceMatches('",
        ".replace('','",
        " and ",
        " | ",
        "name",
        "'a'",
        "@2024-01-01",
        "%resource",
        "iif(",
        ".join('aaaaaaaaaaaaaaaa')",
        ".indexOf(",
        " + ",
        " & ",
        "((((",
        "----",
        "[0]",
        " 'mg'",
        "{}",
        ".ofType(string)",
        "\"op\":\"copy\"",
        "<< 73211009",
        " MINUS ",
        "kg.m2/s2",
        "10*-99999999",
    ];
    explore("fhirpath", &words, fhirpath_target);
}

fn search_target(bytes: &[u8]) -> String {
    let limits = search::Limits::default();
    let text = String::from_utf8_lossy(bytes);
    let pairs: Vec<(String, String)> = text
        .split('&')
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (name.to_owned(), value.to_owned())
        })
        .collect();
    match Search::parse("Patient", &pairs, "http://127.0.0.1/fhir", &limits) {
        Ok(search) => {
            assert!(search.clauses.len() <= limits.clauses_max && search.count <= limits.count_max);
            let link = search.self_link("http://127.0.0.1/fhir");
            assert!(link.len() <= text.len() * 12 + 256);
            format!(
                "{} clauses, {} keys",
                search.clauses.len(),
                search.sort.len()
            )
        }
        Err(problem) => refusal(&problem),
    }
}

#[test]
fn a12_any_search_is_read_or_refused_within_bounds() {
    let words = [
        "&_filter=",
        "not (",
        " and ",
        "_has:Observation:patient:",
        "organization.",
        ":missing=true",
        ":exact",
        ":above",
        "&_include=*",
        "&_sort=",
        "&_count=",
        "|",
        "$",
        ",,,,",
        "\\,",
        "ge",
        "ap",
        "2024-02-30",
        "&_cursor=",
        "'; --",
        "&_summary=count",
        "&_type=",
    ];
    explore("search", &words, search_target);
}

fn tokens_target(key: &SigningKey, bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let found = |_: &str| Some(key.public().clone());
    // Nobody signed any of it.
    let statement = jws::verify::<serde_json::Value>(text.trim(), Statement::Manifest, found);
    let checkpoint = note::Statement::open(&text, |_| vec![key.public().clone()]);
    assert!(statement.is_err() && checkpoint.is_err(), "{text}");
    let card = Member::parse(bytes).map(|_| ());
    let parcel = ParcelText::parse(&text).map(|_| ());
    let keys = Jwks::read(bytes);
    let own = Jwks::read(include_bytes!("../../fuzz/corpus/tokens/keys.json")).unwrap();
    let jwt = Jwt::read(text.trim());
    if let Ok(jwt) = &jwt {
        assert!(jwt.verified_by(&own).is_err(), "{text}");
    }
    let said = |outcome: Result<(), Problem>| {
        outcome.map_or_else(|found| refusal(&found), |()| "read".into())
    };
    format!(
        "{} {} {:?} {:?} {}",
        said(card),
        said(parcel),
        keys.map(|_| ()),
        jwt.map(|_| ()),
        said(statement.map(|_| ())),
    )
}

#[test]
fn a03_no_bytes_are_a_token_that_nobody_signed() {
    let folder = tempfile::tempdir().unwrap();
    let key = SigningKey::create(&folder.path().join("key.pem")).unwrap();
    let words = [
        "eyJhbGciOiJub25lIn0",
        "eyJhbGciOiJFUzI1NiJ9",
        "eyJhbGciOiJFZERTQSJ9",
        "e30",
        "..",
        ".",
        "==",
        "\"d\":\"AA\"",
        "\"kty\":\"OKP\"",
        "\"kty\":\"RSA\"",
        "AAAAAAAA",
        "handover/RZZ98",
        "\n\n",
        "\u{2014} ",
        "time ",
    ];
    explore("tokens", &words, |bytes| tokens_target(&key, bytes));
}

fn ndjson_target(intake: &Intake, bytes: &[u8]) -> String {
    let bytes = bytes::Bytes::copy_from_slice(bytes);
    let lines = web::bulk::numbered(&bytes, 1);
    let read = web::bulk::read(&lines, intake);
    // Every line is taken or named.
    assert_eq!(read.good.len() + read.bad.len(), lines.len());
    assert!(
        read.bad
            .iter()
            .all(|bad| !bad.reason.is_empty() && bad.line >= 1)
    );
    format!(
        "{} good, {} bad",
        read.good.len().min(5),
        read.bad.len().min(5)
    )
}

#[test]
fn x03_any_line_of_an_import_is_taken_or_named() {
    let intake = Intake {
        import: "file".into(),
        organisation: Ods::parse("A81001").unwrap(),
        limits: Limits::default(),
        now: 0,
    };
    let words = [
        "\n",
        "\r\n",
        "\n\n",
        "{\"resourceType\":\"Patient\"}",
        "{}",
        "[",
        "\"id\":\"",
        "\u{feff}",
    ];
    explore("ndjson", &words, |bytes| ndjson_target(&intake, bytes));
}

fn tiff_target(bytes: &[u8]) -> String {
    let pages = match tiff::read(bytes, 20) {
        Ok(pages) => pages,
        Err(problem) => return refusal(&problem),
    };
    let strips: usize = pages.iter().map(|page| page.strips.len()).sum();
    let made = pdf::of_fax(bytes, &pages).unwrap();
    // What comes out is what came in and what is said of it.
    let said = 1000 + pages.len() * 500 + strips * 500;
    assert!(
        made.len() <= bytes.len() + said,
        "{} of {}",
        made.len(),
        bytes.len()
    );
    format!("{} pages, {} strips", pages.len(), strips.min(20))
}

#[test]
fn x09_any_file_of_a_fax_server_is_shown_or_refused_within_bounds() {
    let words = [
        "II*\0\u{8}\0\0\0",
        "MM\0*\0\0\0\u{8}",
        "\u{11}\u{1}\u{4}\0",
        "\u{16}\u{1}\u{3}\0",
        "\u{17}\u{1}\u{4}\0",
        "\0\0\0\0",
    ];
    explore("tiff", &words, tiff_target);
}
