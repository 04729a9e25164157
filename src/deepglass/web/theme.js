// Light or dark: the system's, until the button is pressed or the address says ?theme=dark.
(() => {
  const root = document.documentElement;
  let theme = new URLSearchParams(location.search).get("theme");
  try { theme ??= localStorage.getItem("deepglass-theme"); } catch {}
  if (theme === "light" || theme === "dark") root.dataset.theme = theme;
  addEventListener("click", (event) => {
    if (!(event.target instanceof Element && event.target.closest(".theme"))) return;
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
    try { localStorage.setItem("deepglass-theme", root.dataset.theme); } catch {}
  });
})();
