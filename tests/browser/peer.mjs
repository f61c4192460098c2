// Where the browser and what drives it are, and where screenshots go.

import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** A file that `make peers` brings. */
export function peer(path) {
  const file = fileURLToPath(new URL(`../../.tools/peers/browser/${path}`, import.meta.url))
  if (!existsSync(file)) throw new Error(`${file} is missing: \`make peers\` puts it there`)
  return file
}

/** Where screenshots go. */
export const SCREENSHOTS = fileURLToPath(new URL('../../target/screenshots/', import.meta.url))
