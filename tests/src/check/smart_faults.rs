//! Faults of what stands around a FHIR door: SMART, headers, identifiers.

use serde_json::{Value, json};

use super::door::{Asked, change, drop_header, instead, set_header};
use super::fhir_faults::{Fault, answers, asks, each_of, outcome};
use crate::client::http::Answer;

fn configuration(asked: &Asked, answer: &mut Answer, with: impl FnOnce(&mut Value)) {
    if asked.path.ends_with("/smart-configuration") {
        change(answer, with);
    }
}

/// An exchange for a token: with a verifier, without, or by password.
fn exchange(asked: &Asked) -> Option<&'static str> {
    if !asked.is("POST", "/oauth2/token") {
        return None;
    }
    let form = asked.text();
    Some(
        match (
            form.contains("grant_type=password"),
            form.contains("code_verifier="),
        ) {
            (true, _) => "password",
            (false, true) => "verifier",
            (false, false) => "bare",
        },
    )
}

fn granted(answer: &mut Answer) {
    instead(
        answer,
        200,
        &json!({ "access_token": "made-up", "token_type": "Bearer", "error": "" }),
    );
}

#[test]
fn each_fault_of_smart_is_named_and_no_other() {
    let faults = [
        answers(
            "no configuration",
            &["smart-configuration"],
            |asked, answer| {
                if asked.path.ends_with("/smart-configuration") {
                    instead(answer, 404, &json!({}));
                }
            },
        ),
        answers("no token endpoint", &["smart-fields"], |asked, answer| {
            configuration(asked, answer, |it| {
                it.as_object_mut().unwrap().remove("token_endpoint");
            });
        }),
        answers("plain PKCE", &["smart-pkce"], |asked, answer| {
            configuration(asked, answer, |it| {
                it["code_challenge_methods_supported"] = json!(["S256", "plain"])
            });
        }),
        answers("no S256", &["smart-pkce"], |asked, answer| {
            configuration(asked, answer, |it| {
                it["code_challenge_methods_supported"] = json!(["S512"])
            });
        }),
        answers("the algorithm none", &["smart-no-none"], |asked, answer| {
            configuration(asked, answer, |it| {
                it["id_token_signing_alg_values_supported"] = json!(["RS256", "none"]);
            });
        }),
        answers(
            "an issuer without TLS",
            &["smart-endpoints-tls"],
            |asked, answer| {
                configuration(asked, answer, |it| {
                    it["issuer"] = "http://sign-in.handover-check.invalid".into()
                });
            },
        ),
        answers("keys without names", &["smart-jwks"], |asked, answer| {
            if asked.path.ends_with("/jwks") {
                change(answer, |it| {
                    it["keys"][0].as_object_mut().unwrap().remove("kid");
                });
            }
        }),
        answers(
            "a private key in the set",
            &["smart-jwks-public"],
            |asked, answer| {
                if asked.path.ends_with("/jwks") {
                    change(answer, |it| it["keys"][0]["d"] = "made-up".into());
                }
            },
        ),
        answers(
            "an unknown client gets a token",
            &["smart-token-wrong-client"],
            |asked, answer| {
                if exchange(asked) == Some("verifier") {
                    granted(answer);
                }
            },
        ),
        answers(
            "no verifier is needed",
            &["smart-token-no-pkce"],
            |asked, answer| {
                if exchange(asked) == Some("bare") {
                    granted(answer);
                }
            },
        ),
        answers(
            "a password gets a token",
            &["smart-token-grant"],
            |asked, answer| {
                if exchange(asked) == Some("password") {
                    granted(answer);
                }
            },
        ),
        answers(
            "a refusal that is no JSON",
            &["smart-token-error"],
            |asked, answer| {
                if exchange(asked) == Some("bare") {
                    answer.body = b"Bad request".to_vec();
                }
            },
        ),
        answers(
            "tokens may be kept",
            &["smart-token-no-store"],
            |asked, answer| {
                if exchange(asked).is_some() {
                    set_header(answer, "cache-control", "max-age=60");
                }
            },
        ),
        answers(
            "an open redirect",
            &["smart-authorize-redirect"],
            |asked, answer| {
                if asked.path.contains("/oauth2/authorize") {
                    answer.status = 302;
                    set_header(
                        answer,
                        "location",
                        "https://app.handover-check.invalid/callback?code=1",
                    );
                }
            },
        ),
        answers("no challenge", &["smart-bearer-wrong"], |_, answer| {
            drop_header(answer, "www-authenticate")
        }),
        answers(
            "no token is needed",
            &["smart-bearer-none"],
            |asked, answer| {
                if asked.path.starts_with("/fhir/Patient")
                    && asked.header("authorization").is_none()
                {
                    instead(
                        answer,
                        200,
                        &json!({ "resourceType": "Bundle", "type": "searchset" }),
                    );
                }
            },
        ),
    ];
    each_of(&faults, "smart", false);
}

