//! What a referral's parcel says, and what follows from which step.

use store::referrals::ReferralState;

use super::{Act, ReferralText, Request, follows};

fn request() -> Request {
    Request {
        service: "Cardiology".into(),
        urgency: "urgent".into(),
        reason: "Chest pain on effort".into(),
        question: "Is it angina?".into(),
        referrer: "Dr Ann Bell".into(),
    }
}

fn text(act: Act) -> ReferralText {
    ReferralText {
        act,
        referral: "r1".into(),
        number: 1,
        at: 1_000,
        by: "Dr Ann Bell".into(),
        role: "clinician".into(),
        words: "Because".into(),
        request: (act == Act::Refer).then(request),
        promised_by: None,
        appointment: None,
    }
}

const ALL: [Act; 6] = [
    Act::Refer,
    Act::Reply,
    Act::Withdraw,
    Act::Accept,
    Act::Ask,
    Act::Return,
];

#[test]
fn a_step_that_does_not_say_what_it_is_or_who_took_it_is_refused() {
    for act in ALL {
        text(act).check().unwrap();
        assert_eq!(Act::from_code(act.code()), Some(act));
    }
    let wrong = |act: Act, change: &dyn Fn(&mut ReferralText)| {
        let mut text = text(act);
        change(&mut text);
        text.check().unwrap_err();
    };
    wrong(Act::Refer, &|it| it.request = None);
    wrong(Act::Ask, &|it| it.request = Some(request()));
    wrong(Act::Ask, &|it| it.words = " ".into());
    wrong(Act::Return, &|it| it.words = "x".repeat(1_501));
    wrong(Act::Return, &|it| {
        it.promised_by = Some("2027-01-01".into())
    });
    wrong(Act::Accept, &|it| it.promised_by = Some("soon".into()));
    wrong(Act::Accept, &|it| it.by = String::new());
    wrong(Act::Accept, &|it| it.role = "clerk".into());
    wrong(Act::Refer, &|it| it.number = 0);
    wrong(Act::Refer, &|it| it.referral = "../r".into());
    let change: [&dyn Fn(&mut Request); 4] = [
        &|it| it.service = String::new(),
        &|it| it.reason = " ".into(),
        &|it| it.urgency = "soon".into(),
        &|it| it.referrer = "x".repeat(201),
    ];
    for change in change {
        wrong(Act::Refer, &|it| {
            if let Some(request) = &mut it.request {
                change(request);
            }
        });
    }
}

#[test]
fn a_referral_is_accepted_only_while_it_is_open_and_never_by_its_arrival() {
    use ReferralState::{Accepted, Asked, Returned, Waiting, Withdrawn};
    for (state, expected) in [
        (
            Waiting,
            [
                None,
                None,
                Some(Withdrawn),
                Some(Accepted),
                Some(Asked),
                Some(Returned),
            ],
        ),
        (
            Asked,
            [
                None,
                Some(Waiting),
                Some(Withdrawn),
                Some(Accepted),
                Some(Asked),
                Some(Returned),
            ],
        ),
        (Accepted, [None, None, Some(Withdrawn), None, None, None]),
        (Returned, [None; 6]),
        (Withdrawn, [None; 6]),
    ] {
        assert_eq!(ALL.map(|act| follows(state, act)), expected, "{state:?}");
    }
}
