use std::collections::BTreeMap;
use std::fs;

use exchange::SigningKey;
use fhir::rule::Event;
use serde_json::{Value, json};
use store::blueprints::Did;
use store::desk::{DeskWrite, Template};
use store::fax::Asker;
use store::rules::RuleWrite;
use store::testing::{Ground, on_each_database};
use store::{Effect, Job, Reading};
use tempfile::TempDir;

use super::*;

/// The shipped blueprints.
fn shipped(name: &str) -> Files {
    shipped::files(name).unwrap()
}

/// What is in the program is what is in this repository, whole; nobody else's file is taken for it.
#[test]
fn what_comes_with_the_program_is_what_stands_in_the_repository() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../blueprints");
    let mut folders: Vec<String> = fs::read_dir(&root)
        .unwrap()
        .map(|it| it.unwrap().file_name().into_string().unwrap())
        .collect();
    folders.sort();
    assert_eq!(folders, shipped::names().collect::<Vec<_>>());
    for name in shipped::names() {
        assert_eq!(shipped(name), archive::folder(&root.join(name)).unwrap());
    }
    assert!(shipped::list().unwrap().contains("two-week-wait\n"));
    assert!(shipped::meant(Path::new("discharge.tgz")).is_none());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("discharge");
    fs::write(&file, b"x").unwrap();
    assert!(shipped::meant(&file).is_none());
}

fn changed(files: &mut Files, file: &str, change: impl FnOnce(&mut Value)) {
    let mut read: Value = serde_json::from_slice(&files[file]).unwrap();
    change(&mut read);
    files.insert(file.to_owned(), read.to_string().into_bytes());
}

/// A node without doors, with its folder of mappings and a key that packs.
struct Bench {
    node: Node,
    folder: TempDir,
    key: SigningKey,
}

impl Bench {
    async fn open(ground: &Ground, roles: &str) -> Bench {
        let folder = tempfile::tempdir().unwrap();
        let mapping = folder.path().join("mapping");
        fs::create_dir(&mapping).unwrap();
        let text = format!(
            "[organisation]\nods = \"RZZ98\"\nname = \"Anytown\"\nroles = {roles}\n[hl7v2]\nmapping = {mapping:?}\n"
        );
        let key = SigningKey::create(&folder.path().join("key")).unwrap();
        let node = Node {
            config: toml::from_str(&text).unwrap(),
            store: ground.open().await,
            book: None,
            own: Some(key.public().kid().to_owned()),
        };
        Bench { node, folder, key }
    }

    /// Signs and packs these files; where.
    fn packed(&self, mut files: Files) -> PathBuf {
        seal::sign(&mut files, &self.key, "RZZ98", "Anytown").unwrap();
        let path = self.folder.path().join("b.tgz");
        fs::write(&path, archive::packed(&files).unwrap()).unwrap();
        path
    }

    async fn apply(&self, files: Files) -> Result<(), String> {
        let path = self.packed(files);
        let how = How {
            tries: false,
            by: Some("Ann"),
            takes_strangers: false,
        };
        let done = self.node.apply(&path, how).await;
        done.map_err(|error| format!("{error:#}"))
    }

    async fn undo(&self) -> Result<(), String> {
        let done = self.node.undo(None, Some("Ben")).await;
        done.map_err(|error| format!("{error:#}"))
    }

    /// All that blueprints can change, as it is now.
    async fn everything(&self) -> BTreeMap<String, String> {
        let here = self.node.here().await.unwrap();
        let mut all = BTreeMap::new();
        for it in &here.templates {
            all.insert(format!("text {}", it.name), here::kept(it));
        }
        for it in &here.teams {
            all.insert(format!("team {}", it.name), it.id.clone());
        }
        let folder = here.mapping.as_ref().unwrap();
        for file in fs::read_dir(folder).unwrap() {
            let file = file.unwrap();
            let name = file.file_name().to_string_lossy().into_owned();
            all.insert(
                format!("file {name}"),
                fs::read_to_string(file.path()).unwrap(),
            );
        }
        for name in ["discharge", "two-week-wait"] {
            let blueprint = Blueprint::read(&shipped(name)).unwrap();
            for kind in [PartKind::Rule, PartKind::Questionnaire] {
                for thing in blueprint.of(kind) {
                    let now = here.now(kind, &thing.target).await.unwrap();
                    if !now.body.is_empty() {
                        all.insert(thing.target.clone(), now.body);
                    }
                }
            }
        }
        all
    }

