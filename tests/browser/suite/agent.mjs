// A turn of a model as somebody follows it: words as they come, questions answered, a turn called off.

import assert from 'node:assert/strict'

import { call, logIn, until } from '../client.mjs'

const main = (page) => page.getByRole('main')
const send = (world, text) => call(world, '/integration/trigger/orders/event', { text, session: text })

/** Opens the page of an event, which leads to its conversation. */
const follow = async (page, url, { id }) => {
  await page.goto(new URL(`/ui/events/${id}`, url).href)
  await page.waitForURL(/\/ui\/conversations\//)
}

export const steps = {
  'somebody logs in': ({ page, url, token }) => logIn(page, url, token),

  'words stand on the page while they are said': async ({ page, url, token }) => {
    // The conversation is there before its slow turn is.
    await follow(page, url, await send({ url, token }, 'Tell me'))
    await main(page).getByText('a short tale', { exact: false }).first().waitFor()
    await call({ url, token }, '/integration/trigger/orders/event', { text: 'Tell me slowly', session: 'Tell me' })
    const live = page.locator('#live-text')
    await until('the first words', async () => (await live.innerText()).startsWith('Once upon'))
    assert.ok(!(await live.innerText()).includes('The end'), 'all was said before anything was shown')
    await main(page).getByText('The end.').last().waitFor()
    await until('the words are a message', async () => (await live.innerText()) === '')
    assert.equal(await main(page).getByText(/Once upon .* The end\./s).count() > 0, true)
  },

  'a call that needs leave is approved, and a question answered': async ({ page, url, token }) => {
    await page.goto(new URL('/ui/approvals', url).href)
    await send({ url, token }, 'Pay 7')
    // The page of approvals tells it by itself.
    await main(page).getByText('pay', { exact: true }).first().waitFor()
    await follow(page, url, (await call({ url, token }, '/integration/trigger/orders/event/list?status=waiting')).items[0])
    await page.getByText('waiting', { exact: true }).first().waitFor()
    await page.getByLabel('Reason').fill('it is due')
    await page.getByRole('button', { name: 'Approve' }).click()
    await page.waitForURL(/#evt/)
    await main(page).getByText('Which colour?').waitFor()
    await page.getByLabel('Answer', { exact: true }).fill('blue')
    await page.getByRole('button', { name: 'Answer' }).click()
    await main(page).getByText('paid; the colour is blue').waitFor()
    await main(page).getByText('it is due').waitFor()
  },

  'a turn under way is called off': async ({ page, url, token }) => {
    await follow(page, url, await send({ url, token }, 'Talk'))
    await main(page).getByText('a short tale', { exact: false }).first().waitFor()
    await call({ url, token }, '/integration/trigger/orders/event', { text: 'Talk slowly', session: 'Talk' })
    await page.getByRole('button', { name: 'Cancel turn' }).click()
    await main(page).getByText('Cancelled').first().waitFor()
  },

  'a conversation goes on from a message of it': async ({ page }) => {
    await page.getByText('Message', { exact: true }).first().click()
    await page.getByRole('button', { name: 'Fork from here' }).click()
    await page.getByRole('status').getByText('Created').waitFor()
    assert.equal(await main(page).getByText('Talk slowly').count(), 0)
    await page.getByLabel('Text', { exact: true }).fill('Tell me more')
    await page.getByRole('button', { name: 'Send' }).click()
    await main(page).getByText('Tell me more').waitFor()
  },
}
