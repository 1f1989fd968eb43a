//! Parts of resources, packed bodies, and what the door tells of itself.

use std::io::{Read, Write};

use axum::body::Body;
use http::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE};
use http::{Request, StatusCode};
use serde_json::{Value, json};
use store::testing::on_each_database;
use tower::ServiceExt;

use super::{BASE, Client, JANE, node, observation};
use crate::router::FHIR;

#[test]
fn a_part_is_shown_and_tagged_as_one() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        let bo = Client::of(&node, "bo").await;
        let jane = JANE.replacen('{', r#"{"photo":[{"title":"x"}],"#, 1);
        bo.put("/Patient/jane", &jane).await;
        for id in ["a", "b"] {
            bo.put(&format!("/Observation/{id}"), &observation(id, "jane"))
                .await;
        }
        let read = bo.get("/Patient/jane?_summary=true").await.json();
        assert_eq!(
            (&read["name"][0]["family"], &read["photo"]),
            (&json!("Example"), &Value::Null)
        );
        assert_eq!(read["meta"]["tag"][0]["code"], "SUBSETTED");
        assert_eq!(read["meta"]["versionId"], "1");
        let whole = bo.get("/Patient/jane?_summary=false").await.json();
        assert_eq!(whole["photo"][0]["title"], "x");
        let elements = bo.get("/Patient/jane?_elements=birthDate").await.json();
        assert_eq!(
            (&elements["birthDate"], &elements["name"]),
            (&json!("1970-02-03"), &Value::Null)
        );

        // Pages of a search keep the view.
        let mut address = "/Observation?_elements=subject&_count=1".to_string();
        for _ in 0..2 {
            let page = bo.get(&address).await.json();
            let found = &page["entry"][0]["resource"];
            assert_eq!(found["subject"]["reference"], "Patient/jane", "{page}");
            assert_eq!(
                (&found["status"], &found["valueQuantity"]),
                (&json!("final"), &Value::Null)
            );
            let links = page["link"].as_array().unwrap();
            if let Some(next) = links.iter().find(|link| link["relation"] == "next") {
                address = next["url"]
                    .as_str()
                    .unwrap()
                    .strip_prefix(BASE)
                    .unwrap()
                    .to_string();
                assert!(address.contains("_elements=subject"), "{address}");
            }
        }
        let form = [("content-type", "application/x-www-form-urlencoded")];
        let posted = bo
            .send("POST", "/Patient/_search", &form, "_id=jane&_summary=text")
            .await
            .json();
        assert!(posted["entry"][0]["resource"]["name"].is_null(), "{posted}");
        let count = bo.get("/Observation?_summary=count").await.json();
        assert_eq!(
            (&count["total"], &count["entry"]),
            (&json!(2), &Value::Null)
        );
        let history = bo.get("/Patient/jane/_history?_summary=text").await.json();
        assert!(history["entry"][0]["resource"]["name"].is_null());
        let bundle = json!({ "resourceType": "Bundle", "type": "batch", "entry": [
            { "request": { "method": "GET", "url": "Patient/jane?_summary=text" } },
        ] });
        let done = bo.post("", &bundle.to_string()).await.json();
        assert!(done["entry"][0]["resource"]["name"].is_null(), "{done}");
        let told = bo
            .send(
                "PUT",
                "/Patient/jane",
                &[("prefer", "return=OperationOutcome")],
                &jane,
            )
            .await;
        assert_eq!(told.json()["resourceType"], "OperationOutcome");
        for wrong in [
            "_summary=some",
            "_elements=a,,b",
            "_summary=true&_elements=name",
        ] {
            let refused = bo.get(&format!("/Patient/jane?{wrong}")).await;
            assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{wrong}");
        }
        node.store.clone().close().await;
    });
}

