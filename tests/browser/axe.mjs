// What axe-core finds wrong with a page for people who do not see it, or not well.

import { readFile } from 'node:fs/promises'

import { peer } from './peer.mjs'

const source = await readFile(peer('node_modules/axe-core/axe.min.js'), 'utf8')

/** WCAG 2.0 to 2.2, A and AA, and what is wise besides. */
const TAGS = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22a', 'wcag22aa', 'best-practice']

/** What fails a page. */
const GRAVE = new Set(['serious', 'critical'])

/**
 * Fails with what is serious or critical on the page as it stands; what else there is, is returned as lines.
 *
 * axe runs in a world of its own beside the page's scripts, put there over the debugging protocol: a strict
 * Content-Security-Policy neither hinders it nor has to be weakened.
 */
export async function axe(page, { within = null, except = [] } = {}) {
  const session = await page.context().newCDPSession(page)
  try {
    const { frameTree } = await session.send('Page.getFrameTree')
    const world = { frameId: frameTree.frame.id, worldName: 'axe' }
    const { executionContextId: contextId } = await session.send('Page.createIsolatedWorld', world)
    const run = async (expression) => {
      const answer = await session.send('Runtime.evaluate', { contextId, expression, awaitPromise: true, returnByValue: true })
      if (answer.exceptionDetails) throw new Error(`axe: ${answer.exceptionDetails.exception?.description ?? answer.exceptionDetails.text}`)
      return answer.result.value
    }
    await run(`${source};0`)
    const context = JSON.stringify({ include: [within ?? ':root'], exclude: except.map((selector) => [selector]) })
    const options = JSON.stringify({ runOnly: TAGS, resultTypes: ['violations'], iframes: false, preload: false })
    const { violations, passes } = await run(`axe.run(${context}, ${options}).then(({ violations, passes }) => ({ passes: passes.length,
      violations: violations.map(({ id, impact, help, nodes }) => ({ id, impact, help,
        nodes: nodes.map(({ target, failureSummary }) => ({ target: target.join(' '), why: failureSummary })) })) }))`)
    if (!passes) throw new Error('axe judged nothing: is the page empty?')
    const lines = violations.flatMap(({ id, impact, help, nodes }) =>
      nodes.map(({ target, why }) => ({ isGrave: GRAVE.has(impact), line: `${impact} ${id}: ${help}: ${target}: ${why.split('\n').slice(1).join(';').trim()}` })),
    )
    const grave = lines.filter(({ isGrave }) => isGrave).map(({ line }) => line)
    if (grave.length) throw new Error(`axe at ${page.url()}:\n  ${grave.join('\n  ')}`)
    return lines.map(({ line }) => line)
  } finally {
    await session.detach()
  }
}
