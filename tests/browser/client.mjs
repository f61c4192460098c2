// The management API, for what a suite needs to be there.

/** Calls an operation; with a body it is a POST. Fails with what the API says. */
export async function call({ url, token }, path, body) {
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
  const response = await fetch(new URL(`/v1${path}`, url), body === undefined ? { headers } : { method: 'POST', headers, body: JSON.stringify(body) })
  const told = await response.json()
  if (!response.ok) throw new Error(`${path}: ${response.status} ${told.message}`)
  return told
}

/** Asks until something is so, for at most so many seconds. */
export async function until(what, look, seconds = 10) {
  const end = performance.now() + seconds * 1000
  for (;;) {
    const seen = await look()
    if (seen) return seen
    if (performance.now() > end) throw new Error(`${what} did not happen within ${seconds} s`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

/** Logs in by the form, as a person does. */
export async function logIn(page, url, token) {
  await page.goto(new URL('/ui/login', url).href)
  await page.getByLabel('API token').fill(token)
  await page.getByRole('button', { name: 'Log in' }).click()
  await page.waitForURL((at) => at.pathname === '/ui' || at.pathname === '/ui/conversations')
}
