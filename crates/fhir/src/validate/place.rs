//! Where in a resource the walk is: a chain on the stack that costs nothing until a fault is told.

use std::fmt;

#[derive(Clone, Copy)]
pub(crate) struct Place<'p> {
    parent: Option<&'p Place<'p>>,
    name: &'p str,
    index: Option<usize>,
}

impl<'p> Place<'p> {
    pub(crate) fn root(name: &'p str) -> Place<'p> {
        Place {
            parent: None,
            name,
            index: None,
        }
    }

    pub(crate) fn element(&'p self, name: &'p str) -> Place<'p> {
        Place {
            parent: Some(self),
            name,
            index: None,
        }
    }

    /// The element's name, without its index.
    pub(crate) fn name(&self) -> &'p str {
        self.name
    }

    pub(crate) fn at(&self, index: usize) -> Place<'p> {
        Place {
            index: Some(index),
            ..*self
        }
    }
}

impl fmt::Display for Place<'_> {
    /// FHIRPath: `Patient.name[0].given[1]`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent {
            write!(f, "{parent}.")?;
        }
        f.write_str(self.name)?;
        match self.index {
            Some(index) => write!(f, "[{index}]"),
            None => Ok(()),
        }
    }
}
