//! Numbers for the concepts of a hierarchy in which a concept may have several parents.
//!
//! Numbered in the order of a walk down from the roots, a concept and what was first reached through
//! it are one range; what is also below it by other parents adds ranges of its own. This is the
//! scheme of Agrawal, Borgida and Jagadish, "Efficient management of transitive relationships"
//! (SIGMOD 1989).

use super::ranges::Ranges;

/// A hierarchy, numbered. Concepts are named by their place in the caller's list.
#[derive(Debug)]
pub struct Hierarchy {
    /// Place → number.
    pub number: Vec<u32>,
    /// Number → place.
    pub place: Vec<u32>,
    /// Number → the concept and all below it, for those with anything below; empty for the others.
    pub below: Vec<Ranges>,
}

/// A concept that is above itself, by its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ring(pub u32);

/// Lists of what is next to each concept, in one vector.
struct Adjacent {
    starts: Vec<u32>,
    items: Vec<u32>,
}

impl Adjacent {
    fn children(count: usize, edges: &[(u32, u32)]) -> Adjacent {
        let mut starts = vec![0u32; count + 1];
        for (_, parent) in edges {
            if let Some(start) = starts.get_mut(*parent as usize + 1) {
                *start += 1;
            }
        }
        let mut sum = 0;
        for start in &mut starts {
            sum += *start;
            *start = sum;
        }
        let mut next = starts.clone();
        let mut items = vec![0u32; edges.len()];
        for (child, parent) in edges {
            if let Some(at) = next.get_mut(*parent as usize) {
                if let Some(item) = items.get_mut(*at as usize) {
                    *item = *child;
                }
                *at += 1;
            }
        }
        Adjacent { starts, items }
    }

    fn of(&self, place: u32) -> &[u32] {
        let at = |place: u32| {
            self.starts
                .get(place as usize)
                .map_or(0, |start| *start as usize)
        };
        self.items
            .get(at(place)..at(place.saturating_add(1)))
            .unwrap_or_default()
    }
}

const NONE: u32 = u32::MAX;

impl Hierarchy {
    /// Numbers `count` concepts. `edges` are (child, parent), each below `count`; others are passed
    /// over. Places that `last` names and that have neither parent nor child are numbered last:
    /// those that are no longer in use.
    ///
    /// # Errors
    /// A concept that is above itself.
    pub fn new(
        count: u32,
        edges: &[(u32, u32)],
        last: impl Fn(u32) -> bool,
    ) -> Result<Hierarchy, Ring> {
        let mut edges: Vec<(u32, u32)> = edges
            .iter()
            .copied()
            .filter(|(child, parent)| child.max(parent) < &count)
            .collect();
        edges.sort_unstable();
        edges.dedup();
        let children = Adjacent::children(count as usize, &edges);
        let mut walk = Walk::new(count as usize);
        let mut has_parent = vec![false; count as usize];
        for (child, _) in &edges {
            if let Some(has) = has_parent.get_mut(*child as usize) {
                *has = true;
            }
        }
        for is_last in [false, true] {
            for (place, has_parent) in (0..count).zip(&has_parent) {
                let alone = !has_parent && children.of(place).is_empty();
                if !has_parent && (alone && last(place)) == is_last {
                    walk.down(place, &children)?;
                }
            }
        }
        match walk.number.iter().position(|number| *number == NONE) {
            // Not reached from any root: it is in a ring, or below one.
            Some(place) => Err(Ring(u32::try_from(place).unwrap_or(NONE))),
            None => Ok(Hierarchy {
                number: walk.number,
                place: walk.place,
                below: walk.below,
            }),
        }
    }
}

/// A walk down: first come, first numbered; ranges are gathered on the way back up.
struct Walk {
    number: Vec<u32>,
    place: Vec<u32>,
    below: Vec<Ranges>,
    /// By place: on the way down, and not yet back.
    open: Vec<bool>,
}

impl Walk {
    fn new(count: usize) -> Walk {
        Walk {
            number: vec![NONE; count],
            place: Vec::with_capacity(count),
            below: vec![Ranges::default(); count],
            open: vec![false; count],
        }
    }

