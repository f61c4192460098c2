// The official ChatBotKit SDK, as it comes from npm, against a gateway.
//
//   node suite.mjs   with CUEPOINT_URL, CUEPOINT_TOKEN and CUEPOINT_SDK (the directory of the package)
//
// Every method of the clients named below is called, by itself and, where it lists or tells as it goes
// on, as a stream. What is called is seen at the client itself; a method that is neither called nor
// among EXCEPTIONS fails the suite, so one that a later SDK brings is noticed.

import assert from 'node:assert/strict'

const url = process.env.CUEPOINT_URL
const sdk = process.env.CUEPOINT_SDK
const { ChatBotKit } = await import(`${sdk}/dist/esm/index.js`)

/** The clients, by their path from the root. */
const CLIENTS = [
  'integration.trigger',
  'bot',
  'skillset',
  'skillset.ability',
  'conversation',
  'conversation.message',
  'contact',
  'contact.conversation',
  'contact.secret',
  'secret',
  'event.log',
  'usage',
  'usage.series',
  'channel',
  'platform.model',
  'platform.ability',
  'platform.action',
  'platform.secret',
]

/** What Cuepoint does not have. */
const EXCEPTIONS = [/\.(upvote|downvote|synthesize)$/, /^channel\.publish$/]

/** What can be followed as JSON lines. */
const STREAMS = /\.(list|export|complete|receive|subscribe)$/

const cbk = new ChatBotKit({ secret: process.env.CUEPOINT_TOKEN, baseUrl: url, retries: 0 })
const called = new Set()

function methods(client) {
  const names = new Set()
  for (let proto = Object.getPrototypeOf(client); proto !== Object.prototype; proto = Object.getPrototypeOf(proto)) {
    if (!Object.hasOwn(proto, 'clientFetch')) Object.getOwnPropertyNames(proto).forEach((name) => names.add(name))
  }
  names.delete('constructor')
  return [...names].filter((name) => typeof client[name] === 'function')
}

const wanted = []
for (const path of CLIENTS) {
  const client = path.split('.').reduce((from, name) => from[name], cbk)
  for (const name of methods(client)) {
    const method = `${path}.${name}`
    wanted.push(method)
    if (STREAMS.test(method)) wanted.push(`${method}.stream`)
    const original = client[name].bind(client)
    client[name] = (...args) => {
      const response = original(...args)
      if (!response.stream) {
        called.add(method)
        return response
      }
      const [then, stream] = [response.then.bind(response), response.stream.bind(response)]
      response.stream = (...rest) => (called.add(`${method}.stream`), stream(...rest))
      response.then = (...rest) => (called.add(method), then(...rest))
      return response
    }
  }
}

let failures = 0
async function check(what, run) {
  try {
    await run()
    console.log(`ok    ${what}`)
  } catch (error) {
    failures += 1
    console.log(`FAILS ${what}\n${error?.stack ?? error}\n${JSON.stringify(error?.request ?? {})}`)
  }
}

/** All pieces of a stream, or the first so many. */
async function all(stream, most = Infinity) {
  const pieces = []
  for await (const piece of stream) {
    if (piece.type === 'ping' || piece.type === 'nop') continue
    assert.notEqual(piece.type, 'error', JSON.stringify(piece))
    pieces.push(piece)
    if (pieces.length >= most) break
  }
  return pieces
}

