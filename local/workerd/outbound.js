// What an app's requests go through on their way out of the namespace.

import { WorkerEntrypoint } from "cloudflare:workers";

// `props.isPublic`: whether the app has the flag `global_fetch_strictly_public`.
export class Outbound extends WorkerEntrypoint {
  fetch(request) {
    const isOwnZone = new URL(request.url).hostname.endsWith(`.${this.env.APPS_DOMAIN}`);
    if (!isOwnZone) return fetch(request);
    // A request to the zone that the app is on goes to the zone's origin, not to dispatch: there is none (`100::`).
    return this.ctx.props.isPublic
      ? this.env.FRONT.fetch(request)
      : new Response("error code: 522", { status: 522 });
  }
}
