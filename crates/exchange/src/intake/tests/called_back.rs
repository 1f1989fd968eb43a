//! Letters that had left by fax when their own system called them back.

use store::fax::{Asker, FaxDone, FaxWrite, Report};
use store::parcels::{Kind as ParcelKind, Named, Outgoing, Parcel, State};

use super::*;

const NUMBER: &str = "+441134960001";
const PRACTICE: &str = "A99998";

impl Hospital {
    async fn fax(&self, write: FaxWrite) -> FaxDone {
        let job = Job::effect(Effect::Fax(write));
        let committed = self.store.commit(&self.scope, job).await.unwrap();
        match committed.done.into_iter().next() {
            Some(Done::Fax(done)) => done,
            other => panic!("{other:?}"),
        }
    }

    async fn id_of(&self, ty: &str) -> String {
        self.one(ty).await["id"].as_str().unwrap().to_owned()
    }

    /// A letter about that document, under that number of its system's, has gone by fax to a practice without a node.
    async fn faxed(&self, document: &str, document_number: &str) -> i64 {
        let by = |account| Asker {
            account,
            who: format!("Person {account}"),
        };
        let propose = FaxWrite::Propose {
            number: NUMBER.into(),
            ods: PRACTICE.into(),
            name: "Northfield".into(),
            by: by(1),
        };
        self.fax(propose).await;
        let number = NUMBER.to_owned();
        self.fax(FaxWrite::Confirm { number, by: by(2) }).await;
        let parcel = Parcel {
            kind: ParcelKind::Fax,
            sender: self.store.organisation().clone(),
            recipient: Ods::parse(PRACTICE).unwrap(),
            id: "faxed".into(),
            text: "faxed".into(),
            digest: "faxed".into(),
            title: "By fax".into(),
            author: String::new(),
            urgent: false,
            marked: false,
            unique_id: document_number.into(),
            replaces: None,
            named: Named::default(),
            parts: Vec::new(),
        };
        let queue = FaxWrite::Queue(Box::new(Outgoing {
            parcel,
            patient: self.id_of("Patient").await,
            document: document.into(),
            contents: Vec::new(),
        }));
        let FaxDone::Queued { pid, .. } = self.fax(queue).await else {
            panic!("not queued")
        };
        let keeping = Scope::system(SystemPurpose::KeepFaxes);
        let number = self.store.faxes_to_send(&keeping, 9).await.unwrap()[0].number;
        let handing = FaxWrite::Handing {
            number,
            dialled: NUMBER.into(),
            holder: "h".into(),
            tag: "t".into(),
        };
        self.fax(handing).await;
        let job = "77".to_owned();
        self.fax(FaxWrite::Handed { number, job }).await;
        let report = Report {
            job: "77".into(),
            done: true,
            status: "done".into(),
            pages_sent: 2,
            pages: 2,
        };
        self.fax(FaxWrite::Reported(report)).await;
        pid
    }

    /// It is where it was, and somebody is to ring about it, for this reason.
    async fn is_rung_about(&self, pid: i64, reason: &str) {
        let sent = self.sent().await;
        let faxed = sent.iter().find(|it| it.pid == pid).unwrap();
        assert_eq!(faxed.state, State::Delivered, "it has left");
        let recalls = self.store.recalls(&self.scope, 9).await.unwrap();
        let [recall] = recalls.as_slice() else {
            panic!("{recalls:?}")
        };
        assert_eq!((recall.pid, recall.other.as_str()), (pid, PRACTICE));
        assert_eq!(recall.dialled, NUMBER);
        assert!(recall.reason.contains(reason), "{recall:?}");
    }
}

#[test]
fn a_discharge_that_is_cancelled_says_of_a_letter_that_left_by_fax_that_somebody_must_ring() {
    on_each_database(async |ground| {
        let hospital = hospital(ground).await;
        hospital.take(&admission("1")).await;
        let discharge = admission("2")
            .replace("A01", "A03")
            .replace("|20260104100000", "|20260104100000|20260105080000");
        hospital.take(&discharge).await;
        hospital.take(&letter("3")).await;
        let document = hospital.id_of("DocumentReference").await;
        let faxed = hospital.faxed(&document, "").await;
        let cancel = format!("{PATIENT}{VISIT}").replace("|20260104100000", "");
        hospital.take(&message("ADT^A13", "4", &cancel)).await;
        hospital.is_rung_about(faxed, "(ADT^A13)").await;
        let sent = hospital.sent().await;
        let other = sent.iter().find(|it| it.pid != faxed).unwrap();
        assert_eq!(other.state, State::Withdrawn, "their node is told");
        let told = hospital.stuck().await.remove(0).1;
        for said in ["is stopped", "is told there", "nobody there is told"] {
            assert!(told.contains(said), "{said}: {told}");
        }
        hospital.store.close().await;
    });
}

#[test]
fn a_result_that_is_declared_wrong_is_rung_about_where_it_left_by_fax() {
    on_each_database(async |ground| {
        let mut hospital = hospital(ground).await;
        hospital.intake = hospital.intake.sending_results(true);
        let result = |id: &str, status: &str| {
            let rest = format!(
                "{PATIENT}OBR|1|P7|F8|K^Potassium|||20260105|||||||||||||||20260105093000|||F\n\
                 OBX|1|NM|K^Potassium||7.1|mmol/L|3.5-5.3||||{status}\n"
            );
            message("ORU^R01", id, &rest)
        };
        hospital.take(&result("1", "F")).await;
        let report = hospital.id_of("DiagnosticReport").await;
        let faxed = hospital.faxed("", &report).await;
        hospital.take(&result("2", "W")).await;
        hospital
            .is_rung_about(faxed, "declared the result wrong")
            .await;
        hospital.store.close().await;
    });
}

#[test]
fn a_document_that_its_system_cancels_is_rung_about_where_it_left_by_fax() {
    on_each_database(async |ground| {
        let hospital = hospital(ground).await;
        hospital.take(&letter("1")).await;
        // The facility's number D1 that RXX01 assigned.
        let faxed = hospital.faxed("", "RXX01/D1^RXX01").await;
        let txa = LETTER.lines().next().unwrap();
        let cancelled = message("MDM^T11", "2", &format!("{PATIENT}{VISIT}{txa}\n"));
        hospital.take(&cancelled).await;
        hospital.is_rung_about(faxed, "(MDM^T11)").await;
        hospital.store.close().await;
    });
}