    async fn parts(&self) -> BTreeMap<String, Did> {
        let here = self.node.here().await.unwrap();
        let found = self
            .node
            .store
            .blueprint(&here.scope, "handover.discharge")
            .await;
        let id = found.unwrap().unwrap().id;
        let parts = self
            .node
            .store
            .blueprint_parts(&here.scope, &id)
            .await
            .unwrap();
        parts.into_iter().map(|it| (it.title, it.did)).collect()
    }

    /// A person writes a text anew, or a new one (`was` 0).
    async fn write_text(&self, template: Template, was: i64) {
        let here = self.node.here().await.unwrap();
        let template = Box::new(template);
        let write = DeskWrite::Template { template, was };
        let job = Job::effect(Effect::Desk(write));
        self.node.store.commit(&here.scope, job).await.unwrap();
    }

    async fn text(&self, name: &str) -> Template {
        let here = self.node.here().await.unwrap();
        let found = here.templates.into_iter().find(|it| it.name == name);
        found.unwrap()
    }
}

const BOTH: &str = "[\"hospital\", \"gp-practice\"]";

#[test]
fn both_shipped_blueprints_pass_their_own_trial() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for name in ["discharge", "two-week-wait"] {
        let blueprint = match Blueprint::read(&shipped(name)) {
            Ok(blueprint) => blueprint,
            Err(faults) => panic!("{name}: {faults:#?}"),
        };
        let layers = blueprint
            .of(PartKind::Mapping)
            .map(|it| hl7v2::to_fhir::Layer {
                name: it.file.clone(),
                text: it.body.clone(),
            });
        let mapping = Mapping::with(&layers.collect::<Vec<_>>()).unwrap();
        let roles = all_roles(&blueprint);
        let now = store::testing::START;
        let tried = runtime.block_on(trial::run(&blueprint, &roles, &mapping, now));
        let tried = tried.unwrap();
        assert_eq!(
            tried.faults,
            Vec::<String>::new(),
            "{name}: {:#?}",
            tried.said
        );
        let said = tried.said.join("\n");
        assert!(
            said.contains("every rule off") && said.contains("all is as it was before"),
            "{said}"
        );
        assert!(said.contains("would have acted on"), "{said}");
    }
}

#[test]
fn a_trial_says_what_does_not_do_what_its_blueprint_says() {
    let mut files = shipped("discharge");
    changed(&mut files, form::BLUEPRINT, |it| {
        let samples = it["samples"].as_array_mut().unwrap();
        samples[1]["does"] = json!(["file"]);
        samples[0]["becomes"] = json!(["Observation"]);
    });
    let message = String::from_utf8(files["samples/discharge.hl7"].clone()).unwrap();
    let more = format!("{message}ZZZ|1|what nobody explains\n");
    files.insert("samples/discharge.hl7".into(), more.into_bytes());
    let blueprint = Blueprint::read(&files).ok().unwrap();
    let roles = all_roles(&blueprint);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mapping = Mapping::built_in();
    let now = store::testing::START;
    let tried = runtime.block_on(trial::run(&blueprint, &roles, &mapping, now));
    let faults = tried.unwrap().faults.join("\n");
    assert!(
        faults.contains("it would route, and the blueprint says file"),
        "{faults}"
    );
    assert!(faults.contains("ZZZ-1 (a local segment"), "{faults}");
}

#[test]
fn a_blueprint_is_applied_as_a_whole_and_undone_to_what_was_there_before() {
    on_each_database(async |ground| {
        let bench = Bench::open(ground, BOTH).await;
        fs::write(bench.folder.path().join("mapping/site.json"), "{}").unwrap();
        let before = bench.everything().await;
        bench.apply(shipped("discharge")).await.unwrap();
        let after = bench.everything().await;
        // Three texts, a team, a file, a questionnaire and three rules.
        assert_eq!(after.len(), before.len() + 9, "{after:#?}");
        let layer = &after["file blueprint.handover.discharge.ward-pas.json"];
        assert!(layer.contains("WARDPAS"), "{layer}");
        let scope = Scope::system(SystemPurpose::Measure);
        assert!(
            bench
                .node
                .store
                .rule_switches(&scope)
                .await
                .unwrap()
                .is_empty()
        );
        let listed = bench.node.store.blueprints(&scope).await.unwrap();
        assert_eq!(
            (listed[0].by.as_str(), listed[0].signer.as_str()),
            ("Ann", "RZZ98")
        );
        // A second time nothing is to be done.
        bench.apply(shipped("discharge")).await.unwrap();
        assert_eq!(bench.node.store.blueprints(&scope).await.unwrap().len(), 1);
        bench.undo().await.unwrap();
        assert_eq!(bench.everything().await, before);
        let listed = bench.node.store.blueprints(&scope).await.unwrap();
        assert_eq!(
            (listed[0].state, listed[0].undone_by.as_str()),
            (State::Undone, "Ben")
        );
        assert!(
            bench
                .undo()
                .await
                .unwrap_err()
                .contains("no blueprint is applied")
        );
        // And again from the start.
        bench.apply(shipped("discharge")).await.unwrap();
        let again = bench.everything().await;
        assert_eq!(
            again.keys().collect::<Vec<_>>(),
            after.keys().collect::<Vec<_>>()
        );
        bench.node.store.clone().close().await;
    });
}

