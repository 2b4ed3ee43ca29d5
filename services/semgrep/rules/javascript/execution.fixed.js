const fs = require('fs')
const libxml = require('libxmljs')
const path = require('path')
const serialize = require('node-serialize')
const { exec, execFile } = require('child_process')

function evaluate(text, plugins) {
  // ruleid: javascript-eval
  eval(text)
  // ruleid: javascript-eval
  const make = new Function('a', text)
  // ruleid: javascript-eval
  setTimeout('run(' + text + ')', 100)
  // ok: javascript-eval
  setTimeout(() => run(text), 100)
  // ok: javascript-eval
  return plugins.get(text)
}

function archive(file, names) {
  // ruleid: javascript-shell-command
  exec(`tar -cf ${file}.tar ${file}`)
  // ruleid: javascript-shell-command
  exec('tar -cf ' + file)
  // ok: javascript-shell-command
  exec('tar -cf out.tar folder')
  // ok: javascript-shell-command
  execFile('tar', ['-cf', `${file}.tar`, file])
}

function restore(text) {
  // ruleid: javascript-unsafe-deserialization
  const first = serialize.unserialize(text)
  // ok: javascript-unsafe-deserialization
  const second = JSON.parse(text)
  // ruleid: javascript-xml-entities
  const third = libxml.parseXml(text, { noent: false })
  // ok: javascript-xml-entities
  const fourth = libxml.parseXml(text, { noent: false })
}

function unpack(entry, folder) {
  const target = path.join(folder, entry.fileName)
  // ruleid: javascript-archive-traversal
  entry.pipe(fs.createWriteStream(target))
  // ok: javascript-archive-traversal
  entry.pipe(fs.createWriteStream(path.join(folder, path.basename(entry.fileName))))
}
