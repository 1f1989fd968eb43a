//! Where in its structure each segment of a message stands: the groups it belongs to.
//!
//! Real messages leave out what is required and put segments where they should not be, so the
//! walk is lenient: it looks for the next place ahead within the innermost open group, then for a
//! repetition of that group, then outwards. A segment that has no place is told, not guessed.

use super::tables::{Place, Structure};

/// One segment's standing: its place and the groups it is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The index of the place in the structure.
    pub place: usize,
    /// The open groups from the outside in, each with the number of its occurrence.
    pub groups: Vec<(usize, u32)>,
}

/// Walks a structure along a message.
#[derive(Debug)]
pub struct Walk<'s> {
    structure: &'s Structure,
    /// The place of the last segment, and whether that place was filled.
    at: usize,
    filled: bool,
    /// How often each group has been begun.
    occurrences: Vec<u32>,
}

impl<'s> Walk<'s> {
    /// A walk that stands before the first segment.
    pub fn new(structure: &'s Structure) -> Walk<'s> {
        let occurrences = vec![0; structure.groups.len()];
        Walk {
            structure,
            at: 0,
            filled: false,
            occurrences,
        }
    }

    /// Where the next segment of the message stands.
    pub fn enter(&mut self, segment: &str) -> Option<Standing> {
        let here = self.structure.places.get(self.at);
        let mut group = here.and_then(|p| p.group);
        loop {
            if let Some(place) = self.ahead(segment, group) {
                return Some(self.stand(place, None));
            }
            let Some(open) = group else { break };
            let repeats = self.structure.groups.get(open).is_some_and(|g| g.repeats);
            if let Some(place) = self.first_in(segment, Some(open)).filter(|_| repeats) {
                return Some(self.stand(place, Some(open)));
            }
            group = self.structure.groups.get(open).and_then(|g| g.parent);
        }
        // Out of order: anywhere at all.
        self.first_in(segment, None)
            .map(|place| self.stand(place, None))
    }

    /// The next place of that name from here on, within the group.
    fn ahead(&self, segment: &str, group: Option<usize>) -> Option<usize> {
        self.structure
            .places
            .iter()
            .enumerate()
            .skip(self.at)
            .find_map(|(n, place)| {
                let again = n != self.at || !self.filled || place.repeats;
                (place.segment == segment && again && self.is_within(place, group)).then_some(n)
            })
    }

    /// The first place of that name in the group.
    fn first_in(&self, segment: &str, group: Option<usize>) -> Option<usize> {
        let mut places = self.structure.places.iter();
        places.position(|p| p.segment == segment && self.is_within(p, group))
    }

    fn is_within(&self, place: &Place, group: Option<usize>) -> bool {
        group.is_none() || self.groups_of(place).any(|g| Some(g) == group)
    }

    /// The groups of a place from the inside out.
    fn groups_of(&self, place: &Place) -> impl Iterator<Item = usize> + use<'s> {
        let groups = &self.structure.groups;
        std::iter::successors(place.group, move |g| groups.get(*g).and_then(|g| g.parent))
    }

    /// Moves to a place, beginning the groups that are entered, and `again` if that is repeated.
    fn stand(&mut self, place: usize, again: Option<usize>) -> Standing {
        let all = |walk: &Walk<'s>, at: usize| -> Vec<usize> {
            let mut groups: Vec<usize> = walk
                .structure
                .places
                .get(at)
                .map(|p| walk.groups_of(p).collect())
                .unwrap_or_default();
            groups.reverse();
            groups
        };
        let (before, now) = (all(self, self.at), all(self, place));
        let mut entered = !self.filled;
        for (n, group) in now.iter().enumerate() {
            entered |= before.get(n) != Some(group) || again == Some(*group);
            if let Some(count) = self.occurrences.get_mut(*group).filter(|_| entered) {
                *count += 1;
            }
        }
        (self.at, self.filled) = (place, true);
        let occurrence = |g: &usize| (*g, self.occurrences.get(*g).copied().unwrap_or(0));
        Standing {
            place,
            groups: now.iter().map(occurrence).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tables::tables;
    use super::*;

    fn walk(message_type: &str, trigger: &str, segments: &str) -> Vec<String> {
        let structure = tables().unwrap().structure(message_type, trigger).unwrap();
        let mut walk = Walk::new(structure);
        let shown = segments.split(' ').map(|s| match walk.enter(s) {
            None => format!("{s}?"),
            Some(standing) => {
                let groups = standing.groups.iter().map(|(g, n)| {
                    let name = &structure.groups[*g].name;
                    format!("{}{n}", name.chars().next().unwrap())
                });
                format!("{s}:{}", groups.collect::<Vec<_>>().join("."))
            }
        });
        shown.collect()
    }

    #[test]
    fn observations_belong_to_their_order() {
        let seen = walk(
            "ORU",
            "R01",
            "MSH PID PV1 ORC OBR NTE OBX NTE OBX OBR OBX SPM ZZZ",
        );
        assert_eq!(
            seen,
            [
                "MSH:",
                "PID:P1.P1",
                "PV1:P1.P1.V1",
                "ORC:P1.O1.C1",
                "OBR:P1.O1",
                "NTE:P1.O1",
                "OBX:P1.O1.O1",
                "NTE:P1.O1.O1",
                "OBX:P1.O1.O2",
                "OBR:P1.O2",
                "OBX:P1.O2.O3",
                "SPM:P1.O2.S1",
                "ZZZ?"
            ]
        );
    }
}
