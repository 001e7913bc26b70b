"""The main module of a Python Worker with static files: `site.js` in front of the app's own main module.

Requests go through Cloudflare's router and asset Workers, which are JavaScript; what is the app's comes back.
"""

import importlib
import inspect

import _pyodide_entrypoint_helper
import workers
from pyodide.code import relaxed_call
from pyodide.ffi import create_proxy

# The folder of which wrangler uploads a Python Worker's JavaScript as modules.
SITE = "python_modules/workers/codius/site.js"

app = importlib.import_module("codius_app")
# The runtime looks for the app's other classes in the main module.
globals().update({name: value for name, value in vars(app).items() if isinstance(value, type)})


class Default(workers.WorkerEntrypoint):
    async def fetch(self, request):
        site = await _pyodide_entrypoint_helper.doAnImport(SITE)
        variables = getattr(self.env, "_env", self.env)

        async def call_app(forwarded):
            result = answer(forwarded, self.ctx, variables)
            if inspect.isawaitable(result):
                result = await result
            return getattr(result, "js_object", result)

        proxy = create_proxy(call_app)
        try:
            return await site.route(request.js_object, variables, self.ctx, proxy)
        finally:
            proxy.destroy()

    # As it is called without the flag python_no_global_handlers, or before its date.
    on_fetch = fetch


def answer(request, ctx, env):
    """The app's answer to a JavaScript request, by its class or by its global handler."""
    default = getattr(app, "Default", None)
    if default is None:
        return relaxed_call(app.on_fetch, request, env, ctx)
    worker = default(ctx, env)
    handle = worker.fetch if hasattr(worker, "fetch") else worker.on_fetch
    return relaxed_call(handle, workers.Request(request))
