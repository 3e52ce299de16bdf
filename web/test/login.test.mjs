import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PASSWORD, PHONE, enter, group, person, visit } from './harness.mjs';

test('the language can be chosen before the login', async (t) => {
  const page = await visit(t, { viewport: PHONE });
  await page.getByRole('button', { name: '切换到中文' }).click();
  await page.getByRole('button', { name: '登录', exact: true }).waitFor();
  await page.reload();
  await page.getByRole('button', { name: '登录', exact: true }).waitFor();
});

test('an error goes with the form that it belongs to', async (t) => {
  const page = await visit(t, { viewport: PHONE });
  await page.getByLabel('Username').fill('nobody-here');
  await page.getByLabel('Password').fill('wrong password');
  await page.getByRole('button', { name: 'Log in', exact: true }).click();
  await page.getByText('Wrong name or password.').waitFor();
  await page.getByRole('button', { name: 'No account yet? Register' }).click();
  assert.equal(await page.locator('#login-error').textContent(), '');
});

test('what was typed into fields that are hidden now does not stop the login', async (t) => {
  const ada = await person('Ada'), page = await visit(t);
  await page.getByRole('button', { name: 'No account yet? Register' }).click();
  await page.getByLabel('Email').fill('no address');
  await page.getByRole('button', { name: 'Have an account? Log in' }).click();
  await page.getByLabel('Username').fill(ada.username);
  await page.getByLabel('Password').fill(PASSWORD);
  await page.getByRole('button', { name: 'Log in', exact: true }).click();
  await page.locator('#me', { hasText: 'Ada' }).waitFor();
});

test('log out: the address names no room any more', async (t) => {
  const ada = await person('Ada'), room = await group('Secret', ada), page = await visit(t, { as: ada });
  await enter(page, room);
  await page.getByRole('button', { name: 'Log out' }).click();
  await page.getByLabel('Username').waitFor();
  assert.equal(await page.evaluate(() => location.hash), '');
});
