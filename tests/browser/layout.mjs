// Whether a page fits the screen, stays where it is, and is as light as it should be.

import { inspect } from './inspect.mjs'
import { settle } from './settle.mjs'
import { watchOf } from './watch.mjs'

/** The screens: a telephone, a tablet, a desk. */
export const WIDTHS = [360, 768, 1280]
/** What a page may weigh, uncompressed: document, styles, scripts, fonts, pictures. */
const WEIGHT_BYTES_MAX = 150_000
/** How far a page may move by itself. */
const SHIFT_MAX = 0.1

/**
 * Opens a path at each width, and fails with everything that is wrong with it.
 *
 * That is: what does not fit, is cut off or is too small to hit (`fit`), moves by itself, weighs too much,
 * asks another origin, or complains: an error on the console, one that nobody caught, a violation of the
 * Content-Security-Policy. `ready` is awaited before the page is judged: what it shows when it is done.
 */
export async function layout(page, url, { ready = null, widths = WIDTHS, weight = WEIGHT_BYTES_MAX, except = [] } = {}) {
  const before = page.viewportSize()
  const watch = watchOf(page)
  const faults = []
  for (const width of widths) {
    // The page that stood here last may still be at work: its complaints are kept for the step.
    faults.push(...watch.faults().map((fault) => `before: ${fault}`))
    await page.setViewportSize({ width, height: 800 })
    await page.goto('about:blank')
    watch.forget()
    await page.goto(url)
    await settle(page)
    if (ready) {
      await ready(page)
      await settle(page)
    }
    const found = [...(await unfit(page, except)), ...(await heavy(watch, weight)), ...(await shifting(watch)), ...watch.faults()]
    faults.push(...found.map((fault) => `${width} px: ${fault}`))
    watch.forget()
  }
  await page.setViewportSize(before)
  if (faults.length) throw new Error(`layout of ${url}:\n  ${faults.join('\n  ')}`)
}

/** Fails where the page, as it stands at its present width, does not fit: for states that a path does not lead to. */
export async function fit(page, { except = [] } = {}) {
  const faults = await unfit(page, except)
  if (faults.length) throw new Error(`layout of ${page.url()} at ${page.viewportSize().width} px:\n  ${faults.join('\n  ')}`)
}

async function unfit(page, except) {
  const { faults, judged } = await page.evaluate(inspect, except)
  return judged ? faults : ['there is no text on the page', ...faults]
}

async function heavy(watch, most) {
  const { bytes, parts } = watch.weight()
  if (!parts.length) return ['nothing was loaded that could be weighed']
  if (bytes <= most) return []
  const largest = parts.slice(0, 3).map(({ url, bytes }) => `${bytes} of ${new URL(url).pathname}`)
  return [`the page weighs ${bytes} bytes, more than ${most}: ${largest.join(', ')}`]
}

async function shifting(watch) {
  const { value, moved } = await watch.shift()
  return value < SHIFT_MAX ? [] : [`the page moves by itself by ${value.toFixed(3)}: ${[...new Set(moved)].join(', ')}`]
}
