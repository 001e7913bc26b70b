"""The entry module that the launcher puts in front of dispatch, to give it a dispatch namespace.

`wrangler dev` has none (the real binding only proxies to Cloudflare): here it is a service, the Worker of
`namespace.js`, made to look like the real one by `local_namespace.js`.
"""

from workers.utils import import_sdk_javascript_module_async

import entry

main = __name__


async def on_fetch(request, env, ctx):
    module = await import_sdk_javascript_module_async("local_namespace.js")
    answer = entry.begin(module.withNamespace(env), main).handle(request)
    return await answer if hasattr(answer, "__await__") else answer
