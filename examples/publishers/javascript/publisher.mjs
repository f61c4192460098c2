// Publishes events straight to NATS and follows what comes of them. docs/publishing.md explains each step.
//
//     npm install @nats-io/transport-node @nats-io/jetstream protobufjs
//     node publisher.mjs token order-42
//     node publisher.mjs publish --trigger orders --job 42 --key my.key --session order-42 --text 'Where is order 42?'
//     node publisher.mjs follow RECEIPT
import { createHash, createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

import { jetstream, JetStreamApiError, jetstreamManager } from '@nats-io/jetstream';
import { connect, headers, nkeyAuthenticator, TimeoutError } from '@nats-io/transport-node';
import protobuf from 'protobufjs';

// All tries together stay far inside the two minutes in which the broker knows a repeat.
const [TRIES, ANSWER_MS, PAUSE_MS] = [5, 2_000, 250];
const LOOK_MS = 250;
// The directory with cuepoint/v1/record.proto.
const CONTRACT = fileURLToPath(new URL('../../../proto/', import.meta.url));
const ENDS = ['completed', 'failed', 'cancelled', 'noted'];

class Failed extends Error {}

/** The token by which callers over HTTP and direct publishers share a session. */
const sessionToken = (string) => createHash('sha256').update(string).digest('base64url').slice(0, 22);

/** The id under which the broker knows a repeat: nobody without the key can guess it. */
function messageId(keyFile, job) {
  const key = readFileSync(keyFile, 'latin1').trimEnd();
  if (key.length < 16) throw new Failed(`${keyFile} holds fewer than 16 bytes`);
  return createHmac('sha256', Buffer.from(key, 'latin1')).update(job).digest('hex');
}

const open = (options) =>
  connect({
    servers: options.nats.split(','),
    authenticator: options.nkey && nkeyAuthenticator(Buffer.from(readFileSync(options.nkey, 'utf8').trim())),
    tls: options.ca && { caFile: options.ca, certFile: options.cert, keyFile: options['cert-key'] },
    inboxPrefix: options.inbox,
    maxReconnectAttempts: 5,
    name: 'publisher',
  });

async function publish(client, options) {
  const id = messageId(options.key, options.job);
  // A job has the same session at every try. One that names none has a session of its own.
  const token = options.token ?? sessionToken(options.session ?? options.email ?? id);
  const { text, session, email } = options;
  const payload = options.payload && JSON.parse(options.payload);
  const body = JSON.stringify({ text, session, contact: email && { email }, payload });
  const fields = headers();
  fields.set('Content-Type', 'application/json');
  if (options.traceparent) fields.set('traceparent', options.traceparent);
  const js = jetstream(client);
  for (let attempt = 0; attempt < TRIES; attempt++) {
    try {
      const stored = await js.publish(`event.${options.trigger}.${token}`, body, { headers: fields, msgID: id, timeout: ANSWER_MS });
      const receipt = ['evt', options.trigger, token, stored.stream.replace('EVENTS_', ''), stored.seq].join('.');
      console.log(JSON.stringify({ receipt, duplicate: stored.duplicate }));
      return true;
    } catch (error) {
      // It may be stored all the same; the id makes a second try harmless.
      if (!(error instanceof TimeoutError || error.name === 'JetStreamNotEnabled')) throw error;
      await sleep(PAUSE_MS * 2 ** attempt);
    }
  }
  throw new Failed(`not confirmed after ${TRIES} tries: run the same job again`);
}

/** All records of a session, oldest first, and then each as it is stored. */
async function* records(client, subject, deadline) {
  const { direct } = await jetstreamManager(client, { checkAPI: false });
  let seen = 0;
  while (Date.now() < deadline) {
    try {
      // The next of this subject: a read that changes nothing, and can be made again after any failure.
      const message = await direct.getMessage('LOG', { seq: seen + 1, next_by_subj: subject });
      if (message) {
        seen = message.seq;
        yield message.data;
        continue;
      }
    } catch (error) {
      console.error(`reading on: ${error.message}`);
    }
    await sleep(LOOK_MS);
  }
}

async function follow(client, options, receipt) {
  const [, trigger, token, epoch, event] = receipt.split('.');
  const root = new protobuf.Root();
  root.resolvePath = (_, file) => CONTRACT + file;
  const Record = (await root.load('cuepoint/v1/record.proto', { keepCase: true })).lookupType('cuepoint.v1.Record');
  let isMerged = false;
  for await (const data of records(client, `log.${trigger}.${token}`, Date.now() + options.wait * 1_000)) {
    const record = Record.decode(data);
    const { step } = record;
    // An event that was merged ends with the next turn of its session that ends.
    if (!step || (!isMerged && !(record.epoch === epoch && String(record.event) === event))) continue;
    const { completed, failed, cancelled } = record;
    const told = { step };
    if (completed) told.reply = completed.reply;
    if (failed) Object.assign(told, { code: failed.code, message: failed.message, dead: failed.dead });
    if (cancelled) told.reason = cancelled.reason;
    console.log(JSON.stringify(told));
    isMerged ||= step === 'merged';
    if (ENDS.includes(step)) return step === 'completed';
  }
  throw new Failed(`no end after ${options.wait} s; an event of an unknown trigger has none: see \`cuepoint dead list\``);
}

const connection = ['nkey', 'ca', 'cert', 'cert-key'];
const names = [...connection, 'trigger', 'job', 'key', 'session', 'token', 'text', 'payload', 'email', 'traceparent'];
const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    nats: { type: 'string', default: 'nats://127.0.0.1:4222' },
    inbox: { type: 'string', default: '_INBOX' },
    wait: { type: 'string', default: '30' },
    ...Object.fromEntries(names.map((name) => [name, { type: 'string' }])),
  },
});
const [command, argument] = positionals;
const isWhole = { token: argument, follow: argument, publish: options.trigger && options.job && options.key }[command];
if (isWhole === undefined) {
  console.error('usage: publisher.mjs token STRING | publish --trigger ID --job ID --key FILE [..] | follow RECEIPT [..]');
  process.exitCode = 2;
} else if (command === 'token') {
  console.log(sessionToken(argument));
} else {
  let client;
  try {
    client = await open(options);
    const isDone = command === 'publish' ? await publish(client, options) : await follow(client, options, argument);
    process.exitCode = isDone ? 0 : 1;
  } catch (error) {
    console.error(error instanceof JetStreamApiError ? `the broker refuses: ${error.message} (${error.code})` : `${error.message}`);
    process.exitCode = 1;
  } finally {
    await client?.close();
  }
}
