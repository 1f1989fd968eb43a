//! The door in XML.

use axum::body::Body;
use fhir::gp_connect::Call;
use fhir::json::{Limits, parse};
use fhir::xml::{from_json, to_json};
use http::{HeaderMap, Method, Request, StatusCode};
use serde_json::Value;
use store::testing::on_each_database;
use tower::ServiceExt;

use super::PATH;
use super::tests::{Setting, set_up};

/// Sends that body with these headers beside the call's own; the answer as it came.
async fn send(
    it: &Setting,
    (method, path, call): (Method, &str, Call),
    more: &[(&'static str, &str)],
    body: String,
) -> (StatusCode, HeaderMap, String) {
    let mut request = Request::builder()
        .method(method)
        .uri(format!("{PATH}{path}"));
    for (name, value) in it.headers(call) {
        if !more.iter().any(|(other, _)| *other == name) {
            request = request.header(name, value);
        }
    }
    for (name, value) in more {
        request = request.header(*name, *value);
    }
    let request = request.body(Body::from(body)).unwrap();
    let response = it.router.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let bytes = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    (parts.status, parts.headers, text)
}

fn read(xml: &str) -> Value {
    let json =
        to_json(xml.as_bytes(), &Limits::default()).unwrap_or_else(|it| panic!("{it}: {xml}"));
    serde_json::from_slice(&json).unwrap()
}

fn write(resource: &Value) -> String {
    let text = resource.to_string();
    let json = parse(text.as_bytes(), &Limits::default()).unwrap();
    String::from_utf8(from_json(&json, &Limits::default(), false).unwrap()).unwrap()
}

const XML: &str = "application/fhir+xml";

#[test]
fn an_appointment_is_booked_read_and_cancelled_in_xml_as_in_json() {
    on_each_database(async |ground| {
        let it = set_up(ground).await;
        let offered = it.offered().await;
        let (_, json) = it.get(Call::FindSlots, &it.slots()).await;
        let slots = it.slots();
        let get = async |path: &str, call, more: &[(&'static str, &str)]| {
            send(&it, (Method::GET, path, call), more, String::new()).await
        };
        let (status, headers, found) = get(&slots, Call::FindSlots, &[("accept", XML)]).await;
        assert_eq!(
            (status.as_u16(), &headers["content-type"]),
            (200, &XML.parse().unwrap()),
            "{found}"
        );
        assert_eq!(read(&found), json, "the same in either format");
        // `_format` goes before `Accept`.
        let by_parameter = format!("{slots}&_format=application%2Ffhir%2Bxml");
        let (_, _, found) = get(
            &by_parameter,
            Call::FindSlots,
            &[("accept", "application/fhir+json")],
        )
        .await;
        assert_eq!(read(&found), json);
        let by_parameter = format!("{slots}&_format=application/fhir%2Bjson");
        let (_, _, found) = get(&by_parameter, Call::FindSlots, &[("accept", XML)]).await;
        assert_eq!(serde_json::from_str::<Value>(&found).unwrap(), json);

        let asked = write(&it.request(&offered[0]));
        let both = [("content-type", XML), ("accept", XML)];
        let post = (Method::POST, "/Appointment", Call::Book);
        let (status, headers, booked) = send(&it, post.clone(), &both, asked.clone()).await;
        assert_eq!(status, 201, "{booked}");
        assert!(headers.contains_key("location") && headers.contains_key("etag"));
        let booked = read(&booked);
        let path = format!("/Appointment/{}", booked["id"].as_str().unwrap());
        let (_, json) = it.get(Call::ReadAppointment, &path).await;
        assert_eq!(booked, json);
        let (status, _, again) = send(&it, post, &both, asked).await;
        assert_eq!(status, 409);
        assert_eq!(
            read(&again)["issue"][0]["details"]["coding"][0]["code"],
            "DUPLICATE_REJECTED"
        );
        let ended = write(&fhir::gp_connect::cancel(&booked, "Better now"));
        let put = (Method::PUT, path.as_str(), Call::Cancel);
        let more = [
            ("content-type", XML),
            ("if-match", "W/\"1\""),
            ("prefer", "return=minimal"),
        ];
        let (status, _, nothing) = send(&it, put, &more, ended).await;
        assert_eq!((status.as_u16(), nothing.as_str()), (200, ""));
        let (_, json) = it.get(Call::ReadAppointment, &path).await;
        assert_eq!(json["status"], "cancelled");
    });
}

#[test]
fn what_is_no_xml_or_is_wanted_as_neither_is_refused() {
    on_each_database(async |ground| {
        let it = set_up(ground).await;
        let post = (Method::POST, "/Appointment", Call::Book);
        for wrong in [
            "",
            "<Appointment",
            "{}",
            "<Appointment xmlns=\"http://hl7.org/fhir\"><reason/></Appointment>",
        ] {
            let both = [("content-type", XML), ("accept", XML)];
            let (status, _, refused) = send(&it, post.clone(), &both, wrong.into()).await;
            assert_eq!(status, 422, "{wrong}");
            assert_eq!(
                read(&refused)["issue"][0]["details"]["coding"][0]["code"],
                "INVALID_RESOURCE"
            );
        }
        let slots = it.slots();
        let (status, _, _) = send(
            &it,
            (Method::GET, &slots, Call::FindSlots),
            &[("accept", "text/html")],
            String::new(),
        )
        .await;
        assert_eq!(status, 415);
        assert_eq!(it.offered().await.len(), 2);
    });
}
