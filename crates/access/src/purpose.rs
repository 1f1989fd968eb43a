//! Why: the reasons that an access can have.

use fhir::problem::{Kind, Problem};

/// A caller's reason, with the code of HL7's PurposeOfUse
/// (<https://terminology.hl7.org/ValueSet-v3-PurposeOfUse.html>).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// Care of the patient.
    DirectCare,
    /// The patient asks for what is theirs.
    PatientRequest,
    /// Running the node.
    Operations,
    /// Checking who looked, and why.
    Compliance,
}

impl Purpose {
    pub fn code(self) -> &'static str {
        match self {
            Purpose::DirectCare => "TREAT",
            Purpose::PatientRequest => "PATRQT",
            Purpose::Operations => "HOPERAT",
            Purpose::Compliance => "HCOMPL",
        }
    }

    /// # Errors
    /// `Value` for any other code.
    pub fn parse(code: &str) -> Result<Purpose, Problem> {
        match code {
            "TREAT" => Ok(Purpose::DirectCare),
            "PATRQT" => Ok(Purpose::PatientRequest),
            "HOPERAT" => Ok(Purpose::Operations),
            "HCOMPL" => Ok(Purpose::Compliance),
            _ => Err(Problem::new(
                Kind::Value,
                "A purpose is TREAT, PATRQT, HOPERAT or HCOMPL.",
            )),
        }
    }
}

/// The one list of what the node does with patient data by itself, without a person asking. Each
/// use of `Scope::system` names its line here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SystemPurpose {
    /// Turns received HL7 v2 messages into resources and letters.
    MapMessages,
    /// Tells other systems of the organisation what changed, by HL7 v2.
    TellSystems,
    /// Sends parcels and takes in their receipts.
    DeliverParcels,
    /// Stores what other organisations send, and files it under the right patient.
    TakeInParcels,
    /// Tells the sender what became of a parcel.
    ReportParcels,
    /// Reads a session's or token's account; no patient data.
    SignIn,
    /// Checks that a patient's record is theirs before an account is opened for them.
    OpenAccount,
    /// Takes in a file at an operator's command.
    Import,
    /// Keeps account of bulk exports and imports; what these read and write is under the scope of
    /// the account that started them.
    BulkJobs,
    /// Keeps account of subscriptions; what a subscriber is told is read under their own scope.
    Subscriptions,
    /// Sets up the demo's made-up people.
    Demo,
    /// Looks up what codes mean for those who check resources; no patient data.
    Terminology,
    /// Indexes what is there by a search parameter that was not.
    Reindex,
    /// Grows the audit log's tree, signs its checkpoints and witnesses neighbours'; no patient data.
    KeepAudit,
    /// Keeps, at an operator's command, who is in which team; no patient data.
    KeepTeams,
    /// Sends, holds and puts into force what patients want shared.
    KeepSharing,
    /// Tells home practices that something is held here about their patients, keeps what is told
    /// here, and drops copies of others' answers in time.
    KeepPointers,
    /// Finds the patient whom another organisation's question is about; what it is answered is read
    /// under a scope of its own.
    AnswerAsks,
    /// Takes where a restricted patient lives out of what is here of them.
    KeepWhereabouts,
    /// Tells the privacy officer who looked at records of people whom they know.
    KeepFamiliar,
    /// Asks which of the people here opted out of uses beyond care, and leaves them out of exports.
    CheckOptOuts,
    /// Answers, at an operator's command, who looked at a record.
    AnswerWho,
    /// Carries messages between mailboxes, and gives up those that nobody collects.
    CarryMail,
    /// Takes faxes from a fax server, and hands it the letters for those who have no node.
    KeepFaxes,
    /// Takes and frees slots for those who may book, and carries bookings between organisations.
    KeepAppointments,
    /// Takes in referrals and their steps, and carries them between organisations.
    KeepReferrals,
    /// Takes in ambulance crews' handovers, and carries them between organisations.
    KeepHandovers,
    /// Carries patients' questions about their record, and the answers.
    KeepQuestions,
    /// Does what the rules say that people here switched on.
    FollowRules,
    /// Carries ITK3 documents and their responses over MESH.
    CarryItk3,
    /// Copies the whole store for a backup, and keeps account of the copies.
    KeepCopies,
    /// Carries prescriptions to the Electronic Prescription Service, and keeps what comes back of them.
    CarryPrescriptions,
    /// Asks PDS who the people here are, and takes over what is certain of its answers.
    TracePeople,
    /// Carries what a practice knows of a patient who moved to the next one.
    MovePatients,
    /// Writes what staff need when everything is off, and keeps account of what was taken along.
    KeepDowntime,
    /// Applies and undoes blueprints at an operator's command, and puts their files in place; no patient data.
    KeepBlueprints,
    /// Reads Questionnaires, and what their answers mean, for whoever answers them; no patient data.
    ReadQuestionnaires,
    /// Reminds patients of what they have not answered by its day.
    RemindPatients,
    /// Tests and measurements.
    Measure,
}

impl SystemPurpose {
    /// The word in the audit log.
    pub fn code(self) -> &'static str {
        match self {
            SystemPurpose::MapMessages => "map-messages",
            SystemPurpose::TellSystems => "tell-systems",
            SystemPurpose::DeliverParcels => "deliver-parcels",
            SystemPurpose::TakeInParcels => "take-in-parcels",
            SystemPurpose::ReportParcels => "report-parcels",
            SystemPurpose::SignIn => "sign-in",
            SystemPurpose::OpenAccount => "open-account",
            SystemPurpose::Import => "import",
            SystemPurpose::BulkJobs => "bulk-jobs",
            SystemPurpose::Subscriptions => "subscriptions",
            SystemPurpose::Demo => "demo",
            SystemPurpose::Terminology => "terminology",
            SystemPurpose::Reindex => "reindex",
            SystemPurpose::KeepAudit => "keep-audit",
            SystemPurpose::KeepTeams => "keep-teams",
            SystemPurpose::KeepSharing => "keep-sharing",
            SystemPurpose::KeepPointers => "keep-pointers",
            SystemPurpose::AnswerAsks => "answer-asks",
            SystemPurpose::KeepWhereabouts => "keep-whereabouts",
            SystemPurpose::KeepFamiliar => "keep-familiar",
            SystemPurpose::CheckOptOuts => "check-opt-outs",
            SystemPurpose::AnswerWho => "answer-who-looked",
            SystemPurpose::CarryMail => "carry-mail",
            SystemPurpose::KeepFaxes => "keep-faxes",
            SystemPurpose::KeepAppointments => "keep-appointments",
            SystemPurpose::KeepReferrals => "keep-referrals",
            SystemPurpose::KeepHandovers => "keep-handovers",
            SystemPurpose::KeepQuestions => "keep-questions",
            SystemPurpose::FollowRules => "follow-rules",
            SystemPurpose::CarryItk3 => "carry-itk3",
            SystemPurpose::KeepCopies => "keep-copies",
            SystemPurpose::CarryPrescriptions => "carry-prescriptions",
            SystemPurpose::TracePeople => "trace-people",
            SystemPurpose::MovePatients => "move-patients",
            SystemPurpose::KeepDowntime => "keep-downtime",
            SystemPurpose::KeepBlueprints => "keep-blueprints",
            SystemPurpose::ReadQuestionnaires => "read-questionnaires",
            SystemPurpose::RemindPatients => "remind-patients",
            SystemPurpose::Measure => "measure",
        }
    }
}
