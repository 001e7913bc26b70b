// The switch between light and dark, remembered in this browser; until it is used the system decides.
(() => {
  const root = document.documentElement;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const current = () => root.dataset.theme ?? (dark.matches ? "dark" : "light");
  const other = () => (current() === "dark" ? "light" : "dark");
  try {
    const kept = localStorage.getItem("theme");
    if (kept === "light" || kept === "dark") root.dataset.theme = kept;
  } catch {
    // Storage is switched off: the switch works for this page.
  }
  document.addEventListener("DOMContentLoaded", () => {
    const button = document.getElementById("theme");
    const label = () => {
      button.title = `Switch to the ${other()} theme`;
      button.setAttribute("aria-label", button.title);
    };
    button.addEventListener("click", () => {
      root.dataset.theme = other();
      try {
        localStorage.setItem("theme", root.dataset.theme);
      } catch {
        // As above.
      }
      label();
    });
    dark.addEventListener("change", label);
    label();
  });
})();
