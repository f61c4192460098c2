// The way of somebody new: from the link that `make run` prints to a bot's reply to an event of their own, by
// what can be seen on the pages and nothing else.

import assert from 'node:assert/strict'

import { watchOf } from '../watch.mjs'

/** How many things they have to do at most. */
const ACTIONS_MAX = 8

export const steps = {
  'a reply to an event of one\'s own': async ({ page, url }) => {
    let actions = 0
    const act = (done) => {
      actions += 1
      return done
    }
    await act(page.goto(url))
    await act(page.getByRole('link', { name: 'Triggers' }).click())
    await act(page.getByRole('link', { name: 'Orders' }).click())
    await act(page.getByLabel('Text', { exact: true }).fill('Where is order 42?'))
    await act(page.getByRole('button', { name: 'Send test event' }).click())
    await page.getByText('Order 42 is noted (42).').waitFor()
    await page.getByText('completed').waitFor()
    assert.ok(actions <= ACTIONS_MAX, `${actions} actions`)
  },

  'the link works once': async ({ open, url }) => {
    const other = await open()
    // The browser says on its console that it was refused.
    watchOf(other).forgive(/responded with a status of 410/)
    await other.goto(url)
    await other.getByRole('alert').getByText('used before').waitFor()
  },
}
