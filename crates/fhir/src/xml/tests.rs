use super::{from_json, to_json};
use crate::json::{Limits, parse};
use crate::problem::Kind;

const XMLNS: &str = r#"xmlns="http://hl7.org/fhir""#;

fn xml(json: &str) -> String {
    let limits = Limits::default();
    let json = parse(json.as_bytes(), &limits).unwrap();
    String::from_utf8(from_json(&json, &limits, false).unwrap()).unwrap()
}

fn json(xml: &str) -> String {
    String::from_utf8(to_json(xml.as_bytes(), &Limits::default()).unwrap()).unwrap()
}

fn fault(xml: &str) -> Kind {
    let problem = to_json(xml.as_bytes(), &Limits::default()).unwrap_err();
    assert!(
        problem.location.is_some() || problem.kind == Kind::TooLong,
        "{problem:?}"
    );
    problem.kind
}

#[test]
fn what_json_says_xml_says_and_back() {
    let text = concat!(
        r#"{"resourceType":"Patient","id":"p","meta":{"profile":["http://e.example/p"]},"#,
        r#""text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">A &amp; <b class='x'>B</b>&#160;<!-- c --><br/></div>"},"#,
        r#""contained":[{"resourceType":"Organization","id":"o","name":"O"}],"#,
        r#""extension":[{"id":"e1","url":"http://e.example/x","valueDecimal":1.50}],"#,
        r#""active":true,"name":[{"family":"Tab\tLine\nQuote\"<&>'é","given":["A",null,"C"],"_given":[null,{"extension":[{"url":"http://e.example/n","valueCode":"z"}]},{"id":"g3"}]}],"#,
        r#""birthDate":"1970-02-03","_birthDate":{"extension":[{"url":"http://e.example/t","valueDateTime":"1970-02-03T01:02:03+01:00"}]},"#,
        r#""_gender":{"extension":[{"url":"http://e.example/a","valueCode":"masked"}]},"multipleBirthInteger":2}"#
    );
    // The elements are written in R4's order.
    let ordered = text.replace(
        r#""birthDate":"1970-02-03","_birthDate":{"extension":[{"url":"http://e.example/t","valueDateTime":"1970-02-03T01:02:03+01:00"}]},"_gender":{"extension":[{"url":"http://e.example/a","valueCode":"masked"}]},"#,
        r#""_gender":{"extension":[{"url":"http://e.example/a","valueCode":"masked"}]},"birthDate":"1970-02-03","_birthDate":{"extension":[{"url":"http://e.example/t","valueDateTime":"1970-02-03T01:02:03+01:00"}]},"#,
    );
    let written = xml(text);
    assert_eq!(json(&written), ordered, "{written}");
    assert!(written.contains(r#"<extension id="e1" url="http://e.example/x"><valueDecimal value="1.50"/></extension>"#), "{written}");
    assert!(written.contains(r#"<family value="Tab&#9;Line&#10;Quote&quot;&lt;&amp;&gt;'é"/><given value="A"/><given><extension url="http://e.example/n"><valueCode value="z"/></extension></given><given value="C" id="g3"/>"#), "{written}");
    assert!(written.contains("<contained><Organization><id value=\"o\"/><name value=\"O\"/></Organization></contained>"), "{written}");
}

#[test]
fn laid_out_for_people_it_says_the_same() {
    let text = r#"{"resourceType":"Patient","text":{"status":"empty","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\"> a\n b</div>"},"contained":[{"resourceType":"Group"}],"name":[{"family":"F"}]}"#;
    let limits = Limits::default();
    let resource = parse(text.as_bytes(), &limits).unwrap();
    let pretty = String::from_utf8(from_json(&resource, &limits, true).unwrap()).unwrap();
    assert!(
        pretty.contains("\n  <name>\n    <family value=\"F\"/>\n  </name>\n</Patient>\n"),
        "{pretty}"
    );
    assert!(
        pretty.contains("<contained>\n    <Group/>\n  </contained>"),
        "{pretty}"
    );
    assert_eq!(json(&pretty), text);
}

#[test]
fn what_others_write_is_read() {
    let text = format!(
        "\u{feff}<?xml version='1.0' encoding='utf-8'?>\n<!-- a comment -->\n<Patient {XMLNS} xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance' xsi:schemaLocation='a b'>\n <active value = 'true' ></active><!-- x -->\n <name><given value='a'/></name><gender value='male'/><name><given value='b'/></name>\n</Patient>\n"
    );
    assert_eq!(
        json(&text),
        r#"{"resourceType":"Patient","active":true,"name":[{"given":["a"]},{"given":["b"]}],"gender":"male"}"#
    );
}

#[test]
fn x04_what_is_not_fhirs_xml_is_refused_with_its_place() {
    let patient = |inner: &str| format!("<Patient {XMLNS}>{inner}</Patient>");
    for (text, kind) in [
        (String::new(), Kind::Structure),
        ("hello".into(), Kind::Structure),
        ("<Patient/>".into(), Kind::Structure),
        (format!("<Nobody {XMLNS}/>"), Kind::Structure),
        (
            "<f:Patient xmlns:f='http://hl7.org/fhir'/>".to_string(),
            Kind::Structure,
        ),
        (
            format!("<!DOCTYPE x [<!ENTITY a 'b'>]><Patient {XMLNS}/>"),
            Kind::Structure,
        ),
        (
            format!("<?xml version='1.0' encoding='latin1'?><Patient {XMLNS}/>"),
            Kind::Structure,
        ),
        (
            format!("<Patient {XMLNS}/><Patient {XMLNS}/>"),
            Kind::Structure,
        ),
        (format!("<Patient {XMLNS}>"), Kind::Structure),
        (patient("<nam/>"), Kind::Structure),
        (patient("<active/>"), Kind::Structure),
        (patient("text"), Kind::Structure),
        (patient("&x;"), Kind::Structure),
        (patient("<?php x?>"), Kind::Structure),
        (patient("<![CDATA[x]]>"), Kind::Structure),
        (
            patient("<active value='true'/><active value='false'/>"),
            Kind::Structure,
        ),
        (patient("<active value='yes'/>"), Kind::Value),
        (patient("<multipleBirthInteger value='01'/>"), Kind::Value),
        (patient("<multipleBirthInteger value='1 '/>"), Kind::Value),
        (patient("<active value='true' other='x'/>"), Kind::Structure),
        (
            patient("<active value='true' value='true'/>"),
            Kind::Structure,
        ),
        (patient("<language value='&x;'/>"), Kind::Structure),
        (patient("<language value='&#0;'/>"), Kind::Structure),
        (patient("<language value='&#1;'/>"), Kind::Structure),
        (patient("<language value='a<b'/>"), Kind::Structure),
        (patient("<language value='a\u{1}b'/>"), Kind::Structure),
        (patient("<active></wrong>"), Kind::Structure),
        (
            patient("<text><status value='empty'/><div>x</div></text>"),
            Kind::Structure,
        ),
        (
            patient("<text><div xmlns='http://www.w3.org/1999/xhtml'>&nbsp;</div></text>"),
            Kind::Structure,
        ),
        (patient("<contained><Nobody/></contained>"), Kind::Structure),
        (patient("<contained></contained>"), Kind::Structure),
        (patient(&"<extension url='x'>".repeat(100)), Kind::TooCostly),
        (
            patient(&format!(
                "<text><div xmlns='http://www.w3.org/1999/xhtml'>{}",
                "<p>".repeat(100)
            )),
            Kind::TooCostly,
        ),
    ] {
        assert_eq!(fault(&text), kind, "{text}");
    }
    let limits = Limits {
        nodes: 3,
        bytes: 1000,
        ..Limits::default()
    };
    let many = patient(&"<name/>".repeat(5));
    assert_eq!(
        to_json(many.as_bytes(), &limits).unwrap_err().kind,
        Kind::TooCostly
    );
    let long = patient(&"<name/>".repeat(500));
    assert_eq!(
        to_json(long.as_bytes(), &limits).unwrap_err().kind,
        Kind::TooLong
    );
}

#[test]
fn what_xml_cannot_say_is_told() {
    let limits = Limits::default();
    for text in [
        r#"{"resourceType":"Patient","language":"a\u0001"}"#,
        r#"{"resourceType":"Patient","nobody":1}"#,
        r#"{"resourceType":"Patient","text":{"div":"<div>x</div>"}}"#,
        r#"{"resourceType":"Patient","text":{"div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">x"}}"#,
        r#"{"resourceType":"Patient","text":{"div":"<div xmlns=\"http://www.w3.org/1999/xhtml\"></div><p/>"}}"#,
        r#"{"resourceType":"Patient","name":"x"}"#,
        r#"{"resourceType":"Nobody"}"#,
    ] {
        let json = parse(text.as_bytes(), &limits).unwrap();
        assert_eq!(
            from_json(&json, &limits, false).unwrap_err().kind,
            Kind::Structure,
            "{text}"
        );
    }
}

#[test]
fn no_bytes_make_it_panic() {
    let whole = format!(
        "<Patient {XMLNS}><text><div xmlns='http://www.w3.org/1999/xhtml'>é<p a='&lt;'/></div></text><name><given value='&#233;' id='x'/></name></Patient>"
    );
    for at in 0..whole.len() {
        for byte in [0, b'<', b'>', b'&', b'"', b'/', b'!', b'?', b'[', 0xff] {
            let mut bytes = whole.clone().into_bytes();
            bytes[at] = byte;
            let _ = to_json(&bytes, &Limits::default());
            bytes.truncate(at);
            let _ = to_json(&bytes, &Limits::default());
        }
    }
}
