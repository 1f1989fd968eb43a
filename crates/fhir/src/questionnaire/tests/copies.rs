//! Groups that repeat, and words in other languages.

use super::*;

/// Medicines, each with a dose that is asked if it is taken every day.
fn medicines() -> Form {
    form(json!([
        { "linkId": "first", "type": "string", "text": "Name" },
        { "linkId": "m", "type": "group", "text": "A medicine", "repeats": true, "item": [
            { "linkId": "what", "type": "string", "text": "Which?", "required": true },
            { "linkId": "daily", "type": "boolean", "text": "Every day?" },
            { "linkId": "dose", "type": "integer", "text": "How many?", "required": true,
              "enableWhen": [{ "question": "daily", "operator": "=", "answerBoolean": true }] },
            { "linkId": "inner", "type": "group", "repeats": true, "item": [
                { "linkId": "note", "type": "string" }] },
        ] },
        { "linkId": "last", "type": "string" },
    ]))
}

#[test]
fn a_group_that_repeats_is_filled_in_more_than_once() {
    let base = medicines();
    let pairs = [
        ("q1", "3"),
        ("q2", "Ramipril"),
        ("q3", "no"),
        ("q2_2", "Salbutamol"),
        ("q3_2", "yes"),
        ("q4_2", "4"),
        ("q7", "end"),
    ];
    let given = fields(&pairs);
    let own = base.own_fields(pairs.into_iter());
    assert_eq!(own, given, "its own fields are known, those of copies too");
    let form = base.copied(&given);
    assert_eq!(form.questions.len(), 2 + 3 * 6);
    let read = form.read_fields(&given, &Answers::new(), (&utc, 0));
    // The third is asked, and was not answered; the dose of the first is not asked.
    let faults: Vec<_> = read
        .faults
        .iter()
        .map(|(at, fault)| (form.questions[*at].name.as_str(), fault))
        .collect();
    assert_eq!(faults, [("q2_3", &Fault::Missing)]);
    let mut answers = read.answers;
    answers.insert(
        form.questions[14].link.clone(),
        vec![json!({ "valueString": "Aspirin" })],
    );
    assert_eq!(form.faults(&answers), []);
    let made = response(&form, &answers);
    let links: Vec<&str> = crate::members::each(&made, "/item")
        .map(|it| it["linkId"].as_str().unwrap())
        .collect();
    assert_eq!(links, ["m", "m", "m", "last"]);
    assert_eq!(made["item"][1]["item"][2]["answer"][0]["valueInteger"], 4);
    let text = made.to_string();
    let json = parse(text.as_bytes(), &Limits::default()).unwrap();
    crate::validate::validate(&json, Definitions::r4()).unwrap();
    assert_eq!(conforms(&base, &made), []);
    let again = base.copied_for(&made);
    assert_eq!(again, form);
    let answered = Answered::read(&again, &made);
    assert_eq!(answered.answers, answers);
    assert!(answered.many.is_empty());
    assert_eq!(again.fields_of(&answers, &as_it_is)["q1"], ["3"]);
}

#[test]
fn a_copy_that_is_wrong_is_named_and_one_too_many_is_kept_with_the_last() {
    let base = medicines();
    let copy = |dose: i64| {
        json!({ "linkId": "m", "item": [
        { "linkId": "what", "answer": [{ "valueString": "x" }] },
        { "linkId": "dose", "answer": [{ "valueInteger": dose }] },
    ] })
    };
    let two = json!({ "resourceType": "QuestionnaireResponse", "status": "completed", "item": [copy(1), copy(2)] });
    // The dose is not asked in either.
    assert_eq!(
        conforms(&base, &two),
        [
            ("dose".to_owned(), Fault::NotAsked),
            ("dose".to_owned(), Fault::NotAsked)
        ]
    );
    let many: Vec<Value> = (0..12)
        .map(|it| {
            json!({ "linkId": "m", "item": [
        { "linkId": "what", "answer": [{ "valueString": it.to_string() }] }] })
        })
        .collect();
    let many =
        json!({ "resourceType": "QuestionnaireResponse", "status": "completed", "item": many });
    assert_eq!(conforms(&base, &many), []);
    let form = base.copied_for(&many);
    let answered = Answered::read(&form, &many);
    assert!(
        !answered.many.is_empty(),
        "they are not lost, and not to be changed here"
    );
}

