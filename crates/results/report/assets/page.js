"use strict";
// Tables sort by a click on a column's head; charts say the values of the point nearest to the pointer, or, with
// the keyboard, of the one that the arrow keys lead to; a backend that is chosen stands out everywhere; charts are
// saved as pictures and figures.

const element = (name, properties, ...children) => {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
};

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
    const button = element("button", { type: "button", className: "sort" }, ...head.childNodes);
    head.append(button);
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

const tip = element("div", { id: "tip", hidden: true });
tip.setAttribute("role", "status");
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
  tip.replaceChildren(element("strong", {}, first), ...rest.map((line) => element("div", {}, line)));
  const [x, y] = middle(spot);
  const { width, height } = tip.getBoundingClientRect();
  const room = document.documentElement.clientWidth - width - 8;
  tip.style.left = `${Math.max(8, Math.min(x + 14, room))}px`;
  tip.style.top = `${y - height - 14 > 8 ? y - height - 14 : y + 14}px`;
}

for (const svg of document.querySelectorAll("svg:has(.spot)")) {
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
    return spots[at]?.dataset.of === from.dataset.of ? spots[at] : from;
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

// What is chosen keeps its colour, all else fades.
let chosen = null;
const series = [...document.querySelectorAll("[data-series]")];
const names = new Set(series.map((part) => part.dataset.series));
const choose = (name) => {
  if (!names.has(name)) return;
  chosen = chosen === name ? null : name;
  for (const part of series) {
    const other = chosen !== null && part.dataset.series !== chosen;
    part.closest("svg")?.classList.contains("mark") || part.classList.toggle("dim", other);
    part.closest("tbody tr")?.classList.toggle("dim", other);
  }
  for (const button of document.querySelectorAll(".pick")) {
    button.setAttribute("aria-pressed", button.parentElement.dataset.series === chosen);
  }
};
for (const cell of document.querySelectorAll("td > .backend")) {
  const button = element("button", { type: "button", className: "pick" }, ...cell.childNodes);
  button.setAttribute("aria-pressed", "false");
  button.addEventListener("click", () => choose(cell.dataset.series));
  cell.append(button);
}
for (const svg of document.querySelectorAll("svg:has([data-series])")) {
  svg.addEventListener("click", ({ target }) => {
    const part = target.closest("[data-of], [data-series]");
    if (part) choose(part.dataset.of ?? part.dataset.series);
  });
}

// Files, made of what the page holds.
const save = (name, content) => {
  const link = element("a", { href: URL.createObjectURL(content), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
};
const source = (figure) => {
  const shown = [...figure.querySelectorAll(".card svg")].find((svg) => svg.getClientRects().length);
  const copy = shown.cloneNode(true);
  for (const extra of copy.querySelectorAll(".spot")) extra.remove();
  for (const faded of copy.querySelectorAll(".dim")) faded.setAttribute("opacity", "0.18");
  return new XMLSerializer().serializeToString(copy);
};
const picture = async (figure) => {
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(source(figure))}`;
  await image.decode();
  const canvas = element("canvas", { width: 2 * image.width, height: 2 * image.height });
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  return new Promise((done) => canvas.toBlob(done));
};
const figures = (table) => {
  const quoted = (text) => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const value = (cell) => quoted(cell.dataset.value ?? cell.textContent.replace(/^–$/, ""));
  return [...table.rows].map((row) => [...row.cells].map(value).join(",")).join("\n") + "\n";
};
for (const figure of document.querySelectorAll("figure[data-name]")) {
  const tools = figure.querySelector(".tools");
  const name = figure.dataset.name.replaceAll("/", "-");
  const below = figure.dataset.figures;
  const table = below ? document.querySelector(`#${below} table`) : figure.querySelector(".data table");
  const add = (kind, make) => {
    const button = element("button", { type: "button" }, kind);
    button.setAttribute("aria-label", `Save ${name} as ${kind}`);
    button.addEventListener("click", async () => save(`${name}.${kind.toLowerCase()}`, await make()));
    tools.append(button);
  };
  add("PNG", () => picture(figure));
  add("SVG", () => new Blob([source(figure)], { type: "image/svg+xml" }));
  if (table) add("CSV", () => new Blob([figures(table)], { type: "text/csv" }));
}
for (const link of document.querySelectorAll("a.anchor")) {
  link.title = "Copy a link to this";
  link.addEventListener("click", () => navigator.clipboard?.writeText(link.href).catch(() => {}));
}

// A small map, large.
for (const figure of document.querySelectorAll(".maps figure")) {
  const map = figure.querySelector("svg");
  const button = element("button", { type: "button", className: "enlarge" });
  const name = map.getAttribute("aria-label");
  button.setAttribute("aria-label", `Enlarge ${name}`);
  map.replaceWith(button);
  button.append(map);
  button.addEventListener("click", () => {
    const close = element("button", { type: "button" }, "Close");
    const dialog = element("dialog", {}, map.cloneNode(true), element("p", {}, `${name} `, close));
    dialog.setAttribute("aria-label", name);
    close.addEventListener("click", () => dialog.close());
    dialog.addEventListener("close", () => dialog.remove());
    document.body.append(dialog);
    dialog.showModal();
  });
}

addEventListener("beforeprint", () => {
  for (const details of document.querySelectorAll("details:not(.cells, .data)")) details.open = true;
});
