// Publishes one payment: node publish.mjs HOST:PORT. Needs kafkajs.
import { Kafka, Partitioners } from "kafkajs";

const payment = {
  payment_id: "bkash-TRX1002",
  customer_id: "rahim",
  amount: "500.00",
  method: "bkash",
  channel: "online",
  received_at: "2026-02-03T10:00:00+06:00",
  reference: "TRX1002",
  actor: "bkash-gateway",
};
const headers = {
  ce_specversion: "1.0",
  ce_id: "bkash-TRX1002", // the same when the same event is sent again
  ce_source: "/payments",
  ce_type: "billing.payment.received.v1",
  "content-type": "application/json",
};

const kafka = new Kafka({ clientId: "payments", brokers: [process.argv[2]] });
const producer = kafka.producer({
  createPartitioner: Partitioners.DefaultPartitioner, // murmur2
  idempotent: true,
});
await producer.connect();
const [sent] = await producer.send({
  topic: "billing.payments.v1",
  messages: [{ key: payment.customer_id, value: JSON.stringify(payment), headers }],
});
await producer.disconnect();
console.log(`partition ${sent.partition}, offset ${sent.baseOffset}`);
