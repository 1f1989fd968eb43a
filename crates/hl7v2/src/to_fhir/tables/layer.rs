//! Laying a layer over the tables: its changes are made, and what it adds goes before what is there.

use super::{Ours, Published, Row, Structure, Tables, fold};

/// The functions that rows may name, folded.
const FUNCTIONS: [&str; 12] = [
    "our:systemcx",
    "our:systemxcn",
    "our:systemxon",
    "our:systemcnn",
    "our:systemei",
    "our:systemhd",
    "our:systempln",
    "our:practice",
    "our:gp",
    "our:place",
    "our:location",
    "our:lines",
];

impl Tables {
    /// Lays a layer over the tables. The error names what in it leads nowhere; the tables are then
    /// not fit for use.
    pub(in crate::to_fhir) fn lay(&mut self, layer: Ours) -> Result<(), String> {
        for (name, structure) in &layer.messages {
            let mut structure = structure.clone();
            let targets = structure.places.iter_mut().flat_map(|p| &mut p.targets);
            targets.for_each(|t| t.map = fold(&t.map));
            self.published.messages.insert(name.clone(), structure);
        }
        self.add_places(&layer)?;
        self.change_targets(&layer)?;
        self.change_rows(&layer)?;
        self.check(&layer)?;
        self.keep(layer);
        Ok(())
    }

    fn add_places(&mut self, layer: &Ours) -> Result<(), String> {
        for added in &layer.places {
            let structure = structure(&mut self.published, &added.structure)?;
            let after = structure
                .places
                .iter()
                .position(|p| p.segment == added.after && p.group.is_none());
            let after = after.ok_or(format!("no place {}", added.after))?;
            let mut place = added.place.clone();
            place.targets.iter_mut().for_each(|t| t.map = fold(&t.map));
            structure.places.insert(after + 1, place);
        }
        Ok(())
    }

    fn change_targets(&mut self, layer: &Ours) -> Result<(), String> {
        for change in &layer.targets {
            let structure = structure(&mut self.published, &change.structure)?;
            let names: Vec<&str> = structure.groups.iter().map(|g| g.name.as_str()).collect();
            let place = structure.places.iter_mut().find(|p| {
                let group = p.group.and_then(|g| names.get(g).copied());
                p.segment == change.segment && group == change.group.as_deref()
            });
            let place = place.ok_or(format!("no place {}.{}", change.structure, change.segment))?;
            place.targets.clone_from(&change.targets);
            place.targets.iter_mut().for_each(|t| t.map = fold(&t.map));
        }
        Ok(())
    }

    fn change_rows(&mut self, layer: &Ours) -> Result<(), String> {
        let Published {
            segments,
            datatypes,
            codes: concept_maps,
            ..
        } = &mut self.published;
        for change in &layer.changes {
            let map = fold(&change.map);
            let rows = segments.get_mut(&map).or(datatypes.get_mut(&map));
            let rows = rows.ok_or(format!("no map {}", change.map))?;
            let is_meant = |r: &Row| r.from == change.from && r.to.starts_with(&change.to);
            if !rows.iter().any(is_meant) {
                let (map, from, to) = (&change.map, change.from, &change.to);
                return Err(format!("no row {map} {from} {to}"));
            }
            if change.take {
                let meant = rows.iter_mut().filter(|r| is_meant(r));
                meant.for_each(|r| r.prose = false);
            } else {
                rows.retain(|r| !is_meant(r));
            }
        }
        for (map, rows) in &layer.rows {
            let map = fold(map);
            // A data type map's name starts as those of its type do; all others are segments'.
            let start = map.split('[').next().unwrap_or_default().to_owned() + "[";
            let is_data_type = datatypes.keys().any(|k| k.starts_with(&start));
            let into = if is_data_type {
                &mut *datatypes
            } else {
                &mut *segments
            };
            into.entry(map)
                .or_default()
                .splice(0..0, rows.iter().map(folded));
        }
        for (map, codes) in &layer.codes {
            let into = concept_maps.entry(fold(map)).or_default();
            into.splice(0..0, codes.iter().cloned());
        }
        Ok(())
    }

    /// What the layer's own rows and structures name must be there.
    fn check(&self, layer: &Ours) -> Result<(), String> {
        let rows = layer.rows.iter();
        for (map, row) in rows.flat_map(|(map, rows)| rows.iter().map(move |row| (map, row))) {
            let place = format!("{map} {} {}", row.from, row.to);
            if row.steps().is_none() {
                return Err(format!("{place}: the path cannot be read"));
            }
            let with = row.with.as_deref().map(fold);
            let known = |name: &String| {
                let is_ours = FUNCTIONS.contains(&name.as_str());
                is_ours || self.published.datatypes.contains_key(name)
            };
            if let Some(name) = with.filter(|name| !known(name)) {
                return Err(format!("{place}: there is no map {name}"));
            }
            let codes = row.codes.as_deref().map(fold);
            let missing = codes.filter(|name| !self.published.codes.contains_key(name));
            if let Some(name) = missing {
                return Err(format!("{place}: there is no concept map {name}"));
            }
        }
        for (kind, name) in &layer.structures {
            if !self.published.messages.contains_key(name) {
                return Err(format!("{kind}: there is no structure {name}"));
            }
        }
        for name in &layer.taken {
            if !self.published.segments.contains_key(&fold(name)) {
                return Err(format!("taken: there is no map {name}"));
            }
        }
        Ok(())
    }

    /// Keeps what the layer says beside rows, before what was said so far.
    fn keep(&mut self, layer: Ours) {
        let ours = &mut self.ours;
        ours.about = layer.about;
        ours.sender = layer.sender;
        ours.structures.extend(layer.structures);
        ours.taken.extend(layer.taken.iter().map(|name| fold(name)));
        ours.keys.extend(layer.keys);
        ours.identifier_systems
            .splice(0..0, layer.identifier_systems);
        ours.code_systems.extend(layer.code_systems);
        for (ty, elements) in layer.defaults {
            ours.defaults.entry(ty).or_default().extend(elements);
        }
        ours.segments.extend(layer.segments);
        ours.fields.extend(layer.fields);
    }
}

fn structure<'p>(published: &'p mut Published, name: &str) -> Result<&'p mut Structure, String> {
    let found = published.messages.get_mut(name);
    found.ok_or(format!("no structure {name}"))
}

/// A row of a layer with the names it uses as all tables are keyed.
fn folded(row: &Row) -> Row {
    Row {
        with: row.with.as_deref().map(fold),
        codes: row.codes.as_deref().map(fold),
        ..row.clone()
    }
}