#[test]
fn what_is_for_another_kind_of_organisation_is_left_out() {
    on_each_database(async |ground| {
        let bench = Bench::open(ground, "[\"pharmacy\"]").await;
        let before = bench.everything().await;
        bench.apply(shipped("discharge")).await.unwrap();
        assert_eq!(bench.everything().await, before);
        bench.undo().await.unwrap();
        bench.node.store.clone().close().await;
    });
}

#[test]
fn what_people_changed_since_is_not_written_over_by_an_undo() {
    on_each_database(async |ground| {
        let bench = Bench::open(ground, BOTH).await;
        let before = bench.everything().await;
        bench.apply(shipped("discharge")).await.unwrap();
        let text = bench.text("Discharge: to social care").await;
        let mine = Template {
            body: "Ours now".into(),
            changed_by: "Cy".into(),
            ..text.clone()
        };
        bench.write_text(mine, text.version).await;
        let layer = bench
            .folder
            .path()
            .join("mapping/blueprint.handover.discharge.ward-pas.json");
        fs::write(&layer, "{\"about\": \"ours\"}").unwrap();
        let here = bench.node.here().await.unwrap();
        let applied = bench.node.one(None, &here).await.unwrap();
        let undone = doing::looked_back(&applied, &here).await.unwrap();
        let told = told::undo(&applied, &undone);
        assert!(
            told.contains("! Letter text   Discharge: to social care: is used or was changed"),
            "{told}"
        );
        bench.undo().await.unwrap();
        let mut after = bench.everything().await;
        let kept = after.remove("text Discharge: to social care").unwrap();
        assert!(kept.contains("Ours now") && kept.contains("Cy"), "{kept}");
        let file = after.remove("file blueprint.handover.discharge.ward-pas.json");
        assert_eq!(file.as_deref(), Some("{\"about\": \"ours\"}"));
        assert_eq!(after, before);
        bench.node.store.clone().close().await;
    });
}

/// The second version of the discharge blueprint: a text anew, one less, a rule anew.
fn second() -> Files {
    let mut files = shipped("discharge");
    changed(&mut files, form::PACKAGE, |it| {
        it["version"] = "1.1.0".into()
    });
    changed(&mut files, "Basic-to-practice.json", |it| {
        it["extension"][1]["valueString"] = "Dear {patient}".into();
    });
    changed(&mut files, "PlanDefinition-follow-up.json", |it| {
        it["version"] = "1.1.0".into();
        it["title"] = "Remind sooner".into();
    });
    files.remove("Basic-to-pharmacy.json");
    changed(&mut files, form::BLUEPRINT, |it| {
        let contains = it["contains"].as_array_mut().unwrap();
        contains.retain(|it| it["file"] != "Basic-to-pharmacy.json");
    });
    files
}

