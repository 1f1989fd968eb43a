-- Packages of StructureDefinitions, ValueSets, CodeSystems, ConceptMaps and SearchParameters: which
-- are here, and which resources each brought. The resources themselves are resources like others.
CREATE TABLE package (
  name {text} NOT NULL PRIMARY KEY,
  version {text} NOT NULL,
  at {int} NOT NULL,
  total {int} NOT NULL
) {plain};

CREATE TABLE package_file (
  package {text} NOT NULL,
  ty {text} NOT NULL,
  id {text} NOT NULL,
  PRIMARY KEY (package, ty, id)
) {keyed};
