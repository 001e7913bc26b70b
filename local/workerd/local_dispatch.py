"""The entry module that the launcher puts in front of dispatch, to give it a dispatch namespace.

`wrangler dev` has none (their binding only proxies to Cloudflare). Here the binding is a service, the
Worker of `namespace.js`, in the shape of the real one: `env.DISPATCHER.get(name, args, options)` returns
at once something with `fetch`, whose promise rejects with "Worker not found." when no Worker of that name
was uploaded.
"""

from functools import lru_cache

import entry
from js import Object
from pyodide.ffi import to_js


class LocalEnv:
    """The real bindings, and DISPATCHER."""

    def __init__(self, env):
        self._env = env
        self.DISPATCHER = LocalNamespace(env.NAMESPACE)

    def __getattr__(self, name):
        return getattr(self._env, name)


class LocalNamespace:
    def __init__(self, service):
        self._service = service

    def get(self, name, args=None, options=None):
        return LocalWorker(self._service, name)


class LocalWorker:
    def __init__(self, service, name):
        self._service = service
        self._name = name

    def fetch(self, request):
        return self._service.fetch(request, dispatch_init(self._name))


@lru_cache
def dispatch_init(name):
    return to_js({"cf": {"dispatch": {"name": name}}}, dict_converter=Object.fromEntries)


def on_fetch(request, env, ctx):
    return entry.on_fetch(request, LocalEnv(env), ctx)