#[test]
fn a_later_version_says_what_it_changes_and_undoing_it_brings_the_former_back() {
    on_each_database(async |ground| {
        let bench = Bench::open(ground, BOTH).await;
        let before = bench.everything().await;
        bench.apply(shipped("discharge")).await.unwrap();
        let first = bench.everything().await;
        // What somebody changed stays through the next version.
        let text = bench.text("Discharge: to social care").await;
        let mine = Template {
            body: "Ours".into(),
            ..text.clone()
        };
        bench.write_text(mine, text.version).await;
        bench.apply(second()).await.unwrap();
        let parts = bench.parts().await;
        assert_eq!(parts["Discharge: to the GP practice"], Did::Changed);
        assert_eq!(parts["Medicines changed in hospital"], Did::Removed);
        assert_eq!(parts["Discharge: to social care"], Did::Kept);
        assert_eq!(parts["Remind sooner"], Did::Changed);
        let now = bench.everything().await;
        assert!(now["text Discharge: to the GP practice"].contains("Dear {patient}"));
        assert!(!now.contains_key("text Medicines changed in hospital"));
        assert!(now["text Discharge: to social care"].contains("Ours"));
        let older = bench.apply(shipped("discharge")).await.unwrap_err();
        assert!(older.contains("which is newer"), "{older}");
        bench.undo().await.unwrap();
        let mut back = bench.everything().await;
        let mut was = first.clone();
        for all in [&mut back, &mut was] {
            all.remove("text Discharge: to social care");
        }
        assert_eq!(back, was);
        let scope = Scope::system(SystemPurpose::Measure);
        let now = bench
            .node
            .store
            .blueprint(&scope, "handover.discharge")
            .await;
        assert_eq!(now.unwrap().unwrap().version, "1.0.0");
        bench.undo().await.unwrap();
        let mut none = bench.everything().await;
        none.remove("text Discharge: to social care");
        assert_eq!(none, before);
        bench.node.store.clone().close().await;
    });
}

#[test]
fn other_content_under_the_same_version_is_refused() {
    on_each_database(async |ground| {
        let bench = Bench::open(ground, BOTH).await;
        bench.apply(shipped("discharge")).await.unwrap();
        let mut files = second();
        changed(&mut files, form::PACKAGE, |it| {
            it["version"] = "1.0.0".into()
        });
        let refused = bench.apply(files).await.unwrap_err();
        assert!(refused.contains("with other content"), "{refused}");
        bench.node.store.clone().close().await;
    });
}

#[test]
fn what_stands_in_its_place_is_a_conflict_and_nothing_is_applied() {
    on_each_database(async |ground| {
        let bench = Bench::open(ground, BOTH).await;
        let mine = Template {
            id: "t1".into(),
            team: String::new(),
            name: "discharge: to social care".into(),
            body: "Ours".into(),
            version: 0,
            changed_at: 0,
            changed_by: "Cy".into(),
        };
        bench.write_text(mine, 0).await;
        let file = bench
            .folder
            .path()
            .join("mapping/blueprint.handover.discharge.ward-pas.json");
        fs::write(&file, "{}").unwrap();
        let here = bench.node.here().await.unwrap();
        let rule = br#"{"resourceType":"PlanDefinition","url":"urn:handover:rule:discharge-medicines","status":"draft"}"#;
        let parsed = fhir::json::parse(rule, &fhir::json::Limits::default()).unwrap();
        let organisation = bench.node.store.organisation();
        let put = store::Change::Put {
            resource: store::Prepared::new(&parsed, "own", organisation).unwrap(),
            expect: store::Expect::Absent,
            release: store::Release::Keep,
        };
        let job = Job {
            changes: vec![put],
            ..Job::default()
        };
        bench.node.store.commit(&here.scope, job).await.unwrap();
        let before = bench.everything().await;
        let refused = bench.apply(shipped("discharge")).await.unwrap_err();
        for said in [
            "there is a text of that name already, which Cy wrote",
            "a file blueprint.handover.discharge.ward-pas.json lies",
            "PlanDefinition/own has the address urn:handover:rule:discharge-medicines already",
        ] {
            assert!(refused.contains(said), "{said}: {refused}");
        }
        assert_eq!(bench.everything().await, before);
        bench.node.store.clone().close().await;
    });
}

#[test]
fn a_blueprint_whose_rule_is_on_is_not_undone() {
    on_each_database(async |ground| {
        let bench = Bench::open(ground, BOTH).await;
        bench.apply(shipped("discharge")).await.unwrap();
        let blueprint = Blueprint::read(&shipped("discharge")).ok().unwrap();
        let rule = blueprint.of(PartKind::Rule).next().unwrap();
        let id = rule.target.split_once('/').unwrap().1.to_owned();
        let here = bench.node.here().await.unwrap();
        let Reading::Found(version) = bench
            .node
            .store
            .read(&here.scope, "PlanDefinition", &id)
            .await
            .unwrap()
        else {
            panic!("the rule is not there")
        };
        let by = || Asker {
            account: 1,
            who: "Ann".into(),
        };
        let on = RuleWrite::On {
            rule: id.clone(),
            version: version.version,
            title: rule.title.clone(),
            events: vec![Event::LetterReceived],
            today: 0,
            by: by(),
        };
        let job = Job::effect(Effect::Rule(on));
        bench.node.store.commit(&here.scope, job).await.unwrap();
        let before = bench.everything().await;
        let refused = bench.undo().await.unwrap_err();
        assert!(
            refused.contains("while its rules are on: Discharge letters go"),
            "{refused}"
        );
        assert_eq!(bench.everything().await, before);
        let off = RuleWrite::Off { rule: id, by: by() };
        let job = Job::effect(Effect::Rule(off));
        bench.node.store.commit(&here.scope, job).await.unwrap();
        bench.undo().await.unwrap();
        bench.node.store.clone().close().await;
    });
}

