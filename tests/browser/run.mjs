// Runs a suite in a real Chromium against a running system.
//
//   node run.mjs SUITE   with CUEPOINT_URL and CUEPOINT_TOKEN
//
// A suite is a module in suite/ that exports `steps`: names with what is to be done, which run in order and
// share a page, so that a later one finds the session that an earlier one began. A step fails by throwing,
// by taking too long, or by what its pages did meanwhile: an error on the console, a request to another
// origin, a dialog. Each failed step leaves pictures in target/screenshots/failed/. At the end the steps
// that ran are held against those that the suite declares, also when something else ends the process.

import { mkdir, readdir, rm } from 'node:fs/promises'
import { parseArgs } from 'node:util'

import { peer, SCREENSHOTS } from './peer.mjs'
import { watch, watchOf } from './watch.mjs'

/** How long a step may take that names no time, and what a page may take for one thing in it. */
const STEP_SECONDS = 30
const ACTION_SECONDS = 10
/** How long a page may take to be photographed or closed. */
const LAST_SECONDS = 5

/** Said as the last line, and only then: the caller looks for it. */
const PASSED = 'all steps passed'

const { values, positionals } = parseArgs({ allowPositionals: true, options: { url: { type: 'string' }, token: { type: 'string' } } })
const [name] = positionals
if (!/^[a-z/-]+$/.test(name ?? '')) throw new Error('usage: node run.mjs SUITE [--url URL] [--token TOKEN]')

const suite = await import(`./suite/${name}.mjs`)
const declared = Object.keys(suite.steps)
const ran = []
let failures = 0
let isFinished = false

process.on('exit', (code) => {
  if (isFinished) return
  console.log(`FAILED ${name}: it ended by itself (${code}) before these: ${declared.filter((step) => !ran.includes(step)).join(', ')}`)
  process.exitCode = 1
})

/** Where pictures of failed steps go. */
const FAILED = `${SCREENSHOTS}failed/`

const slug = (text) => text.toLowerCase().replace(/[^a-z0-9-]+/g, '-')
const seconds = (since) => `${((performance.now() - since) / 1000).toFixed(1)} s`

/** Ends what takes too long. */
async function within(limit, what, promise) {
  let timer
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} took longer than ${limit} s`)), limit * 1000)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}

/** The pages of a run: one that lasts, and those that a step opens beside it. */
class Pages {
  constructor(browser, url) {
    Object.assign(this, { browser, url, beside: [] })
  }

  async make(options) {
    const context = await this.browser.newContext({ viewport: { width: 1280, height: 800 }, reducedMotion: 'reduce', locale: 'en-GB', timezoneId: 'UTC', ...options })
    context.setDefaultTimeout(ACTION_SECONDS * 1000)
    const page = await context.newPage()
    await watch(page, options?.baseURL ?? this.url)
    return page
  }

  /** A page with a session of its own, which the step's end closes. */
  async open(options) {
    const page = await this.make(options)
    this.beside.push(page)
    return page
  }

  all() {
    return [this.main, ...this.beside].filter(Boolean)
  }

  async photograph(step) {
    for (const [index, page] of this.all().entries()) {
      const path = `${FAILED}${slug(`${name}--${step}`)}${index ? `-${index}` : ''}.png`
      await within(LAST_SECONDS, 'the picture', page.screenshot({ path, fullPage: true })).catch((error) => console.log(`  no picture: ${error.message.split('\n')[0]}`))
    }
  }

  async close(pages) {
    for (const page of pages) await within(LAST_SECONDS, 'closing', page.context().close()).catch((error) => console.log(`  ${error.message}`))
    this.beside = []
  }
}

async function runStep(pages, step, world) {
  const given = suite.steps[step]
  const { run, seconds: limit = STEP_SECONDS } = typeof given === 'function' ? { run: given } : given
  const since = performance.now()
  pages.main ??= await pages.make()
  watchOf(pages.main).forget()
  let isLate = true
  try {
    await within(limit, 'it', Promise.resolve(run({ ...world, page: pages.main, open: (options) => pages.open(options) })).finally(() => (isLate = false)))
    const faults = pages.all().flatMap((page) => watchOf(page).faults())
    if (faults.length) throw new Error(`meanwhile:\n  ${faults.join('\n  ')}`)
    console.log(`ok ${step} ${seconds(since)}`)
  } catch (error) {
    failures += 1
    console.log(`FAILED ${step}: ${error?.message ?? error}\n  after ${seconds(since)}`)
    const places = String(error?.stack ?? '').split('\n').filter((line) => line.includes('/browser/suite/'))
    if (places.length) console.log(places.join('\n'))
    await pages.photograph(step)
  }
  ran.push(step)
  // What a late step still does must not disturb the next one.
  const closed = isLate ? pages.all() : pages.beside
  if (isLate) pages.main = null
  await pages.close(closed)
}

await mkdir(FAILED, { recursive: true })
const old = (await readdir(FAILED)).filter((file) => file.startsWith(slug(`${name}--`)))
await Promise.all(old.map((file) => rm(`${FAILED}${file}`, { force: true })))
const given = { url: values.url ?? process.env.CUEPOINT_URL, token: values.token ?? process.env.CUEPOINT_TOKEN }
const started = (await suite.start?.(given)) ?? {}
const world = { ...given, ...started }
const { chromium } = await import(peer('node_modules/playwright-core/index.mjs'))
const since = performance.now()
const browser = await chromium.launch({ executablePath: peer('chromium.sh'), timeout: 30_000 })
console.log(`${name}: ${declared.length} steps in Chromium ${browser.version()}, started in ${seconds(since)}`)
const pages = new Pages(browser, world.url)
for (const step of declared) await runStep(pages, step, { ...world, browser })
await within(LAST_SECONDS, 'closing', browser.close()).catch((error) => console.log(error.message))
await started.stop?.()

const missed = declared.filter((step) => !ran.includes(step))
if (missed.length) console.log(`FAILED ${name}: these steps did not run: ${missed.join(', ')}`)
if (!declared.length) console.log(`FAILED ${name}: it has no steps`)
const isGood = declared.length > 0 && !missed.length && !failures
console.log(`${name}: ${ran.length} of ${declared.length} steps ran, ${failures} failed, ${seconds(since)}${isGood ? `: ${PASSED}` : ''}`)
isFinished = true
process.exit(isGood ? 0 : 1)