#[test]
fn bodies_go_packed_both_ways() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        let bo = Client::of(&node, "bo").await;
        let send = async |packing: &str, body: Vec<u8>, accept: &str| {
            let request = Request::put("/fhir/Patient/jane")
                .header(AUTHORIZATION, format!("Bearer {}", bo.token))
                .header(CONTENT_TYPE, "application/fhir+json")
                .header(CONTENT_ENCODING, packing)
                .header("accept-encoding", accept)
                .body(Body::from(body))
                .unwrap();
            let response = bo.router.clone().oneshot(request).await.unwrap();
            let (parts, body) = response.into_parts();
            let bytes = axum::body::to_bytes(body, 1 << 20).await.unwrap();
            let packed = parts.headers.get(CONTENT_ENCODING);
            let packed = packed.map(|it| it.to_str().unwrap().to_string());
            (parts.status, packed, bytes)
        };
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(JANE.as_bytes()).unwrap();
        let gzip = gzip.finish().unwrap();
        let zstd = zstd::encode_all(JANE.as_bytes(), 3).unwrap();
        let (status, packed, bytes) = send("gzip", gzip, "zstd").await;
        assert_eq!(
            (status, packed.as_deref()),
            (StatusCode::CREATED, Some("zstd"))
        );
        let plain = zstd::decode_all(&bytes[..]).unwrap();
        assert!(String::from_utf8(plain).unwrap().contains("Example"));
        let (status, packed, bytes) = send("zstd", zstd.clone(), "gzip").await;
        assert_eq!((status, packed.as_deref()), (StatusCode::OK, Some("gzip")));
        let mut plain = String::new();
        flate2::read::GzDecoder::new(&bytes[..])
            .read_to_string(&mut plain)
            .unwrap();
        assert!(plain.contains("Example"));
        let (_, packed, _) = send("zstd", zstd, "br").await;
        assert_eq!(packed.as_deref(), Some("br"));

        // A few kilobytes that unpack to a gigabyte.
        let mut bomb = zstd::stream::write::Encoder::new(Vec::new(), 3).unwrap();
        for _ in 0..256 {
            bomb.write_all(&vec![b' '; 1 << 20]).unwrap();
        }
        let (status, _, _) = send("zstd", bomb.finish().unwrap(), "identity").await;
        assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
        let (status, _, _) = send("gzip", b"not packed".to_vec(), "identity").await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
        let (status, _, _) = send("compress", Vec::new(), "identity").await;
        assert_eq!(status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
        node.store.clone().close().await;
    });
}

#[test]
fn what_the_door_tells_of_itself_is_what_it_does() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        let bo = Client::of(&node, "bo").await;
        let told = bo.get("/metadata").await.json();
        let resources = told["rest"][0]["resource"].as_array().unwrap();
        let patient = resources.iter().find(|it| it["type"] == "Patient").unwrap();
        let codes = |of: &Value| -> Vec<String> {
            let each = of["interaction"].as_array().unwrap().iter();
            each.map(|it| it["code"].as_str().unwrap().to_string())
                .collect()
        };
        for code in [
            "read",
            "vread",
            "update",
            "patch",
            "delete",
            "create",
            "search-type",
            "history-instance",
            "history-type",
        ] {
            assert!(codes(patient).iter().any(|told| told == code), "{code}");
        }
        for code in ["transaction", "batch", "history-system"] {
            assert!(
                codes(&told["rest"][0]).iter().any(|told| told == code),
                "{code}"
            );
        }
        // No route of the table is missing behind the router, and no other method is there.
        for route in FHIR {
            let address = route
                .path
                .replace("{ty}", "Patient")
                .replace("{id}", "never");
            let address = address
                .replace("{version}", "1")
                .replace("{inner}", "Observation");
            let answer = bo.send(route.method.as_str(), &address, &[], "{}").await;
            assert_ne!(
                answer.status,
                StatusCode::METHOD_NOT_ALLOWED,
                "{} {address}",
                route.method
            );
            assert!(
                !answer.status.is_server_error(),
                "{}: {}",
                address,
                answer.text()
            );
        }
        let converted = bo
            .send(
                "POST",
                "/$convert",
                &[("accept", "application/fhir+xml")],
                JANE,
            )
            .await;
        assert!(
            converted.text().contains(r#"<family value="Example"/>"#),
            "{}",
            converted.text()
        );
        node.store.clone().close().await;
    });
}
