from workers import DurableObject, WorkerEntrypoint, Response
class BillingDurableObject(DurableObject):
    def __init__(self, ctx, env):
        super().__init__(ctx, env)
        self.sql = ctx.storage.sql
    async def open_account(self):
        self.sql.exec("create table if not exists a(x)")
        return "opened"
class Default(WorkerEntrypoint):
    async def fetch(self, request):
        return Response("billing")
