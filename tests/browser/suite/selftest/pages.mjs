// Pages with one fault each, and pages without.

import { createServer } from 'node:http'
import { gzipSync } from 'node:zlib'

const STRICT = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

/** Fits any screen, in light and dark. */
const STYLE = `
:root { color-scheme: light dark; --ink: #1a1a1a; --paper: #fff; --link: #0a4fa3 }
@media (prefers-color-scheme: dark) { :root { --ink: #eee; --paper: #111; --link: #9cc4ff } }
* { box-sizing: border-box }
body { margin: 0; font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper) }
main { padding: 1rem; max-width: 60rem }
a { color: var(--link) }
button, input { font: inherit; min-height: 2rem; min-width: 2rem; max-width: 100% }
pre { font-family: monospace }
.cut { display: block; width: 8rem; overflow: hidden; white-space: nowrap }
.ellipsis { text-overflow: ellipsis }
.scrolls { overflow-x: auto; max-width: 100% }
.scrolls pre { width: 1500px }
.reader { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap }
.skip { position: absolute; left: 0; top: -4rem; padding: .5rem }
.skip:focus { top: 0 }
.nav a { display: inline-block; padding: .5rem }
`

/** A page: one heading, one landmark, and what is given. */
function page(body, { style = '', script = '', lang = ' lang="en"', policy = STRICT } = {}) {
  const added = style && `<link rel="stylesheet" href="/style.css?${encodeURIComponent(style)}">`
  const scripted = script && `<script src="/script.js?${encodeURIComponent(script)}"></script>`
  const head = `<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>A page</title><link rel="icon" href="/icon.png">`
  return { policy, html: `<!doctype html><html${lang}><head>${head}<link rel="stylesheet" href="/style.css">${added}</head><body><main><h1>A page</h1>${body}</main>${scripted}</body></html>` }
}

const WORDS = 'The receipt is in the log of the conversation, and says what became of the event. '

const GOOD = `
<a class="skip" href="#rest">Skip to the rest</a>
<nav class="nav" aria-label="Parts"><a href="/good">Events</a> <a href="/good">Bots</a></nav>
<p>${WORDS}It <a href="/good">names the turn</a> that it came of.</p>
<p><label for="q">Search</label> <input id="q" name="q"> <button type="button">Go</button></p>
<p><label><input type="checkbox" name="c"> Only those that failed</label></p>
<span class="cut ellipsis" title="${WORDS.trim()}">${WORDS}</span>
<div class="scrolls" tabindex="0" role="region" aria-label="Raw"><pre>${WORDS.repeat(2)}</pre></div>
<h2 id="rest">The rest<span class="reader"> of what there is to say about it</span></h2>
<p id="later">${WORDS}</p>
`

/** What each page is for is what its name says; see the steps. */
const PAGES = {
  good: page(GOOD),
  'good-scripted': page(GOOD, { script: "document.querySelector('#later').append(' Added by a script.'); document.querySelector('button').onclick = () => document.body.append('!')" }),
  'no-label': page('<p>Search <input name="q"></p>'),
  'no-contrast': page('<p class="pale">So pale that it can hardly be read.</p>', { style: '.pale { color: #999; background: #aaa }' }),
  'no-language': page('<p>In what language?</p>', { lang: '' }),
  'empty-button': page('<button type="button"></button>'),
  wide: page('<div class="wide">.</div>', { style: '.wide { width: 1400px }' }),
  'wide-at-360': page('<div class="wide">.</div>', { style: '.wide { width: 500px }' }),
  cut: page(`<span class="cut">${WORDS}</span>`),
  'cut-below': page(`<div class="low">${WORDS.repeat(20)}</div>`, { style: '.low { height: 60px; overflow: hidden }' }),
  'cut-without-title': page(`<span class="cut ellipsis">${WORDS}</span>`),
  'cut-with-other-title': page(`<span class="cut ellipsis" title="Something else">${WORDS}</span>`),
  'cut-by-the-page': page(`<p class="far">${WORDS}</p>`, { style: 'html, body { overflow-x: clip } .far { width: 3000px }' }),
  'off-screen': page(`<p class="off">${WORDS}</p>`, { style: '.off { position: absolute; left: -40px }' }),
  'undeclared-scroll': page(`<div class="scrolls"><pre>${WORDS.repeat(2)}</pre></div>`),
  'small-button': page('<button class="small" type="button" aria-label="Close">x</button>', { style: '.small { width: 10px; height: 10px; min-width: 0; min-height: 0; padding: 0; font-size: 8px }' }),
  'small-links': page('<p class="nav"><a href="/good">One</a> | <a href="/good">Two</a></p>', { style: '.nav a { display: inline; padding: 0; font-size: 12px }' }),
  'small-checkbox': page('<p><input type="checkbox" aria-label="Only those that failed"></p>', { style: 'input { min-height: 0; min-width: 0 }' }),
  late: page(`<p>${WORDS.repeat(6)}</p>`, { script: "setTimeout(() => { const banner = document.createElement('p'); banner.className = 'banner'; banner.textContent = 'News'; document.querySelector('h1').before(banner) }, 300)", style: '.banner { height: 200px }' }),
  heavy: page(`<p>${WORDS}</p><script src="/large.js"></script>`),
  'light-with-answers': page(`<p>${WORDS}</p>`, { script: "fetch('/large.js').then((answer) => answer.text()).then((text) => document.querySelector('p').append(` ${text.length} letters`))" }),
  picture: page('<img src="/large.svg" alt="A picture" width="10" height="10">'),
  inline: page('<p>The script does not run.</p><script>document.title = "It ran"</script>'),
  'inline-style': page('<p style="color: red">Not red.</p>'),
  stranger: page('<img src="http://127.0.0.1:9/a.png" alt="" width="9" height="9">', { policy: '' }),
  throws: page('<p>Something is thrown.</p>', { script: "throw new Error('thrown on purpose')" }),
  complains: page('<p>Something is missing.</p>', { script: "fetch('/missing')" }),
  asks: page('<p>A dialog opens.</p>', { script: "setTimeout(() => alert('hello'))" }),
}

