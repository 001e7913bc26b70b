from js import Response
def on_fetch(request, env, ctx):
    return env.DISPATCHER.get("hello", None, None).fetch(request)
