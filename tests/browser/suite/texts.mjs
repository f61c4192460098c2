// Whatever somebody writes into any field is shown as text, and does nothing.

import { call, logIn, until } from '../client.mjs'
import { watchOf } from '../watch.mjs'
import { harmless, PAYLOADS, shown } from '../xss.mjs'

/** What fields take: some refuse control characters. */
const texts = PAYLOADS.filter(({ hasControl }) => !hasControl)

/** Cuts a text to what a short field takes. */
const short = (text) => text.slice(0, 60)

/** Makes one of each thing out of a payload; the pages on which its texts stand. */
async function write(world, { text, number, hasControl }) {
  const make = (path, body) => call(world, path, body)
  const of = (...parts) => `/ui/${parts.map(encodeURIComponent).join('/')}`
  const said = hasControl ? `control ${number}` : text
  const trigger = await make('/integration/trigger/create', { name: text, description: text, botId: 'echo', text: null, meta: { note: text } })
  const bot = await make('/bot/create', { name: text, description: text, kind: 'agent', model: 'a/b', backstory: text, meta: { note: text } })
  const skillset = await make('/skillset/create', { name: text, description: text.slice(0, 1000), meta: { note: text } })
  const ability = await make(`/skillset/${skillset.id}/ability/create`, { name: `A${number}`, description: text, instruction: '```echo\n$[text|what to say]\n```', meta: { note: text } })
  const contact = await make('/contact/create', { name: text, nick: text, description: text, preferences: text, meta: { note: text } })
  const secret = await make('/secret/create', { name: text, description: text, value: text, config: { note: text } })
  const token = await make('/token/create', { name: text, scopes: ['read'] })
  const session = `x${number}`
  const sent = await make(`/integration/trigger/${trigger.id}/event?wait=10`, { text, session, contact: { name: short(said) }, note: text })
  const direct = await make('/conversation/create', { name: text, description: text, botId: 'echo', messages: [{ type: 'user', text, name: short(said) }, { type: 'context', text }, { type: 'activity', text, meta: { note: text } }] })
  return {
    text,
    pages: [
      [of('triggers', trigger.id), of('triggers', trigger.id, 'connect'), of('triggers', trigger.id, 'configure')],
      [of('bots', bot.id), of('bots', bot.id, 'configure')],
      [of('skillsets', skillset.id), of('skillsets', skillset.id, 'abilities', ability.id)],
      [of('contacts', contact.id)],
      [of('secrets', secret.id)],
      [of('tokens', token.id)],
      [of('conversations', sent.conversationId)],
      [of('conversations', direct.id)],
    ].flat(),
  }
}

const written = new Map()

export async function start(world) {
  for (const payload of PAYLOADS) written.set(payload.number, await write(world, payload))
  await until('the index', async () => (await call(world, '/conversation/list?take=100')).items.length >= 2 * PAYLOADS.length, 30)
  return {}
}

const LISTS = ['/ui', '/ui/conversations', '/ui/triggers', '/ui/bots', '/ui/skillsets', '/ui/contacts', '/ui/secrets', '/ui/tokens', '/ui/audit', '/ui/dead', '/ui/approvals', '/ui/system']

export const steps = {
  'somebody logs in': ({ page, url, token }) => logIn(page, url, token),
  ...Object.fromEntries(
    PAYLOADS.map((payload) => [
      `${payload.number}: ${payload.name}`,
      {
        seconds: 60,
        run: async ({ page, url }) => {
          for (const path of written.get(payload.number).pages) {
            await page.goto(new URL(path, url).href)
            await shown(page, payload)
            await harmless(page)
          }
        },
      },
    ]),
  ),
  'what lists show': {
    seconds: 60,
    run: async ({ page, url }) => {
      for (const path of LISTS) {
        await page.goto(new URL(path, url).href)
        await harmless(page)
      }
    },
  },
  'what a query says': {
    seconds: 60,
    run: async ({ page, url }) => {
      // What is no cursor is refused, and the browser says so on its console.
      watchOf(page).forgive(/responded with a status of 400/)
      for (const { text } of texts) {
        for (const name of ['search', 'contactId', 'note', 'cursor']) {
          const response = await page.goto(new URL(`/ui/conversations?${new URLSearchParams({ [name]: text })}`, url).href)
          if (response.status() >= 500) throw new Error(`${name}=${text}: ${response.status()}`)
          await harmless(page)
        }
      }
    },
  },
}
