// Shows of each check that it can fail: it finds the fault of each bad page, and nothing on good ones.

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'

import { axe } from '../axe.mjs'
import { fit, layout } from '../layout.mjs'
import { shots } from '../shots.mjs'
import { watchOf } from '../watch.mjs'
import { harmless, PAYLOADS, shown } from '../xss.mjs'
import { serve } from './selftest/pages.mjs'

/** The pages are its own: it needs no system. */
export const start = () => serve(PAYLOADS)

/** Sees that a check fails on a page with a message of this kind, and that nothing else is held against the page. */
async function finds(pattern, page, check) {
  await assert.rejects(check, (error) => {
    assert.match(error.message, pattern)
    return true
  })
  watchOf(page).forget()
}

/** A step: axe finds a fault on a page. */
const axeFinds = (name, pattern) => async ({ page, url }) => {
  await page.goto(`${url}/${name}`)
  await finds(pattern, page, () => axe(page))
}

/** A step: a page does not lie on the screen as it should. */
const layoutFinds = (name, pattern, options) => async ({ page, url }) => {
  await finds(pattern, page, () => layout(page, `${url}/${name}`, { widths: [360], ...options }))
}

/** What the runner says of a suite that is not good. */
function runs(suite) {
  const run = fileURLToPath(new URL('../run.mjs', import.meta.url))
  return new Promise((resolve) => {
    execFile(process.execPath, [run, suite, '--url', 'http://127.0.0.1:9'], (error, output) => resolve({ code: error?.code ?? 0, output }))
  })
}

