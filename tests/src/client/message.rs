//! HL7 v2 messages of our own about made-up people, told apart by their control id.

/// A discharge letter from `hospital` for `practice`; document `id`, titled after it.
pub fn letter(hospital: &str, practice: &str, id: &str, person: &str) -> String {
    format!(
        "MSH|^~\\&|EPR|{hospital}|HANDOVER|{hospital}|20240603090000||MDM^T02^MDM_T02|{id}|P|2.4\r\
         EVN|T02|20240603090000\r\
         PID|1||{person}\r\
         PD1||||{practice}^^^^^^^^ODS\r\
         PV1|1|I|||||||||||||||||V0001^^^{hospital}^VN\r\
         TXA|1|DS^Discharge summary^L|TX|20240603083000||20240603083000|||C9999981^PATEL^RAVI^^^DR^^^GMC|||{id}^{hospital}|||||AU||AV\r\
         OBX|1|TX|DS^Letter {id}^L||Dear colleague, this is letter {id}.||||||F\r"
    )
}

/// Amina Tester, whom the practice may know.
pub const AMINA: &str = "H100001^^^RZZ98^MR~9990000018^^^NHS^NH||TESTER^AMINA||19510304|F";
/// Somebody whom the practice does not know.
pub const STRANGER: &str = "H100002^^^RZZ98^MR~9990000026^^^NHS^NH||UNKNOWN^WALTER||19480809|M";
