// Pictures of pages, for people to look at.

import { settle } from './settle.mjs'
import { SCREENSHOTS } from './peer.mjs'

const THEMES = ['light', 'dark']
const WIDTHS = [1280, 360]

/**
 * Takes a picture of each page in light and dark, wide and narrow, whole from top to bottom.
 *
 * `pages` is `{ name: path }`, or `{ name: [path, async (page) => {}] }` where something is to be done first.
 * Returns the files. The page keeps its session, and has its former looks again afterwards.
 */
export async function shots(page, base, pages) {
  const before = page.viewportSize()
  const files = []
  for (const [name, given] of Object.entries(pages)) {
    const [path, first] = [given].flat()
    for (const width of WIDTHS) {
      await page.setViewportSize({ width, height: 800 })
      for (const theme of THEMES) {
        await page.emulateMedia({ colorScheme: theme })
        await page.goto(new URL(path, base).href)
        await settle(page)
        await first?.(page)
        files.push(`${SCREENSHOTS}${name}-${theme}-${width}.png`)
        await page.screenshot({ path: files.at(-1), fullPage: true, animations: 'disabled', caret: 'hide' })
      }
    }
  }
  await page.emulateMedia({ colorScheme: null })
  await page.setViewportSize(before)
  return files
}
