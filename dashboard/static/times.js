// Times come in UTC. They are shown in the reader's zone, which each of them names: there is nothing to point at on a
// phone. A pointer that rests on one is told it in UTC, and how long ago it was.
(() => {
  const SHORT = { day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit", timeZoneName: "short" };
  const local = new Intl.DateTimeFormat("en-GB", SHORT);
  const exact = new Intl.DateTimeFormat("en-GB", { dateStyle: "full", timeStyle: "long", timeZone: "UTC" });
  const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
  const UNITS = Object.entries({ year: 31_536_000, month: 2_592_000, week: 604_800, day: 86_400, hour: 3_600, minute: 60 });

  const ago = (time) => {
    const seconds = (time - Date.now()) / 1_000;
    const [unit, length] = UNITS.find(([, length]) => Math.abs(seconds) >= length) ?? ["second", 1];
    return relative.format(Math.round(seconds / length), unit);
  };
  const show = (root) => {
    for (const element of root.querySelectorAll("time[datetime]")) element.textContent = local.format(new Date(element.dateTime));
  };
  document.addEventListener("pointerover", (event) => {
    const element = event.target.closest("time[datetime]");
    if (element === null) return;
    const time = new Date(element.dateTime);
    element.title = `${exact.format(time)} (${ago(time)})`;
  });
  // Before what a page asks for in the background (htmx) takes its place, or each time would change twice, and be read out.
  document.addEventListener("htmx:before:swap", ({ detail }) => detail.tasks.forEach(({ fragment }) => show(fragment)));
  show(document);
})();
