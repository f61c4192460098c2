// What an attacker writes where a page shows what somebody else wrote.

import { watchOf } from './watch.mjs'

/** A host that does not exist. */
const HOST = 'xss.invalid'

/**
 * Each payload: what it is, the kind of mistake that lets it in, and its text.
 *
 * Each leaves a trace if it becomes more than text: an element with `data-xss`, a script that sets
 * `window.__xss` to its number, a link that is one to code, or something of the host `xss.invalid`. The
 * self-test lets each in by its mistake, and sees that its trace is found.
 */
const TABLE = [
  ['a script', 'html', (n) => `<script data-xss>__xss=${n};alert("xss")</script>`],
  ['a script in mixed case', 'html', (n) => `<ScRiPt data-xss >__xss=${n}</sCrIpT >`],
  ['a script from elsewhere', 'html', () => `<script data-xss src=//${HOST}/a.js></script>`],
  ['a script behind a quote', 'attribute', (n) => `"><script data-xss>__xss=${n}</script>`],
  ['a picture that fails', 'html', (n) => `<img data-xss src=x onerror=__xss=${n}>`],
  ['a picture without spaces', 'html', (n) => `<img/data-xss/src="x"/onerror="__xss=${n}">`],
  ['a tag that does not end', 'html', (n) => `<img data-xss src=x onerror="__xss=${n}" `],
  ['an svg that loads', 'html', (n) => `<svg data-xss onload=__xss=${n}>`],
  ['an svg that moves', 'html', (n) => `<svg data-xss><animate onbegin=__xss=${n} attributeName=x dur=1s>`],
  ['an svg link', 'html', (n) => `<svg data-xss><a xlink:href="javascript:__xss=${n}"><text y=20>xss</text></a></svg>`],
  ['details that open', 'html', (n) => `<details data-xss open ontoggle=__xss=${n}>xss`],
  ['a field that takes the focus', 'html', (n) => `<input data-xss autofocus onfocus=__xss=${n}>`],
  ['a second body', 'html', (n) => `<body data-xss onload=__xss=${n}>`],
  ['a frame with a document', 'html', (n) => `<iframe data-xss srcdoc="<script>parent.__xss=${n}</script>"></iframe>`],
  ['a frame of code', 'html', (n) => `<iframe data-xss src="javascript:parent.__xss=${n}"></iframe>`],
  ['a button that sends to code', 'html', (n) => `<form><button data-xss formaction="javascript:__xss=${n}">xss</button></form>`],
  ['an object of data', 'html', (n) => `<object data-xss data="data:text/html,<script>parent.__xss=${n}</script>"></object>`],
  ['another base', 'html', () => `<base data-xss href=//${HOST}/>`],
  ['a mutation', 'html', (n) => `<math><mtext><table><mglyph><style><!--</style><img data-xss title="--&gt;&lt;img src=1 onerror=__xss=${n}&gt;">`],
  ['an attribute behind a quote', 'attribute', (n) => `" data-xss autofocus onfocus="__xss=${n}`],
  ['an attribute behind a single quote', 'single', (n) => `' data-xss autofocus onfocus='__xss=${n}`],
  ['a link to code', 'href', (n) => `javascript:__xss=${n}`],
  ['a link to code with a tab', 'href', (n) => `jAvA\tscript:__xss=${n}`],
  ['a link to code behind a control character', 'href', (n) => `\u0001javascript:__xss=${n}`],
  ['a link to data', 'href', (n) => `data:text/html,<script>__xss=${n}</script>`],
  ['a link to vbscript', 'href', () => 'vbscript:msgbox("xss")'],
  ['the end of a string', 'script', (n) => `";__xss=${n};//`],
  ['the end of a script', 'script', (n) => `</script><script data-xss>__xss=${n}</script>`],
  ['a placeholder of a template string', 'literal', (n) => `\${__xss=${n}}`],
  ['an expression of a template', 'template', (n) => `{{constructor.constructor('__xss=${n}')()}}`],
  ['a link in markdown', 'markdown', (n) => `[xss](javascript:__xss=${n})`],
  ['a picture in markdown', 'markdown', (n) => `![xss](x" data-xss onerror="__xss=${n})`],
  ['the end of a style sheet', 'css', (n) => `red}</style><img data-xss src=x onerror=__xss=${n}>`],
  ['a picture in a style', 'style', () => `red;background:url(//${HOST}/a.png)`],
  ['a style sheet', 'html', () => `<style data-xss>@import '//${HOST}/a.css';</style>`],
  ['percent signs', 'decoded', (n) => `%3Cimg%20data-xss%20src%3Dx%20onerror%3D__xss%3D${n}%3E`],
  ['entities', 'unescaped', (n) => `&lt;img data-xss src=x onerror=__xss=${n}&#x3e;`],
  ['escapes of JSON', 'parsed', (n) => `\\u003cimg data-xss src=x onerror=__xss=${n}\\u003e`],
  ['wide letters', 'normalized', (n) => `\uff1cimg data-xss src=x onerror=__xss=${n}\uff1e`],
  ['a tag with null bytes in it', 'stripped', (n) => `<\u0000scr\u0000ipt data-xss>__xss=${n}</scr\u0000ipt>`],
]

