// What has to be there before a page can be pictured. Each prepares by the pages themselves, signed in as who will see it, and
// gives the address to picture, or nothing when the page already shows it.

import { PASSWORD, as, button, day, fill, linkTo, passkey, press, setUpCodes, somebody, totp } from './hands.mjs';
import { seldom } from './seldom.mjs';

/** The answers that the form of the demo asks for, and on to the page that shows them once more. */
async function fillAsthmaReview(page) {
  const choose = (question, answer) => page.getByRole('group', { name: question }).getByLabel(answer, { exact: true }).check();
  await choose('Do you smoke?', 'No');
  await choose('How often did asthma wake you at night?', 'Never');
  await page.getByLabel('On how many days a week did you use your reliever inhaler?').fill('2');
  await choose('Did you have an asthma attack in the last year?', 'No');
  await press(page, 'Continue');
}

async function startDischarge(page, at) {
  const patient = await somebody(page, at, 'sent');
  await page.goto(`${at}/staff/discharges/new?patient=${patient}`);
  await fill(page, {
    admitted: day(-6), discharged: day(0), diagnoses: 'Fall at home; bruised hip, no new fracture.',
    course: 'Seen by the physiotherapist; walks with a frame.', allergies: 'None known.', 'm0-name': 'Paracetamol 500mg tablets',
    'm0-dose': 'Two tablets four times a day', 'm0-reason': 'Pain', 'gp-actions': 'Please look at the falls risk.',
    contacts: 'The ward: 0113 496 0104.', told: 'Told what to look out for, and whom to call.',
  });
  await page.selectOption('[name="m0-fate"]', 'started').catch(() => {});
  if ((await page.inputValue('[name="practice"]')) === '') await page.fill('[name="practice"]', 'Z99001');
  return patient;
}

