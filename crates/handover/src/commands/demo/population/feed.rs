//! What the organisations' own systems say of the made-up people, as HL7 v2 messages.

use hl7v2::to_fhir::{Context, Unidentified};

use super::Person;

/// When something is said: `YYYYMMDDHHMM`.
pub type When<'a> = &'a str;

/// A message that a system sends.
pub struct Said<'a> {
    pub from: &'static str,
    /// MSH-9, such as `ADT^A01`.
    pub kind: &'a str,
    /// MSH-10, one message's own.
    pub control: &'a str,
    pub when: When<'a>,
}

/// MSH, EVN, PID and PD1, a segment a line.
fn head(said: &Said<'_>, who: &Person) -> String {
    let Said {
        from,
        kind,
        control,
        when,
    } = said;
    let event = kind.rsplit('^').next().unwrap_or_default();
    let born = super::writing::day(who.born).replace('-', "");
    let sex = if who.is_woman { "F" } else { "M" };
    let (family, given) = (who.family.to_uppercase(), who.given);
    let (line, town, postcode) = (&who.line, who.town, &who.postcode);
    format!(
        "MSH|^~\\&|{from}-PAS|{from}|HANDOVER|{from}|{when}00||{kind}|{control}|P|2.4|||AL|NE|GBR|UNICODE UTF-8|EN\r\
         EVN|{event}|{when}00\r\
         PID|1||{}^^^NHS^NH||{family}^{given}||{born}|{sex}|||{line}^^{town}^^{postcode}^GBR^H\r\
         PD1||||{}^^^^^^^^ODS\r",
        who.nhs_number, who.practice
    )
}

/// A visit: its number, the class (`I`, `E`, `O`), when it began, and when it ended if it did.
pub fn visit(class: &str, number: &str, began: When<'_>, ended: Option<When<'_>>) -> String {
    let ended = ended.map_or(String::new(), |it| format!("{it}00"));
    format!(
        "PV1|1|{class}|WARD4^B2^03||||C9900011^Mensah^Kofi^^^Dr|||110|||||||||{number}^^^^VN\
         |||||||||||||||||||||||||{began}00|{ended}\r"
    )
}

/// An admission, a change or a discharge.
pub fn stay(said: &Said<'_>, who: &Person, visit: &str) -> String {
    format!("{}{visit}", head(said, who))
}

/// A letter of plain text.
pub fn letter(
    said: &Said<'_>,
    who: &Person,
    (author, title): (&str, &str),
    lines: &[&str],
) -> String {
    let when = said.when;
    let mut text = format!(
        "{}TXA|1|LETTER^{title}^L|TX|{when}00|{author}|{when}00|||{author}|||{}|||||AU||AV\r",
        head(said, who),
        said.control
    );
    for (number, line) in (1..).zip(lines) {
        let line = line.replace('|', "\\F\\").replace('&', "\\T\\");
        text.push_str(&format!(
            "OBX|{number}|TX|LETTER^{title}^L||{line}||||||F\r"
        ));
    }
    text
}

/// A result: code, words, value, unit, and the range it is held against.
pub fn result(said: &Said<'_>, who: &Person, of: [&str; 5]) -> String {
    let [code, name, value, unit, range] = of;
    let (when, control) = (said.when, said.control);
    format!(
        "{}ORC|RE|{control}|L{control}\rOBR|1|{control}|L{control}|{code}^{name}^L|||{when}00|||||||||\
         C9900011^Mensah^Kofi^^^Dr||||||{when}00||HM|F\r\
         OBX|1|NM|{code}^{name}^L||{value}|{unit}|{range}||||F|||{when}00\r",
        head(said, who)
    )
}

/// The id that a person's Patient has where that organisation's system names them.
pub fn patient_id(from: &'static str, who: &Person) -> Option<String> {
    let said = Said {
        from,
        kind: "ADT^A08",
        control: "WHO",
        when: "202601010000",
    };
    let seen = visit("O", "WHO", "202601010000", None);
    let message = hl7v2::parse(stay(&said, who, &seen).as_bytes()).ok()?;
    let context = Context {
        received_at: 0,
        zone: hl7v2::time::Zone::London,
        organisation: from.to_owned(),
        unidentified: Unidentified::Refuse,
    };
    let mapped = hl7v2::to_fhir::map(&message, &context).ok()?;
    let patient = mapped.resources.into_iter().find(|it| it.ty == "Patient");
    patient.map(|it| it.id)
}
