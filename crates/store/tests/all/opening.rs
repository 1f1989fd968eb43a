//! Opening and closing a store.

use access::{Scope, SystemPurpose};
use store::testing::on_each_database;
use store::{AuditFilter, Job};

#[test]
fn a_store_opens_again_where_it_was_closed() {
    on_each_database(async |ground| {
        for _ in 0..2 {
            let store = ground.open().await;
            let scope = Scope::system(SystemPurpose::Measure);
            store.commit(&scope, Job::default()).await.unwrap();
            store.close().await;
        }
        let store = ground.open().await;
        let scope = Scope::system(SystemPurpose::Measure);
        let page = store.audit_page(&scope, &AuditFilter::default()).await;
        assert!(page.unwrap().entries.is_empty());
        let page = store.audit_page(&scope, &AuditFilter::default()).await;
        assert_eq!(
            page.unwrap().entries.len(),
            1,
            "the first look left its line"
        );
        store.close().await;
    });
}