export const prepare = {
  ...seldom,

  async wrongPassword(page, { at }) {
    await page.goto(`${at}/staff/login`);
    await fill(page, { login: 'nobody', password: 'a wrong password' });
    await press(page, /Sign in|Continue/);
  },

  async findHill(page, { at }) {
    await page.goto(`${at}/staff/patients`);
    await fill(page, { family: 'Hill', birth_date: '1947-03-12' });
    await press(page, 'Find');
  },

  async task(page, { at }) {
    await page.goto(`${at}/staff/tasks/new?patient=margaret-hill`);
    await fill(page, { what: 'Ring her about the tablets', due: day(2) });
    await press(page, 'Make the task');
    return '/staff/tasks';
  },

  async template(page, { at }) {
    await page.goto(`${at}/staff/templates/new`);
    const body = ['Dear colleague,', '{patient} ({nhs number}) came today.', 'Allergies:\n{allergies}', '{own text}'].join('\n\n');
    await fill(page, { name: 'Clinic', body });
    await press(page, 'Keep the text');
    return '/staff/templates';
  },

  async letter(page, { at }) {
    await page.goto(`${at}/staff/letters/new?patient=margaret-hill`);
    await page.getByLabel('Begin with').selectOption({ label: 'Clinic' });
    await press(page, 'Use this text');
    await page.fill('#to-0', 'RZZ01');
    await press(page, 'Keep, and look at it as it leaves');
    return page.url().replace(/\/sign.*$/, '');
  },

  async letterToSign(page, { at }) {
    await page.goto(`${at}/staff/letters/new?patient=margaret-hill`);
    await page.getByLabel('Begin with').selectOption({ label: 'Clinic' });
    await press(page, 'Use this text');
    await page.fill('#to-0', 'RZZ01');
    await page.check('#to-patient');
    const text = await page.inputValue('#body');
    await page.fill('#body', text.replaceAll(/\[\[[^\]]*\]\]/g, 'nothing to add'));
    await press(page, 'Keep, and look at it as it leaves');
    return page.url();
  },

  async referral(page, { at }) {
    await page.goto(`${at}/staff/referrals/new?patient=margaret-hill`);
    await fill(page, { service: 'Heart clinic', reason: 'Breathless on the stairs', question: 'Please see and advise.' });
    await page.selectOption('#to', 'RZZ01');
    await press(page, /Send/);
    await page.waitForTimeout(2000);
    return '/staff/referrals';
  },

  async dayOfSlots(page, { at }) {
    await page.goto(`${at}/staff/slots`);
    for (let tries = 0; tries < 5 && (await page.locator('tbody tr').count()) === 0; tries += 1) {
      await Promise.all([page.waitForNavigation(), page.getByRole('link', { name: 'Next day' }).click()]);
    }
    return page.url();
  },

  async slotToBook(page, { at }) {
    await prepare.dayOfSlots(page, { at });
    return page.locator('main a[href$="/book"], main a[href*="/book?"]').first().getAttribute('href');
  },

  async brokenMessage(page, { at }) {
    await page.goto(`${at}/staff/worklist`);
    return linkTo(page, '/staff/worklist/messages/');
  },

  staffPasskey: (page, { at }) => passkey(page, at, '/staff/profile/passkey'),
  patientPasskey: (page, { at }) => passkey(page, at, '/profile/sessions/passkey'),

  async emergency(page, { at }) {
    const patient = await somebody(page, at);
    const secret = await setUpCodes(page, at);
    // The code that set codes up is taken: the next one comes within half a minute.
    await page.waitForTimeout(30_000 - (Date.now() % 30_000) + 500);
    await page.goto(`${at}/staff/emergency-access/${patient}`);
    if (page.url().includes('step-up')) {
      await fill(page, { password: PASSWORD, code: totp(secret) });
      await press(page, 'Continue');
    }
    Object.assign(prepare, { patient, secret });
    return `/staff/emergency-access/${patient}`;
  },

  unseal: async () => `/staff/unseal/${prepare.patient}`,

  async dischargeForm(page, { at }) {
    await startDischarge(page, at);
  },

  async discharge(page, { at }) {
    await startDischarge(page, at);
    await press(page, 'Keep the draft');
    return page.url().replace(/\/sign.*$/, '');
  },

  async dischargeToSign(page, { at }) {
    await startDischarge(page, at);
    await press(page, 'Keep, and see the letters');
    return page.url();
  },

  async dischargesSigned(page, { at }) {
    const patient = await startDischarge(page, at);
    await press(page, 'Keep, and see the letters');
    await press(page, /^Sign and send as/);
    return `/staff/discharges/signed?patient=${patient}`;
  },

  async dischargeToAmend(page, { at }) {
    await page.goto(at + (await prepare.dischargesSigned(page, { at })));
    return page.locator('main a[href$="/amend"]').first().getAttribute('href');
  },

  async crisisPlan(page, { at, entry }) {
    return entry.route.replace('{id}', await somebody(page, at, 'sent'));
  },

  async handover(page, { at }) {
    await page.goto(`${at}/staff/handovers/new`);
    await page.selectOption('#to', 'RZZ01');
    await page.check('[name=unknown]');
    await fill(page, {
      happened: 'Fell off a ladder', age: '50', crew: 'A204', rate: '22', saturation: '94', systolic: '104', diastolic: '62', pulse: '112',
      temperature: '36.4',
    });
    await page.selectOption('#oxygen', 'air');
    await page.selectOption('#consciousness', 'A');
    await press(page, 'Send the handover');
    await page.waitForTimeout(2000);
    return '/staff/handovers';
  },

  async handoverUpdate(page, { at }) {
    await page.goto(`${at}/staff/handovers`);
    return `${await linkTo(page, '/staff/handovers/h').catch(() => page.locator('tbody a').first().getAttribute('href'))}/update`;
  },

  async handoverMatch(page, { at }) {
    await page.goto(`${at}/staff/handover-board`);
    return `${await linkTo(page, '/staff/handovers/')}/match`;
  },

  async rule(page, { at }) {
    await page.goto(`${at}/staff/rules`);
    if (await button(page, 'Put the examples on the list').isVisible()) await press(page, 'Put the examples on the list');
    return linkTo(page, '/staff/rules/');
  },

  async questionnaireFilled(page, { at }) {
    await page.goto(`${at}/questionnaires`);
    await Promise.all([page.waitForNavigation(), page.getByRole('link', { name: 'Asthma review' }).click()]);
    await fillAsthmaReview(page);
    return undefined;
  },

  async questionnaireHandedIn(page, { at }) {
    await prepare.questionnaireFilled(page, { at });
    await press(page, 'Hand in');
    await page.goto(`${at}/questionnaires`);
    return linkTo(page, '/questionnaires/');
  },

  async questionnaireToAnswer(page, { at }) {
    await page.goto(`${at}/staff/patient/margaret-hill/questionnaires`);
    await page.locator('#form').selectOption({ label: 'Asthma review' });
    await page.getByLabel(/staff/i).first().check();
    await press(page, 'Ask');
    const asked = await linkTo(page, '/staff/questionnaires/tasks/');
    return asked.endsWith('/answer') ? asked : `${asked}/answer`;
  },

  async questionnaireToCheck(page, { at }) {
    await page.goto(at + (await prepare.questionnaireToAnswer(page, { at })));
    await fillAsthmaReview(page);
    return undefined;
  },

  async questionnaireAnswered(page, { at }) {
    await prepare.questionnaireToCheck(page, { at });
    await press(page, 'Hand in');
    await page.goto(`${at}/staff/patient/margaret-hill/questionnaires`);
    return linkTo(page, '/staff/questionnaires/tasks/');
  },

  async visit(page, { at }) {
    await page.goto(`${at}/staff/visits/new?patient=margaret-hill`);
    await fill(page, { what: 'Change the dressing', access: 'Key safe behind the pot' });
    await press(page, 'Put it on the list');
    return '/staff/visits';
  },

  async checkBooking(page, { at }) {
    await page.goto(`${at}/appointments/book`);
    await page.fill('#reason', 'Sore knee for two weeks');
    await Promise.all([page.waitForNavigation(), page.locator('button.times__one').nth(2).click()]);
  },

  async booking(page, { at }) {
    await prepare.checkBooking(page, { at });
    await press(page, 'Book this appointment');
    return page.url();
  },

  async order(page, { at }) {
    await page.goto(`${at}/prescriptions/order`);
    await press(page, 'Order');
    return page.url();
  },

  /** A clinician acts on a letter of hers, so that she reads it at once. */
  async releasedLetter(page, { at, node }) {
    await as(page, node('practice'), 'doctor', async (staff) => {
      await staff.goto(`${node('practice')}/staff/inbox?show=open`);
      const row = staff.locator('tbody tr', { hasText: 'HILL, Margaret' }).first();
      // On the demo's day the secretary may have filed it already, so that she reads it.
      if ((await row.count()) === 0) return;
      await Promise.all([staff.waitForNavigation(), row.locator('a').first().click()]);
      await staff.getByText('Record what was done').click();
      await staff.fill('#outcome', 'Spoke to her; tablets changed.');
      await Promise.all([staff.waitForNavigation(), staff.getByRole('button', { name: 'Record', exact: true }).click()]);
    });
    return '/record/letters';
  },

  async message(page, { at }) {
    await page.goto(`${at}/messages/new`);
    await fill(page, { subject: 'My tablets', words: 'May I take them in the evening?' });
    await press(page, 'Send');
    return page.url();
  },

  async codeForSamuel(page, { at }) {
    await page.goto(`${at}/people`);
    await page.fill('#name', 'Samuel Okoro');
    await page.getByLabel('Letters', { exact: true }).check();
    await press(page, 'Make a code');
    prepare.code = await page.locator('main code').innerText();
  },

  async actForMargaret(page, { at }) {
    await page.goto(`${at}/people`);
    await page.fill('#code', prepare.code);
    await press(page, 'Use the code');
    await press(page, /^Act for/);
    return '/people';
  },

  async question(page, { at, node }) {
    const other = await page.context().browser().newContext();
    const patient = await other.newPage();
    await patient.goto(`${node('practice')}/login`);
    await fill(patient, { login: 'margaret', password: PASSWORD });
    await Promise.all([patient.waitForNavigation(), patient.click('main button[type=submit]')]);
    await patient.goto(`${node('practice')}/record`);
    const link = await linkTo(patient, '/record/query/');
    await patient.goto(node('practice') + link);
    await patient.fill('#words', 'I was on holiday on that day.');
    await press(patient, 'Send the question');
    await other.close();
    return '/staff/access-queries';
  },
};