#[test]
fn copies_are_added_up_to_a_bound_and_taken_away_with_what_was_written() {
    let base = medicines();
    let mut written = Fields::new();
    for _ in 0..COPIES_MAX + 5 {
        base.copied(&written).add_copy(&mut written, "q1");
    }
    assert_eq!(written["q1"], [COPIES_MAX.to_string()]);
    // Nobody adds what is no group, or by writing a great number.
    base.copied(&written).add_copy(&mut written, "q2");
    let much = base.copied(&fields(&[("q1", "4000000000")]));
    assert_eq!(much.questions.len(), 2 + COPIES_MAX * 6);
    let mut written = fields(&[
        ("q1", "3"),
        ("q2", "a"),
        ("q2_2", "b"),
        ("q2_3", "c"),
        ("q3_3", "yes"),
    ]);
    base.remove_copy(&mut written, "q1", 2);
    assert_eq!(
        written,
        fields(&[("q1", "2"), ("q2", "a"), ("q2_2", "c"), ("q3_2", "yes")])
    );
    base.remove_copy(&mut written, "q1", 1);
    assert_eq!(written, fields(&[("q1", "1"), ("q2", "c"), ("q3", "yes")]));
    base.remove_copy(&mut written, "q1", 1);
    assert_eq!(written, fields(&[("q1", "1")]));
    base.remove_copy(&mut written, "q1", 9);
    assert_eq!(written, fields(&[("q1", "1")]));
}

fn translation(words: &str) -> Value {
    json!({ "extension": [{
        "url": "http://hl7.org/fhir/StructureDefinition/translation",
        "extension": [
            { "url": "lang", "valueCode": "cy-GB" },
            { "url": "content", "valueString": words },
        ],
    }] })
}

#[test]
fn words_are_told_in_the_readers_language_or_marked_with_their_own() {
    let read = |language: &str| {
        let mut asked = questionnaire(json!([
            { "linkId": "a", "type": "choice", "text": "Do you smoke?", "_text": translation("Ydych chi'n ysmygu?"),
              "answerOption": [
                { "valueCoding": { "code": "n", "display": "Never", "_display": translation("Byth") } },
                { "valueCoding": { "code": "s", "display": "Sometimes" } }] },
            { "linkId": "b", "type": "string", "text": "Anything else?" },
        ]));
        asked["_title"] = translation("Adolygiad asthma");
        if !language.is_empty() {
            asked["language"] = language.into();
        }
        (Form::read(&asked).unwrap(), asked)
    };
    let (form, asked) = read("");
    let told = |told: Told<'_>| (told.text.to_owned(), told.lang.map(str::to_owned));
    let en = || Some("en".to_owned());
    assert_eq!(
        told(form.title_in("cy")),
        ("Adolygiad asthma".to_owned(), None)
    );
    assert_eq!(
        told(form.title_in("en")),
        ("Asthma review".to_owned(), None)
    );
    assert_eq!(
        title_for(&asked, "cy"),
        ("Adolygiad asthma".to_owned(), None)
    );
    let [smoke, rest] = form.questions.as_slice() else {
        panic!()
    };
    assert_eq!(told(form.text_of(smoke, "cy")).0, "Ydych chi'n ysmygu?");
    assert_eq!(
        told(form.text_of(rest, "cy")),
        ("Anything else?".to_owned(), en())
    );
    assert_eq!(
        told(form.label_of(&smoke.choices[0], "cy")),
        ("Byth".to_owned(), None)
    );
    assert_eq!(
        told(form.label_of(&smoke.choices[1], "cy")),
        ("Sometimes".to_owned(), en())
    );
    // What is handed in says it as the Questionnaire itself does.
    let posted = posted(&form, &[("q0", "0")]);
    assert_eq!(posted.answers["a"][0]["valueCoding"]["display"], "Never");
    assert_eq!(
        told(form.chosen(smoke, &posted.answers["a"][0], "cy").unwrap()).0,
        "Byth"
    );
    // One that is in Welsh itself.
    let (form, _) = read("cy");
    assert_eq!(
        told(form.title_in("en")),
        ("Asthma review".to_owned(), Some("cy".to_owned()))
    );
    assert_eq!(form.language, "cy");
    assert_eq!(read("\"><script>").0.language, "en");
}
