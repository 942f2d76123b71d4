// Ask for the list files of a commune with amqplib (npm install amqplib).
//   PREFECTURE_AMQP_URL=amqp://account:password@host/vhost node request_export.mjs 13900
import { randomUUID } from 'node:crypto';
import amqp from 'amqplib';

const TYPE = 'fr.openelec.prefecture.request.liste_export.v1';

async function publish(url, event) {
  const account = decodeURIComponent(new URL(url).username) || 'guest';
  const connection = await amqp.connect(url);
  try {
    const channel = await connection.createConfirmChannel();
    let problem = null;
    channel.on('return', () => { problem = new Error('no queue for this account and type'); });
    channel.on('error', (error) => { problem = error; }); // a missing exchange closes the channel
    channel.publish('prefecture', `${account}.${TYPE}`, Buffer.from(JSON.stringify(event)), {
      mandatory: true,
      persistent: true,
      contentType: 'application/cloudevents+json; charset=utf-8',
      messageId: event.id,
      userId: account, // checked by the broker: who asks
    });
    await channel.waitForConfirms().catch((error) => { throw problem ?? error; });
    if (problem) throw problem;
  } finally {
    await connection.close();
  }
}

try {
  const [commune] = process.argv.slice(2);
  if (!commune || !process.env.PREFECTURE_AMQP_URL) {
    throw new Error('usage: PREFECTURE_AMQP_URL=amqp://… node request_export.mjs CODE_COMMUNE');
  }
  const event = {
    specversion: '1.0',
    id: randomUUID(),
    source: '/examples/node',
    type: TYPE,
    time: new Date().toISOString(),
    datacontenttype: 'application/json',
    data: { commune, listes: ['P', 'CE', 'CM'], formats: ['csv'], requested_by: 'exemple' },
  };
  await publish(process.env.PREFECTURE_AMQP_URL, event);
  console.log(event.id);
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
