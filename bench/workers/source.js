// One call per request, the obvious way to charge: before each request one call of the app's
// billing object, which reads the funding and the count and writes the count.
import { DurableObject, WorkerEntrypoint } from "cloudflare:workers";
import { withNamespace } from "./bindings.js";

const LIMIT_EXCEEDED_MESSAGE = "LIMIT_EXCEEDED";
const INCLUDED_REQUESTS = 100;
const REQUESTS_PER_CENT = 1_000_000 / 30;

const counts = { calls: 0, rows_read: 0, rows_written: 0 };
let env;

export class BillingDurableObject extends DurableObject {
  async incrementWorkerRequests() {
    const { storage } = this.ctx;
    const funding = (await storage.get("funding")) ?? 0;
    const requests = (await storage.get("requests")) ?? 0;
    counts.calls += 1;
    counts.rows_read += 2;
    if (requests >= INCLUDED_REQUESTS + funding * REQUESTS_PER_CENT) throw new Error(LIMIT_EXCEEDED_MESSAGE);
    await storage.put("requests", requests + 1);
    counts.rows_written += 1;
  }

  async addWorkerFunds(cents) {
    const funding = (await this.ctx.storage.get("funding")) ?? 0;
    await this.ctx.storage.put("funding", funding + cents);
  }
}

export class Counts extends WorkerEntrypoint {
  read() {
    return counts;
  }
}

export default {
  async fetch(request, bindings) {
    env ??= withNamespace(bindings);
    const id = new URL(request.url).hostname.split(".")[0];
    try {
      await env.BILLING.getByName(id).incrementWorkerRequests();
    } catch (error) {
      if (error.message !== LIMIT_EXCEEDED_MESSAGE) throw error;
      return new Response("Insufficient balance", { status: 402 });
    }
    return env.DISPATCHER.get(id).fetch(request);
  },
};
