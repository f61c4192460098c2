// The pages by which people set up what answers.

import { looks, start } from '../../looks.mjs'

export { start }
export const steps = looks('triggers', 'trigger-new', 'trigger', 'trigger-connect', 'trigger-configure', 'trigger-results', 'bots', 'bot-new', 'bot', 'bot-configure', 'skillsets', 'skillset-new', 'skillset', 'ability', 'ability-new')
