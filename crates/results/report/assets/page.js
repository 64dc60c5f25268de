"use strict";
// Tables sort by a click on a column's head; charts say the values of the point nearest to the pointer,
// or, with the keyboard, of the one that the arrow keys lead to.

for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  const rows = [...body.rows];
  if (rows.length < 2) continue;

  // What a row is sorted by in a column: a number, else its text; nothing where the column has no cell.
  const key = (row, column) => {
    let at = 0;
    for (const cell of row.cells) {
      if (at === column && cell.colSpan === 1) {
        return cell.dataset.value === undefined ? cell.textContent : Number(cell.dataset.value);
      }
      at += cell.colSpan;
    }
    return undefined;
  };
  const missing = (value) => value === undefined || value === "–";
  const compare = (a, b) =>
    typeof a === "number" && typeof b === "number"
      ? a - b
      : String(a).localeCompare(String(b), "en", { numeric: true });

  [...table.tHead.rows[0].cells].forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    head.replaceChildren(button);
    // Up, down, and as it was.
    button.addEventListener("click", () => {
      const next = { ascending: "descending", descending: null }[head.ariaSort];
      const order = next === undefined ? "ascending" : next;
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      if (order) head.setAttribute("aria-sort", order);
      const sign = order === "descending" ? -1 : 1;
      const sorted = rows.map((row) => [key(row, column), row]);
      if (order) {
        sorted.sort(([a], [b]) =>
          missing(a) || missing(b) ? missing(a) - missing(b) : sign * compare(a, b));
      }
      body.append(...sorted.map(([, row]) => row));
    });
  });
}

const tip = document.createElement("div");
tip.id = "tip";
tip.setAttribute("role", "status");
tip.hidden = true;
document.body.append(tip);
let shown = null;

const middle = (spot) => {
  const box = spot.getBoundingClientRect();
  return [box.x + box.width / 2, box.y + box.height / 2];
};

function show(spot) {
  if (shown === spot) return;
  shown?.classList.remove("on");
  shown = spot;
  tip.hidden = !spot;
  if (!spot) return;
  spot.classList.add("on");
  const [first, ...rest] = spot.dataset.text.split("\n");
  const name = document.createElement("strong");
  name.textContent = first;
  tip.replaceChildren(name, ...rest.map((line) => {
    const element = document.createElement("div");
    element.textContent = line;
    return element;
  }));
  const [x, y] = middle(spot);
  const { width, height } = tip.getBoundingClientRect();
  const room = document.documentElement.clientWidth - width - 8;
  tip.style.left = `${Math.max(8, Math.min(x + 14, room))}px`;
  tip.style.top = `${y - height - 14 > 8 ? y - height - 14 : y + 14}px`;
}

for (const svg of document.querySelectorAll(".card svg")) {
  const spots = [...svg.querySelectorAll(".spot")];
  if (spots.length === 0) continue;
  for (const spot of spots) {
    const title = spot.querySelector("title");
    spot.dataset.text = title.textContent;
    title.remove();
  }
  svg.tabIndex = 0;

  const nearest = (event) => {
    let best = null;
    let distance = 40;
    for (const spot of spots) {
      const [x, y] = middle(spot);
      const d = Math.hypot(x - event.clientX, y - event.clientY);
      if (d < distance) [best, distance] = [spot, d];
    }
    return best;
  };
  svg.addEventListener("pointermove", (event) => show(nearest(event)));
  svg.addEventListener("pointerdown", (event) => show(nearest(event)));
  svg.addEventListener("pointerleave", (event) => event.pointerType === "mouse" && show(null));
  svg.addEventListener("blur", () => show(null));

  // Left and right along a series; up and down to the next one at about the same place.
  const step = (from, by) => {
    const at = spots.indexOf(from) + by;
    return spots[at]?.dataset.series === from.dataset.series ? spots[at] : from;
  };
  const jump = (from, sign) => {
    const [x, y] = middle(from);
    const others = spots.map((spot) => [spot, middle(spot)]).filter(([, [, b]]) => sign * (y - b) > 0.5);
    const cost = ([, [a, b]]) => 8 * Math.abs(a - x) + Math.abs(b - y);
    return others.sort((p, q) => cost(p) - cost(q))[0]?.[0] ?? from;
  };
  svg.addEventListener("keydown", (event) => {
    const from = spots.includes(shown) ? shown : null;
    const moves = {
      ArrowRight: (spot) => step(spot, 1),
      ArrowLeft: (spot) => step(spot, -1),
      ArrowUp: (spot) => jump(spot, 1),
      ArrowDown: (spot) => jump(spot, -1),
    };
    if (event.key === "Escape") show(null);
    const move = moves[event.key];
    if (!move) return;
    event.preventDefault();
    show(from ? move(from) : spots[0]);
  });
}
addEventListener("scroll", () => show(null), { passive: true, capture: true });
