// The pages of contacts, secrets, tokens and the record.

import { looks, start } from '../../looks.mjs'

export { start }
export const steps = looks('contacts', 'contact-new', 'contact', 'secrets', 'secret-new', 'secret', 'tokens', 'token-new', 'token', 'audit')
