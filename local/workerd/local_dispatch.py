"""The entry module that the launcher puts in front of dispatch, to give it a dispatch namespace.

`wrangler dev` has none (the real binding only proxies to Cloudflare): here it is a service, the Worker of
`namespace.js`, made to look like the real one by `local_namespace.js`.
"""

from workers.utils import import_sdk_javascript_module_async

import entry

_envs = []


async def _first(request, env, ctx):
    module = await import_sdk_javascript_module_async("local_namespace.js")
    if not _envs:
        _envs.append(module.withNamespace(env))
    result = entry.on_fetch(request, _envs[0], ctx)
    return await result if hasattr(result, "__await__") else result


def on_fetch(request, env, ctx):
    if not _envs:
        return _first(request, env, ctx)
    return entry.on_fetch(request, _envs[0], ctx)


on_fetch.__signature__ = entry.on_fetch.__signature__
