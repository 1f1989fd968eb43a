//! A group that repeats is filled in more than once: each further copy of it is further questions in the flat list (decision 0310),
//! whose links carry a mark that no linkId can have.

use std::collections::BTreeMap;
use std::ops::Range;

use serde_json::Value;

use super::{DEPTH_MAX, Fields, Form, Question};
use crate::members::{each, text};

/// The most copies of one group.
pub const COPIES_MAX: usize = 10;
/// Items of a form at most, with all copies.
const ITEMS_MAX: usize = 400;
/// Items of a response that are looked at.
const LOOKED_MAX: usize = 4_000;
/// Stands between a linkId and the number of its copy; FHIR's texts have no such character.
const MARK: char = '\u{1f}';
/// The parts of a field's name, beside the plain one.
pub(super) const PARTS: [&str; 6] = ["-day", "-month", "-year", "-time", "-unit", "-other"];

/// How many copies of each group, by the name of its first copy's field.
type Counts = BTreeMap<String, usize>;

impl Question {
    /// The linkId in the Questionnaire: of a copy, the group's own.
    pub fn link_id(&self) -> &str {
        self.link.split(MARK).next().unwrap_or(&self.link)
    }

    /// The name of its fields in the first copy of its group.
    pub fn first_name(&self) -> &str {
        self.name.split('_').next().unwrap_or(&self.name)
    }

    /// Which copy of its group it stands in; 1 where there is one.
    pub fn copy(&self) -> usize {
        let number = self.link.split_once(MARK).map(|(_, number)| number);
        number.and_then(|it| it.parse().ok()).unwrap_or(1)
    }
}

/// The name of the fields of a copy.
fn name(place: usize, copy: usize) -> String {
    match copy {
        1 => format!("q{place}"),
        copy => format!("q{place}_{copy}"),
    }
}

fn link(link: &str, copy: usize) -> String {
    match copy {
        1 => link.to_owned(),
        copy => format!("{link}{MARK}{copy}"),
    }
}

impl Form {
    /// The form with as many copies of its groups as those fields say. For the form as it was read, without copies.
    pub fn copied(&self, fields: &Fields) -> Form {
        let mut counts = Counts::new();
        for (place, question) in self.questions.iter().enumerate() {
            if question.copies {
                let said = fields.get(&name(place, 1)).and_then(|it| it.first());
                let count = said.and_then(|it| it.parse().ok()).unwrap_or(1);
                counts.insert(question.link.clone(), count);
            }
        }
        self.with(&counts)
    }

    /// The form with as many copies of its groups as a response has, as far as there may be.
    pub fn copied_for(&self, response: &Value) -> Form {
        let mut counts = Counts::new();
        for question in self.questions.iter().filter(|it| it.copies) {
            counts.insert(question.link.clone(), 0);
        }
        let mut left = LOOKED_MAX;
        count(response, &mut counts, 0, &mut left);
        self.with(&counts)
    }

    fn with(&self, counts: &Counts) -> Form {
        let mut made = Form {
            questions: Vec::with_capacity(self.questions.len()),
            ..self.clone()
        };
        let mut moved = vec![0; self.questions.len()];
        let mut place = 0;
        while let Some(question) = self.questions.get(place) {
            let within = self.below(place);
            let wanted = match question.copies {
                true => counts.get(&question.link).copied().unwrap_or(1),
                false => 1,
            };
            let rest = self.questions.len() - place;
            let room = ITEMS_MAX.saturating_sub(rest + made.questions.len());
            let most = COPIES_MAX.min(1 + room / within.len().max(1));
            let upto = match question.copies {
                true => within.end,
                false => place + 1,
            };
            for copy in 1..=wanted.clamp(1, most) {
                self.add(&mut made, (place..upto, copy), &mut moved);
            }
            place = upto;
        }
        made
    }

    /// Adds one copy of those questions.
    fn add(&self, made: &mut Form, (places, copy): (Range<usize>, usize), moved: &mut [usize]) {
        let links: Vec<&str> = self
            .slice(places.clone())
            .map(|it| it.link.as_str())
            .collect();
        for (question, place) in self.slice(places.clone()).zip(places) {
            let mut own = question.clone();
            own.link = link(&question.link, copy);
            own.name = name(place, copy);
            own.parent = question.parent.and_then(|it| moved.get(it).copied());
            for when in &mut own.when {
                if links.contains(&when.question.as_str()) {
                    when.question = link(&when.question, copy);
                }
            }
            if let Some(to) = moved.get_mut(place) {
                *to = made.questions.len();
            }
            made.questions.push(own);
        }
    }

