// Waits until a page has stopped changing.

/** How long nothing may change until a page counts as settled, and how long it may take. */
const QUIET_MS = 500
const SETTLE_MS_MAX = 8_000

/**
 * Waits until fonts and pictures are there and no element has come, gone or moved for half a second.
 *
 * Not Playwright's `networkidle`, which a page that follows a live stream never reaches. Text alone may go
 * on changing: a clock is no reason to wait.
 */
export async function settle(page) {
  await page.waitForLoadState('load')
  await page.evaluate(settleInPage, [QUIET_MS, SETTLE_MS_MAX])
}

async function settleInPage([quiet, most]) {
  await document.fonts.ready
  const began = performance.now()
  let changed = began
  const observer = new MutationObserver(() => (changed = performance.now()))
  observer.observe(document.documentElement, { childList: true, subtree: true, attributes: true })
  while (performance.now() - changed < quiet && performance.now() - began < most) {
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  observer.disconnect()
  await Promise.all([...document.images].map((image) => image.complete || new Promise((done) => (image.onload = image.onerror = done))))
}
