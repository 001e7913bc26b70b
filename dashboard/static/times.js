// Times are in UTC; a pointer that rests on one is told it in the reader's zone, and how long ago it was.
(() => {
  const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "long" });
  const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
  const UNITS = Object.entries({ year: 31_536_000, month: 2_592_000, week: 604_800, day: 86_400, hour: 3_600, minute: 60 });

  const ago = (time) => {
    const seconds = (time - Date.now()) / 1_000;
    const [unit, length] = UNITS.find(([, length]) => Math.abs(seconds) >= length) ?? ["second", 1];
    return relative.format(Math.round(seconds / length), unit);
  };
  document.addEventListener("pointerover", (event) => {
    const element = event.target.closest("time[datetime]");
    if (element === null) return;
    const time = new Date(element.dateTime);
    element.title = `${exact.format(time)} (${ago(time)})`;
  });
})();