    fn slice(&self, places: Range<usize>) -> impl Iterator<Item = &Question> {
        self.questions.get(places).unwrap_or_default().iter()
    }

    /// A question and all that stands in it, which follow it in the list.
    pub fn below(&self, place: usize) -> Range<usize> {
        let depth = self.questions.get(place).map_or(0, |it| it.depth);
        let mut rest = self.questions.iter().enumerate().skip(place + 1);
        let end = rest.find(|(_, it)| it.depth <= depth);
        place..end.map_or(self.questions.len(), |(at, _)| at)
    }

    /// How many copies of that group there are, and whether another may be added. For a form with its copies.
    pub fn copies_of(&self, group: &Question) -> (usize, bool) {
        let own = group.link_id();
        let groups = self.questions.iter().enumerate();
        let groups: Vec<_> = groups.filter(|(_, it)| it.link_id() == own).collect();
        let each = groups.first().map_or(0, |(at, _)| self.below(*at).len());
        let has_room = self.questions.len() + each <= ITEMS_MAX;
        (groups.len(), groups.len() < COPIES_MAX && has_room)
    }

    /// Writes down in the fields how many copies there are. For a form with its copies.
    pub(super) fn count_copies(&self, fields: &mut Fields) {
        for group in self.questions.iter().filter(|it| it.copies) {
            let (count, _) = self.copies_of(group);
            if group.copy() == 1 && count > 1 {
                fields.insert(group.name.clone(), vec![count.to_string()]);
            }
        }
    }

    /// Another copy of the group of that name, if there may be one. For a form with its copies.
    pub fn add_copy(&self, fields: &mut Fields, group: &str) {
        let mut groups = self.questions.iter().filter(|it| it.copies);
        if let Some(found) = groups.find(|it| it.name == group)
            && let (count, true) = self.copies_of(found)
        {
            fields.insert(group.to_owned(), vec![(count + 1).to_string()]);
        }
    }

    /// Takes away one copy of the group of that name with what was written in it; the copies after it move up. Of the only one what
    /// was written goes. For the form as it was read, without copies.
    pub fn remove_copy(&self, fields: &mut Fields, group: &str, copy: usize) {
        let mut places = self.questions.iter().enumerate();
        let found = places.find(|(_, it)| it.copies && it.name == group);
        let Some((place, _)) = found else { return };
        let said = fields.get(group).and_then(|it| it.first());
        let count = said.and_then(|it| it.parse().ok()).unwrap_or(1);
        let count: usize = usize::clamp(count, 1, COPIES_MAX);
        if !(1..=count).contains(&copy) {
            return;
        }
        for place in self.below(place).skip(1) {
            for part in PARTS.into_iter().chain([""]) {
                for at in copy..=count {
                    let to = format!("{}{part}", name(place, at));
                    fields.remove(&to);
                    let from = format!("{}{part}", name(place, at + 1));
                    if let Some(texts) = fields.remove(&from).filter(|_| at < count) {
                        fields.insert(to, texts);
                    }
                }
            }
        }
        fields.insert(
            group.to_owned(),
            vec![count.saturating_sub(1).max(1).to_string()],
        );
    }

    /// The place of the question, or of the group with copies, that a field belongs to. For the form as it was read.
    pub(super) fn place_of(&self, field: &str) -> Option<usize> {
        let number = field.strip_prefix('q')?;
        let number = PARTS
            .iter()
            .find_map(|part| number.strip_suffix(part))
            .unwrap_or(number);
        let (number, copy) = match number.split_once('_') {
            Some((number, copy)) => (number, Some(copy.parse::<usize>().ok()?)),
            None => (number, None),
        };
        let place: usize = number.parse().ok()?;
        let question = self.questions.get(place)?;
        let is_copy = copy.is_none_or(|it| (2..=COPIES_MAX).contains(&it));
        let counts = question.copies && copy.is_none() && field == name(place, 1);
        (is_copy && (question.sort.asks() || counts)).then_some(place)
    }
}

fn count(holder: &Value, counts: &mut Counts, depth: usize, left: &mut usize) {
    if depth > DEPTH_MAX * 2 {
        return;
    }
    for item in each(holder, "/item") {
        if *left == 0 {
            return;
        }
        *left -= 1;
        if let Some(own) = counts.get_mut(text(item, "/linkId")) {
            *own += 1;
        }
        count(item, counts, depth + 1, left);
        for answer in each(item, "/answer") {
            count(answer, counts, depth + 1, left);
        }
    }
}
