const fs = require('fs')
const path = require('path')
const vm = require('vm')
const axios = require('axios')
const ejs = require('ejs')
const escapeHtml = require('escape-html')
const _ = require('lodash')
const { exec, execFile } = require('child_process')

app.get('/users', async (req, res) => {
  const name = req.query.name
  // ruleid: javascript-sql-injection
  await db.query("SELECT * FROM users WHERE name = '" + name + "'")
  // ruleid: javascript-sql-injection
  await knex.raw(`SELECT * FROM users WHERE name = '${req.body.name}'`)
  // ruleid: javascript-sql-injection
  db.all(`SELECT * FROM users ORDER BY ${name}`, respond)
  // ok: javascript-sql-injection
  await db.query('SELECT * FROM users WHERE name = $1', [name])
  // ok: javascript-sql-injection
  await webfinger.query(name)
  // ok: javascript-sql-injection
  await db.query(`SELECT * FROM users LIMIT ${Number(req.query.limit)}`)
})

app.post('/log-in', async (req, res) => {
  // ruleid: javascript-nosql-injection
  const user = await User.findOne({ name: req.body.name, password: req.body.password })
  // ok: javascript-nosql-injection
  const other = await User.findOne({ name: String(req.body.name) })
  // ok: javascript-nosql-injection
  const order = await Order.findOne({ where: { id: req.body.order } })
  // ok: javascript-nosql-injection
  const third = await User.findOne({ _id: req.params.id })
})

app.get('/ping', (req, res) => {
  // ruleid: javascript-command-injection
  exec('ping -c 1 ' + req.query.host, respond)
  const { host } = req.query
  // ruleid: javascript-command-injection
  require('child_process').execSync(`ping -c 1 ${host}`)
  // ok: javascript-command-injection
  execFile('ping', ['-c', '1', '--', host], respond)
})

app.post('/calculate', (req, res) => {
  // ruleid: javascript-code-injection
  const total = eval(req.body.expression)
  // ruleid: javascript-code-injection
  vm.runInNewContext(req.body.script, {})
  // ruleid: javascript-code-injection
  const plugin = require('./plugins/' + req.body.plugin)
  // ok: javascript-code-injection
  const data = JSON.parse(req.body.data)
})

app.post('/page', (req, res) => {
  // ruleid: javascript-template-injection
  const page = ejs.render('<p>' + req.body.text + '</p>')
  // ok: javascript-template-injection
  const other = ejs.render('<p><%= text %></p>', { text: req.body.text })
})

app.get('/preview', async (req, res) => {
  // ruleid: javascript-ssrf
  await fetch(req.query.url)
  // ruleid: javascript-ssrf
  await axios.get(`http://${req.query.host}/status`)
  // ok: javascript-ssrf
  await fetch('https://api.example.com/preview', { method: 'POST', body: req.query.url })
  // ok: javascript-ssrf
  await axios.get(`https://api.example.com/users/${req.params.id}`)
})

app.get('/go', (req, res) => {
  // ruleid: javascript-open-redirect
  res.redirect(req.query.to)
  // ruleid: javascript-open-redirect
  res.redirect(302, req.query.to || '/')
  // ok: javascript-open-redirect
  res.redirect(`/pages/${req.params.name}`)
  // ok: javascript-open-redirect
  res.redirect(`${base}/pages/${req.params.name}`)
  // ok: javascript-open-redirect
  helpers.redirect(res, req.query.to)
  // ok: javascript-open-redirect
  res.redirect('/')
})

app.get('/files/:name', (req, res) => {
  // ruleid: javascript-path-traversal
  fs.readFile('/srv/files/' + req.params.name, respond)
  // ruleid: javascript-path-traversal
  res.sendFile(path.join('/srv/files', req.params.name))
  // ok: javascript-path-traversal
  fs.readFile(path.join('/srv/files', path.basename(req.params.name)), respond)
  // ok: javascript-path-traversal
  res.sendFile(req.params.name, { root: '/srv/files' })
})

app.get('/hello', (req, res) => {
  // ruleid: javascript-reflected-xss
  res.send('<p>Hello ' + req.query.name + '</p>')
  // ruleid: javascript-reflected-xss
  res.status(200).send(`<p>Hello ${req.query.name}</p>`)
  // ok: javascript-reflected-xss
  res.send('<p>Hello ' + escapeHtml(req.query.name) + '</p>')
  // ok: javascript-reflected-xss
  res.send(req.originalUrl.includes('-rtl') ? right : left)
  // ok: javascript-reflected-xss
  res.json({ name: req.query.name })
  // ok: javascript-reflected-xss
  res.send({ name: req.query.name })
})

app.post('/settings/:group', (req, res) => {
  // ruleid: javascript-prototype-pollution
  settings[req.params.group][req.body.name] = req.body.value
  // ruleid: javascript-prototype-pollution
  _.merge(settings, req.body)
  // ok: javascript-prototype-pollution
  settings.get(req.params.group).set(req.body.name, req.body.value)
  // ok: javascript-prototype-pollution
  _.merge(options, defaults)
})

app.get('/search', (req, res) => {
  // ruleid: javascript-regex-from-request
  const found = lines.filter((line) => new RegExp(req.query.text).test(line))
  // ok: javascript-regex-from-request
  const other = new RegExp(_.escapeRegExp(req.query.text))
  // ok: javascript-regex-from-request
  const third = lines.filter((line) => line.includes(req.query.text))
})
