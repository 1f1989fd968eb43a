//! HL7 v2 messages of our own about a made-up person, told apart by their control id.

/// The hospital and the practice of the bench.
pub const HOSPITAL: &str = "RZZ98";
pub const PRACTICE: &str = "A99998";

/// A new NHS number would be a new patient; all of these are about one.
const PERSON: &str = "9990000018^^^NHS^NH||TESTER^AMINA||19510304|F";

/// An admission.
pub fn admission(id: &str) -> String {
    format!(
        "MSH|^~\\&|PAS|{HOSPITAL}|HANDOVER|{HOSPITAL}|20240601103000||ADT^A01^ADT_A01|{id}|P|2.4\r\
         EVN|A01|20240601102900\r\
         PID|1||H100001^^^{HOSPITAL}^MR~{PERSON}\r\
         PD1||||{PRACTICE}^^^^^^^^ODS\r\
         PV1|1|I|WARD5^BAY2^BED3||||C9999981^PATEL^RAVI^^^DR^^^GMC||||||||||||V0001^^^{HOSPITAL}^VN\r"
    )
}

/// A discharge letter for the practice.
pub fn letter(id: &str) -> String {
    format!(
        "MSH|^~\\&|EPR|{HOSPITAL}|HANDOVER|{HOSPITAL}|20240603090000||MDM^T02^MDM_T02|{id}|P|2.4\r\
         EVN|T02|20240603090000\r\
         PID|1||H100001^^^{HOSPITAL}^MR~{PERSON}\r\
         PD1||||{PRACTICE}^^^^^^^^ODS\r\
         PV1|1|I|||||||||||||||||V0001^^^{HOSPITAL}^VN\r\
         TXA|1|DS^Discharge summary^L|TX|20240603083000||20240603083000|||C9999981^PATEL^RAVI^^^DR^^^GMC|||{id}^{HOSPITAL}|||||AU||AV\r\
         OBX|1|TX|DS^Discharge summary^L||Dear colleague, Mrs Tester went home today.||||||F\r"
    )
}

/// The same letter about one of many made-up people.
pub fn letter_about(id: &str, person: u32) -> String {
    let (number, hospital) = (nhs_number(person), 200_000 + person);
    letter(id)
        .replace("H100001^", &format!("H{hospital}^"))
        .replace("9990000018", &number)
        .replace("TESTER^AMINA", &format!("TESTER{person}^AMINA"))
}

/// A number of the test range, with the digit that checks it. Those that have none are left out.
fn nhs_number(person: u32) -> String {
    let numbers = (person * 2..).filter_map(|it| {
        let digits = format!("999{it:06}");
        let weights = (2..=10).rev();
        let sum: u32 = digits
            .bytes()
            .zip(weights)
            .map(|(digit, weight)| u32::from(digit - b'0') * weight)
            .sum();
        match 11 - sum % 11 {
            11 => Some(format!("{digits}0")),
            10 => None,
            check => Some(format!("{digits}{check}")),
        }
    });
    numbers.take(1).collect()
}
