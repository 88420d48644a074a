// Prints every ledger line once, for ever: node read.mjs HOST:PORT. Needs kafkajs.
import { Kafka } from "kafkajs";

const kafka = new Kafka({ clientId: "my-reports", brokers: [process.argv[2]] });
const consumer = kafka.consumer({ groupId: "my-reports-node" });
const newest = new Map(); // keep it where your own results are kept

await consumer.connect();
await consumer.subscribe({ topics: ["billing.ledger.v1"], fromBeginning: true });
await consumer.run({
  eachMessage: async ({ message }) => {
    const line = JSON.parse(message.value.toString());
    const incarnation = Number(message.headers.ce_incarnation.toString());
    const [i, seq] = newest.get(line.customer_id) ?? [0, 0];
    if (incarnation < i || (incarnation === i && line.seq <= seq)) return; // it came before
    newest.set(line.customer_id, [incarnation, line.seq]);
    console.log(line.customer_id, line.seq, line.kind, line.due);
  },
});
