// Pages of states that are seldom, brought about as the album does: WCAG 2.2 AA by axe-core at three widths, with forms that
// did not pass among them.

import assert from 'node:assert/strict';
import { setUpCodes } from '../../xtask/album/hands.mjs';
import { prepare } from '../../xtask/album/prepare.mjs';
import { runTogether } from './setting.mjs';
import { doctor, good, margaret, quiet, signIn, watch } from './people.mjs';

const seen = [];
const follow = async (context) => seen.push(await watch(context));

await runTogether(async ({ person, hospital, practice, pharmacy }) => {
  const at = (offset) => `http://127.0.0.1:${Number(new URL(hospital).port) + offset}`;
  const [riverside, community] = [at(10), at(14)];
  const places = { hospital, practice, pharmacy, riverside, community };
  const node = (name) => places[name];
  /** Brings a page about, and gives the page that shows it. */
  const shown = async (page, place, name, more = {}) => {
    const address = await prepare[name](page, { at: place, node, ...more });
    if (address !== undefined) await page.goto(address.startsWith('http') ? address : place + address);
    await good(page);
  };
  const refused = async (page, button) => {
    await page.getByRole('main').getByRole('button', { name: button }).first().click();
    await page.getByText('There is a problem').waitFor();
    await good(page);
  };

  const registrar = await person();
  await signIn(registrar, hospital, '/staff/login', 'registrar');
  await shown(registrar, hospital, 'dischargesSigned');
  await registrar.getByRole('heading', { name: 'Signed discharges' }).waitFor();
  await registrar.getByRole('link', { name: /^Amend/ }).first().click();
  await registrar.waitForURL(/\/amend$/);
  await good(registrar);

  const nurse = await person();
  await signIn(nurse, community, '/staff/login', 'nurse');
  await shown(nurse, community, 'unmatchedReferral');
  await nurse.getByRole('heading', { name: 'Whose is this referral?' }).waitFor();
  await nurse.getByText('Two falls since the spring').waitFor();
  await refused(nurse, 'Return');
  await nurse.getByRole('button', { name: 'Make a record of what the referral says' }).click();
  await nurse.waitForURL(/done=matched/);
  await nurse.getByRole('link', { name: /HILL/ }).first().waitFor();
  await good(nurse);

  const gp = await person();
  await doctor(gp, practice);
  await shown(gp, practice, 'visitEntry');
  await gp.getByText('Blood was taken.').waitFor();
  await refused(gp, 'Keep it here, out of the record');
  await gp.fill('#why', 'It is about another visit');
  await gp.getByRole('button', { name: 'Keep it here, out of the record' }).click();
  await gp.waitForURL(/done=/);
  await good(gp);
  await shown(gp, practice, 'staffAppAsks');
  await gp.getByText('Growth Chart').first().waitFor();

  const patient = await person();
  await margaret(patient, practice);
  await shown(patient, practice, 'heldThere');
  await patient.getByText('Corner Pharmacy').first().waitFor();

  const other = await person();
  await doctor(other, riverside);
  const secret = await setUpCodes(other, riverside);
  await shown(other, riverside, 'restricted');
  assert(!(await other.content()).includes('Larkspur'), 'the address is secret');
  await shown(other, riverside, 'whereabouts', { secret });
  await refused(other, 'Open the record');
  await shown(other, riverside, 'whereaboutsTeam', { secret });
  await refused(other, 'Release it');
  await other.getByLabel('Home visits').check();
  await other.fill('#reason', 'The midwife calls tomorrow');
  await other.getByRole('button', { name: 'Release it' }).click();
  await other.getByRole('heading', { name: 'Released now' }).waitFor();
  await good(other);
  seen.forEach(quiet);
}, follow);
