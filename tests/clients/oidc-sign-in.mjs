// Sign-in by a real OpenID provider (npm oidc-provider), set up once like NHS login and once in the shape of CIS2:
// private_key_jwt with RS512, id tokens in RS512, PKCE, userinfo. This script is the provider and the browser.
// It writes the node's key, tells its address, waits for a line on standard input (the node is up), then signs in.

import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { once } from 'node:events';
import { pathToFileURL } from 'node:url';

const packages = join(process.env.HANDOVER_ASSETS, 'node_modules');
const { Provider } = await import(pathToFileURL(join(packages, 'oidc-provider/lib/index.js')));
const node = process.env.HANDOVER_TEST_NODE;
const folder = process.env.HANDOVER_TEST_FOLDER;
const organisation = process.env.HANDOVER_TEST_ODS;

const SCOPES = 'openid profile basic_demographics nationalrbacaccess';
const own = generateKeyPairSync('rsa', { modulusLength: 2048 });
writeFileSync(join(folder, 'client.pem'), own.privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
const theirs = generateKeyPairSync('rsa', { modulusLength: 2048 });

/** Who signs in next, and what userinfo says in their stead if it is to lie. */
let person;
let lie;

async function serve(callback) {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, {
    clients: [{
      client_id: 'node', redirect_uris: [node + callback], response_types: ['code'], grant_types: ['authorization_code'],
      token_endpoint_auth_method: 'private_key_jwt', token_endpoint_auth_signing_alg: 'RS512',
      id_token_signed_response_alg: 'RS512', jwks: { keys: [{ ...own.publicKey.export({ format: 'jwk' }), kid: 'node-1', use: 'sig', alg: 'RS512' }] },
    }],
    clientAuthMethods: ['private_key_jwt'],
    enabledJWA: { clientAuthSigningAlgValues: ['RS512'], idTokenSigningAlgValues: ['RS512'] },
    jwks: { keys: [{ ...theirs.privateKey.export({ format: 'jwk' }), kid: 'idp-1', use: 'sig', alg: 'RS512' }] },
    cookies: { keys: ['made-up'] },
    pkce: { required: () => true },
    extraParams: ['vtr'],
    scopes: SCOPES.split(' '),
    claims: {
      openid: ['sub', 'vot', 'authentication_assurance_level'], profile: ['name', 'family_name', 'birthdate'],
      basic_demographics: ['nhs_number', 'identity_proofing_level'],
      nationalrbacaccess: ['nhsid_nrbac_roles', 'nhsid_useruid'],
    },
    conformIdTokenClaims: false,
    features: { devInteractions: { enabled: false } },
    interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
    findAccount: (_, id) => ({ accountId: id, claims: () => ({ ...person.claims, sub: id }) }),
    async loadExistingGrant(context) {
      const { provider: idp, client, session } = context.oidc;
      const grant = new idp.Grant({ clientId: client.clientId, accountId: session.accountId });
      grant.addOIDCScope(SCOPES);
      await grant.save();
      return grant;
    },
  });
  provider.on('server_error', (_, error) => console.error(error));
  provider.on('grant.error', (_, error) => console.error(error.message, error.error_detail ?? ''));
  const answer = provider.callback();
  server.on('request', (request, response) => {
    if (request.url.startsWith('/interaction/')) {
      provider.interactionFinished(request, response, { login: { accountId: person.sub } });
    } else if (lie && request.url.startsWith('/me')) {
      response.setHeader('content-type', 'application/json').end(JSON.stringify(lie));
    } else {
      answer(request, response);
    }
  });
  return { issuer, server };
}

const nhsLogin = await serve('/login/nhs/callback');
const cis2 = await serve('/staff/login/oidc/callback');
console.log(JSON.stringify({ nhs_login: nhsLogin.issuer, cis2: cis2.issuer }));
await once(process.stdin, 'data');

/** A browser of the simplest kind. `stop` gives the address at which it does not go on. */
class Browser {
  jar = new Map();
  page = { status: 0, text: '', url: '' };

