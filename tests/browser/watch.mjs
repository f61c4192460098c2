// What goes on behind a page: what it asks for, what it complains of, what it opens.
//
// Listens from before the first request on, and changes nothing that a page could notice: scripts are put
// in over the debugging protocol, which a Content-Security-Policy does not bind. What it guarantees:
// a complaint is never lost, also when the page that made it is left. What it does not: see into workers.

/** What an XSS payload sets; said aloud when it happens, because the page may be gone a moment later. */
const RAN = 'a payload ran: '

/** What is part of a page's weight; answers of an API and live streams are not. */
const WEIGHS = new Set(['Document', 'Stylesheet', 'Script', 'Font', 'Image', 'Media', 'Manifest', 'Other'])

/** How many layout shifts may add up within a second and still be one; and how long one may last. */
const SHIFT_GAP_MS = 1_000
const SHIFT_LENGTH_MS = 5_000

const watches = new WeakMap()

/** The watch of a page. */
export function watchOf(page) {
  const watch = watches.get(page)
  if (!watch) throw new Error('this page is not watched: pages come from `open`')
  return watch
}

/** Begins to watch a page that has loaded nothing yet. */
export async function watch(page, origin) {
  const watch = new Watch(page, new URL(origin).origin)
  watches.set(page, watch)
  await watch.begin()
  return watch
}

class Watch {
  constructor(page, origin) {
    Object.assign(this, { page, origin, complaints: [], strangers: [], dialogs: [], ran: [], weights: new Map(), forgiven: [] })
  }

  async begin() {
    const { page } = this
    page.on('console', (message) => this.told(message))
    page.on('pageerror', (error) => this.complain(`uncaught ${error.stack?.split('\n').slice(0, 2).join(' ') ?? error}`))
    page.on('dialog', (dialog) => this.asked(dialog))
    page.on('request', (request) => this.requested(request.url()))
    page.on('websocket', (socket) => this.requested(socket.url().replace(/^ws/, 'http')))
    await page.addInitScript(inPage, RAN)
    // Of the protocol rather than of Playwright, whose bodies of streams never end.
    const session = await page.context().newCDPSession(page)
    session.on('Network.responseReceived', ({ requestId, type, response }) => {
      if (WEIGHS.has(type) && /^https?:/.test(response.url)) this.weights.set(requestId, { url: response.url, bytes: 0 })
    })
    session.on('Network.dataReceived', ({ requestId, dataLength }) => {
      const weight = this.weights.get(requestId)
      if (weight) weight.bytes += dataLength
    })
    await session.send('Network.enable')
    await session.send('Network.setCacheDisabled', { cacheDisabled: true })
    this.session = session
  }

  told(message) {
    const text = message.text()
    if (text.startsWith(RAN)) this.ran.push(text)
    else if (message.type() === 'error') this.complain(`console: ${text} (${message.location().url})`)
  }

  complain(text) {
    this.complaints.push(text)
  }

  async asked(dialog) {
    this.dialogs.push(`${dialog.type()}: ${dialog.message()}`)
    await (this.answer ? dialog.accept() : dialog.dismiss()).catch(() => {})
  }

  requested(url) {
    if (/^https?:/.test(url) && new URL(url).origin !== this.origin) this.strangers.push(url)
  }

  /** Expects dialogs from now on, says yes or no to them, and no longer holds them against the page. */
  expectDialogs(answer) {
    this.answer = answer
  }

  /** Expects complaints that a pattern matches, such as that of a request that is to be refused. */
  forgive(pattern) {
    this.forgiven.push(pattern)
  }

  /** Forgets what has been, for a page that begins anew. */
  forget() {
    Object.assign(this, { complaints: [], strangers: [], dialogs: [], ran: [], weights: new Map() })
  }

  /** What is wrong so far, each as a line. */
  faults() {
    const complaints = this.complaints.filter((text) => !this.forgiven.some((pattern) => pattern.test(text)))
    const dialogs = this.unexpected().map((text) => `a dialog opened: ${text}`)
    return [...complaints, ...this.strangers.map((url) => `asked another origin: ${url}`), ...this.ran, ...dialogs]
  }

  /** The dialogs that nobody expected; that of a payload is never expected. */
  unexpected() {
    return this.dialogs.filter((text) => this.answer === undefined || text.includes('xss'))
  }

  /** What the page weighs, uncompressed, and what of it weighs most. */
  weight() {
    const all = [...this.weights.values()].sort((a, b) => b.bytes - a.bytes)
    return { bytes: all.reduce((sum, { bytes }) => sum + bytes, 0), parts: all }
  }

  /** How much the page moved by itself, as Cumulative Layout Shift counts it, and what moved. */
  async shift() {
    const shifts = await this.page.evaluate(shiftsInPage)
    let worst = { value: 0, moved: [] }
    let window = null
    for (const { value, at, moved } of shifts) {
      const isNew = !window || at - window.last > SHIFT_GAP_MS || at - window.first > SHIFT_LENGTH_MS
      if (isNew) window = { value: 0, moved: [], first: at }
      window.value += value
      window.last = at
      window.moved.push(...moved)
      if (window.value > worst.value) worst = { value: window.value, moved: [...window.moved] }
    }
    return worst
  }
}

function inPage(ran) {
  let value
  Object.defineProperty(globalThis, '__xss', {
    get: () => value,
    set: (given) => {
      value = given
      console.log(`${ran}${given}`)
    },
  })
  document.addEventListener('securitypolicyviolation', (event) => {
    console.error(`Content-Security-Policy: ${event.violatedDirective} forbids ${event.blockedURI} ${event.sample}`)
  })
}

function shiftsInPage() {
  const name = (node) => (node?.nodeType === 1 ? `${node.localName}${node.id ? `#${node.id}` : ''}` : (node?.nodeName ?? '?'))
  const plain = (entry) => ({ value: entry.value, at: entry.startTime, moved: entry.sources.map(({ node }) => name(node)) })
  return new Promise((resolve) => {
    const all = []
    const keep = (entries) => all.push(...entries.filter((entry) => !entry.hadRecentInput).map(plain))
    const observer = new PerformanceObserver((list) => keep(list.getEntries()))
    observer.observe({ type: 'layout-shift', buffered: true })
    // Two frames: buffered entries come with the first, or there are none.
    requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(() => (keep(observer.takeRecords()), resolve(all)), 50)))
  })
}
