// Ask for a list, read the answer, take the file (`ask COMMUNE`); verify a webhook (`verify ID TIMESTAMP SIGNATURE`).
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import Ajv2020 from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import amqp from 'amqplib';
import { CloudEvent, HTTP } from 'cloudevents';
import { Webhook } from 'standardwebhooks';

const { PREFECTURE_AMQP_URL: url, SCHEMA, QUEUE, TOKEN, SECRET } = process.env;

async function ask(commune) {
  const ajv = new Ajv2020({ strict: false });
  addFormats(ajv);
  const isValid = ajv.compile(JSON.parse(readFileSync(SCHEMA, 'utf8')));
  const event = new CloudEvent({
    source: '/examples/node',
    type: 'fr.openelec.prefecture.request.liste_export.v1',
    data: { commune, listes: ['CE'], formats: ['csv'], requested_by: 'stranger' },
  });
  const { body } = HTTP.structured(event);
  if (!isValid(JSON.parse(body))) throw new Error(ajv.errorsText(isValid.errors));
  if (isValid({ ...JSON.parse(body), data: { commune: 'LIBREVILLE' } })) throw new Error('a wrong event is not noticed');
  const connection = await amqp.connect(url);
  const channel = await connection.createConfirmChannel();
  const account = decodeURIComponent(new URL(url).username);
  channel.publish('prefecture', `programs.${account}.${event.type}`, Buffer.from(body), {
    mandatory: true,
    persistent: true,
    contentType: 'application/cloudevents+json; charset=utf-8',
    userId: account,
  });
  await channel.waitForConfirms();
  const said = {};
  await new Promise((resolve) => channel.consume(QUEUE, (message) => {
    const heard = JSON.parse(message.content);
    if (heard.data.request.id === event.id) said[heard.data.status] = heard.data;
    if (said.accepted && said.ready) resolve();
  }, { noAck: true }));
  await connection.close();
  const { url: file, sha256 } = said.ready.file;
  const answer = await fetch(file, { headers: { Authorization: `Bearer ${TOKEN}` } });
  if (!answer.ok) throw new Error(`the file was answered with ${answer.status}`);
  const digest = createHash('sha256').update(Buffer.from(await answer.arrayBuffer())).digest('hex');
  console.log(event.id, said.accepted.exports.length, sha256, digest);
}

function verify(id, timestamp, signature) {
  const headers = { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': signature };
  console.log(new Webhook(SECRET).verify(readFileSync(0, 'utf8'), headers).length);
}

await { ask, verify }[process.argv[2]](...process.argv.slice(3));
