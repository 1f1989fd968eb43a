// Apps that others wrote, at a node: npm's fhirclient completes a standalone launch in the browser, after the app
// registered itself and a person approved it; npm's openid-client does the same with PKCE and DPoP, and the person's
// browser runs no JavaScript; PyPI's fhirclient does it as a program without pages.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { createInterface } from 'node:readline';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { run } from './setting.mjs';
import { good, signIn } from './people.mjs';

const packages = join(process.env.HANDOVER_ASSETS, 'node_modules');
const SCOPE = 'openid fhirUser launch/patient offline_access patient/Patient.rs patient/Observation.rs';

/** A small web app of another origin. Its pages are what the fhirclient's documentation shows. */
async function serve(iss, id) {
  const library = await readFile(join(packages, 'fhirclient/build/fhir-client.js'));
  const page = (script) => `<!doctype html><html lang="en"><title>App</title><body><p id="told">…</p>
    <script src="/fhir-client.js"></script><script>${script}</script></body></html>`;
  const launch = page(`FHIR.oauth2.authorize({ clientId: ${JSON.stringify(id.get)}, scope: '${SCOPE}',
    redirectUri: '/back', iss: '${iss}', pkceMode: 'required' })`);
  const back = page(`(async () => {
    const told = {};
    try {
      const client = await FHIR.oauth2.ready();
      const patient = await client.patient.read();
      told.name = patient.name[0].family;
      told.patient = client.patient.id;
      told.fhirUser = client.getFhirUser();
      told.other = await client.request('Patient/samuel-okoro').then(() => 'seen', (e) => e.status || String(e));
      told.condition = await client.request('Condition').then(() => 'seen', (e) => e.status || String(e));
      await client.refresh();
      told.again = (await client.request('Patient/' + client.patient.id)).id;
    } catch (error) { told.error = String(error) }
    document.getElementById('told').textContent = JSON.stringify(told);
    document.title = 'Done';
  })()`);
  const pages = {
    '/fhir-client.js': ['text/javascript', () => library],
    '/launch': ['text/html', () => launch.replace('"CLIENT"', JSON.stringify(id.value))],
    '/back': ['text/html', () => back],
  };
  const server = createServer((request, response) => {
    const [kind, body] = pages[new URL(request.url, 'http://app').pathname] ?? ['text/plain', () => ''];
    response.setHeader('content-type', kind);
    response.end(body());
  });
  await new Promise((ready) => server.listen(0, '127.0.0.1', ready));
  return { server, address: `http://127.0.0.1:${server.address().port}` };
}

async function register(practice, name, redirect) {
  const answer = await fetch(`${practice}/oauth2/register`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      client_name: name,
      redirect_uris: [redirect],
      token_endpoint_auth_method: 'none',
      scope: SCOPE,
    }),
  });
  assert.equal(answer.status, 201, await answer.clone().text());
  return (await answer.json()).client_id;
}

async function approve(page, practice, name) {
  await signIn(page, practice, '/staff/login', 'keeper');
  await page.goto(`${practice}/staff/apps`);
  await page.getByRole('button', { name: `Approve ${name}` }).click();
  await page.getByRole('button', { name: `Revoke ${name}` }).waitFor();
}

/** The person signs in where they are asked to, and allows it. */
async function allow(page, look) {
  await page.fill('#login', 'margaret');
  await page.fill('#password', 'handover-demo');
  await page.click('main button[type=submit]');
  await page.getByText('What it asks for').waitFor();
  if (look) await good(page);
  await page.getByRole('button', { name: 'Allow' }).click();
}

await run(async ({ page, practice }) => {
  const id = { get: 'CLIENT', value: '' };
  const { server, address } = await serve(`${practice}/fhir`, id);
  try {
    id.value = await register(practice, 'Growth Chart', `${address}/back`);
    await page.goto(`${practice}/staff/apps`);
    await approve(page, practice, 'Growth Chart');
    await good(page);
    await page.getByRole('button', { name: 'Sign out' }).click();

    await page.goto(`${address}/launch`);
    await page.waitForURL(/\/login/);
    await allow(page, true);
    await page.waitForFunction(() => document.title === 'Done');
    const told = JSON.parse(await page.locator('#told').innerText());
    console.log('fhirclient:', JSON.stringify(told));
    assert.equal(told.error, undefined);
    assert.equal(told.name, 'Hill');
    assert.equal(told.patient, 'margaret-hill');
    assert.equal(told.fhirUser, 'Patient/margaret-hill');
    assert.equal(told.again, 'margaret-hill');
    assert.notEqual(told.other, 'seen');
    assert.notEqual(told.condition, 'seen');
  } finally {
    server.close();
  }
});

