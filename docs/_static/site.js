// A table that is wider than the page becomes a list of its rows, with the heading of its column before each value.
function stackWideTables() {
  for (const table of document.querySelectorAll(".table-wrapper > table")) {
    table.classList.remove("stacked");
    if (table.scrollWidth <= table.parentElement.clientWidth + 1) continue;
    const labels = [...table.querySelectorAll("thead th")].map((cell) => cell.textContent.trim());
    for (const row of table.tBodies[0].rows)
      [...row.cells].forEach((cell, i) => {
        cell.dataset.label = labels[i] ? `${labels[i]}:` : "";
        cell.classList.toggle("empty", !cell.textContent.trim());
      });
    table.classList.add("stacked");
  }
}
addEventListener("load", stackWideTables);
addEventListener("resize", stackWideTables);
