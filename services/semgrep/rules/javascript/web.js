const axios = require('axios')
const cors = require('cors')
const session = require('express-session')

function show(element, name) {
  // ruleid: javascript-inner-html
  element.innerHTML = `<b>${name}</b>`
  // ruleid: javascript-inner-html
  document.write('<b>' + name + '</b>')
  const hash = location.hash
  // ruleid: javascript-inner-html
  element.insertAdjacentHTML('beforeend', decodeURIComponent(hash))
  // ok: javascript-inner-html
  element.textContent = `Hello ${name}`
  // ok: javascript-inner-html
  element.innerHTML = DOMPurify.sanitize(`<b>${name}</b>`)
  // ok: javascript-inner-html
  element.innerHTML = ''
}

// ruleid: javascript-unchecked-message
window.addEventListener('message', (event) => {
  run(event.data)
})
// ok: javascript-unchecked-message
window.addEventListener('message', (event) => {
  if (event.origin !== 'https://app.example.com') return
  run(event.data)
})
// ruleid: javascript-unchecked-message
window.parent.postMessage({ done: true }, '*')
// ok: javascript-unchecked-message
window.parent.postMessage({ done: true }, 'https://app.example.com')

app.get('/', (req, res) => {
  // ruleid: javascript-insecure-cookie
  res.cookie('session', issue(req), { secure: false, httpOnly: true })
  // ruleid: javascript-bare-cookie
  res.cookie('authToken', issue(req))
  // ok: javascript-insecure-cookie, javascript-bare-cookie
  res.cookie('session', issue(req), { secure: true, httpOnly: true, sameSite: 'lax' })
  // ok: javascript-bare-cookie
  res.cookie('colour', 'red')
  // ruleid: javascript-cors-any-origin
  res.setHeader('Access-Control-Allow-Origin', req.headers.origin)
})

// ruleid: javascript-cors-any-origin
app.use(cors({ origin: true, credentials: true }))
// ok: javascript-cors-any-origin
app.use(cors({ origin: 'https://app.example.com', credentials: true }))

async function call(url, options) {
  // ruleid: javascript-request-without-timeout
  await axios.get(url)
  // ruleid: javascript-request-without-timeout
  await axios.post(url, { a: 1 }, { headers: {} })
  // ok: javascript-request-without-timeout
  await axios.get(url, { timeout: 10000 })
  // ok: javascript-request-without-timeout
  await axios.get(url, options)
}

function connectTo(user, password, config) {
  // ruleid: javascript-logged-secret
  console.log('connecting', user, password)
  // ruleid: javascript-logged-secret
  logger.info(`key ${config.apiKey}`)
  // ok: javascript-logged-secret
  console.log('connecting', user)
  // ok: javascript-logged-secret
  logger.info(`key ends in ${config.apiKey.slice(-4)}`)
}