const escaped = (text) => text.replace(/[&<>"']/g, (letter) => `&#${letter.charCodeAt(0)};`)

/** Mistakes, each of which lets a kind of payload in. */
const MISTAKES = {
  html: (text) => `<p>${text}</p>`,
  attribute: (text) => `<input value="${text}">`,
  single: (text) => `<input value='${text}'>`,
  href: (text) => `<a href="${escaped(text)}">A link</a>`,
  script: (text) => `<script>const shown = "${text}"</script>`,
  literal: (text) => `<script>const shown = \`${text}\`</script>`,
  template: (text) => `<p id="t">${escaped(text)}</p><script>t.textContent = t.textContent.replace(/{{(.*?)}}/g, (_, code) => (0, Function)('constructor', 'return ' + code)(Function))</script>`,
  markdown: (text) => text.replace(/!\[(.*?)\]\((.*)\)/g, '<img alt="$1" src="$2">').replace(/\[(.*?)\]\((.*)\)/g, '<a href="$2">$1</a>'),
  css: (text) => `<style>p { color: ${text} }</style>`,
  style: (text) => `<p style="color: ${escaped(text)}">Not red.</p>`,
  decoded: (text) => decodeURIComponent(text),
  unescaped: (text) => text.replace('&lt;', '<').replace('&#x3e;', '>'),
  parsed: (text) => JSON.parse(`"${text}"`),
  normalized: (text) => text.normalize('NFKC'),
  stripped: (text) => text.replaceAll('\u0000', ''),
}

/** Shows the text of the query as text, the way that a page should. */
const SHOWS = "const given = JSON.parse(decodeURIComponent(location.search.slice(1))); const p = document.createElement('p'); p.textContent = given; document.querySelector('h1').after(p)"

/** Over the weight that a page may have, uncompressed, and far below it as it is sent. */
const LARGE_SCRIPT = `/* ${'a'.repeat(150_000)} */`
const LARGE_PICTURE = `<svg xmlns="http://www.w3.org/2000/svg" width="10" height="10"><desc>${'a'.repeat(200_000)}</desc></svg>`

function answer(request, response, payloads) {
  const url = new URL(request.url, 'http://localhost')
  const rest = decodeURIComponent(url.search.slice(1))
  const send = (type, body, headers = {}) => response.writeHead(200, { 'content-type': type, ...headers }).end(body)
  const html = ({ html, policy }) => send('text/html; charset=utf-8', html, policy ? { 'content-security-policy': policy } : {})
  if (url.pathname === '/style.css') return send('text/css', rest || STYLE)
  if (url.pathname === '/script.js') return send('text/javascript', rest)
  if (url.pathname === '/large.js') return send('text/javascript', gzipSync(LARGE_SCRIPT), { 'content-encoding': 'gzip' })
  if (url.pathname === '/large.svg') return send('image/svg+xml', LARGE_PICTURE)
  if (url.pathname === '/icon.png') return send('image/png', '')
  const [, name, number] = url.pathname.split('/')
  const payload = name === 'mistake' && payloads[number - 1]
  if (payload) {
    const { into, text } = payload
    return html({ html: `<!doctype html><meta charset="utf-8"><body>${MISTAKES[into](text)}`, policy: '' })
  }
  if (name === 'text') return html(page('', { script: SHOWS }))
  if (PAGES[name]) return html(PAGES[name])
  return response.writeHead(404).end()
}

/** Serves them on a free port. */
export async function serve(payloads) {
  const server = createServer((request, response) => answer(request, response, payloads))
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  return { url: `http://127.0.0.1:${server.address().port}`, stop: () => server.close() }
}