/** Tries until it holds: what is listed follows what was done within a moment. */
async function eventually(run, within = 10_000) {
  const until = Date.now() + within
  for (;;) {
    try {
      return await run()
    } catch (error) {
      if (Date.now() > until) throw error
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }
}

/** What a list answers, both ways. */
async function lists(list, id) {
  await eventually(async () => {
    const page = await list()
    assert.ok(page.items.some((item) => item.id === id), `${id} is not in ${JSON.stringify(page.items.map((item) => item.id))}`)
    assert.equal(page.cursor, page.items.at(-1).id)
  })
  const streamed = await all(list().stream())
  assert.ok(streamed.every((piece) => piece.type === 'item'))
  assert.ok(streamed.some((piece) => piece.data.id === id))
}

/** The words that tokens add up to. */
function words(pieces) {
  return pieces.reduce((said, { type, data }) => (type === 'restart' ? '' : type === 'token' ? said + data.token : said), '')
}

async function refused(promise, code) {
  await assert.rejects(promise, (error) => {
    assert.equal(error.code, code, `${error.code}: ${error.message}`)
    return true
  })
}

function dated(resource) {
  assert.equal(typeof resource.createdAt, 'number')
  assert.equal(typeof resource.updatedAt, 'number')
}

const MODEL = process.env.CUEPOINT_MODEL ?? 'oracle/scripted'
const mark = Math.random().toString(36).slice(2)
let secret, skillset, ability, bot, trigger, contact, conversation, message

await check('secret', async () => {
  secret = (await cbk.secret.create({ name: `Key ${mark}`, type: 'bearer', value: 'a-value-that-nobody-reads', meta: { app: mark } })).id
  const fetched = await cbk.secret.fetch(secret)
  assert.equal(fetched.name, `Key ${mark}`)
  assert.ok(!JSON.stringify(fetched).includes('a-value-that-nobody-reads'))
  dated(fetched)
  await lists(() => cbk.secret.list({ meta: { app: mark } }), secret)
  assert.equal((await cbk.secret.update(secret, { description: 'd' })).id, secret)
  assert.equal((await cbk.secret.fetch(secret)).description, 'd')
  assert.equal((await cbk.secret.verify(secret)).status, 'authenticated')
  assert.equal((await cbk.secret.authenticate(secret)).id, secret)
})

await check('skillset and ability', async () => {
  skillset = (await cbk.skillset.create({ name: 'S', description: 'd', meta: { app: mark } })).id
  assert.equal((await cbk.skillset.fetch(skillset)).description, 'd')
  await lists(() => cbk.skillset.list({ meta: { app: mark } }), skillset)
  await cbk.skillset.update(skillset, { name: 'S2' })
  assert.equal((await cbk.skillset.fetch(skillset)).name, 'S2')
  const instruction = '```echo\n$[words!|what to say]\n```'
  ability = (await cbk.skillset.ability.create(skillset, { name: 'say', description: 'Says words', instruction, secretId: secret })).id
  const fetched = await cbk.skillset.ability.fetch(skillset, ability)
  assert.equal(fetched.instruction, instruction)
  assert.equal(fetched.secretId, secret)
  dated(fetched)
  await lists(() => cbk.skillset.ability.list(skillset), ability)
  assert.ok((await cbk.skillset.ability.export(skillset)).items.length > 0)
  assert.equal((await all(cbk.skillset.ability.export(skillset).stream())).length, 1)
  await cbk.skillset.ability.update(skillset, ability, { description: 'Says some words' })
  assert.equal((await cbk.skillset.ability.fetch(skillset, ability)).description, 'Says some words')
  const done = await cbk.skillset.ability.execute(skillset, ability, { input: '{"words":"hello"}' })
  assert.match(JSON.stringify(done.result), /hello/)
  await refused(cbk.skillset.ability.create(skillset, { name: 'bad', instruction: '```echo\n$[x\n```' }), 'BAD_REQUEST')
})

await check('bot', async () => {
  bot = (await cbk.bot.create({ name: 'B', model: MODEL, backstory: 'You are Ada.', skillsetId: skillset, meta: { app: mark }, privacy: true })).id
  const fetched = await cbk.bot.fetch(bot)
  assert.deepEqual([fetched.model, fetched.skillsetId, fetched.backstory, fetched.privacy], [MODEL, skillset, 'You are Ada.', true])
  dated(fetched)
  await lists(() => cbk.bot.list({ meta: { app: mark } }), bot)
  await cbk.bot.update(bot, { name: 'B2', meta: { $update: { more: 1 } } })
  assert.deepEqual((await cbk.bot.fetch(bot)).meta, { app: mark, more: 1 })
  await refused(cbk.bot.fetch('nobody'), 'NOT_FOUND')
  const other = (await cbk.bot.create({ name: 'gone' })).id
  assert.equal((await cbk.bot.delete(other)).id, other)
  await refused(cbk.bot.fetch(other), 'NOT_FOUND')
})

await check('integration.trigger', async () => {
  const client = cbk.integration.trigger
  const given = { name: 'T', description: 'd', botId: bot, authenticate: true, sessionDuration: 3_600_000, schedule: 'daily', timezone: 'Europe/Berlin', meta: { app: mark } }
  trigger = (await client.create({ ...given, alias: `t-${mark}` })).id
  const fetched = await client.fetch(trigger)
  for (const [name, value] of Object.entries(given)) assert.deepEqual(fetched[name], value, name)
  assert.match(fetched.secret, /^[0-9a-f]{64}$/)
  assert.equal(typeof fetched.nextTriggerAt, 'number')
  assert.equal(fetched.lastTriggerAt, null)
  dated(fetched)
  assert.equal((await client.fetch(`@t-${mark}`)).id, trigger)
  await refused(client.create({ alias: `t-${mark}` }), 'CONFLICT')
  await refused(client.create({ botId: 'nobody' }), 'NOT_FOUND')
  await refused(client.create({ schedule: 'sometimes' }), 'BAD_REQUEST')
  await lists(() => client.list({ meta: { app: mark }, take: 2 }), trigger)
  await client.update(trigger, { name: 'T2', schedule: null })
  const updated = await client.fetch(trigger)
  assert.deepEqual([updated.name, updated.schedule, updated.nextTriggerAt, updated.secret], ['T2', null, null, fetched.secret])
  assert.equal((await client.setup(trigger)).id, trigger)
  assert.equal((await client.invoke(trigger)).id, trigger)
  const sent = await fetch(`${url}/api/v1/integration/trigger/${trigger}/event?session=s1&contact.email=ann%40example.com&wait=20`, {
    method: 'POST',
    headers: { authorization: `Bearer ${fetched.secret}`, 'content-type': 'application/json' },
    body: JSON.stringify({ text: 'hello' }),
  })
  const told = await sent.json()
  assert.equal(told.status, 'completed', JSON.stringify(told))
  await eventually(async () => {
    const page = await cbk.conversation.list({ meta: { 'trigger.integrationId': trigger } })
    assert.ok(page.items.some((item) => item.id === told.conversationId), JSON.stringify(page))
  })
})

await check('contact', async () => {
  contact = (await cbk.contact.create({ fingerprint: `f-${mark}`, name: 'Ann', email: 'ann@example.com', phone: '+44 20 7946 0000', meta: { app: mark } })).id
  assert.equal((await cbk.contact.ensure({ fingerprint: `f-${mark}`, email: 'other@example.com' })).id, contact)
  const fetched = await cbk.contact.fetch(contact)
  assert.deepEqual([fetched.name, fetched.email, fetched.fingerprint], ['Ann', 'ann@example.com', `f-${mark}`])
  dated(fetched)
  await lists(() => cbk.contact.list({ fingerprint: `f-${mark}` }), contact)
  await cbk.contact.update(contact, { nick: 'annie' })
  assert.equal((await cbk.contact.fetch(contact)).nick, 'annie')
  await refused(cbk.contact.create({ fingerprint: `f-${mark}` }), 'CONFLICT')
  assert.deepEqual((await cbk.contact.secret.list(contact)).items, [])
  assert.deepEqual(await all(cbk.contact.secret.list(contact).stream()), [])
  const personal = (await cbk.secret.create({ name: `Own ${mark}`, kind: 'personal', type: 'plain', value: 'v' })).id
  assert.equal((await cbk.contact.secret.verify(contact, personal)).id, personal)
  assert.equal((await cbk.contact.secret.authenticate(contact, personal)).id, personal)
  assert.equal((await cbk.contact.secret.revoke(contact, personal)).id, personal)
  assert.equal((await cbk.secret.revoke(personal)).id, personal)
  await cbk.secret.delete(personal)
})

await check('conversation and message', async () => {
  const created = await cbk.conversation.create({ botId: bot, contactId: contact, name: 'C', meta: { app: mark }, messages: [{ type: 'user', text: 'hi' }] })
  conversation = created.id
  const fetched = await cbk.conversation.fetch(conversation)
  assert.deepEqual([fetched.name, fetched.botId, fetched.contactId, fetched.meta], ['C', bot, contact, { app: mark }])
  dated(fetched)
  await lists(() => cbk.conversation.list({ botId: bot, meta: { app: mark } }), conversation)
  await lists(() => cbk.contact.conversation.list(contact), conversation)
  await cbk.conversation.update(conversation, { name: 'C2', meta: { $update: { more: true } } })
  const updated = await cbk.conversation.fetch(conversation)
  assert.deepEqual([updated.name, updated.meta], ['C2', { app: mark, more: true }])

  const put = await cbk.conversation.message.create(conversation, { type: 'context', text: 'It rains.', meta: { a: 1 } })
  message = put.id
  assert.ok(Array.isArray(put.entities))
  const told = await cbk.conversation.message.fetch(conversation, message)
  assert.deepEqual([told.type, told.text, told.meta.a], ['context', 'It rains.', 1])
  await lists(() => cbk.conversation.message.list(conversation, { order: 'asc' }), message)
  assert.equal((await cbk.conversation.message.update(conversation, message, { text: 'It pours.' })).id, message)
  assert.equal((await cbk.conversation.message.fetch(conversation, message)).text, 'It pours.')
  const before = (await cbk.conversation.message.list(conversation)).items.length
  assert.equal((await cbk.conversation.message.delete(conversation, message)).id, message)
  await refused(cbk.conversation.message.fetch(conversation, message), 'NOT_FOUND')
  assert.equal((await cbk.conversation.message.list(conversation)).items.length, before - 1)
})

await check('complete, send, receive', async () => {
  const answer = await cbk.conversation.complete(conversation, { text: 'How are you?' })
  assert.equal(typeof answer.text, 'string')
  assert.ok(answer.text.length > 0 && answer.id && typeof answer.usage.token === 'number')
  assert.equal(answer.end.reason, 'stop')
  const sent = await cbk.conversation.send(conversation, { text: 'And now?' })
  assert.ok(sent.id && Array.isArray(sent.entities))
  const received = await cbk.conversation.receive(conversation, {})
  assert.ok(received.id && received.text.length > 0 && typeof received.usage.token === 'number')
  const pieces = await all(cbk.conversation.complete(conversation, { text: 'Once more, in pieces' }).stream())
  const kinds = new Set(pieces.map((piece) => piece.type))
  for (const kind of ['token', 'result']) assert.ok(kinds.has(kind), `no ${kind} in ${[...kinds]}`)
  assert.equal(pieces.at(-1).type, 'result')
  assert.equal(words(pieces), pieces.at(-1).data.text)
  await cbk.conversation.send(conversation, { text: 'And then?' })
  assert.equal((await all(cbk.conversation.receive(conversation, {}).stream())).at(-1).type, 'result')
  const alone = await cbk.conversation.complete(null, { model: MODEL, backstory: 'You are Bob.', messages: [{ type: 'user', text: 'hello' }] })
  assert.ok(alone.text.length > 0)
  const told = await all(cbk.conversation.complete(null, { botId: bot, messages: [{ type: 'user', text: 'hello' }] }).stream())
  assert.equal(told.at(-1).type, 'result')
  await refused(cbk.conversation.complete('cnv._api.x.00000000.1', { text: 'x' }), 'NOT_FOUND')
})

await check('dispatch and channel', async () => {
  const { channelId } = await cbk.conversation.dispatch(conversation, { text: 'In the background' })
  let last
  for await (const piece of cbk.channel.subscribe(channelId, { historyLength: 100 }).stream()) {
    last = piece
    if (JSON.stringify(piece).includes('"result"')) break
  }
  assert.match(JSON.stringify(last), /"result"/)
  const alone = await cbk.conversation.dispatch(null, { model: MODEL, messages: [{ type: 'user', text: 'hello' }] })
  assert.ok(alone.channelId)
  const again = await cbk.channel.subscribe(channelId, { historyLength: 1 })
  assert.ok(again)
})

await check('event log', async () => {
  await eventually(async () => {
    const page = await cbk.event.log.list({ take: 100 })
    const interacts = page.items.filter((item) => item.type === 'integration.trigger.interact' && item.triggerIntegrationId === trigger)
    assert.ok(interacts.length > 0, JSON.stringify(page.items.map((item) => item.type)))
    dated(interacts[0])
  })
  assert.ok((await all(cbk.event.log.list().stream())).length > 0)
  assert.ok((await cbk.event.log.export()).items.length > 0)
  assert.ok((await all(cbk.event.log.export().stream())).length > 0)
  assert.ok((await all(cbk.event.log.subscribe({ historyLength: 2 }).stream(), 2)).length > 0)
  assert.ok(await Promise.race([cbk.event.log.subscribe({ historyLength: 1 }), new Promise((resolve) => setTimeout(resolve, 2_000, true))]))
})

await check('usage', async () => {
  await eventually(async () => {
    const usage = await cbk.usage.fetch()
    assert.ok(usage.tokens > 0 && usage.conversations > 0 && usage.messages > 0, JSON.stringify(usage))
    assert.equal(typeof usage.database.skillsets, 'number')
  })
  assert.ok(await cbk.usage.series.fetch())
})

await check('platform', async () => {
  for (const client of [cbk.platform.model, cbk.platform.ability, cbk.platform.action, cbk.platform.secret]) {
    const page = await client.list()
    assert.ok(Array.isArray(page.items))
    assert.equal((await all(client.list().stream())).length, page.items.length)
    if (!client.search) continue
    assert.ok(Array.isArray((await client.search({ search: 'fetch' })).items))
  }
})

await check('what is deleted is gone', async () => {
  await cbk.conversation.delete(conversation)
  await refused(cbk.conversation.fetch(conversation), 'NOT_FOUND')
  await cbk.integration.trigger.delete(trigger)
  await refused(cbk.integration.trigger.fetch(trigger), 'NOT_FOUND')
  await cbk.skillset.ability.delete(skillset, ability)
  await refused(cbk.skillset.ability.fetch(skillset, ability), 'NOT_FOUND')
  await cbk.bot.delete(bot)
  await cbk.skillset.delete(skillset)
  await cbk.secret.delete(secret)
  await cbk.contact.delete(contact)
  await refused(cbk.contact.fetch(contact), 'NOT_FOUND')
})

await check('a wrong token is refused', async () => {
  const stranger = new ChatBotKit({ secret: 'sk-wrong', baseUrl: url, retries: 0 })
  await refused(stranger.bot.list(), 'NOT_AUTHENTICATED')
})

const missed = wanted.filter((method) => !called.has(method) && !EXCEPTIONS.some((exception) => exception.test(method.replace(/\.stream$/, ''))))
console.log(`${called.size} of ${wanted.length} methods and streams called; ${missed.length} missed`)
if (missed.length) console.log(`missed: ${missed.join(', ')}`)
process.exit(failures || missed.length ? 1 : 0)
