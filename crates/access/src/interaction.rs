//! What a caller wants to do.

/// An interaction of FHIR's RESTful API (<https://hl7.org/fhir/R4/http.html>), or one of the pages'.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Interaction {
    Read,
    Vread,
    HistoryInstance,
    HistoryType,
    HistorySystem,
    Search,
    Create,
    Update,
    Patch,
    Delete,
    Batch,
    Transaction,
    /// `$everything`, of a Patient or an Encounter.
    Everything,
    /// What codes mean: value sets, code systems and maps, which are about nobody.
    Terminology,
    /// `Observation/$lastn`.
    LastN,
    /// `Patient/$match`.
    Match,
    /// `Composition/$document`.
    Document,
    /// Reads what other organisations hold of one patient, in the name of the person who looks.
    Ask,
    /// Bulk Data `$export`.
    Export,
    /// Asynchronous `$import`.
    Import,
    /// Being told of changes (<https://hl7.org/fhir/R4/subscription.html>).
    Subscribe,
    /// Takes a security label away, so that more people may see the resource.
    RemoveLabel,
    /// The team's queue of letters.
    Inbox,
    /// Letters for people that the organisation does not know.
    Unmatched,
    /// What was sent, and where it is.
    Sent,
    /// One letter beside its actions.
    Item,
    OpenLetter,
    FileLetter,
    MatchLetter,
    ReturnLetter,
    /// A named clinician's recorded outcome.
    ActOnLetter,
    SendLetter,
    WithdrawLetter,
    /// What nobody has signed yet: who wrote it, and since when.
    Unsigned,
    /// A letter in the making is begun, read to be written on, changed or thrown away.
    WriteLetter,
    /// A clinician signs what a letter says, with which it leaves.
    SignLetter,
    /// A clinician's judgement that a letter is not for the patient to read: it tells of somebody else,
    /// or could do serious harm.
    HoldBack,
    /// A clinician's judgement that a letter that is held back may be read by the patient.
    ReleaseToPatient,
    /// A patient's own list of letters, and one of them.
    Record,
    /// What a patient and their practice write to each other.
    Messages,
    /// A patient writes to their practice, or staff to a patient.
    WriteMessage,
    /// A patient asks other organisations for what they hold of them.
    AskForOneself,
    /// A patient asks about an entry of their record, or why somebody looked.
    AskAbout,
    /// Patients' questions about entries, for those who answer them.
    RecordQuestions,
    /// Staff open or answer a patient's question about an entry.
    AnswerQuestion,
    /// Staff say in which plain words patients are told of clinical terms.
    KeepGlossary,
    /// A patient says what may be shared with whom.
    SetSharing,
    /// A patient, or somebody for them, asks for repeat medicines and says which pharmacy is to have the prescription.
    OrderMedicines,
    /// Which questionnaires there are, who was asked to answer them, and what was answered.
    Questionnaires,
    /// A patient, somebody for them, or staff answer a questionnaire, or change what was answered.
    AnswerQuestionnaire,
    /// The practice's queue of requests for medicines, or the pharmacy's of prescriptions.
    Prescriptions,
    /// A named prescriber approves or refuses what a patient asks for.
    Prescribe,
    /// A pharmacy fetches prescriptions, and says what became of them.
    Dispense,
    /// The lists of referrals that came and were sent, and one of them.
    Referrals,
    /// Refers a patient to another organisation, answers its questions, or withdraws the referral.
    Refer,
    /// A named clinician accepts a referral, asks about it, or gives it back.
    TriageReferral,
    /// The board of ambulances, and one handover.
    Handovers,
    /// An ambulance crew hands a patient over, says what changed, diverts or withdraws.
    HandOver,
    /// A named clinician of the emergency department takes a patient over from a crew.
    TakeOver,
    /// Patients who came from another practice, and claims of other practices.
    Moves,
    /// Registers somebody who moved here, gives a record to the practice that somebody moved to, or objects.
    MovePatient,
    /// The day's list of visits, and one of them.
    Visits,
    /// Puts a visit on somebody's list, changes or cancels it.
    PlanVisit,
    /// Takes a day's visits along, to be read and written offline.
    TakeAlong,
    /// Brings back what was written offline, and decides about what does not fit.
    BringBack,
    /// What staff have when everything is off: packs, and what became of them.
    Downtime,
    /// Enters what was written on paper meanwhile.
    EnterPaper,
    /// Who may act for a patient: given, confirmed, ended.
    Proxies,
    /// Whether a patient's record is shown online, and what their own pages tell of their use.
    OnlineAccess,
    /// The diary: which appointments are free, held or taken.
    Slots,
    /// Staff publish, hold, release and take back appointments that can be booked.
    KeepDiary,
    /// An appointment is made, or moved to another time.
    Book,
    CancelAppointment,
    /// Says that one cares for a patient, and so may see their record.
    ClaimRelationship,
    /// Opens one record for a time that is otherwise withheld ("break-glass").
    EmergencyAccess,
    /// Who looked at a record, and why.
    AccessLog,
    /// Work to do: who has it and until when.
    Tasks,
    /// A task is given to somebody, handed on, done, or not done and said why.
    WorkTask,
    /// Who is in which team, and who leaves.
    Teams,
    /// Which rules on events there are, what each did, and what it would have done.
    Rules,
    /// A rule is switched on or off, tried again, or what it did is undone.
    KeepRules,
    /// Messages and parcels that are stuck: reasons and counts, never content.
    WorkList,
    /// Each neighbour's health.
    Neighbours,
    /// A system's use of its own mailbox: what it sends, fetches and tracks.
    Mailbox,
    /// What the node does by itself.
    System,
}

