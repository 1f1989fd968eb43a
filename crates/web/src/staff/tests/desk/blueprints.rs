//! What was applied here, for who may administer.

use access::{Scope, SystemPurpose};
use http::StatusCode;
use store::blueprints::{Applied, BlueprintWrite, Did, Part, PartKind, State};
use store::testing::on_each_database;
use store::{Effect, Job};

use super::{clerk, signed_in};

fn applied() -> Applied {
    Applied {
        id: "b1".into(),
        name: "handover.x".into(),
        version: "1.0.0".into(),
        title: "Discharge <b>home</b>".into(),
        about: "What it is for.".into(),
        digest: "d".into(),
        signer: "RZZ97".into(),
        signer_name: "Elsewhere".into(),
        known: false,
        over: String::new(),
        state: State::Applied,
        at: 0,
        by: "Ann Test".into(),
        undone_at: 0,
        undone_by: String::new(),
    }
}

#[test]
fn what_was_applied_is_shown_with_what_it_brought_and_by_whom() {
    on_each_database(async |ground| {
        let (node, mut ann) = clerk(ground).await;
        const AT: &str = "/staff/blueprints";
        let none = ann.get(AT).await.text;
        for shown in [
            "No blueprint was applied here.",
            "handover blueprint list --shipped",
        ] {
            assert!(none.contains(shown), "{shown}: {none}");
        }
        let part = Part {
            kind: PartKind::Rule,
            target: "PlanDefinition/r".into(),
            title: "Remind of it".into(),
            did: Did::Added,
            was: String::new(),
            now: "{}".into(),
        };
        let apply = BlueprintWrite::Apply {
            applied: Box::new(applied()),
            parts: vec![part],
        };
        let scope = Scope::system(SystemPurpose::KeepBlueprints);
        let job = Job::effect(Effect::Blueprint(apply));
        node.store.commit(&scope, job).await.unwrap();
        let page = ann.get(AT).await.text;
        for shown in [
            "Discharge &lt;b&gt;home",
            "In force",
            "Applied by Ann Test",
            "Elsewhere (RZZ97), whose key no directory named then",
            "Remind of it",
            "What to do next:",
            "try them over last month",
        ] {
            assert!(page.contains(shown), "{shown}: {page}");
        }
        let undo = BlueprintWrite::Undo {
            id: "b1".into(),
            by: "Ben Test".into(),
        };
        let job = Job::effect(Effect::Blueprint(undo));
        node.store.commit(&scope, job).await.unwrap();
        let mut ed = signed_in(&node, "ed").await;
        let page = ed.get(AT).await.text;
        assert!(
            page.contains("Undone by Ben Test")
                && !page.contains("In force")
                && !page.contains("What to do next"),
            "{page}"
        );
        let mut olu = signed_in(&node, "olu").await;
        assert_eq!(olu.get(AT).await.status, StatusCode::FORBIDDEN);
    });
}
