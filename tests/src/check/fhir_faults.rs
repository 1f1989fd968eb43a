//! Faults of a FHIR door, one at a time.

use serde_json::{Value, json};

use super::door::{Asked, Door, change, drop_header, instead, set_header};
use super::{check, each, fhir};
use crate::client::http::Answer;
use crate::node::neighbourhood::Neighbourhood;

pub struct Fault {
    pub name: &'static str,
    pub breaks: &'static [&'static str],
    /// Before the node is asked.
    pub asks: fn(&mut Asked),
    /// Behind its answer.
    pub answers: fn(&Asked, &mut Answer),
}

pub fn asks(name: &'static str, breaks: &'static [&'static str], asks: fn(&mut Asked)) -> Fault {
    Fault {
        name,
        breaks,
        asks,
        answers: |_, _| {},
    }
}

pub fn answers(
    name: &'static str,
    breaks: &'static [&'static str],
    answers: fn(&Asked, &mut Answer),
) -> Fault {
    Fault {
        name,
        breaks,
        asks: |_| {},
        answers,
    }
}

pub fn outcome(code: &str) -> Value {
    json!({ "resourceType": "OperationOutcome", "issue": [{ "severity": "error", "code": code }] })
}

/// Takes a parameter out of an address.
fn without(asked: &mut Asked, part: &str) {
    asked.path = asked
        .path
        .replace(part, "_count=1")
        .replace("_count=1&_count=1", "_count=1");
}

fn entries(bundle: &mut Value) -> Vec<&mut Value> {
    bundle["entry"]
        .as_array_mut()
        .map(|all| all.iter_mut().collect())
        .unwrap_or_default()
}

fn links(bundle: &mut Value) -> impl Iterator<Item = &mut Value> {
    let links = bundle.get_mut("link").and_then(Value::as_array_mut);
    links.into_iter().flatten()
}

fn is(asked: &Asked, path: &str) -> bool {
    asked.method == "GET" && asked.path == path
}

fn on(asked: &Asked, path: &str, answer: &mut Answer, with: impl FnOnce(&mut Value)) {
    if is(asked, path) && answer.status == 200 {
        change(answer, with);
    }
}

/// A read of a resource that is there.
fn is_read(asked: &Asked) -> bool {
    let path = asked.path.trim_start_matches("/fhir/Patient/");
    asked.method == "GET"
        && path != asked.path
        && !path.contains(['/', '?', '%'])
        && !path.starts_with("handover")
}

/// Tries all of them; `only` is a table.
pub fn each_of(faults: &[Fault], only: &str, write: bool) {
    let nodes = Neighbourhood::start();
    fhir::fill(&nodes.practice);
    let token = fhir::token(&nodes.practice);
    let run = |fault: &Fault| {
        let door = Door::open(
            nodes.practice.pages,
            Box::new(fault.asks),
            Box::new(fault.answers),
        );
        let base = format!("http://{}/fhir", door.address);
        let mut arguments = vec![base.as_str(), "--token", &token, "--only", only];
        if write {
            arguments.push("--write");
        }
        check(&arguments)
    };
    let none = run(&asks("none", &[], |_| {}));
    assert_eq!((none.told().as_str(), none.code), ("", 0), "{}", none.said);
    each(faults, |fault| (fault.name, fault.breaks), run);
}

