// Signs calls by the libraries of those who call: one JSON array in as an argument, the headers of each out.
import { Webhook } from "standardwebhooks";
import Stripe from "stripe";
import { sign } from "@octokit/webhooks-methods";
import { createHmac, createPrivateKey, createPublicKey, sign as edSign } from "node:crypto";

const SEED = Buffer.alloc(32, 9);
const PKCS8 = Buffer.concat([Buffer.from("302e020100300506032b657004220420", "hex"), SEED]);
const edKey = createPrivateKey({ key: PKCS8, format: "der", type: "pkcs8" });

async function headers({ scheme, key, body, at, id }) {
  switch (scheme) {
    case "standard":
      return { "webhook-id": id, "webhook-timestamp": `${at}`, "webhook-signature": new Webhook(key).sign(id, new Date(at * 1000), body) };
    case "ed25519":
      return { "webhook-id": id, "webhook-timestamp": `${at}`, "webhook-signature": "v1a," + edSign(null, Buffer.from(`${id}.${at}.${body}`), edKey).toString("base64") };
    case "stripe":
      return { "stripe-signature": Stripe.webhooks.generateTestHeaderString({ payload: body, secret: key, timestamp: at }) };
    case "github":
      return { "x-hub-signature-256": await sign(key, body), "x-github-delivery": id };
    case "slack":
      return { "x-slack-request-timestamp": `${at}`, "x-slack-signature": "v0=" + createHmac("sha256", key).update(`v0:${at}:${body}`).digest("hex") };
    case "public-key":
      return { key: "whpk_" + createPublicKey(edKey).export({ format: "der", type: "spki" }).subarray(-32).toString("base64") };
  }
}

process.stdout.write(JSON.stringify(await Promise.all(JSON.parse(process.argv[1]).map(headers))));
