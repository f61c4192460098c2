// Opens a page in a Chromium, and fails where it does not come up: node try.mjs DIRECTORY
import { pathToFileURL } from 'node:url'

const [directory] = process.argv.slice(2)
const { chromium } = await import(pathToFileURL(`${directory}/node_modules/playwright-core/index.mjs`).href)
const browser = await chromium.launch({ executablePath: `${directory}/chromium.sh`, timeout: 30_000 })
const page = await browser.newPage()
page.setDefaultTimeout(30_000)
await page.setContent('<button>It runs.</button>')
await page.click('button')
const picture = await page.screenshot()
if (picture.length < 1000) throw new Error(`a screenshot of ${picture.length} bytes`)
console.error(`chromium ${browser.version()}`)
await browser.close()
