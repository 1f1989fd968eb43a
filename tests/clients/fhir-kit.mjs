// A FHIR client that others wrote (npm fhir-kit-client) at a node: what it expects of a server is what it gets.

import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import assert from 'node:assert/strict';

// Packages are in the assets folder, where a plain import would not look.
const packages = join(process.env.HANDOVER_ASSETS, 'node_modules');
const { Client } = await import(pathToFileURL(join(packages, 'fhir-kit-client/dist/index.js')));

const client = new Client({
  baseUrl: process.env.HANDOVER_TEST_FHIR,
  bearerToken: process.env.HANDOVER_TEST_TOKEN,
});

const capabilities = await client.capabilityStatement();
assert.equal(capabilities.resourceType, 'CapabilityStatement');
assert.equal(capabilities.fhirVersion, '4.0.1');

const made = await client.create({
  resourceType: 'Patient',
  body: {
    resourceType: 'Patient',
    name: [{ family: 'Example', given: ['Rosa'] }],
    birthDate: '1970-02-03',
    identifier: [{ system: 'https://example.org/number', value: 'K1' }],
  },
});
assert.ok(made.id);
const read = await client.read({ resourceType: 'Patient', id: made.id });
assert.equal(read.name[0].family, 'Example');

const changed = await client.update({
  resourceType: 'Patient',
  id: made.id,
  body: { ...read, birthDate: '1970-02-04' },
});
assert.equal(changed.meta.versionId, '2');
const before = await client.vread({ resourceType: 'Patient', id: made.id, version: '1' });
assert.equal(before.birthDate, '1970-02-03');

const transaction = await client.transaction({
  body: {
    resourceType: 'Bundle',
    type: 'transaction',
    entry: [1, 2, 3].map((n) => ({
      fullUrl: `urn:uuid:00000000-0000-4000-8000-00000000000${n}`,
      resource: {
        resourceType: 'Observation',
        status: 'final',
        code: { text: `Reading ${n}` },
        subject: { reference: `Patient/${made.id}` },
        valueQuantity: { value: n + 0.5, unit: 'mmol/L' },
      },
      request: { method: 'POST', url: 'Observation' },
    })),
  },
});
assert.equal(transaction.entry.length, 3);

let page = await client.search({
  resourceType: 'Observation',
  searchParams: { subject: `Patient/${made.id}`, _count: '2' },
});
const found = [];
for (let pages = 0; page && pages < 5; pages += 1) {
  found.push(...page.entry.map((entry) => entry.resource.id));
  page = page.link.some((link) => link.relation === 'next') ? await client.nextPage({ bundle: page }) : undefined;
}
assert.equal(new Set(found).size, 3, `found ${found}`);

await client.delete({ resourceType: 'Observation', id: found[0] });
await assert.rejects(client.read({ resourceType: 'Observation', id: found[0] }), (error) => error.response.status === 410);
await assert.rejects(client.read({ resourceType: 'Patient', id: 'nobody' }), (error) => error.response.status === 404);

// Conditional interactions: the first makes it, the second finds it.
const number = { system: 'https://example.org/number', value: 'K2' };
const wanted = { resourceType: 'Patient', identifier: [number], active: true };
const ifNoneExist = { headers: { 'If-None-Exist': `identifier=${number.system}|${number.value}` } };
const one = await client.create({ resourceType: 'Patient', body: wanted, options: ifNoneExist });
const same = await client.create({ resourceType: 'Patient', body: wanted, options: ifNoneExist });
assert.equal(same.id, one.id);
const updated = await client.update({
  resourceType: 'Patient',
  searchParams: { identifier: `${number.system}|${number.value}` },
  body: { ...wanted, active: false },
});
assert.equal(updated.id, one.id);
assert.equal(updated.meta.versionId, '2');
await assert.rejects(
  client.update({ resourceType: 'Patient', id: one.id, body: { ...updated, active: true }, options: { headers: { 'If-Match': 'W/"1"' } } }),
  (error) => error.response.status === 412,
);

const patched = await client.patch({
  resourceType: 'Patient',
  id: one.id,
  jsonPatch: [{ op: 'replace', path: '/active', value: true }],
});
assert.equal(patched.active, true);
assert.equal(patched.meta.versionId, '3');

const history = await client.history({ resourceType: 'Patient', id: one.id });
assert.deepEqual(history.entry.map((entry) => entry.resource.meta.versionId), ['3', '2', '1']);
const ofType = await client.history({ resourceType: 'Patient' });
assert.equal(ofType.entry[0].resource.id, one.id);
const ofAll = await client.history();
assert.equal(ofAll.type, 'history');

const batch = await client.batch({
  body: {
    resourceType: 'Bundle',
    type: 'batch',
    entry: [
      { request: { method: 'GET', url: `Patient/${one.id}` } },
      { request: { method: 'GET', url: 'Patient/nobody' } },
      { request: { method: 'DELETE', url: 'Patient?identifier=https://example.org/number|nobody' } },
    ],
  },
});
assert.deepEqual(batch.entry.map((entry) => entry.response.status.slice(0, 3)), ['200', '404', '204']);

const summary = await client.request(`Patient/${one.id}?_summary=text`);
assert.equal(summary.active, undefined);
assert.equal(summary.meta.tag[0].code, 'SUBSETTED');
const byPost = await client.search({ resourceType: 'Patient', searchParams: { _id: one.id }, options: { postSearch: true } });
assert.equal(byPost.entry.length, 1);
const converted = await client.operation({ name: 'convert', input: wanted });
assert.equal(converted.active, true);

console.log('fhir-kit-client: capabilities, create, read, update, patch, vread, histories, transaction, batch, search with pages, delete, conditional create and update, $convert');
