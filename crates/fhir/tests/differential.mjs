// Evaluates expressions over resources with npm's `fhirpath`. Takes the folder of the packages as its
// argument and on standard input { expressions: [text], cases: [{ file, expressions: [number] }] };
// writes one line of JSON a case: an array with, for each expression, an array of results or null.
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';

const require = createRequire(process.argv[2] + '/package.json');
const fhirpath = require('fhirpath');
const r4 = require('fhirpath/fhir-context/r4');
const { expressions, cases } = JSON.parse(readFileSync(0, 'utf8'));
const compiled = expressions.map((text) => {
  try {
    return fhirpath.compile(text, r4, { traceFn: () => {} });
  } catch {
    return null;
  }
});
for (const { file, expressions } of cases) {
  const resource = JSON.parse(readFileSync(file, 'utf8'));
  const results = expressions.map((number) => {
    try {
      const found = compiled[number](resource, { resource, rootResource: resource });
      return Array.isArray(found) ? found : null;
    } catch {
      return null;
    }
  });
  process.stdout.write(JSON.stringify(results) + '\n');
}
