// What people do with the dashboard, one thing after the other, as they would.

import assert from 'node:assert/strict'

import { call, logIn, until } from '../client.mjs'
import { watchOf } from '../watch.mjs'

const EVENT = 'Where is order 4711?'

/** What steps leave for later ones. */
const left = {}

const main = (page) => page.getByRole('main')
const go = (page, name) => page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name }).click()

export const steps = {
  'whoever is not logged in sees a form and nothing else': async ({ page, url }) => {
    for (const path of ['/', '/ui', '/ui/triggers/orders', '/ui/tokens']) {
      await page.goto(new URL(path, url).href)
      assert.equal(new URL(page.url()).pathname, '/ui/login', path)
      assert.equal(await page.getByRole('navigation').count(), 0, path)
    }
  },

  'a wrong token is told so, and the field named': async ({ page, url }) => {
    await page.goto(new URL('/ui/login', url).href)
    await page.getByLabel('API token').fill('sk-not-a-token-that-was-ever-made')
    const refused = page.waitForResponse((response) => response.request().method() === 'POST')
    await page.getByRole('button', { name: 'Log in' }).click()
    assert.equal((await refused).status(), 401)
    assert.match(await page.getByRole('alert').innerText(), /no such token/)
    assert.equal(await page.getByLabel('API token').inputValue(), '', 'a token is not said back')
    // The browser says on its console that a page was refused, which this one is to be.
    forgive(page)
  },

  'a login leads to the page that was asked for, and its cookie is closed to scripts': async ({ page, url, token }) => {
    await page.goto(new URL('/ui/triggers?order=asc', url).href)
    await page.getByLabel('API token').fill(token)
    await page.getByRole('button', { name: 'Log in' }).click()
    await page.getByRole('heading', { name: 'Triggers', level: 1 }).waitFor()
    const session = (await page.context().cookies()).find(({ name }) => name === 'cuepoint_session')
    assert.deepEqual([session.httpOnly, session.sameSite, session.path], [true, 'Strict', '/'])
    assert.ok(!session.value.includes(token.slice(3)))
    assert.ok(!(await page.evaluate(() => document.cookie)).includes('session'))
  },

  'a trigger is made in a minute': async ({ page }) => {
    await go(page, 'Triggers')
    await page.getByRole('link', { name: 'New trigger' }).first().click()
    await page.getByLabel('Name', { exact: true }).fill('Shop')
    await page.getByLabel('Bot', { exact: true }).fill('echo')
    await page.getByRole('button', { name: 'Create trigger' }).click()
    await page.getByRole('heading', { name: 'Shop' }).waitFor()
    assert.match(await page.getByLabel('Endpoint URL', { exact: true }).innerText(), /^http:\/\/127\.0\.0\.1:\d+\/v1\/integration\/trigger\/t01[a-z0-9]+\/event$/)
    left.trigger = page.url().replace(/\/connect.*/, '')
  },

  'its secret is shown when asked for, rotates, and works': async ({ page }) => {
    assert.equal(await page.getByText(/^[0-9a-f]{64}$/).count(), 0, 'nobody asked for it yet')
    await page.getByRole('button', { name: 'Reveal' }).click()
    const first = await page.getByLabel('Secret', { exact: true }).innerText()
    assert.match(first, /^[0-9a-f]{64}$/)
    await page.getByText('Rotate…').click()
    await page.getByRole('button', { name: 'Rotate', exact: true }).click()
    await page.getByRole('status').getByText('new secret').waitFor()
    await page.getByRole('button', { name: 'Reveal' }).click()
    const second = await page.getByLabel('Secret', { exact: true }).innerText()
    assert.notEqual(first, second)
    const endpoint = await page.getByLabel('Endpoint URL', { exact: true }).innerText()
    for (const [secret, isLetIn] of [[first, true], [second, true], ['x', false]]) {
      const sent = await fetch(endpoint, { method: 'POST', headers: { authorization: `Bearer ${secret}` }, body: '{"text":"hello","session":"keys"}' })
      assert.equal(sent.ok, isLetIn, `${sent.status}`)
    }
  },

  'a wrong setting is told beside its field, and what was typed stays': async ({ page }) => {
    await page.getByRole('link', { name: 'Configure' }).click()
    await page.getByLabel('Fires by itself').fill('every now and then')
    await page.getByLabel('Description').fill('Kept while it is mended')
    await page.getByRole('button', { name: 'Save' }).click()
    const schedule = page.getByLabel('Fires by itself')
    assert.equal(await schedule.getAttribute('aria-invalid'), 'true')
    assert.equal(await page.getByLabel('Description').inputValue(), 'Kept while it is mended')
    forgive(page)
    await schedule.fill('daily')
    await page.getByRole('button', { name: 'Save' }).click()
    await page.getByRole('status').getByText('Saved').waitFor()
    assert.equal(await page.getByLabel('Fires by itself').inputValue(), 'daily')
  },

  'a change behind another is refused, not lost': async ({ page, url, token, open }) => {
    const other = await open()
    await logIn(other, url, token)
    await other.goto(page.url())
    await other.getByLabel('Description').fill('from elsewhere')
    await other.getByRole('button', { name: 'Save' }).click()
    await other.getByRole('status').getByText('Saved').waitFor()
    await page.getByLabel('Description').fill('from here')
    await page.getByRole('button', { name: 'Save' }).click()
    assert.match(await page.getByRole('alert').first().innerText(), /chang/)
    forgive(page)
    await page.goto(page.url())
    assert.equal(await page.getByLabel('Description').inputValue(), 'from elsewhere')
  },

  'an event of one\'s own is sent, and its turn is seen': async ({ page }) => {
    await page.getByRole('link', { name: 'Events', exact: true }).click()
    await page.getByLabel('Text', { exact: true }).fill(EVENT)
    await page.getByLabel('Session', { exact: true }).fill('ada')
    await page.getByRole('button', { name: 'Send test event' }).click()
    await page.waitForURL(/\/ui\/conversations\/cnv/)
    await main(page).getByText(EVENT, { exact: true }).first().waitFor()
    await page.getByText('completed').waitFor()
    left.conversation = page.url().replace(/[?#].*/, '')
  },

  'a turn that begins elsewhere appears without a reload': async ({ page, url, token }) => {
    await page.evaluate(() => (window.sameDocument = true))
    const trigger = left.trigger.split('/').pop()
    await call({ url, token }, `/integration/trigger/${trigger}/event`, { text: 'and another one', session: 'ada' })
    await main(page).getByText('and another one', { exact: true }).first().waitFor()
    assert.ok(await page.evaluate(() => window.sameDocument), 'the page was loaded anew')
    // The list of a trigger's events does the same.
    await page.goto(left.trigger)
    await page.evaluate(() => (window.sameDocument = true))
    const before = await page.getByRole('row').count()
    await call({ url, token }, `/integration/trigger/${trigger}/event`, { text: 'a third one', session: 'bob' })
    await until('a row', async () => (await page.getByRole('row').count()) > before)
    assert.ok(await page.evaluate(() => window.sameDocument), 'the list was loaded anew')
  },

  'a conversation is found by what was said in it': async ({ page }) => {
    await go(page, 'Conversations')
    await page.getByLabel('Search what was said').fill('4711?')
    await page.getByRole('button', { name: 'Filter' }).click()
    await page.getByRole('link', { name: /^Shop/ }).click()
    assert.equal(page.url().replace(/[?#].*/, ''), left.conversation)
    await main(page).getByText(EVENT, { exact: true }).first().waitFor()
  },

  'an event is run again, as another': async ({ page }) => {
    const said = main(page).getByText(EVENT, { exact: true })
    const before = await said.count()
    await page.getByText('Event', { exact: true }).first().click()
    await page.getByRole('button', { name: 'Run again' }).first().click()
    await page.waitForURL(/#evt/)
    await until('the same words', async () => (await said.count()) > before)
  },

  'a conversation is forked and deleted': async ({ page }) => {
    await page.getByRole('button', { name: 'Fork' }).click()
    await page.getByRole('status').getByText('Created').waitFor()
    await main(page).getByText(EVENT, { exact: true }).first().waitFor()
    await page.getByText('Delete…').click()
    await page.getByRole('button', { name: 'Delete', exact: true }).click()
    await page.getByRole('status').getByText('Deleted').waitFor()
  },

  'a dead letter is read and sent again': async ({ page }) => {
    await go(page, 'Dead letters')
    await until('the letter', async () => {
      await page.reload()
      return page.getByRole('row').nth(1).isVisible()
    })
    await page.getByRole('row').nth(1).getByRole('link').first().click()
    await main(page).getByText('not an event at all').first().waitFor()
    await page.getByRole('button', { name: 'Replay' }).first().click()
    await page.waitForURL((at) => !at.pathname.startsWith('/ui/dead/'))
  },

  'a token is made, shown once, and revoked': async ({ page, url, open }) => {
    await go(page, 'API tokens')
    await page.getByRole('link', { name: 'New token' }).first().click()
    await page.getByLabel('Name', { exact: true }).fill('Reader')
    await page.getByLabel(/^read/i).check()
    await page.getByRole('button', { name: 'Create token' }).click()
    left.reader = (await page.getByText(/^sk-/).first().innerText()).trim()
    const reader = await open()
    await logIn(reader, url, left.reader)
    // Whoever may only read sees no secret, and no way to change anything.
    await reader.goto(`${left.trigger}/connect`)
    await reader.getByRole('heading', { name: 'Secret' }).waitFor()
    assert.equal(await reader.getByRole('button', { name: /Reveal|Rotate/ }).count(), 0)
    assert.equal(await reader.getByText(/[0-9a-f]{64}/).count(), 0)
    await reader.goto(`${left.trigger}/configure`)
    assert.equal(await reader.getByRole('button', { name: /Save|Delete/ }).count(), 0)
    assert.equal(await reader.getByRole('link', { name: 'API tokens' }).count(), 0)
    await reader.goto(new URL('/ui/tokens', url).href)
    await reader.getByRole('heading', { name: 'Not allowed' }).waitFor()
    forgive(reader)

    await go(page, 'API tokens')
    await page.getByRole('link', { name: 'Reader' }).click()
    await page.getByText('Revoke…').click()
    await page.getByRole('button', { name: 'Revoke', exact: true }).click()
    await page.getByRole('status').getByText('Revoked').waitFor()
    await until('the session ends', async () => {
      await reader.goto(new URL('/ui/triggers', url).href)
      return new URL(reader.url()).pathname === '/ui/login'
    })
  },

  'everything works without scripts': async ({ url, token, open }) => {
    const page = await open({ javaScriptEnabled: false })
    await logIn(page, url, token)
    await go(page, 'Triggers')
    await page.getByRole('link', { name: 'Shop' }).click()
    await page.getByLabel('Text', { exact: true }).fill('no scripts here')
    await page.getByRole('button', { name: 'Send test event' }).click()
    await main(page).getByText('no scripts here', { exact: true }).first().waitFor()
  },

  'logging out ends the session here': async ({ page, url }) => {
    await page.getByRole('button', { name: 'Log out' }).click()
    await page.waitForURL(/\/ui\/login/)
    await page.goto(new URL('/ui', url).href)
    assert.equal(new URL(page.url()).pathname, '/ui/login')
  },
}

/** A page that is refused says so on the console, which a step that asks for it is not to be blamed for. */
function forgive(page) {
  watchOf(page).forgive(/responded with a status of 4(00|01|03|09|12)/)
}