#[test]
fn each_fault_of_what_a_fhir_system_says_and_reads_is_named_and_no_other() {
    let faults = [
        answers("no statement", &["fhir-metadata"], |asked, answer| {
            if is(asked, "/fhir/metadata") {
                instead(answer, 404, &outcome("not-found"));
            }
        }),
        answers(
            "an invalid statement",
            &["fhir-metadata-valid"],
            |asked, answer| {
                on(asked, "/fhir/metadata", answer, |it| {
                    it["status"] = "nonsense".into()
                });
            },
        ),
        answers("another release", &["fhir-version"], |asked, answer| {
            on(asked, "/fhir/metadata", answer, |it| {
                it["fhirVersion"] = "3.0.1".into()
            });
        }),
        answers(
            "no formats",
            &["fhir-metadata-rest", "fhir-metadata-valid"],
            |asked, answer| {
                on(asked, "/fhir/metadata", answer, |it| {
                    it["format"] = json!([])
                });
            },
        ),
        answers(
            "a wrong content type",
            &["fhir-json-type"],
            |asked, answer| {
                if is(asked, "/fhir/metadata")
                    && asked.header("accept") == Some("application/fhir+json")
                {
                    set_header(answer, "content-type", "text/plain");
                }
            },
        ),
        asks("no XML", &["fhir-xml"], |asked| {
            if asked.header("accept") == Some("application/fhir+xml") {
                asked.set("accept", "application/fhir+json");
            }
        }),
        asks("_format ignored", &["fhir-format"], |asked| {
            if asked.path.contains("_format=") {
                asked.path = "/fhir/metadata".into();
            }
        }),
        asks("any Accept is good", &["fhir-not-acceptable"], |asked| {
            if asked.header("accept") == Some("image/png") {
                asked.set("accept", "*/*");
            }
        }),
        answers(
            "a declared type is not there",
            &["fhir-types-answer"],
            |asked, answer| {
                if asked.path.starts_with("/fhir/Encounter?") {
                    instead(answer, 404, &outcome("not-found"));
                }
            },
        ),
        answers("an invalid resource", &["fhir-valid"], |asked, answer| {
            on(asked, "/fhir/Patient?_count=5", answer, |it| {
                it["entry"][1]["resource"]["gender"] = "nonsense".into();
            });
        }),
        answers("a rule of R4 broken", &["fhir-valid"], |asked, answer| {
            on(asked, "/fhir/Organization?_count=5", answer, |it| {
                let resource = it["entry"][0]["resource"].as_object_mut().unwrap();
                resource.retain(|name, _| name != "name" && name != "identifier");
            });
        }),
        answers(
            "an id that is none",
            &["fhir-ids", "fhir-valid"],
            |asked, answer| {
                on(asked, "/fhir/Organization?_count=5", answer, |it| {
                    it["entry"][0]["resource"]["id"] = "under_score".into();
                });
            },
        ),
        answers("no meta", &["fhir-meta"], |asked, answer| {
            on(asked, "/fhir/Organization?_count=5", answer, |it| {
                it["entry"][0]["resource"]
                    .as_object_mut()
                    .unwrap()
                    .remove("meta");
            });
        }),
        answers(
            "a read gives another resource",
            &["fhir-read"],
            |asked, answer| {
                if is_read(asked) {
                    change(answer, |it| it["id"] = "another".into());
                }
            },
        ),
        answers("ETag missing", &["fhir-etag"], |asked, answer| {
            if is_read(asked) {
                drop_header(answer, "etag");
            }
        }),
        answers(
            "a strong ETag",
            &["fhir-etag", "fhir-if-none-match"],
            |asked, answer| {
                if is_read(asked) && answer.status == 200 {
                    set_header(answer, "etag", "\"7\"");
                }
            },
        ),
        answers(
            "Last-Modified missing",
            &["fhir-last-modified"],
            |asked, answer| {
                if is_read(asked) {
                    drop_header(answer, "last-modified");
                }
            },
        ),
        asks("If-None-Match ignored", &["fhir-if-none-match"], |asked| {
            asked.drop_header("if-none-match")
        }),
        asks(
            "If-Modified-Since ignored",
            &["fhir-if-modified-since"],
            |asked| {
                asked.drop_header("if-modified-since");
            },
        ),
        answers("another version", &["fhir-vread"], |asked, answer| {
            if asked.path.contains("/_history/1") {
                change(answer, |it| it["meta"]["versionId"] = "99".into());
            }
        }),
        asks(
            "any version is the newest",
            &["fhir-vread-unknown"],
            |asked| {
                asked.path = asked.path.replace("/_history/handover-check-0", "");
            },
        ),
        answers(
            "a history that is a search",
            &["fhir-history"],
            |asked, answer| {
                if asked.path.ends_with("/_history") {
                    change(answer, |it| it["type"] = "searchset".into());
                }
            },
        ),
        answers(
            "200 on an unknown id",
            &["fhir-unknown-id"],
            |asked, answer| {
                if asked.path.contains("no-such-id") {
                    instead(
                        answer,
                        200,
                        &json!({ "resourceType": "Bundle", "type": "searchset" }),
                    );
                }
            },
        ),
        answers("200 on what is no id", &["fhir-bad-id"], |asked, answer| {
            if asked.path.contains("no%24id") {
                instead(answer, 200, &json!({ "resourceType": "Patient" }));
            }
        }),
        answers(
            "200 on an unknown type",
            &["fhir-unknown-type"],
            |asked, answer| {
                if asked.path.contains("NoSuchType") {
                    instead(
                        answer,
                        200,
                        &json!({ "resourceType": "Bundle", "type": "searchset" }),
                    );
                }
            },
        ),
    ];
    each_of(&faults, "fhir", false);
}

