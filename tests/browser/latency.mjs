// How long it takes from a record in the log until its text stands on a page that is open.
//
//   node latency.mjs COUNT   with CUEPOINT_URL, CUEPOINT_TOKEN and CUEPOINT_TRIGGER
//
// A record tells when the broker stored it, and the page when the text appeared: both by this machine's clock.
// Prints the times in milliseconds, as JSON.

import { call, logIn } from './client.mjs'
import { peer } from './peer.mjs'

/** Between events, so that each is a page's only news. */
const PAUSE_MS = 200
/** Events that warm the page up, and do not count. */
const WARM = 3

const count = Number(process.argv[2])
const world = { url: process.env.CUEPOINT_URL, token: process.env.CUEPOINT_TOKEN }
const path = `/integration/trigger/${process.env.CUEPOINT_TRIGGER}/event?wait=10`
const { chromium } = await import(peer('node_modules/playwright-core/index.mjs'))
const browser = await chromium.launch({ executablePath: peer('chromium.sh') })
const page = await browser.newPage()
await logIn(page, world.url, world.token)
const session = `latency-${process.pid}`
const { conversationId } = await call(world, path, { text: 'begin', session })
await page.goto(new URL(`/ui/conversations/${encodeURIComponent(conversationId)}`, world.url).href)

const times = []
for (let number = -WARM; number < count; number += 1) {
  const text = `word-${number + WARM}-end`
  const seen = page.evaluate((text) => new Promise((resolve) => {
    const look = () => document.getElementById('main').textContent.includes(text) && (resolve(Date.now()), true)
    if (!look()) {
      const observer = new MutationObserver(() => look() && observer.disconnect())
      observer.observe(document.body, { subtree: true, childList: true, characterData: true })
    }
  }), text)
  const { messages } = await call(world, path, { text, session })
  const stored = messages.find((message) => message.type === 'user').createdAt
  const at = await seen
  if (number >= 0) times.push(at - stored)
  await new Promise((resolve) => setTimeout(resolve, PAUSE_MS))
}
await browser.close()
console.log(JSON.stringify(times))
