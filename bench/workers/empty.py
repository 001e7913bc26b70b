"""The least that a Python Worker can be."""

from workers import Response, WorkerEntrypoint


class Default(WorkerEntrypoint):
    async def fetch(self, request: object) -> Response:
        return Response("empty")
