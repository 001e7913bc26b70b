// The limit: a JavaScript dispatch Worker that charges nothing.
import { withNamespace } from "./bindings.js";

let env;

export default {
  fetch(request, bindings) {
    env ??= withNamespace(bindings);
    const id = new URL(request.url).hostname.split(".")[0];
    return env.DISPATCHER.get(id).fetch(request);
  },
};
