// The app that all systems are in front of.
export default {
  fetch: () => new Response("ok"),
};
