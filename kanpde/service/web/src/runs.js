// The table of runs: sorted by a click on a heading, filtered by words.
import { byId, el, filtered } from "./common.js";

const table = document.querySelector("#runs table");
if (table) {
  const body = table.tBodies[0];
  filtered(byId("find"), () => [...body.rows]);
  byId("find").addEventListener("keydown", (event) => { if (event.key === "Enter") event.preventDefault(); });
  const key = (row, place) => {
    const cell = row.cells[place];
    const value = cell.dataset.value ?? cell.textContent;
    return value === "" ? Infinity : Number.isNaN(Number(value)) ? value : Number(value);
  };
  [...table.tHead.rows[0].cells].forEach((head, place) => {
    if (place === 0) return;
    const button = el("button", { type: "button", class: "sort" }, head.textContent);
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const order = [...body.rows].sort((a, b) => {
        const [x, y] = [key(a, place), key(b, place)];
        return typeof x === typeof y ? (x > y) - (x < y) : typeof x === "number" ? -1 : 1;
      });
      body.append(...(down ? order.reverse() : order));
    });
  });
}
