// A suite whose steps fail in each of the ways that a step can.

export const steps = {
  good: ({ page }) => page.setContent('<h1>Good</h1>'),
  throws: async ({ page }) => {
    await page.setContent('<h1>It throws</h1>')
    throw new Error('on purpose')
  },
  hangs: { seconds: 1, run: ({ page }) => page.evaluate(() => new Promise(() => {})) },
  complains: ({ page }) => page.evaluate(() => console.error('on purpose')),
  'asks elsewhere': async ({ open }) => {
    const beside = await open()
    await beside.setContent('<img src="http://127.0.0.1:8/a.png" alt="">')
  },
  'good again': ({ page }) => page.setContent('<h1>Good again</h1>'),
}
