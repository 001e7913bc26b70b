// Asked for what is no file and no navigation.
export default {
  fetch(request) {
    if (request.headers.get("upgrade") === "websocket") {
      const { 0: client, 1: server } = new WebSocketPair();
      server.accept();
      server.send("hello");
      return new Response(null, { status: 101, webSocket: client });
    }
    return Response.json({ path: new URL(request.url).pathname }, { headers: { "x-from": "the Worker" } });
  },
};