/// What an interaction touches, which is what roles are allowed by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sort {
    /// Shows patient data.
    Look,
    /// Changes patient data.
    Change,
    /// Runs the node; no patient data.
    Operate,
    /// Reads the audit log.
    Audit,
    /// Moves a mailbox's own messages, and nothing else.
    Mail,
    /// The node's own work.
    Inner,
}

impl Interaction {
    /// The word in the audit log; FHIR's own where FHIR has one.
    pub fn code(self) -> &'static str {
        match self {
            Interaction::Read => "read",
            Interaction::Vread => "vread",
            Interaction::HistoryInstance => "history-instance",
            Interaction::HistoryType => "history-type",
            Interaction::HistorySystem => "history-system",
            Interaction::Search => "search-type",
            Interaction::Create => "create",
            Interaction::Update => "update",
            Interaction::Patch => "patch",
            Interaction::Delete => "delete",
            Interaction::Batch => "batch",
            Interaction::Transaction => "transaction",
            Interaction::Everything => "everything",
            Interaction::Terminology => "terminology",
            Interaction::LastN => "lastn",
            Interaction::Match => "match",
            Interaction::Document => "document",
            Interaction::Ask => "ask",
            Interaction::AskForOneself => "ask-for-oneself",
            Interaction::Export => "export",
            Interaction::Import => "import",
            Interaction::Subscribe => "subscribe",
            Interaction::RemoveLabel => "remove-label",
            Interaction::Inbox => "inbox",
            Interaction::Unmatched => "unmatched",
            Interaction::Sent => "sent",
            Interaction::Item => "item",
            Interaction::OpenLetter => "open-letter",
            Interaction::FileLetter => "file-letter",
            Interaction::MatchLetter => "match-letter",
            Interaction::ReturnLetter => "return-letter",
            Interaction::ActOnLetter => "act-on-letter",
            Interaction::SendLetter => "send-letter",
            Interaction::WithdrawLetter => "withdraw-letter",
            Interaction::Unsigned => "unsigned",
            Interaction::WriteLetter => "write-letter",
            Interaction::SignLetter => "sign-letter",
            Interaction::HoldBack => "hold-back-letter",
            Interaction::ReleaseToPatient => "release-letter",
            Interaction::Record => "record",
            Interaction::Messages => "messages",
            Interaction::WriteMessage => "write-message",
            Interaction::AskAbout => "ask-about",
            Interaction::RecordQuestions => "record-questions",
            Interaction::AnswerQuestion => "answer-question",
            Interaction::KeepGlossary => "keep-glossary",
            Interaction::SetSharing => "set-sharing",
            Interaction::OrderMedicines => "order-medicines",
            Interaction::Questionnaires => "questionnaires",
            Interaction::AnswerQuestionnaire => "answer-questionnaire",
            Interaction::Prescriptions => "prescriptions",
            Interaction::Prescribe => "prescribe",
            Interaction::Dispense => "dispense",
            Interaction::Referrals => "referrals",
            Interaction::Refer => "refer",
            Interaction::TriageReferral => "triage-referral",
            Interaction::Handovers => "handovers",
            Interaction::HandOver => "hand-over",
            Interaction::TakeOver => "take-over",
            Interaction::Moves => "moves",
            Interaction::MovePatient => "move-patient",
            Interaction::Visits => "visits",
            Interaction::PlanVisit => "plan-visit",
            Interaction::TakeAlong => "take-along",
            Interaction::BringBack => "bring-back",
            Interaction::Downtime => "downtime",
            Interaction::EnterPaper => "enter-paper",
            Interaction::Proxies => "proxies",
            Interaction::OnlineAccess => "online-access",
            Interaction::Slots => "slots",
            Interaction::KeepDiary => "keep-diary",
            Interaction::Book => "book-appointment",
            Interaction::CancelAppointment => "cancel-appointment",
            Interaction::ClaimRelationship => "claim-relationship",
            Interaction::EmergencyAccess => "emergency-access",
            Interaction::AccessLog => "access-log",
            Interaction::Tasks => "tasks",
            Interaction::WorkTask => "work-task",
            Interaction::Teams => "teams",
            Interaction::Rules => "rules",
            Interaction::KeepRules => "keep-rules",
            Interaction::WorkList => "work-list",
            Interaction::Neighbours => "neighbours",
            Interaction::Mailbox => "mailbox",
            Interaction::System => "system",
        }
    }

    pub(crate) fn sort(self) -> Sort {
        match self {
            Interaction::Read
            | Interaction::Vread
            | Interaction::HistoryInstance
            | Interaction::HistoryType
            | Interaction::HistorySystem
            | Interaction::Search
            | Interaction::Everything
            | Interaction::Terminology
            | Interaction::LastN
            | Interaction::Match
            | Interaction::Document
            | Interaction::Ask
            | Interaction::AskForOneself
            | Interaction::Export
            | Interaction::Subscribe
            | Interaction::Inbox
            | Interaction::Unmatched
            | Interaction::Sent
            | Interaction::Item
            | Interaction::ClaimRelationship
            | Interaction::EmergencyAccess
            | Interaction::Slots
            | Interaction::Prescriptions
            | Interaction::Questionnaires
            | Interaction::Unsigned
            | Interaction::Tasks
            | Interaction::Rules
            | Interaction::Referrals
            | Interaction::Handovers
            | Interaction::Moves
            | Interaction::Visits
            | Interaction::TakeAlong
            | Interaction::Downtime
            | Interaction::Messages
            | Interaction::RecordQuestions
            | Interaction::Record => Sort::Look,
            Interaction::Create
            | Interaction::Update
            | Interaction::Patch
            | Interaction::Delete
            | Interaction::Batch
            | Interaction::Transaction
            | Interaction::Import
            | Interaction::RemoveLabel
            | Interaction::OpenLetter
            | Interaction::FileLetter
            | Interaction::MatchLetter
            | Interaction::ReturnLetter
            | Interaction::ActOnLetter
            | Interaction::SendLetter
            | Interaction::SetSharing
            | Interaction::WriteMessage
            | Interaction::AskAbout
            | Interaction::AnswerQuestion
            | Interaction::KeepGlossary
            | Interaction::OrderMedicines
            | Interaction::AnswerQuestionnaire
            | Interaction::Prescribe
            | Interaction::Dispense
            | Interaction::Refer
            | Interaction::TriageReferral
            | Interaction::HandOver
            | Interaction::TakeOver
            | Interaction::MovePatient
            | Interaction::PlanVisit
            | Interaction::BringBack
            | Interaction::EnterPaper
            | Interaction::Proxies
            | Interaction::OnlineAccess
            | Interaction::KeepDiary
            | Interaction::Book
            | Interaction::CancelAppointment
            | Interaction::WithdrawLetter
            | Interaction::WriteLetter
            | Interaction::SignLetter
            | Interaction::WorkTask
            | Interaction::KeepRules
            | Interaction::HoldBack
            | Interaction::ReleaseToPatient => Sort::Change,
            Interaction::WorkList | Interaction::Neighbours | Interaction::Teams => Sort::Operate,
            Interaction::AccessLog => Sort::Audit,
            Interaction::Mailbox => Sort::Mail,
            Interaction::System => Sort::Inner,
        }
    }

    /// Whether it takes or brings many records, now or as they come, which only an organisation's own
    /// systems do.
    pub(crate) fn is_bulk(self) -> bool {
        matches!(
            self,
            Interaction::Export | Interaction::Import | Interaction::Subscribe
        )
    }

    /// Whether it is one of FHIR's own. Asking other organisations is not: that is done in a person's name.
    pub(crate) fn is_rest(self) -> bool {
        matches!(
            self,
            Interaction::Read
                | Interaction::Vread
                | Interaction::HistoryInstance
                | Interaction::HistoryType
                | Interaction::HistorySystem
                | Interaction::Search
                | Interaction::Create
                | Interaction::Update
                | Interaction::Patch
                | Interaction::Delete
                | Interaction::Batch
                | Interaction::Transaction
                | Interaction::Terminology
                | Interaction::Everything
                | Interaction::LastN
                | Interaction::Match
                | Interaction::Document
                | Interaction::Export
                | Interaction::Import
                | Interaction::Subscribe
        )
    }
}
