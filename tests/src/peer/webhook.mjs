// A receiver of webhooks: checks signatures by the official library, notes what came, answers as it is told.
import http from 'node:http';
import { createRequire } from 'node:module';

const [, , packages, key, port] = process.argv;
const { Webhook } = createRequire(`${packages}/package.json`)('standardwebhooks');
const webhook = new Webhook(key);
const seen = [];
let answers = [];
let fallback = { status: 204 };
let held = [];

const answer = (response, { status, headers }) => response.writeHead(status, headers ?? {}).end();

const server = http.createServer(async (request, response) => {
  let body = '';
  for await (const part of request) body += part;
  switch (request.url) {
    case '/_seen':
      return response.end(JSON.stringify(seen));
    case '/_answers': {
      const told = JSON.parse(body);
      answers = told.next ?? answers;
      fallback = told.fallback ?? fallback;
      if (!fallback.hold) held.splice(0).forEach((waiting) => answer(waiting, fallback));
      return response.end();
    }
  }
  let fault = null;
  try {
    webhook.verify(body, request.headers);
  } catch (error) {
    fault = String(error);
  }
  const next = answers.shift() ?? fallback;
  seen.push({ path: request.url, id: request.headers['webhook-id'], status: next.status, fault, body: JSON.parse(body) });
  if (next.hold) held.push(response);
  else answer(response, next);
});
server.listen(Number(port), '127.0.0.1', () => console.log('listening'));