  async go(address, options = {}, stop = () => false) {
    let url = new URL(address, node);
    for (let hops = 0; hops < 15; hops += 1) {
      if (hops > 0 && stop(url)) return url;
      const cookie = [...this.jar].map(([name, value]) => `${name}=${value}`).join('; ');
      const { method, body } = hops === 0 ? options : {};
      const response = await fetch(url, { method, body, redirect: 'manual', headers: { cookie } });
      for (const line of response.headers.getSetCookie()) {
        const [name, value] = line.split(';')[0].split(/=(.*)/s);
        if (value) this.jar.set(name, value);
        else this.jar.delete(name);
      }
      const next = response.headers.get('location');
      if (!next) {
        this.page = { status: response.status, text: await response.text(), url };
        return url;
      }
      url = new URL(next, url);
    }
    throw new Error(`too many redirects, last ${url}`);
  }

  hidden(name) {
    return this.page.text.match(new RegExp(`name="${name}" value="([^"]*)"`))?.[1] ?? '';
  }

  async post(address, fields) {
    const body = new URLSearchParams({ csrf: this.hidden('csrf'), ...fields });
    await this.go(address, { method: 'POST', body });
  }

  async status(address) {
    await this.go(address);
    return this.page.status;
  }

  says(text) {
    assert(this.page.text.includes(text), `${this.page.status} ${this.page.url}: no "${text}" in\n${this.page.text}`);
  }
}

const amina = {
  nhs_number: '9990000018', birthdate: '1951-03-04', family_name: 'Tester', name: 'Amina Tester',
  identity_proofing_level: 'P9', vot: 'P9.Cp.Cd',
};
const patient = (sub, claims = {}) => ({ sub, claims: { ...amina, ...claims } });

async function nhs(who, stop) {
  person = who;
  const browser = new Browser();
  await browser.go('/login');
  browser.says('Continue with NHS login');
  const url = await browser.go('/login/nhs?next=%2Frecord', {}, stop);
  return { browser, url };
}

// A patient who is proved to P9 and registered here reads the record.
let { browser } = await nhs(patient('amina'));
assert.equal(browser.page.url.pathname, '/record');
assert.equal(browser.page.status, 200);
assert.equal(await browser.status('/profile/sessions'), 200);
browser.says('Proved by NHS login');

// P22: the same person, signed in with less, sees nothing.
for (const [vot, level, status] of [
  ['P9.Cm', 'P9', 200], ['P9.Cp.Ck', 'P9', 200], ['P9.Cp.Cd', 'P5', 403], ['P9.Cp', 'P9', 403],
  ['P5.Cp.Cd', 'P5', 403], ['P0.Cp.Cd', 'P0', 403], ['P5.Cp.Cd', 'P9', 403], ['nonsense', 'P9', 403],
]) {
  ({ browser } = await nhs(patient('amina', { vot, identity_proofing_level: level })));
  assert.equal(await browser.status('/record'), status, `${vot} ${level}`);
  assert.equal(await browser.status('/fhir/Observation'), status, `${vot} ${level}`);
  assert.equal(await browser.status('/profile/sessions'), 200, `${vot} ${level}`);
}

// Nobody is found by the number alone, and who is not proved is not looked for.
const strangers = [
  [patient('stranger', { nhs_number: '9990000107' }), 'We did not find you here'],
  [patient('other-day', { birthdate: '1951-03-05' }), 'We did not find you here'],
  [patient('other-name', { family_name: 'Other' }), 'We did not find you here'],
  [patient('no-number', { nhs_number: undefined }), 'We did not find you here'],
  [patient('unproved', { vot: 'P5.Cp.Cd', identity_proofing_level: 'P5' }), 'has not proved who you are'],
];
for (const [who, said] of strangers) {
  ({ browser } = await nhs(who));
  browser.says(said);
  assert.equal(browser.page.status, 403);
  await browser.go('/record');
  assert.equal(browser.page.url.pathname, '/login');
}

