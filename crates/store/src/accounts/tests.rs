use super::*;
use crate::testing::on_each_database;

fn clerk() -> NewAccount {
    let organisation = Ods::parse("A81001").unwrap();
    NewAccount {
        login: " Ann ".into(),
        name: "Ann Secretary".into(),
        holder: Holder::Staff {
            role: Role::Clerk,
            organisation,
        },
        password_hash: Some("$argon2id$made-up".into()),
    }
}

fn patient() -> NewAccount {
    NewAccount {
        login: "jane".into(),
        name: "Jane Example".into(),
        holder: Holder::Patient {
            patient: "p1".into(),
            nhs_number: NhsNumber::parse("9434765919").unwrap(),
        },
        password_hash: None,
    }
}

#[test]
fn an_account_is_found_by_its_name_in_any_case_and_comes_back_as_it_was() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        let id = store.open_account(clerk()).await.unwrap();
        let found = store.credentials("ANN ").await.unwrap().unwrap();
        assert_eq!(
            (found.account.id, found.account.login.as_str()),
            (id, "ann")
        );
        assert_eq!(found.account.holder, clerk().holder);
        assert_eq!(found.password_hash, clerk().password_hash);
        assert!(store.credentials("bob").await.unwrap().is_none());
        store.close().await;
    });
}

#[test]
fn opening_an_account_again_brings_it_up_to_date_under_the_same_id() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        let id = store.open_account(clerk()).await.unwrap();
        let again = NewAccount {
            login: "ann".into(),
            password_hash: None,
            ..clerk()
        };
        assert_eq!(store.open_account(again).await.unwrap(), id);
        let found = store.credentials("ann").await.unwrap().unwrap();
        assert_eq!(found.password_hash, None);
        store.close().await;
    });
}

#[test]
fn a_session_lasts_until_it_is_ended_and_remembers_when_it_was_used() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        let account = store.open_account(patient()).await.unwrap();
        let digest = [7; 32];
        let session = NewSession {
            digest,
            account,
            began_at: 1_000,
            signed_in: SignedIn::default(),
        };
        store.begin_session(session).await.unwrap();
        store.session_seen(&digest, 5_000).await.unwrap();
        store.session_seen(&digest, 4_000).await.unwrap();
        let found = store.session(&digest).await.unwrap().unwrap();
        assert_eq!((found.began_at, found.seen_at), (1_000, 5_000));
        assert_eq!(found.account.holder, patient().holder);
        store.end_session(&digest).await.unwrap();
        assert!(store.session(&digest).await.unwrap().is_none());
        store.close().await;
    });
}

#[test]
fn a_closed_account_has_no_password_session_or_token() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        let account = store.open_account(clerk()).await.unwrap();
        let session = NewSession {
            digest: [1; 32],
            account,
            began_at: 0,
            signed_in: SignedIn::default(),
        };
        store.begin_session(session).await.unwrap();
        store
            .add_token([2; 32], account, "test system")
            .await
            .unwrap();
        assert_eq!(
            store.account_by_token(&[2; 32]).await.unwrap().unwrap().id,
            account
        );
        assert!(store.close_account("Ann").await.unwrap());
        assert!(!store.close_account("Ann").await.unwrap());
        assert!(store.credentials("ann").await.unwrap().is_none());
        assert!(store.session(&[1; 32]).await.unwrap().is_none());
        assert!(store.account_by_token(&[2; 32]).await.unwrap().is_none());
        // Opened again, what it had before stays worthless.
        store.open_account(clerk()).await.unwrap();
        assert!(store.session(&[1; 32]).await.unwrap().is_none());
        assert!(store.account_by_token(&[2; 32]).await.unwrap().is_none());
        store.close().await;
    });
}

#[test]
fn a_dropped_token_is_good_no_longer() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        let account = store.open_account(clerk()).await.unwrap();
        store.add_token([3; 32], account, "").await.unwrap();
        assert!(store.drop_token([3; 32]).await.unwrap());
        assert!(!store.drop_token([3; 32]).await.unwrap());
        assert!(store.account_by_token(&[3; 32]).await.unwrap().is_none());
        store.close().await;
    });
}

async fn with_session_and_token(store: &Store, account: i64) {
    let session = NewSession {
        digest: [1; 32],
        account,
        began_at: 0,
        signed_in: SignedIn::default(),
    };
    store.begin_session(session).await.unwrap();
    store.add_token([2; 32], account, "a system").await.unwrap();
}

#[test]
fn an_account_opened_anew_ends_its_sessions_and_keeps_its_tokens_while_it_is_the_same_holders() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        let account = store.open_account(clerk()).await.unwrap();
        with_session_and_token(&store, account).await;
        store.open_account(clerk()).await.unwrap();
        store.add_token([3; 32], account, "another").await.unwrap();
        assert!(store.session(&[1; 32]).await.unwrap().is_none());
        for token in [[2; 32], [3; 32]] {
            assert!(store.account_by_token(&token).await.unwrap().is_some());
        }
        store.close().await;
    });
}

#[test]
fn an_account_that_is_another_holders_now_drops_its_tokens() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        let engineer = Holder::Staff {
            role: Role::Engineer,
            organisation: Ods::parse("A81001").unwrap(),
        };
        let elsewhere = Holder::Staff {
            role: Role::Clerk,
            organisation: Ods::parse("B82002").unwrap(),
        };
        for holder in [engineer, elsewhere, patient().holder] {
            let account = store.open_account(clerk()).await.unwrap();
            with_session_and_token(&store, account).await;
            let changed = NewAccount { holder, ..clerk() };
            assert_eq!(store.open_account(changed).await.unwrap(), account);
            assert!(store.session(&[1; 32]).await.unwrap().is_none());
            assert!(store.account_by_token(&[2; 32]).await.unwrap().is_none());
        }
        store.close().await;
    });
}

#[test]
fn p08_a_table_of_roles_older_than_one_in_force_before_is_refused_after_a_restart_too() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        store.remember_role_table(3).await.unwrap();
        store.close().await;
        let store = ground.open().await;
        let older = store.remember_role_table(2).await.unwrap_err();
        assert_eq!(older.kind, fhir::problem::Kind::Conflict);
        store.remember_role_table(3).await.unwrap();
        store.remember_role_table(4).await.unwrap();
        store.close().await;
    });
}