#[test]
fn each_fault_of_a_fhir_search_is_named_and_no_other() {
    const TWO: &str = "/fhir/Patient?_count=2";
    let faults = [
        answers("no searchset", &["fhir-search-bundle"], |asked, answer| {
            on(asked, TWO, answer, |it| it["type"] = "collection".into());
        }),
        answers("no self link", &["fhir-search-self"], |asked, answer| {
            on(asked, TWO, answer, |it| {
                let links = it["link"].as_array_mut().unwrap();
                links.retain(|link| link["relation"] != "self");
            });
        }),
        answers("no mode", &["fhir-search-mode"], |asked, answer| {
            on(asked, TWO, answer, |it| {
                for entry in entries(it) {
                    entry.as_object_mut().unwrap().remove("search");
                }
            });
        }),
        answers("no fullUrl", &["fhir-search-full-url"], |asked, answer| {
            on(asked, TWO, answer, |it| {
                for entry in entries(it) {
                    entry.as_object_mut().unwrap().remove("fullUrl");
                }
            });
        }),
        Fault {
            name: "_count ignored",
            breaks: &["fhir-search-count"],
            asks: |asked| {
                if asked.path == "/fhir/Observation?_count=2" || asked.path == TWO {
                    asked.path = asked.path.replace("_count=2", "_count=5");
                }
            },
            answers: |asked, answer| {
                if asked.path == TWO {
                    answer.body = answer.text().replace("_count=5", "_count=2").into_bytes();
                }
            },
        },
        answers(
            "next links that loop",
            &["fhir-search-next"],
            |asked, answer| {
                if asked.path.starts_with("/fhir/Patient?") {
                    change(answer, |it| {
                        let links_of = it.get("link").and_then(Value::as_array).cloned();
                        let own = links_of
                            .iter()
                            .flatten()
                            .find(|it| it["relation"] == "self")
                            .cloned();
                        for link in links(it) {
                            if link["relation"] == "next" {
                                link["url"] = own.as_ref().unwrap()["url"].clone();
                            }
                        }
                    });
                }
            },
        ),
        answers(
            "a next link that leads away",
            &["fhir-search-next"],
            |_, answer| {
                change(answer, |it| {
                    for link in links(it) {
                        if link["relation"] == "next" {
                            link["url"] = "http://elsewhere.invalid/fhir/Patient?page=2".into();
                        }
                    }
                });
            },
        ),
        answers("a wrong total", &["fhir-search-total"], |asked, answer| {
            if asked.path.starts_with("/fhir/Patient?_count=") {
                change(answer, |it| {
                    it["total"] = (it["total"].as_u64().unwrap_or(0) + 1).into()
                });
            }
        }),
        asks("_id ignored", &["fhir-search-id"], |asked| {
            if asked.path.contains("?_id=") && !asked.path.contains("handover-check") {
                asked.path = "/fhir/Patient?_count=5".into();
            }
        }),
        asks(
            "_lastUpdated ignored",
            &["fhir-search-last-updated"],
            |asked| {
                without(asked, "_lastUpdated=gt2999-01-01T00:00:00Z");
            },
        ),
        answers(
            "a summary that does not say so",
            &["fhir-search-summary"],
            |asked, answer| {
                if asked.path.contains("_summary=true") {
                    change(answer, |it| {
                        for entry in entries(it) {
                            entry["resource"]["meta"]
                                .as_object_mut()
                                .unwrap()
                                .remove("tag");
                        }
                    });
                }
            },
        ),
        asks(
            "_summary=count ignored",
            &["fhir-search-summary-count"],
            |asked| without(asked, "_summary=count"),
        ),
        asks("a form ignored", &["fhir-search-post"], |asked| {
            if asked.path.ends_with("/_search") {
                asked.body = b"_count=5".to_vec();
            }
        }),
        asks(
            "strict handling ignored",
            &["fhir-search-strict"],
            |asked| {
                if asked.header("prefer") == Some("handling=strict") {
                    asked.set("prefer", "handling=lenient");
                }
            },
        ),
        asks(
            "lenient handling ignored",
            &["fhir-search-lenient"],
            |asked| {
                if asked.header("prefer") == Some("handling=lenient") {
                    asked.set("prefer", "handling=strict");
                }
            },
        ),
        asks(
            "a value that is none is taken",
            &["fhir-search-value"],
            |asked| {
                without(asked, "_lastUpdated=handover-check");
            },
        ),
        answers(
            "a declared parameter is refused",
            &["fhir-search-parameters"],
            |asked, answer| {
                if asked.path.contains("birthdate=") {
                    instead(answer, 400, &outcome("not-supported"));
                }
            },
        ),
        asks(
            "a declared parameter is ignored",
            &["fhir-search-ignored"],
            |asked| {
                without(asked, "family=handover-check-nothing");
            },
        ),
        answers(
            "500 on a quote",
            &["fhir-no-server-error"],
            |asked, answer| {
                if asked.path.contains("%27") {
                    instead(answer, 500, &outcome("exception"));
                }
            },
        ),
        asks("a quote ends the condition", &["fhir-injection"], |asked| {
            if asked.path.contains("%27zq%27%3D%27zq") {
                asked.path = "/fhir/Patient?_count=1".into();
            }
        }),
        answers(
            "errors that are no OperationOutcome",
            &["fhir-outcome"],
            |_, answer| {
                if answer.status == 404 {
                    answer.body = b"Not found".to_vec();
                    set_header(answer, "content-type", "text/plain");
                }
            },
        ),
        answers(
            "an OperationOutcome with a made-up code",
            &["fhir-outcome-valid"],
            |_, answer| {
                if answer.status == 404 {
                    instead(answer, 404, &outcome("made-up"));
                }
            },
        ),
    ];
    each_of(&faults, "fhir", false);
}