// A10: an answer of another provider, or of none; and A04's kin: an answer twice, or in another browser.
const atCallback = (url) => url.pathname === '/login/nhs/callback';
for (const twist of [
  (url) => url.searchParams.set('iss', cis2.issuer),
  (url) => url.searchParams.delete('iss'),
  (url) => url.searchParams.set('state', 'x'.repeat(43)),
  (url) => url.searchParams.delete('state'),
]) {
  const went = await nhs(patient('amina'), atCallback);
  twist(went.url);
  await went.browser.go(went.url);
  went.browser.says('You are not signed in');
  await went.browser.go('/record');
  assert.equal(went.browser.page.url.pathname, '/login');
}
const went = await nhs(patient('amina'), atCallback);
const thief = new Browser();
await thief.go(went.url);
thief.says('not begun in this browser');
await went.browser.go(went.url);
went.browser.says('not begun in this browser');
const twice = await nhs(patient('amina'), atCallback);
await twice.browser.go(twice.url);
assert.equal(twice.browser.page.url.pathname, '/record');
const late = new Browser();
late.jar = new Map([...twice.browser.jar].filter(([name]) => name.endsWith('-form')));
await late.go(twice.url);
late.says('not begun in this browser');

// Stopped on the other side.
const stopped = await nhs(patient('amina'), atCallback);
stopped.url.searchParams.delete('code');
stopped.url.searchParams.set('error', 'access_denied');
await stopped.browser.go(stopped.url);
stopped.browser.says('it was stopped on the other side');

// Userinfo of another subject.
lie = { ...amina, sub: 'somebody-else' };
({ browser } = await nhs(patient('amina')));
browser.says('does not fit what was asked');
lie = undefined;

// Staff in the shape of CIS2.
const role = (id, code, activities, org = organisation) => ({
  person_roleid: id, role_code: code, activity_codes: activities, org_code: org, role_name: `Role ${id}`,
});
async function staff(roles, more = {}) {
  person = { sub: 'dr-rao', claims: { name: 'Dr Rao', nhsid_useruid: '1', nhsid_nrbac_roles: roles, authentication_assurance_level: '3', ...more } };
  const visitor = new Browser();
  await visitor.go('/staff/login/oidc');
  return visitor;
}
const doctor = role('11', 'S8000:G8000:R8000', ['B0380']);
const clerk = role('12', 'S8000:G8001:R8010', []);

// P08: what the table does not know grants nothing.
for (const roles of [
  [], [role('13', 'S8000:G8000:R9999', ['B0380'])], [role('14', 'S8000:G8000:R8000', ['B9999'])],
  [role('15', 'S8000:G8000:R8000', ['B0380'], 'RZZ01')],
]) {
  browser = await staff(roles);
  browser.says('None of your roles lets you work here');
}

// One role is taken; of several one must be chosen.
browser = await staff([clerk]);
assert.equal(browser.page.url.pathname, '/staff/inbox');
browser.says('Dr Rao, clerk');
browser = await staff([doctor, clerk]);
browser.says('Which role are you working in?');
await browser.post('/staff/login/role', { step: browser.hidden('step'), role: '99' });
browser.says('There is a problem');
await browser.post('/staff/login/role', { step: browser.hidden('step'), role: '11' });
assert.equal(browser.page.url.pathname, '/staff/inbox');
browser.says('Dr Rao, clinician');

// P09: switching ends the session that was.
const before = new Browser();
before.jar = new Map(browser.jar);
await browser.go('/staff/profile');
browser.says('Work in another role');
await browser.post('/staff/profile/role', { role: '12' });
browser.says('Dr Rao, clerk');
await before.go('/staff/inbox');
assert.equal(before.page.url.pathname, '/staff/login');

// P04: who came by a care identity proves anew there who they are, and nobody else does for them.
browser = await staff([clerk]);
await browser.go('/staff/step-up?next=/staff/sent');
browser.says('Use your care identity again');
const old = new Browser();
old.jar = new Map(browser.jar);
await browser.go('/staff/step-up/oidc?next=/staff/sent');
assert.equal(browser.page.url.pathname, '/staff/sent');
await old.go('/staff/inbox');
assert.equal(old.page.url.pathname, '/staff/login', 'the session has a new secret');
person = { ...person, sub: 'dr-else' };
// The provider has forgotten who sits there.
for (const name of [...browser.jar.keys()]) if (name.startsWith('_')) browser.jar.delete(name);
await browser.go('/staff/step-up/oidc?next=/staff/sent');
browser.says('as somebody else');

nhsLogin.server.close();
cis2.server.close();
console.log('done');
process.exit(0);
