// Sorting and filtering the table of students. Without it the page is whole, in the order of names.
const table = document.getElementById("students");
const body = table.tBodies[0];
const rows = Array.from(body.rows);
const input = document.getElementById("filter");
const count = document.getElementById("count");
const texts = rows.map((row) => row.dataset.words.toLowerCase());

function filter() {
  const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  rows.forEach((row, n) => {
    row.hidden = !words.every((word) => texts[n].includes(word));
    shown += row.hidden ? 0 : 1;
  });
  count.textContent = `${shown} of ${rows.length}`;
}

function sort(header) {
  const up = header.ariaSort === "ascending" ? -1 : 1;
  for (const other of table.tHead.rows[0].cells) other.ariaSort = null;
  header.ariaSort = up === 1 ? "ascending" : "descending";
  const n = header.cellIndex;
  const keys = new Map(rows.map((row) => [row, row.cells[n].dataset.value ?? row.cells[n].textContent]));
  const numeric = header.classList.contains("number");
  // Those without a number come last, whichever way the others stand.
  const compare = (a, b) =>
    numeric ? (a === "") - (b === "") || up * (a - b) : up * a.localeCompare(b, undefined, { numeric: true });
  body.append(...Array.from(rows).sort((a, b) => compare(keys.get(a), keys.get(b))));
}

input.addEventListener("input", filter);
for (const header of table.tHead.rows[0].cells) {
  const button = header.querySelector("button");
  if (button) button.addEventListener("click", () => sort(header));
}
for (const button of document.querySelectorAll("[data-filter]")) {
  button.addEventListener("click", () => {
    input.value = button.dataset.filter;
    filter();
    document.getElementById("everybody").scrollIntoView();
  });
}
filter();
