from urllib.parse import urlsplit, urlunsplit

from helper import shout
from workers import Response, WorkerEntrypoint


class Default(WorkerEntrypoint):
    async def fetch(self, request):
        parts = urlsplit(request.url)
        if parts.path == "/api/binding":
            found = await self.env.ASSETS.fetch(urlunsplit((*parts[:2], "/about.html", "", "")))
            return Response(f"{found.status} {await found.text()}")
        if parts.path == "/api/echo":
            return Response(await request.text(), headers={"x-method": str(request.method)})
        return Response(shout(self.env.GREETING), status=202)
