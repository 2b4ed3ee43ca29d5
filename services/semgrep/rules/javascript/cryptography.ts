import crypto from 'node:crypto'

export function hash(content: string): string {
  // ruleid: javascript-weak-hash
  return crypto.createHash('sha1').update(content as string).digest('hex')
}
