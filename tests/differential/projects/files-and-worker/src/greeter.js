import { WorkerEntrypoint } from "cloudflare:workers";

export class Greeter extends WorkerEntrypoint {
  greet(name) {
    return `${this.env.GREETING}, ${name}, ${typeof this.env.ASSETS.fetch}`;
  }
}