    fn enter(&mut self, place: u32) {
        let number = u32::try_from(self.place.len()).unwrap_or(NONE);
        self.place.push(place);
        if let Some(entry) = self.number.get_mut(place as usize) {
            *entry = number;
        }
        self.set_open(place, true);
    }

    fn set_open(&mut self, place: u32, is_open: bool) {
        if let Some(open) = self.open.get_mut(place as usize) {
            *open = is_open;
        }
    }

    fn number_of(&self, place: u32) -> u32 {
        self.number.get(place as usize).copied().unwrap_or(NONE)
    }

    /// Without recursion: a hierarchy may be as deep as it has concepts.
    fn down(&mut self, root: u32, children: &Adjacent) -> Result<(), Ring> {
        self.enter(root);
        let mut path = vec![(root, 0usize)];
        while let Some((place, at)) = path.last_mut() {
            let place = *place;
            let Some(child) = children.of(place).get(*at).copied() else {
                path.pop();
                self.set_open(place, false);
                self.gather(place, children.of(place));
                continue;
            };
            *at += 1;
            if self.number_of(child) == NONE {
                self.enter(child);
                path.push((child, 0));
            } else if self.open.get(child as usize).copied().unwrap_or_default() {
                return Err(Ring(child));
            }
        }
        Ok(())
    }

    fn gather(&mut self, place: u32, children: &[u32]) {
        if children.is_empty() {
            return;
        }
        let number = self.number_of(place);
        let mut ranges = vec![(number, number)];
        for child in children {
            let child = self.number_of(*child);
            match self.below.get(child as usize).map(Ranges::as_slice) {
                Some([]) | None => ranges.push((child, child)),
                Some(below) => ranges.extend(below),
            }
        }
        if let Some(below) = self.below.get_mut(number as usize) {
            *below = Ranges::merged(ranges);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_tree_is_one_range_a_concept_and_what_is_unused_comes_last() {
        // 1 and 2 below 3; 0 below 1; 4 stands alone and is not in use.
        let edges = [(1, 3), (2, 3), (0, 1)];
        let found = Hierarchy::new(6, &edges, |place| place == 4).unwrap();
        assert_eq!(found.place, [3, 1, 0, 2, 5, 4]);
        assert_eq!(found.below[0], Ranges::span(0, 3));
        assert_eq!(found.below[1], Ranges::span(1, 2));
        assert!(found.below[2].is_empty());
    }

    #[test]
    fn rings_are_found_wherever_they_are() {
        assert!(Hierarchy::new(2, &[(0, 1), (1, 0)], |_| false).is_err());
        assert!(Hierarchy::new(1, &[(0, 0)], |_| false).is_err());
        assert!(Hierarchy::new(3, &[(1, 0), (2, 1), (1, 2)], |_| false).is_err());
    }

    #[test]
    fn a_long_chain_needs_no_stack() {
        let edges: Vec<(u32, u32)> = (1..200_000).map(|place| (place, place - 1)).collect();
        let found = Hierarchy::new(200_000, &edges, |_| false).unwrap();
        assert_eq!(found.below[0].count(), 200_000);
    }

    proptest! {
        #[test]
        fn ranges_hold_what_walking_finds(edges in prop::collection::vec((0u32..40, 0u32..40), 0..80)) {
            // Edges only ever point to a smaller place, so that there is no ring.
            let edges: Vec<(u32, u32)> =
                edges.into_iter().filter(|(a, b)| a != b).map(|(a, b)| (a.max(b), a.min(b))).collect();
            let found = Hierarchy::new(40, &edges, |_| false).unwrap();
            for place in 0..40u32 {
                let mut reached = BTreeSet::from([place]);
                let mut size = 0;
                while size != reached.len() {
                    size = reached.len();
                    let more: Vec<u32> = edges.iter().filter(|(_, parent)| reached.contains(parent)).map(|(child, _)| *child).collect();
                    reached.extend(more);
                }
                let number = found.number[place as usize];
                let below = match found.below[number as usize].is_empty() {
                    true => Ranges::span(number, number),
                    false => found.below[number as usize].clone(),
                };
                let walked: BTreeSet<u32> = reached.iter().map(|place| found.number[*place as usize]).collect();
                prop_assert!(below.numbers().eq(walked));
            }
        }
    }
}
