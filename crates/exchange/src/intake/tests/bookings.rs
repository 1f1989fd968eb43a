//! Services and resources of an appointment that come and go.

use super::*;

fn booking(trigger: &str, id: &str, resources: &str) -> String {
    let rest = format!(
        "SCH|P5^PAS|F7^PAS|||||CHECKUP^Check-up^L|FOLLOWUP^Follow-up^L|30|MIN|^^^20260801090000|||||||||||||||Booked\n\
         {PATIENT}RGS|1\n{resources}"
    );
    message(&format!("SIU^{trigger}"), id, &rest)
}

#[test]
fn a_room_that_goes_from_an_appointment_that_is_not_here_waits_for_a_person() {
    on_each_database(async |ground| {
        let hospital = hospital(ground).await;
        let rooms = "AIG|1||ROOM1^Room one\nAIG|2||ROOM2^Room two\n";
        let gone = hospital
            .take(&booking("S20", "1", "AIG|1|D|ROOM1^Room one\n"))
            .await;
        assert!(hospital.all("Appointment").await.is_empty());
        let stuck = hospital.stuck().await;
        assert_eq!(stuck[0].0, "failed");
        assert!(stuck[0].1.contains("is not here"), "{stuck:?}");
        hospital.take(&booking("S12", "2", rooms)).await;
        let rooms = async || {
            let appointment = hospital.one("Appointment").await;
            let all = appointment["participant"].as_array().unwrap().clone();
            let named = all.iter().filter_map(|it| it["actor"]["display"].as_str());
            named.map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(rooms().await, ["Room one", "Room two"]);
        let added = booking("S18", "3", "AIG|1|A|ROOM3^Room three\n");
        hospital.take(&added).await;
        assert_eq!(rooms().await, ["Room one", "Room two", "Room three"]);
        hospital
            .take(&booking("S22", "4", "AIG|1|D|ROOM2^Room two\n"))
            .await;
        assert_eq!(rooms().await, ["Room one", "Room three"]);
        // The first one is older than the booking: what the booking says stands.
        hospital.replay(gone).await.unwrap();
        assert_eq!(rooms().await, ["Room one", "Room three"]);
        hospital.store.close().await;
    });
}