#[test]
fn each_fault_of_headers_is_named_and_no_other() {
    let faults = [
        answers(
            "patients' data in shared caches",
            &["web-not-cached"],
            |_, answer| {
                set_header(answer, "cache-control", "public, max-age=60");
            },
        ),
        answers(
            "CORS declared and not done",
            &["web-cors"],
            |asked, answer| {
                if asked.method == "GET" {
                    drop_header(answer, "access-control-allow-origin");
                }
            },
        ),
        answers(
            "a preflight that wants a token",
            &["web-cors-preflight"],
            |asked, answer| {
                if asked.method == "OPTIONS" {
                    answer.status = 401;
                }
            },
        ),
        answers(
            "any origin with cookies",
            &["web-cors-no-cookies"],
            |_, answer| {
                set_header(answer, "access-control-allow-credentials", "true");
            },
        ),
        answers("sniffing", &["web-nosniff"], |_, answer| {
            if answer.status >= 400 {
                drop_header(answer, "x-content-type-options");
            }
        }),
        answers("a stack trace", &["web-no-insides"], |_, answer| {
            if answer.status == 404 {
                let mut told = outcome("not-found");
                told["issue"][0]["diagnostics"] = "at java.base/java.lang.Thread.run".into();
                instead(answer, 404, &told);
            }
        }),
    ];
    each_of(&faults, "web", false);
}

#[test]
fn each_fault_of_uk_identifiers_is_named_and_no_other() {
    const PATIENTS: &str = "/fhir/Patient?_count=5";
    let faults: [Fault; 4] = [
        answers(
            "the system of old",
            &["uk-nhs-number-system"],
            |asked, answer| {
                if asked.path == PATIENTS {
                    change(answer, |it| {
                        let system = "http://fhir.nhs.net/Id/nhs-number";
                        it["entry"][1]["resource"]["identifier"][0]["system"] = system.into();
                    });
                }
            },
        ),
        answers(
            "a wrong check digit",
            &["uk-nhs-number-digit"],
            |asked, answer| {
                if asked.path == PATIENTS {
                    change(answer, |it| {
                        it["entry"][1]["resource"]["identifier"][0]["value"] = "9990000019".into();
                    });
                }
            },
        ),
        asks(
            "a number finds nobody",
            &["uk-nhs-number-search"],
            |asked| {
                if asked.path.contains("?identifier=https") {
                    asked.path = "/fhir/Patient?identifier=nothing".into();
                }
            },
        ),
        answers("a name as ODS code", &["uk-ods-code"], |asked, answer| {
            if asked.path == "/fhir/Organization?_count=5" {
                change(answer, |it| {
                    it["entry"][0]["resource"]["identifier"][0]["value"] =
                        "Anytown hospital".into();
                });
            }
        }),
    ];
    each_of(&faults, "uk", false);
}
