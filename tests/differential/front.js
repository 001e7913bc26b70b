// Gives a request to a project's Worker: `theirs` is the one that wrangler runs, `ours` the one that was deployed.
import { withNamespace } from "../../local/workerd/local_namespace.js";

export default {
  fetch(request, env) {
    const headers = new Headers(request.headers);
    const [side, project] = headers.get("x-differential").split(" ");
    headers.delete("x-differential");
    const worker = side === "ours" ? withNamespace(env).DISPATCHER.get(project) : env[project];
    return worker.fetch(new Request(request, { headers }));
  },
};
