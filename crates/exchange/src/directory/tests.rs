use super::*;

const DAY: Millis = 86_400_000;

struct Network {
    steward: SigningKey,
    directory: Directory,
    folder: tempfile::TempDir,
}

fn network() -> Network {
    let folder = tempfile::tempdir().unwrap();
    let steward = SigningKey::create(&folder.path().join("steward.key")).unwrap();
    let members = ["RZZ01", "A81001"]
        .iter()
        .map(|ods| member(&folder, ods))
        .collect();
    let directory = Directory {
        protocol: 1,
        version: 3,
        issued_at: 0,
        valid_until: 10 * DAY,
        members,
        bars: Vec::new(),
    };
    Network {
        steward,
        directory,
        folder,
    }
}

impl Network {
    fn stewards(&self) -> Stewards {
        self.steward.public().clone().into()
    }
}

fn member(folder: &tempfile::TempDir, ods: &str) -> Member {
    let organisation = Ods::parse(ods).unwrap();
    let identity = Identity::create(&folder.path().join(ods), &organisation).unwrap();
    let about = About {
        name: format!("The {ods}"),
        roles: vec!["hospital".into()],
        exchange: "https://127.0.0.1:8443".into(),
        pages: "http://127.0.0.1:8080".into(),
        mailboxes: Vec::new(),
    };
    Member::card(&identity, about, DAY, 5 * DAY)
}

#[test]
fn a_member_is_found_by_code_and_by_certificate_while_it_is_valid() {
    let network = network();
    let text = network.directory.sign(&network.steward).unwrap();
    let book = Book::new(&text, network.steward.public().clone(), 0).unwrap();
    let ods = Ods::parse("A81001").unwrap();
    let member = book.member(&ods, 2 * DAY).unwrap();
    let sha256 = &member.certificates[0].sha256;
    assert_eq!(book.owner(sha256, 2 * DAY).unwrap().ods, "A81001");
    assert!(book.owner(sha256, 0).is_none(), "not yet");
    assert!(book.owner(sha256, 5 * DAY).is_none(), "no longer");
    assert!(book.owner(&"0".repeat(64), 2 * DAY).is_none(), "never");
    let kid = member.keys[0].jwk.kid();
    assert!(book.key(&ods, kid, 2 * DAY).is_some());
    assert!(
        book.key(&Ods::parse("RZZ01").unwrap(), kid, 2 * DAY)
            .is_none(),
        "another's key"
    );
    assert!(
        book.member(&ods, 10 * DAY).is_none(),
        "the directory has run out"
    );
}

#[test]
fn only_the_stewards_signature_is_believed() {
    let network = network();
    let other = SigningKey::create(&network.folder.path().join("other.key")).unwrap();
    let text = network.directory.sign(&other).unwrap();
    let refused = Directory::verify(&text, &network.stewards(), 0).unwrap_err();
    assert_eq!(refused.kind, Kind::Security);
    let text = network.directory.sign(&network.steward).unwrap();
    assert!(Directory::verify(&text, &network.stewards(), 10 * DAY).is_err());
}

#[test]
fn versions_never_go_backwards() {
    let mut network = network();
    let at = |version: u64, network: &mut Network| {
        network.directory.version = version;
        network.directory.sign(&network.steward).unwrap()
    };
    let text = at(3, &mut network);
    let book = Book::new(&text, network.steward.public().clone(), 0).unwrap();
    assert!(!book.reload(&text, 0).unwrap());
    assert!(book.reload(&at(4, &mut network), 0).unwrap());
    assert_eq!(book.reload(&text, 0).unwrap_err().kind, Kind::Conflict);
    assert_eq!(book.version(), 4);
}

#[test]
fn a_directory_that_contradicts_itself_is_refused() {
    let network = network();
    let change = |alter: &dyn Fn(&mut Directory)| {
        let mut directory = network.directory.clone();
        alter(&mut directory);
        assert!(directory.sign(&network.steward).is_err());
        let jws = jws::sign(&network.steward, Statement::Directory, &directory).unwrap();
        assert!(Directory::verify(&jws, &network.stewards(), 0).is_err());
    };
    change(&|it| it.protocol = 2);
    change(&|it| it.members[1].ods = "RZZ01".into());
    change(&|it| it.members[1].certificates = it.members[0].certificates.clone());
    change(&|it| it.members[1].keys = it.members[0].keys.clone());
    change(&|it| it.members[0].exchange = "http://127.0.0.1:1".into());
    change(&|it| it.members[0].exchange = "https://user@127.0.0.1:1".into());
    change(&|it| it.members[0].exchange = "https://127.0.0.1:1/path".into());
    change(&|it| it.members[0].certificates[0].sha256 = "ABC".into());
}

#[test]
fn a_directory_that_has_ended_opens_believes_nobody_and_gives_way_to_a_newer_one() {
    let mut network = network();
    network.directory.valid_until = 3 * DAY;
    let text = network.directory.sign(&network.steward).unwrap();
    let steward = || network.steward.public().clone();
    assert!(Book::new(&text, steward(), 4 * DAY).is_err());
    let book = Book::even_ended(&text, steward()).unwrap();
    let ods = Ods::parse("A81001").unwrap();
    let listed = book.listed(&ods).unwrap();
    let sha256 = &listed.certificates[0].sha256;
    let kid = listed.keys[0].jwk.kid();
    assert!(book.has_ended(4 * DAY) && !book.has_ended(2 * DAY));
    assert!(book.owner(sha256, 2 * DAY).is_some());
    assert!(book.member(&ods, 4 * DAY).is_none());
    assert!(book.owner(sha256, 4 * DAY).is_none());
    assert!(book.key(&ods, kid, 4 * DAY).is_none());
    // It may be asked for a newer one, while its certificate's own time is not over.
    assert_eq!(book.last_owner(sha256, 4 * DAY).unwrap().ods, "A81001");
    assert!(book.last_owner(sha256, 5 * DAY).is_none());
    assert!(book.last_owner(&"0".repeat(64), 4 * DAY).is_none());

    let mut newer = network.directory.clone();
    newer.version = 4;
    newer.valid_until = 9 * DAY;
    let forged = SigningKey::create(&network.folder.path().join("other.key")).unwrap();
    let forged = newer.sign(&forged).unwrap();
    assert!(book.reload(&forged, 4 * DAY).is_err());
    assert!(Book::even_ended(&forged, steward()).is_err());
    let newer = newer.sign(&network.steward).unwrap();
    assert!(book.reload(&newer, 4 * DAY).unwrap());
    assert!(book.member(&ods, 4 * DAY).is_some());
    let mut older = network.directory.clone();
    older.valid_until = 9 * DAY;
    let older = older.sign(&network.steward).unwrap();
    let refused = book.reload(&older, 4 * DAY).unwrap_err();
    assert_eq!(refused.kind, Kind::Conflict);
}
