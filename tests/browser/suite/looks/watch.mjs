// The pages by which people watch what happens.

import { looks, start } from '../../looks.mjs'

export { start }
export const steps = looks('login', 'overview', 'overview-day', 'conversations', 'conversations-none', 'conversation', 'approvals', 'dead', 'dead-letter', 'system')