export const steps = {
  'a good page passes axe under a strict policy': async ({ page, url }) => {
    await page.goto(`${url}/good`)
    assert.deepEqual(await axe(page), [])
  },
  'axe finds a field without a label': axeFinds('no-label', /critical label: .*input/),
  'axe finds a contrast that is too low': axeFinds('no-contrast', /serious color-contrast: .* p: .*contrast of 1\.22/),
  'axe finds a page without a language': axeFinds('no-language', /serious html-has-lang: .*html/),
  'axe finds a button without a name': axeFinds('empty-button', /critical button-name: .*button/),

  'good pages lie as they should': async ({ page, url }) => {
    await layout(page, `${url}/good`)
    await layout(page, `${url}/good-scripted`, { ready: (page) => page.click('button') })
  },
  'layout finds a page wider than any screen': layoutFinds('wide', /1280 px: the document is 14\d\d px wide, the screen 1280/, { widths: [1280] }),
  'layout finds a page wider than a telephone, and only there': async ({ page, url }) => {
    await finds(/360 px: the document is 5\d\d px wide, the screen 360$/, page, () => layout(page, `${url}/wide-at-360`))
  },
  'layout finds text that is cut off': layoutFinds('cut', /"The receipt .*is cut off by .*\.cut/),
  'layout finds text that is cut off below': layoutFinds('cut-below', /is cut off by .*\.low/),
  'layout finds an ellipsis that hides the rest': layoutFinds('cut-without-title', /is cut off by .*\.ellipsis/),
  'layout finds an ellipsis whose title says something else': layoutFinds('cut-with-other-title', /is cut off by .*\.ellipsis/),
  'layout finds text that the page itself cuts off': layoutFinds('cut-by-the-page', /"The receipt .*sticks out of the screen on the right/),
  'layout finds text that begins off the screen': layoutFinds('off-screen', /sticks out of the screen on the left/),
  'layout finds a box that only a mouse can scroll': layoutFinds('undeclared-scroll', /scrolls sideways, and has no tabindex/),
  'layout finds a button that is too small': layoutFinds('small-button', /the target .*button\.small "x" is 10\.0 x 10\.0 px/),
  'layout finds links that are too small and in no sentence': layoutFinds('small-links', /the target .*a "One" is [\d.]+ x 1\d/),
  'layout finds a box to tick that is too small': layoutFinds('small-checkbox', /the target .*input "" is 1[\d.]+ x 1/),
  'layout finds a banner that comes late': layoutFinds('late', /the page moves by itself by 0\.\d+: .*p/),
  'layout finds a script that weighs too much': layoutFinds('heavy', /the page weighs 15\d\d\d\d bytes, more than 150000: 15\d+ of \/large\.js/),
  'layout finds a picture that weighs too much': layoutFinds('picture', /200\d+ of \/large\.svg/),
  'a page weighs what it is made of, and not what an API answers': async ({ page, url }) => {
    await layout(page, `${url}/light-with-answers`)
    const answered = page.waitForResponse('**/large.js')
    await page.goto(`${url}/light-with-answers`)
    await answered
    await page.getByText('150006 letters').waitFor()
    const { bytes, parts } = watchOf(page).weight()
    const bodies = await Promise.all(['light-with-answers', 'style.css'].map(async (path) => (await page.request.get(`${url}/${path}`)).body()))
    const [script] = parts.filter((part) => part.url.includes('/script.js'))
    assert.equal(bytes - script.bytes, bodies[0].length + bodies[1].length, JSON.stringify(parts))
  },
  'layout finds a script that the policy forbids': layoutFinds('inline', /Content-Security-Policy: script-src-elem forbids inline/),
  'layout finds a style that the policy forbids': layoutFinds('inline-style', /Content-Security-Policy: style-src-attr forbids inline/),
  'layout finds a request to another origin': layoutFinds('stranger', /asked another origin: http:\/\/127\.0\.0\.1:9\/a\.png/),
  'layout finds what a page throws': layoutFinds('throws', /uncaught .*thrown on purpose/),
  'layout finds what a page complains of': layoutFinds('complains', /console: .*404/),
  'layout finds a dialog': layoutFinds('asks', /a dialog opened: alert: hello/),
  'a page is judged as it stands': async ({ page, url }) => {
    await page.goto(`${url}/good`)
    await fit(page)
    await page.evaluate(() => (document.querySelector('main').style.minWidth = '3000px'))
    await finds(/the document is 3000 px wide/, page, () => fit(page))
    await finds(/the document is 3000 px wide/, page, () => fit(page, { except: ['main'] }))
  },

  'each of 40 payloads that gets in is found': {
    seconds: 60,
    run: async ({ page, url }) => {
      assert.equal(PAYLOADS.length, 40)
      assert.equal(new Set(PAYLOADS.map(({ text }) => text)).size, 40)
      for (const { number, name } of PAYLOADS) {
        await page.goto(`${url}/mistake/${number}`)
        const isFound = await harmless(page).then(() => false, (error) => /^XSS at/.test(error.message))
        assert.ok(isFound, `"${name}" is not found`)
        watchOf(page).forget()
      }
    },
  },
  'none of 40 payloads that is shown as text is': {
    seconds: 60,
    run: async ({ page, url }) => {
      for (const payload of PAYLOADS) {
        await page.goto(`${url}/text/?${encodeURIComponent(JSON.stringify(payload.text))}`)
        await harmless(page)
        await shown(page, payload)
        await page.goto(`${url}/good`)
        await finds(/does not show/, page, () => shown(page, payload))
      }
    },
  },
  'a payload that ran is found on the next page too': async ({ page, url }) => {
    await page.goto(`${url}/mistake/1`)
    await page.goto(`${url}/good`)
    await finds(/a payload ran: 1[^]*a dialog opened: alert: xss/, page, () => harmless(page))
  },

  'pictures are taken in light and dark, wide and narrow': async ({ page, url }) => {
    const files = await shots(page, url, { 'selftest-good': '/good' })
    assert.deepEqual(files.map((file) => file.split('/').at(-1)), ['light-1280', 'dark-1280', 'light-360', 'dark-360'].map((looks) => `selftest-good-${looks}.png`))
    const pictures = await Promise.all(files.map((file) => readFile(file)))
    assert.deepEqual(pictures.map((picture) => picture.readUInt32BE(16)), [1280, 1280, 360, 360])
    assert.equal(new Set(pictures.map((picture) => picture.toString('base64'))).size, 4)
  },
  'letters have shapes, and those of code are all as wide': async ({ page, url }) => {
    await page.goto(`${url}/good`)
    const picture = async (text) => {
      await page.evaluate((text) => (document.querySelector('h1').textContent = text), text)
      return (await page.locator('h1').screenshot()).toString('base64')
    }
    // A font without a letter shows the same box for each; U+FFFF has no shape in any.
    const pictures = [await picture('\uffff')]
    for (const letter of ['A', '\u00df', '\u0416', '\u2192', '\u2713', '\u25cf', '\u2026']) pictures.push(await picture(letter))
    assert.equal(new Set(pictures).size, 8)
    const width = (text) => page.evaluate((text) => {
      const canvas = document.createElement('canvas').getContext('2d')
      canvas.font = '16px monospace'
      return canvas.measureText(text).width
    }, text)
    assert.equal(await width('iiii'), await width('MMMM'))
  },

  'the runner fails a suite with steps that fail, hang or complain': async () => {
    const { code, output } = await runs('selftest/bad-steps')
    assert.equal(code, 1, output)
    const lines = [
      /^ok good \d/m,
      /^FAILED throws: on purpose$/m,
      /^FAILED hangs: it took longer than 1 s$/m,
      /^FAILED complains: meanwhile:\n {2}console: on purpose/m,
      /^FAILED asks elsewhere: meanwhile:\n[^]*asked another origin: http:\/\/127\.0\.0\.1:8\/a\.png$/m,
      /^ok good again \d/m,
      /6 of 6 steps ran, 4 failed, [\d.]+ s$/m,
    ]
    for (const line of lines) assert.match(output, line)
    const picture = new URL('../../../target/screenshots/failed/selftest-bad-steps--throws.png', import.meta.url)
    assert.ok((await readFile(picture)).length > 1_000)
  },
  'the runner fails a suite that ends before its steps are through': async () => {
    const { code, output } = await runs('selftest/bad-exit')
    assert.equal(code, 1, output)
    assert.match(output, /^FAILED selftest\/bad-exit: it ended by itself \(0\) before these: leaves, never runs$/m)
    assert.doesNotMatch(output, /all steps passed/)
  },
}