#[test]
fn a_stranger_s_blueprint_is_refused_unless_somebody_says_that_they_know_whose_it_is() {
    on_each_database(async |ground| {
        let mut bench = Bench::open(ground, BOTH).await;
        let path = bench.packed(shipped("discharge"));
        bench.node.own = None;
        let how = |takes_strangers| How {
            tries: false,
            by: Some("Ann"),
            takes_strangers,
        };
        let before = bench.everything().await;
        let refused = bench.node.apply(&path, how(false)).await.unwrap_err();
        assert!(
            refused.to_string().contains("a stranger signed it"),
            "{refused}"
        );
        assert_eq!(bench.everything().await, before);
        bench.node.apply(&path, how(true)).await.unwrap();
        let scope = Scope::system(SystemPurpose::Measure);
        assert!(!bench.node.store.blueprints(&scope).await.unwrap()[0].known);
        bench.node.store.clone().close().await;
    });
}

#[test]
fn a_team_that_works_by_now_stays_when_its_blueprint_goes() {
    on_each_database(async |ground| {
        let bench = Bench::open(ground, BOTH).await;
        bench.apply(shipped("discharge")).await.unwrap();
        let here = bench.node.here().await.unwrap();
        let team = here.team_named("Pharmacists").unwrap().id.clone();
        let text = Template {
            id: "t1".into(),
            team,
            name: "Ours".into(),
            body: "Ours".into(),
            version: 0,
            changed_at: 0,
            changed_by: "Cy".into(),
        };
        bench.write_text(text, 0).await;
        bench.undo().await.unwrap();
        let left = bench.everything().await;
        let left: Vec<&str> = left.keys().map(String::as_str).collect();
        assert_eq!(left, ["team Pharmacists", "text Ours"]);
        bench.node.store.clone().close().await;
    });
}

#[test]
fn each_fault_is_told_with_its_file_and_place() {
    let mut files = shipped("discharge");
    changed(&mut files, form::PACKAGE, |it| it["name"] = "Up Per".into());
    changed(&mut files, "Basic-to-practice.json", |it| {
        it["extension"][1]["valueString"] = "Dear {dear}".into();
    });
    changed(&mut files, "PlanDefinition-medicines.json", |it| {
        it["action"][0]["action"][0]["code"][0]["coding"][0]["code"] = "prescribe".into();
    });
    changed(&mut files, "PlanDefinition-follow-up.json", |it| {
        it["action"][0]["condition"][0]["expression"]["expression"] = "a b c".into();
    });
    changed(&mut files, "Questionnaire-after-hospital.json", |it| {
        it["item"][3]["type"] = "guess".into();
    });
    changed(&mut files, "mapping/ward-pas.json", |it| {
        it["rowz"] = json!({})
    });
    files.insert("hidden.json".into(), b"{}".to_vec());
    files.remove("samples/letter-clinic.json");
    let faults = Blueprint::read(&files).err().unwrap().join("\n");
    for said in [
        "package.json: name: ",
        "Basic-to-practice.json: urn:handover:template-body: there is no field {dear}",
        "PlanDefinition-medicines.json: PlanDefinition.action[0].action[0].code: ",
        "PlanDefinition-follow-up.json: PlanDefinition.action[0].condition[0].expression.expression: ",
        "Questionnaire-after-hospital.json: Questionnaire.item[3].type",
        "mapping/ward-pas.json: unknown field `rowz`",
        "hidden.json: blueprint.json does not name it",
        "samples/letter-clinic.json: blueprint.json names it, and it is not there",
    ] {
        assert!(faults.contains(said), "{said}:\n{faults}");
    }
}
