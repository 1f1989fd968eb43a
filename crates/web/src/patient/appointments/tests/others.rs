//! Whose appointments they are: who acts for somebody, and who does not.

use http::StatusCode;
use store::testing::on_each_database;

use super::{book, form, publish, send, signed_in, values};
use crate::patient::people::tests::acting;
use crate::testing::{letters, node, patient};

const TOM: [&str; 5] = ["tom", "Tom Helper", "tom", "9990000018", "1970-02-03"];

#[test]
fn p24_who_acts_for_a_patient_books_for_them_where_visits_were_given_and_not_otherwise() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        letters::patient(&node.store).await;
        patient(&node.store, TOM).await;
        publish(&node, &[]).await;
        let (mut tom, _) = acting(&node, &[("see-letters", "yes")]).await;
        for address in ["/appointments", "/appointments/book"] {
            let page = tom.get(address).await;
            assert_eq!(page.status, StatusCode::FORBIDDEN, "{}", page.text);
            assert!(
                page.text
                    .contains("not shown to people who act for somebody else")
            );
        }
        let home = tom.get("/").await.text;
        assert!(
            home.contains("Appointments are not among what you may see."),
            "{home}"
        );
        let (mut tom, _) = acting(&node, &[("see-visits", "yes")]).await;
        let address = book(&mut tom, 0).await;
        let mut jane = signed_in(&node, "jane").await;
        let page = jane.get(&address).await;
        assert_eq!(page.status, StatusCode::OK, "it is hers: {}", page.text);
        let log = jane.get("/access-log").await.text;
        assert!(log.contains("Tom Helper, acting for you"), "{log}");
        let ended = tom
            .post(&format!("{address}/cancel"), &[("why", "other")])
            .await;
        assert_eq!(ended.status, StatusCode::SEE_OTHER, "{}", ended.text);
        tom.get("/people").await;
        tom.post("/people/stop", &[]).await;
        let page = tom.get(&address).await;
        assert_eq!(page.status, StatusCode::NOT_FOUND, "it is not his");
    });
}

#[test]
fn a01_a_patient_neither_reads_nor_moves_nor_cancels_anothers_appointment() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        letters::patient(&node.store).await;
        patient(&node.store, TOM).await;
        publish(&node, &[]).await;
        let mut jane = signed_in(&node, "jane").await;
        let address = book(&mut jane, 0).await;
        let id = address.rsplit('/').next().unwrap().to_owned();
        let mut tom = signed_in(&node, "tom").await;
        let list = tom.get("/appointments").await.text;
        assert!(!list.contains(&id), "{list}");
        let page = tom.get(&address).await;
        let absent = tom.get("/appointments/nothing").await;
        assert_eq!(
            (page.status, absent.status),
            (StatusCode::NOT_FOUND, StatusCode::NOT_FOUND)
        );
        let ended = tom
            .post(&format!("{address}/cancel"), &[("why", "other")])
            .await;
        assert_eq!(ended.status, StatusCode::NOT_FOUND);
        let page = tom.get("/appointments/book").await.text;
        let choice = values(&page, "choice")[0].to_owned();
        let fields = [
            ("choice", choice.as_str()),
            ("attempt", "a"),
            ("instead_of", id.as_str()),
        ];
        let moved = tom.post("/appointments/book", &fields).await;
        assert_eq!(moved.status, StatusCode::NOT_FOUND);
        let page = jane.get(&address).await.text;
        assert!(page.contains("Booked"), "{page}");
    });
}

#[test]
fn a_patient_holds_only_so_many_appointments_at_a_time() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        letters::patient(&node.store).await;
        publish(&node, &[("until", "12:00")]).await;
        let mut jane = signed_in(&node, "jane").await;
        for _ in 0..10 {
            book(&mut jane, 0).await;
        }
        let form = form(&mut jane, 0).await;
        let refused = send(&mut jane, &form).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(
            refused
                .text
                .contains("as many appointments as can be booked online")
        );
    });
}
