use super::*;
use crate::accounts::{Holder, NewAccount};
use crate::testing::{START, on_each_database};
use access::{NhsNumber, oauth::access_token_hash};

const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const BACK: &str = "https://app.example/cb";

fn digest(name: &str) -> [u8; 32] {
    let mut digest = [0; 32];
    let hash = access_token_hash(name);
    for (to, from) in digest.iter_mut().zip(hash.bytes()) {
        *to = from;
    }
    digest
}

fn tokens(name: &str) -> Box<NewTokens> {
    Box::new(NewTokens {
        access: digest(&format!("access {name}")),
        access_expires_at: START + 600_000,
        refresh: digest(&format!("refresh {name}")),
        refresh_online_expires_at: START + 1_000_000,
        refresh_offline_expires_at: START + 9_000_000,
        jkt: None,
        scopes: None,
    })
}

async fn granted(store: &Store) {
    let account = NewAccount {
        login: "jane".into(),
        name: "Jane".into(),
        holder: Holder::Patient {
            patient: "jane".into(),
            nhs_number: NhsNumber::parse("9434765919").unwrap(),
        },
        password_hash: None,
    };
    let account = store.open_account(account).await.unwrap();
    let client = Client {
        id: "app".into(),
        name: "App".into(),
        kind: ClientKind::Public,
        redirects: vec![BACK.into()],
        launch_uri: None,
        jwks: None,
        jwks_uri: None,
        secret: None,
        scopes: "patient/*.rs".into(),
        state: ClientState::Waiting,
        account: None,
        made_at: START,
        decided_by: None,
    };
    let put = OauthWrite::PutClient(Box::new(client.clone()));
    store.write_oauth(put).await.unwrap();
    assert_eq!(store.oauth_client("app").await.unwrap(), Some(client));
    decide(store, ClientState::Approved).await;
    let ask = digest("ask");
    let asked = OauthWrite::Ask {
        digest: ask,
        request: "{}".into(),
        expires_at: START + 1,
    };
    store.write_oauth(asked).await.unwrap();
    let allow = OauthWrite::Allow {
        ask,
        grant: Box::new(NewGrant {
            id: "g".into(),
            client: "app".into(),
            account,
            scopes: "offline_access patient/*.rs".into(),
            session: None,
            patient: Some("jane".into()),
        }),
        code: Box::new(NewCode {
            digest: digest("code"),
            redirect: BACK.into(),
            challenge: CHALLENGE.into(),
            nonce: None,
            jkt: None,
            expires_at: START + 60_000,
        }),
    };
    let done = store.write_oauth(allow.clone()).await.unwrap();
    assert_eq!(done, OauthDone::Changed(1));
    // An answer is given once.
    let again = store.write_oauth(allow).await.unwrap();
    assert_eq!(again, OauthDone::Changed(0));
}

async fn decide(store: &Store, state: ClientState) {
    let decide = OauthWrite::Decide {
        client: "app".into(),
        state,
        by: "Ed".into(),
        account: None,
    };
    store.write_oauth(decide).await.unwrap();
}

async fn redeem(store: &Store, redirect: &str, verifier: &str, name: &str) -> OauthDone {
    let redeem = OauthWrite::Redeem {
        code: digest("code"),
        client: "app".into(),
        redirect: redirect.into(),
        verifier: verifier.into(),
        tokens: tokens(name),
    };
    store.write_oauth(redeem).await.unwrap()
}

async fn refresh(store: &Store, token: &str, name: &str) -> OauthDone {
    let refresh = OauthWrite::Refresh {
        token: digest(&format!("refresh {token}")),
        client: "app".into(),
        tokens: tokens(name),
    };
    store.write_oauth(refresh).await.unwrap()
}

async fn is_good(store: &Store, name: &str) -> bool {
    let digest = digest(&format!("access {name}"));
    store.oauth_access(&digest, START).await.unwrap().is_some()
}

#[test]
fn a04_a_code_is_good_once_and_its_second_use_ends_what_came_of_the_first() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        granted(&store).await;
        for (redirect, verifier) in [(BACK, CHALLENGE), ("https://app.example/", VERIFIER)] {
            let refused = redeem(&store, redirect, verifier, "x").await;
            assert_eq!(refused, OauthDone::Refused(Refused::Unknown));
        }
        let issued = redeem(&store, BACK, VERIFIER, "1").await;
        assert!(matches!(&issued, OauthDone::Issued(issued) if issued.has_refresh));
        assert!(is_good(&store, "1").await);
        let again = redeem(&store, BACK, VERIFIER, "2").await;
        assert_eq!(again, OauthDone::Refused(Refused::Reused));
        assert!(!is_good(&store, "1").await && !is_good(&store, "2").await);
        let refused = refresh(&store, "1", "3").await;
        assert_eq!(refused, OauthDone::Refused(Refused::Unknown));
        assert_eq!(store.oauth_ended().await.unwrap().len(), 1);
        store.close().await;
    });
}

#[test]
fn a07_a_refresh_token_is_good_once_and_its_second_use_ends_the_family() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        granted(&store).await;
        redeem(&store, BACK, VERIFIER, "1").await;
        assert!(matches!(
            refresh(&store, "1", "2").await,
            OauthDone::Issued(_)
        ));
        assert!(is_good(&store, "2").await);
        let again = refresh(&store, "1", "3").await;
        assert_eq!(again, OauthDone::Refused(Refused::Reused));
        assert!(!is_good(&store, "1").await && !is_good(&store, "2").await);
        let refused = refresh(&store, "2", "4").await;
        assert_eq!(refused, OauthDone::Refused(Refused::Unknown));
        let ended = store.oauth_ended().await.unwrap();
        assert_eq!(ended[0].why, "A refresh token was used twice.");
        store.close().await;
    });
}

#[test]
fn a_revoked_app_and_a_closed_account_have_no_tokens() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        granted(&store).await;
        redeem(&store, BACK, VERIFIER, "1").await;
        decide(&store, ClientState::Revoked).await;
        decide(&store, ClientState::Approved).await;
        assert!(!is_good(&store, "1").await);
        let refused = refresh(&store, "1", "2").await;
        assert_eq!(refused, OauthDone::Refused(Refused::Unknown));
        let system = OauthWrite::System {
            access: digest("access s"),
            client: "app".into(),
            account: 1,
            scopes: "system/*.rs".into(),
            jkt: None,
            expires_at: START + 10,
        };
        store.write_oauth(system).await.unwrap();
        assert!(is_good(&store, "s").await);
        store.close_account("jane").await.unwrap();
        assert!(!is_good(&store, "s").await);
        store.close().await;
    });
}

#[test]
fn a09_what_was_seen_is_known_until_it_expires() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        let now = store.now();
        for (name, at, fresh) in [
            ("a", now + 60_000, 1),
            ("a", now + 60_000, 0),
            ("b", now, 1),
            ("b", now, 1),
        ] {
            let see = OauthWrite::See {
                digest: digest(name),
                expires_at: at,
            };
            let done = store.write_oauth(see).await.unwrap();
            assert_eq!(done, OauthDone::Changed(fresh), "{name}");
        }
        store.close().await;
    });
}
