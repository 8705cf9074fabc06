// What the pages have in common: elements from text, requests, curves.
import uPlot from "uplot";

export const byId = (id) => document.getElementById(id);

// An element; strings become text, never markup.
export function el(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value !== null && value !== false) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null));
  return made;
}

// A request; what is refused is an error with the service's own sentence.
export async function ask(method, path, body, headers = {}) {
  const options = { method, headers: { Accept: "application/json", ...headers } };
  if (body !== undefined) {
    options.headers["Content-Type"] = "application/json";
    options.body = JSON.stringify(body);
  }
  const answer = await fetch(path, options);
  const found = await answer.json();
  if (!answer.ok) throw Object.assign(new Error(found.detail ?? answer.statusText), found);
  return found;
}

export const number = (value) =>
  value === null || value === undefined ? "–"
    : Number.isInteger(value) ? String(value)
      : Math.abs(value) >= 0.01 && Math.abs(value) < 1e4 ? value.toPrecision(3) : value.toExponential(2);

// Powers of ten, eight at most; with their multiples by 2 and 5 where there are but one or two.
function decades(u, axis, low, high) {
  const first = Math.ceil(Math.log10(low) - 1e-9), last = Math.floor(Math.log10(high) + 1e-9);
  const stride = Math.max(1, Math.ceil((last - first + 1) / 8));
  const powers = Array.from({ length: Math.max(0, Math.floor((last - first) / stride) + 1) }, (_, place) => 10 ** (first + place * stride));
  if (powers.length > 2) return powers;
  return [10 ** (first - 1), ...powers].flatMap((one) => [one, 2 * one, 5 * one]).filter((one) => one >= low && one <= high);
}
const plain = (v) => (v >= 0.01 && v < 1e5 ? String(Number(v.toPrecision(3))) : v.toExponential().replace("+", ""));

const COLORS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#999933", "#882255"];

// Curves over a common x on a logarithmic y axis; fits its box and follows it; redrawn when the colors change.
export function plot(box, labels, data, { xLabel = "step", logX = false, points = false, marks = [] } = {}) {
  const ink = getComputedStyle(document.documentElement).getPropertyValue("--ink").trim();
  const rule = getComputedStyle(document.documentElement).getPropertyValue("--rule").trim();
  const axis = { stroke: ink, grid: { stroke: rule, width: 1 }, ticks: { stroke: rule, width: 1 } };
  const log = { splits: decades, filter: (u, values) => values, values: (u, values) => values.map(plain) };
  const wide = (u, low, high) => [low / 1.3, high * 1.3];
  const size = () => ({ width: Math.max(240, box.clientWidth), height: Math.min(380, Math.max(220, box.clientWidth * 0.5)) });
  const series = labels.map((label, place) => ({
    label, stroke: COLORS[place % COLORS.length], width: points ? 0 : 2, spanGaps: true,
    paths: points ? () => null : undefined, points: { show: points || undefined, size: points ? 9 : 5, fill: COLORS[place % COLORS.length] },
    value: (u, v) => number(v),
  }));
  const options = {
    ...size(), scales: { x: { time: false, distr: logX ? 3 : 1, ...(logX ? { range: wide } : {}) }, y: { distr: 3 } }, cursor: { drag: { x: true, y: true, uni: 20 } },
    axes: [{ ...axis, label: xLabel, ...(logX ? log : {}) }, { ...axis, size: 62, ...log }],
    series: [{ label: xLabel, value: (u, v) => number(v) }, ...series],
    hooks: { draw: [(u) => drawMarks(u, typeof marks === "function" ? marks() : marks, ink)] },
  };
  box.replaceChildren();
  const made = new uPlot(options, data, box);
  new ResizeObserver(() => made.setSize(size())).observe(box);
  return made;
}

// Dashed lines where stages end.
function drawMarks(u, marks, ink) {
  const { ctx, bbox } = u;
  ctx.save();
  ctx.strokeStyle = ink;
  ctx.globalAlpha = 0.4;
  ctx.setLineDash([4, 4]);
  for (const x of marks) {
    const place = u.valToPos(x, "x", true);
    if (place < bbox.left || place > bbox.left + bbox.width) continue;
    ctx.beginPath();
    ctx.moveTo(place, bbox.top);
    ctx.lineTo(place, bbox.top + bbox.height);
    ctx.stroke();
  }
  ctx.restore();
}

// Positive values, since the axis is logarithmic.
export const positive = (values) => values.map((value) => (value > 0 ? value : null));

// A table of names and figures.
export const rowsOf = (pairs) => pairs.map(([name, value]) => el("tr", {}, el("th", { scope: "row" }, name), el("td", {}, value)));

// Keep those whose text has the words looked for.
export function filtered(input, things) {
  input?.addEventListener("input", () => {
    const words = input.value.toLowerCase().split(/\s+/);
    for (const thing of things()) thing.hidden = !words.every((word) => thing.textContent.toLowerCase().includes(word));
  });
}
