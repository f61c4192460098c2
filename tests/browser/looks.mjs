// Pages at every width: for whom they are hard to use, whether they fit, what they weigh; and pictures of them.

import { axe } from './axe.mjs'
import { call, logIn, until } from './client.mjs'
import { layout } from './layout.mjs'
import { SCREENSHOTS } from './peer.mjs'

/** All pages, by name: those that are there by themselves, and from `start` on those of what it made. */
const pages = {
  login: '/ui/login',
  overview: '/ui',
  'overview-day': '/ui?span=24h',
  conversations: '/ui/conversations',
  'conversations-none': '/ui/conversations?search=nothing-like-this-was-said',
  approvals: '/ui/approvals',
  dead: '/ui/dead',
  triggers: '/ui/triggers',
  'trigger-new': '/ui/triggers/new',
  bots: '/ui/bots',
  'bot-new': '/ui/bots/new',
  skillsets: '/ui/skillsets',
  'skillset-new': '/ui/skillsets/new',
  contacts: '/ui/contacts',
  'contact-new': '/ui/contacts/new',
  secrets: '/ui/secrets',
  'secret-new': '/ui/secrets/new',
  tokens: '/ui/tokens',
  'token-new': '/ui/tokens/new',
  audit: '/ui/audit',
  system: '/ui/system',
}

const LONG = 'A name that somebody made much longer than anybody would have thought who drew this page'
const WORD = 'Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft'

/** Makes one of everything, with texts that do not fit well, and names the pages of these. */
export async function start(world) {
  const make = (path, body) => call(world, path, body).then(({ id }) => id)
  const bot = await make('/bot/create', { name: LONG, description: WORD, kind: 'agent', model: 'openai/gpt-5.4', backstory: WORD })
  const trigger = await make('/integration/trigger/create', { name: LONG, description: WORD, botId: 'echo', schedule: 'daily', meta: { [WORD]: WORD } })
  const skillset = await make('/skillset/create', { name: LONG, description: WORD })
  const instruction = `\`\`\`fetch\nGET https://shop.example.com/${'v1/'.repeat(40)}orders/$[id! euc|the order number]\n\`\`\``
  const ability = await make(`/skillset/${skillset}/ability/create`, { name: 'Look up an order', description: WORD, instruction })
  const contact = await make('/contact/create', { name: LONG, email: `${'a'.repeat(60)}@example.com`, description: WORD })
  const secret = await make('/secret/create', { name: LONG, description: WORD, value: 'not-shown', type: 'bearer' })
  const token = await make('/token/create', { name: LONG, scopes: ['read', 'publish'], triggers: [trigger] })
  const markdown = `# A heading\n\n**Bold** and \`code\`, a [link](https://example.com/${'x'.repeat(200)}), ${WORD}\n\n| a | b |\n|---|---|\n| ${WORD} | 2 |\n\n> quoted\n\n1. one\n2. two`
  const sent = await call(world, `/integration/trigger/${trigger}/event?wait=10`, { text: markdown, session: 'looks', contact: { email: 'ada@example.com', name: LONG } })
  const dead = await until('a dead letter', async () => (await call(world, '/dead/list')).items[0])
  await until('the index', async () => (await call(world, `/integration/trigger/${trigger}/event/list`)).items.length)
  const of = (...parts) => `/ui/${parts.map(encodeURIComponent).join('/')}`
  const made = {
    conversation: of('conversations', sent.conversationId),
    trigger: of('triggers', trigger),
    'trigger-connect': of('triggers', trigger, 'connect'),
    'trigger-configure': of('triggers', trigger, 'configure'),
    'trigger-results': of('triggers', trigger, 'results'),
    bot: of('bots', bot),
    'bot-configure': of('bots', bot, 'configure'),
    skillset: of('skillsets', skillset),
    ability: of('skillsets', skillset, 'abilities', ability),
    'ability-new': of('skillsets', skillset, 'abilities', 'new'),
    contact: of('contacts', contact),
    secret: of('secrets', secret),
    token: of('tokens', token),
    'dead-letter': of('dead', dead.id),
  }
  Object.assign(pages, made)
  return {}
}

/** Looks at a page: wide and narrow, light and dark. */
const look = (name) => ({
  seconds: 60,
  run: async ({ page, url }) => {
    if (!pages[name]) throw new Error(`no page is called ${name}`)
    const before = page.viewportSize()
    await layout(page, new URL(pages[name], url).href)
    for (const width of [1280, 360]) {
      await page.setViewportSize({ width, height: 800 })
      for (const theme of ['light', 'dark']) {
        await page.emulateMedia({ colorScheme: theme })
        await axe(page)
        await page.screenshot({ path: `${SCREENSHOTS}${name}-${theme}-${width}.png`, fullPage: true, animations: 'disabled', caret: 'hide' })
      }
    }
    await page.emulateMedia({ colorScheme: null })
    await page.setViewportSize(before)
  },
})

/** The steps of a suite that looks at these pages. */
export const looks = (...names) => ({
  ...(names.includes('login') ? { login: look('login') } : {}),
  'somebody logs in': ({ page, url, token }) => logIn(page, url, token),
  ...Object.fromEntries(names.filter((name) => name !== 'login').map((name) => [name, look(name)])),
})