await run(
  async ({ page, practice }) => {
    const oidc = await import(pathToFileURL(join(packages, 'openid-client/build/index.js')));
    const back = 'http://127.0.0.1:9/back';
    const id = await register(practice, 'Command Line', back);
    await approve(page, practice, 'Command Line');
    await page.getByRole('button', { name: 'Sign out' }).click();
    const insecure = { execute: [oidc.allowInsecureRequests] };
    const config = await oidc.discovery(new URL(practice), id, undefined, oidc.None(), insecure);
    const verifier = oidc.randomPKCECodeVerifier();
    const [state, nonce] = [oidc.randomState(), oidc.randomNonce()];
    const address = oidc.buildAuthorizationUrl(config, {
      redirect_uri: back,
      scope: SCOPE,
      code_challenge: await oidc.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
      state,
      nonce,
      aud: `${practice}/fhir`,
    });
    const answered = page.waitForRequest((request) => request.url().startsWith(back));
    await page.goto(address.href);
    await allow(page, false);
    const url = new URL((await answered).url());
    const DPoP = oidc.getDPoPHandle(config, await oidc.randomDPoPKeyPair());
    const checks = { pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce };
    // A10: the client refuses an answer that names another issuer.
    const mixed = new URL(url);
    mixed.searchParams.set('iss', 'https://other.example');
    await assert.rejects(oidc.authorizationCodeGrant(config, mixed, checks, undefined, { DPoP }));
    const tokens = await oidc.authorizationCodeGrant(config, url, checks, undefined, { DPoP });
    assert.equal(tokens.token_type, 'dpop');
    assert.equal(tokens.claims().aud, id);
    const door = new URL(`${practice}/fhir/Patient/margaret-hill`);
    const fetched = () => oidc.fetchProtectedResource(config, tokens.access_token, door, 'GET', null, null, { DPoP });
    assert.equal((await (await fetched()).json()).id, 'margaret-hill');
    // Stolen, it is worth nothing.
    const stolen = await fetch(door, { headers: { authorization: `Bearer ${tokens.access_token}` } });
    assert.equal(stolen.status, 401);
    const renewed = await oidc.refreshTokenGrant(config, tokens.refresh_token, undefined, { DPoP });
    assert(renewed.access_token);
    await oidc.tokenRevocation(config, renewed.refresh_token);
    const gone = await oidc
      .fetchProtectedResource(config, renewed.access_token, door, 'GET', null, null, { DPoP })
      .then((answer) => answer.status, (error) => error.status ?? error.cause?.status ?? 401);
    assert.equal(gone, 401);
    console.log('openid-client: code flow with PKCE and DPoP, refresh, revocation');
  },
  { javaScriptEnabled: false },
);

await run(async ({ page, practice }) => {
  const back = 'http://127.0.0.1:9/back';
  const id = await register(practice, 'Notebook', back);
  await approve(page, practice, 'Notebook');
  await page.getByRole('button', { name: 'Sign out' }).click();
  const program = spawn(
    process.env.HANDOVER_TEST_PYTHON,
    [join(process.env.HANDOVER_TEST_ROOT, 'tests/clients/fhirclient_launch.py')],
    {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: {
        ...process.env,
        HANDOVER_TEST_CLIENT: id,
        HANDOVER_TEST_FHIR: `${practice}/fhir`,
        HANDOVER_TEST_BACK: back,
        HANDOVER_TEST_SCOPE: SCOPE,
      },
    },
  );
  const ended = once(program, 'exit');
  const lines = createInterface({ input: program.stdout })[Symbol.asyncIterator]();
  const answered = page.waitForRequest((request) => request.url().startsWith(back));
  await page.goto((await lines.next()).value);
  await allow(page, false);
  program.stdin.write(`${(await answered).url()}\n`);
  const { value } = await lines.next();
  console.log("Python's fhirclient:", value);
  const told = JSON.parse(value);
  assert.equal(told.patient, 'margaret-hill');
  assert.equal(told.name, 'Hill');
  assert.equal(told.observations, 'searchset');
  assert.equal(told.again, 'margaret-hill');
  assert.notEqual(told.other, 'seen');
  assert.deepEqual(await ended, [0, null]);
});