/** The payloads; `hasControl` tells those with control characters, which some fields refuse. */
export const PAYLOADS = TABLE.map(([name, into, make], index) => {
  const text = make(index + 1)
  return { number: index + 1, name, into, text, hasControl: /[\u0000-\u001f]/.test(text) }
})

/** Fails where something that a payload wrote became more than text: on the page as it stands, or since it was opened. */
export async function harmless(page) {
  const watch = watchOf(page)
  const traces = await Promise.all(page.frames().map((frame) => frame.evaluate(tracesInPage, HOST).catch(gone)))
  const strangers = watch.strangers.filter((url) => new URL(url).hostname === HOST).map((url) => `asked for ${url}`)
  const dialogs = watch.unexpected().map((text) => `a dialog opened: ${text}`)
  const all = [...new Set([...watch.ran, ...dialogs, ...strangers, ...traces.flat()])]
  if (all.length) throw new Error(`XSS at ${page.url()}:\n  ${all.join('\n  ')}`)
}

/** A frame may be gone before it is asked; the page itself may not. */
function gone(error) {
  if (/detached|destroyed/.test(error.message)) return []
  throw error
}

function tracesInPage(host) {
  const CODE = /^(javascript|data|vbscript):/i
  const TARGETS = ['href', 'xlink:href', 'action', 'formaction', 'src', 'data', 'poster', 'srcset', 'background', 'ping']
  /** What may be `data:` without being code. */
  const PICTURES = ['img', 'image', 'source', 'video', 'audio', 'input']
  const all = globalThis.__xss === undefined ? [] : [`a payload ran: ${globalThis.__xss}`]

  // As a browser reads an address: without what is below a space before and in it.
  const address = (value) => value.replace(/^[\u0000-\u0020]+/, '').replace(/[\t\n\r]/g, '')
  const isHost = (value) => {
    try {
      return new URL(value, 'http://page.invalid/').hostname === host
    } catch {
      return false
    }
  }
  const judge = (element) => {
    const say = (what) => all.push(`<${element.localName}> ${what}: ${element.outerHTML.slice(0, 120)}`)
    if (element.hasAttribute('data-xss') || element.id === 'xss') say('was made by a payload')
    for (const { name, value } of element.attributes) {
      if (name.startsWith('on') && value.includes('__xss')) say(`has the handler ${name}`)
      if (name === 'style' && value.includes(host)) say('has a style of a payload')
      if (!TARGETS.includes(name)) continue
      if (CODE.test(address(value)) && !(PICTURES.includes(element.localName) && /^data:image\//i.test(address(value)))) say(`leads to code by ${name}`)
      if (isHost(address(value))) say(`leads to ${host} by ${name}`)
    }
  }
  const walk = (root) => {
    for (const element of root.querySelectorAll('*')) {
      judge(element)
      if (element.shadowRoot) walk(element.shadowRoot)
      if (element.localName === 'template') walk(element.content)
    }
  }
  walk(document)
  return all
}

/**
 * Fails where the text of a payload cannot be read on the page, letter by letter, in text or in a field.
 *
 * White space and control characters do not count: a page may show them as it likes.
 */
export async function shown(page, { text }) {
  const isShown = await page.evaluate(shownInPage, text)
  if (!isShown) throw new Error(`the page ${page.url()} does not show ${JSON.stringify(text)}`)
}

function shownInPage(text) {
  const bare = (given) => given.replace(/[\s\u0000-\u001f\u007f\u2400-\u241f\ufffd]+/g, '')
  const wanted = bare(text)
  const read = (root) => {
    let all = ''
    const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT | NodeFilter.SHOW_ELEMENT)
    while (walker.nextNode()) {
      const node = walker.currentNode
      if (node.nodeType === 3) {
        const parent = node.parentElement ?? node.getRootNode().host
        if (parent && !/^(script|style|template|noscript|textarea)$/.test(parent.localName) && parent.checkVisibility({ visibilityProperty: true })) all += bare(node.data)
      } else if (node.shadowRoot) all += read(node.shadowRoot)
    }
    return all
  }
  if (read(document.body).includes(wanted)) return true
  const fields = [...document.querySelectorAll('input, textarea')].filter((field) => field.type !== 'hidden' && field.checkVisibility({ visibilityProperty: true }))
  return fields.some((field) => bare(field.value).includes(wanted))
}
