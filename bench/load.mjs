// Put load on one port: read a plan (a file of JSON), print what was measured (JSON).
//
// `hosts` has a list for each connection, which asks for its hosts in turn for `seconds`; where it is `once`, it
// ends when it is through. Fails unless every answer is the app's.
import { readFileSync } from "node:fs";
import autocannon from "autocannon";

const { port, headers, hosts, seconds, once } = JSON.parse(readFileSync(process.argv[2]));
const lists = hosts.values();
const durations = [];
let unexpected = 0;
let start, end;

const load = autocannon({
  url: `http://127.0.0.1:${port}`,
  connections: hosts.length,
  ...(once ? { amount: hosts.length * hosts[0].length } : { duration: seconds }),
  sampleInt: 100, // how often it looks whether to stop
  expectBody: "ok",
  setupClient(client) {
    client.setRequests(lists.next().value.map((host) => ({ headers: { ...headers, host } })));
  },
});
if (once) setTimeout(() => load.stop(), seconds * 1000).unref();
load.on("response", (client, status, bytes, milliseconds) => {
  end = performance.now();
  start ??= end - milliseconds;
  durations.push(Number(milliseconds.toFixed(3)));
  unexpected += status !== 200;
});

const { errors, mismatches, requests } = await load;
if (unexpected || errors || mismatches) {
  console.log(`${unexpected} answers without status 200, ${mismatches} not the app's, ${errors} errors`);
  process.exit(1);
}
console.log(JSON.stringify({ durations, sent: requests.sent, seconds: (end - start) / 1000 }));
