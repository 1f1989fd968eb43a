//! A message walked segment by segment, each applied to the resources it contributes to.

use super::condition::Scope;
use super::draft::NodeId;
use super::interpret::Interpreter;
use super::path::steps;
use super::structure::{Standing, Walk};
use super::tables::{Link, Structure, Target};
use crate::message::Segment;

/// A resource that segments contribute to.
#[derive(Debug)]
pub struct Draft {
    /// Its root.
    pub root: NodeId,
    /// The segments that contributed, by line.
    pub lines: Vec<u32>,
    /// The report or other draft of the message that it belongs to.
    pub parent: Option<NodeId>,
}

/// A label of the tables (`Observation[2]`) and what it stands for just now.
#[derive(Debug)]
struct Bound {
    label: String,
    root: NodeId,
    groups: Groups,
    /// The segments that began it or joined it, each with the groups it stood in.
    joined: Vec<(String, Groups)>,
}

/// The groups that something stands in, from the outside in, each with its occurrence.
type Groups = Vec<(usize, u32)>;

impl Bound {
    /// Whether the segment adds to it. One that began it begins another; of a specimen so does one
    /// that comes again in another group (the second SPM of an order, whose OBR began the first).
    fn takes(&self, segment: &str, groups: &[(usize, u32)]) -> bool {
        let began = self.joined.first().is_some_and(|(name, _)| name == segment);
        let elsewhere = |(name, at): &(String, Groups)| name == segment && at != groups;
        let is_specimen = self.label.starts_with("Specimen");
        !(began || is_specimen && self.joined.iter().any(elsewhere))
    }
}

/// A message being built.
pub struct Build<'m> {
    /// The interpreter with all it has made.
    pub interpreter: Interpreter<'m>,
    /// The resources that segments contribute to, in the order in which they were begun.
    pub drafts: Vec<Draft>,
    bound: Vec<Bound>,
    structure: &'m Structure,
}

impl<'m> Build<'m> {
    /// Walks the message along its structure.
    pub fn walk(interpreter: Interpreter<'m>, structure: &'m Structure) -> Build<'m> {
        let mut build = Build {
            interpreter,
            drafts: Vec::new(),
            bound: Vec::new(),
            structure,
        };
        let mut walk = Walk::new(structure);
        for segment in build.interpreter.message.segments() {
            match walk.enter(segment.name()) {
                Some(standing) => build.segment(segment, structure, &standing),
                None => build.interpreter.ledger.nowhere(segment.line()),
            }
        }
        build
    }

    /// The draft with that root.
    pub fn draft(&self, root: NodeId) -> Option<&Draft> {
        self.drafts.iter().find(|d| d.root == root)
    }

    /// The drafts of a type.
    pub fn of_type(&self, ty: &str) -> impl Iterator<Item = &Draft> {
        self.drafts
            .iter()
            .filter(move |d| self.interpreter.arena.ty(d.root) == ty)
    }

    /// The first segment of that name among those that contributed to a draft.
    pub fn segment_of(&self, draft: &Draft, name: &str) -> Option<Segment<'m>> {
        let message = self.interpreter.message;
        draft
            .lines
            .iter()
            .filter_map(|line| message.line(*line))
            .find(|s| s.name() == name)
    }

    fn segment(&mut self, segment: Segment<'m>, structure: &'m Structure, at: &Standing) {
        let targets = structure
            .places
            .get(at.place)
            .map_or(&[][..], |p| &p.targets);
        let scope = Scope::Segment(self.interpreter.message, segment);
        for target in targets {
            let holds = target.when.as_ref().is_none_or(|c| scope.holds(c));
            // NK1 and the like: which of several targets is meant is told in prose; those whose
            // resource is begun already only add to it.
            let prose = target.prose && self.visible(&target.label, &at.groups).is_none();
            if !holds || prose || !self.interpreter.tables.takes(&target.map) {
                continue;
            }
            if let Some(root) = self.root(target, segment, &at.groups) {
                self.interpreter.segment(&target.map, segment, root);
                for link in &target.links {
                    self.link(link, &at.groups);
                }
            }
        }
    }

    /// The resource that the target's label stands for, begun if it is not yet, or if the same
    /// segment comes again.
    fn root(
        &mut self,
        target: &Target,
        segment: Segment<'m>,
        groups: &[(usize, u32)],
    ) -> Option<NodeId> {
        let name = segment.name();
        let found = self
            .visible(&target.label, groups)
            .filter(|b| b.takes(name, groups));
        if let Some(root) = found.map(|b| b.root) {
            let bound = self.bound.iter_mut().find(|b| b.root == root);
            bound
                .into_iter()
                .for_each(|b| b.joined.push((name.to_owned(), groups.to_vec())));
            let draft = self.drafts.iter_mut().rev().find(|d| d.root == root);
            draft.into_iter().for_each(|d| d.lines.push(segment.line()));
            return Some(root);
        }
        let ty = target.label.split('[').next().unwrap_or_default();
        let root = self.interpreter.arena.resource(ty)?;
        let report = self.nearest("DiagnosticReport[1]", groups);
        let parent = report.filter(|_| ty == "Observation");
        self.drafts.push(Draft {
            root,
            lines: vec![segment.line()],
            parent,
        });
        // Only the latest of each label is ever meant.
        self.bound.retain(|b| b.label != target.label);
        self.bound.push(Bound {
            label: target.label.clone(),
            root,
            groups: groups.to_vec(),
            joined: vec![(name.to_owned(), groups.to_vec())],
        });
        Some(root)
    }

    /// What the label stands for within these groups: begun in the same group, or one around it
    /// or within it (ORC and OBR).
    fn visible(&self, label: &str, groups: &[(usize, u32)]) -> Option<&Bound> {
        self.bound
            .iter()
            .find(|b| b.label == label && b.groups.iter().zip(groups).all(|(a, b)| a == b))
    }

    /// What the label stands for, seen from these groups: the latest, but never across the
    /// outermost group (the results of another patient).
    fn nearest(&self, label: &str, groups: &[(usize, u32)]) -> Option<NodeId> {
        let found = self.bound.iter().find(|b| b.label == label)?;
        // What stands in a group that comes once (the patient of all orders) is meant by all.
        let once = |(group, _): &(usize, u32)| {
            let group = self.structure.groups.get(*group);
            group.is_some_and(|group| !group.repeats)
        };
        let same = match (found.groups.first(), groups.first()) {
            (Some(a), Some(b)) => a == b || once(a),
            _ => true,
        };
        same.then_some(found.root)
    }

    fn link(&mut self, link: &Link, groups: &[(usize, u32)]) {
        let (Some(from), Some(to)) = (
            self.nearest(&link.from, groups),
            self.nearest(&link.to, groups),
        ) else {
            return;
        };
        // Some published links name the id beside the reference.
        let element = link.element.trim_end_matches(".id");
        let Some(steps) = steps(element) else {
            return;
        };
        let key = self.interpreter.own_key();
        if let Ok(reference) = self
            .interpreter
            .arena
            .follow(from, &steps, key.application, 0)
        {
            self.interpreter.arena.refer(reference, to);
        }
    }
}
