const crypto = require('crypto')
const fs = require('fs')
const jwt = require('jsonwebtoken')
const session = require('express-session')

function hashes(password, content) {
  // ruleid: javascript-weak-hash
  const first = crypto.createHash('md5').update(content).digest('hex')
  // ok: javascript-weak-hash, javascript-password-hash
  const second = crypto.createHash('sha256').update(content).digest('hex')
  // ruleid: javascript-password-hash
  const third = crypto.createHash('sha256').update(password).digest('hex')
  // ok: javascript-password-hash
  const fourth = crypto.scryptSync(password, crypto.randomBytes(16), 64)
}

function ciphers(key) {
  // ruleid: javascript-weak-cipher
  const first = crypto.createCipheriv('des-ede3-cbc', key, crypto.randomBytes(8))
  // ruleid: javascript-weak-cipher
  const second = crypto.createCipheriv('aes-128-ecb', key, null)
  // ruleid: javascript-weak-cipher
  const third = crypto.createCipher('aes-256-cbc', 'a password')
  // ok: javascript-weak-cipher, javascript-constant-iv
  const fourth = crypto.createCipheriv('aes-256-gcm', key, crypto.randomBytes(12))
  const iv = Buffer.from('000102030405060708090a0b', 'hex')
  // ruleid: javascript-constant-iv
  const fifth = crypto.createCipheriv('aes-256-gcm', key, iv)
}

function tokens() {
  // ruleid: javascript-guessable-secret
  const resetToken = Math.random().toString(36).slice(2)
  // ok: javascript-guessable-secret
  const colour = Math.floor(Math.random() * 16)
  // ok: javascript-guessable-secret
  const sessionId = crypto.randomUUID()
}

// ruleid: javascript-tls-not-verified
const agent = new https.Agent({ rejectUnauthorized: false })
// ruleid: javascript-tls-off-for-all
process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0'
// ok: javascript-tls-off-for-all
process.env.NODE_EXTRA_CA_CERTS = 'ca.pem'
// ok: javascript-tls-not-verified
const other = new https.Agent({ ca: fs.readFileSync('ca.pem') })
// ruleid: javascript-old-tls
const server = tls.createServer({ key, cert, minVersion: 'TLSv1' })
// ruleid: javascript-old-tls-method
const older = tls.createServer({ key, cert, secureProtocol: 'TLSv1_method' })
// ok: javascript-old-tls-method
const some = tls.createServer({ key, cert, secureProtocol: 'TLS_method' })
// ok: javascript-old-tls
const modern = tls.createServer({ key, cert, minVersion: 'TLSv1.3' })

function read(token) {
  // ruleid: javascript-jwt-not-verified
  return jwt.decode(token)
}

function identify(token, key) {
  // ruleid: javascript-jwt-not-verified
  const second = jwt.verify(token, key, { algorithms: ['HS256', 'none'] })
  // ok: javascript-jwt-not-verified
  const third = jwt.verify(token, key, { algorithms: ['RS256'] })
}

function issue(claims) {
  // ruleid: javascript-jwt-constant-key
  const first = jwt.sign(claims, 'kq83-Jd02-lmQ9')
  // ok: javascript-jwt-constant-key
  const second = jwt.sign(claims, process.env.JWT_KEY, { algorithm: 'HS256' })
}

// ruleid: javascript-jwt-constant-key
app.use(session({ secret: 'keyboard-71', resave: false }))
// ok: javascript-jwt-constant-key
app.use(session({ secret: process.env.SESSION_KEY, resave: false }))

// ruleid: javascript-constant-password
const databasePassword = 'unused', password = 'h7Gq2-zzK1'
// ruleid: javascript-constant-password
connect({ host: 'db', password: 'h7Gq2-zzK1' })
// ok: javascript-constant-password
connect({ host: 'db', password: process.env.DB_PASSWORD })
// ok: javascript-constant-password
const labels = { password: 'Enter it again', apiKey: 'settings.field.label' }
