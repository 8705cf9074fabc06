// The editor: a problem file checked while one types, settings as a form made from their schema, ways to solve it.
import { basicSetup } from "codemirror";
import { EditorView, keymap } from "@codemirror/view";
import { Compartment } from "@codemirror/state";
import { indentWithTab } from "@codemirror/commands";
import { yaml } from "@codemirror/lang-yaml";
import { setDiagnostics } from "@codemirror/lint";
import { HighlightStyle, syntaxHighlighting } from "@codemirror/language";
import { tags } from "@lezer/highlight";
import { ask, byId, el, number } from "./common.js";

const given = byId("editor").dataset.name, area = byId("text"), original = area.value;
const PAUSE = 400;
const dark = matchMedia("(prefers-color-scheme: dark)"), theme = new Compartment();

const colors = (night) => [
  EditorView.theme({
    "&": { color: "var(--ink)" }, ".cm-content": { caretColor: "var(--ink)" },
    ".cm-gutters": { backgroundColor: "var(--ground)", color: "var(--faint)", border: "none" },
    ".cm-activeLine, .cm-activeLineGutter": { backgroundColor: night ? "#ffffff0d" : "#0000000a" },
    "&.cm-focused .cm-selectionBackground, .cm-selectionBackground": { backgroundColor: night ? "#2c4f73" : "#cfe4fb" },
    ".cm-tooltip": { backgroundColor: "var(--ground)", color: "var(--ink)", border: "1px solid var(--rule)" },
  }, { dark: night }),
  syntaxHighlighting(HighlightStyle.define([
    { tag: [tags.propertyName, tags.definition(tags.propertyName)], color: night ? "#8ec5ff" : "#00518f" },
    { tag: [tags.string, tags.special(tags.string)], color: night ? "#9ddf9f" : "#1b6e38" },
    { tag: tags.comment, color: "var(--faint)", fontStyle: "italic" },
    { tag: [tags.number, tags.bool, tags.keyword], color: night ? "#f2b27a" : "#8a3b00" },
  ])),
];

area.hidden = true;
const view = new EditorView({
  doc: original,
  parent: el("div"),
  extensions: [
    basicSetup, yaml(), keymap.of([indentWithTab]), EditorView.lineWrapping, theme.of(colors(dark.matches)),
    EditorView.contentAttributes.of({ "aria-label": "Problem file; Escape, then Tab, leaves the editor" }),
    EditorView.updateListener.of((update) => update.docChanged && later()),
  ],
});
area.after(view.dom);
dark.addEventListener("change", () => view.dispatch({ effects: theme.reconfigure(colors(dark.matches)) }));

// What is asked

const text = () => view.state.doc.toString();
let files = {};
byId("files").addEventListener("change", async ({ target }) => {
  files = {};
  for (const file of target.files) {
    const url = await new Promise((done) => { const reader = new FileReader(); reader.onload = () => done(reader.result); reader.readAsDataURL(file); });
    files[file.name] = url.slice(url.indexOf(",") + 1);
  }
  check();
});
const unchanged = () => given && text() === original;
const problem = () => ({ problem: unchanged() ? given : text(), name: unchanged() ? "" : given, files });

function value(word) {
  try { return JSON.parse(word); } catch { return word; }
}
// "[5, 5], 8" → [[5, 5], 8]
const listed = (words) => (words.match(/\[[^\]]*\]|[^,\[\]]+/g) ?? []).map((one) => one.trim()).filter(Boolean).map(value);

function settings() {
  const found = {};
  for (const field of byId("settings").querySelectorAll("[data-key]")) {
    const written = field.value.trim();
    if (!written) continue;
    const [group, name] = field.dataset.key.split(".");
    const typed = field.dataset.list ? listed(written.replace(/^\[|\]$/g, "")) : value(written);
    if (!name) found[group] = field.dataset.group ? { kind: written } : typed;
    else (found[group] ??= {})[name] = typed;
  }
  for (const [group, inner] of Object.entries(found)) if (inner?.kind && Object.keys(inner).length === 1) found[group] = inner.kind;
  return found;
}
function sweep() {
  const found = {};
  for (const line of byId("sweep").querySelector("textarea").value.split("\n")) {
    const [key, values] = line.split(/[=:](.*)/s);
    if (values !== undefined && key.trim()) found[key.trim()] = listed(values);
  }
  return found;
}

// Checking

let timer = 0, asked = 0;
function later() {
  clearTimeout(timer);
  timer = setTimeout(check, PAUSE);
}
async function check() {
  const mine = ++asked, verdict = byId("verdict");
  command();
  try {
    const found = await ask("POST", "/processes/check/execution", { ...problem(), settings: settings() });
    if (mine === asked) show(found);
  } catch (error) {
    if (mine === asked) { verdict.textContent = error.message; verdict.className = "bad"; }
  }
}
function show(found) {
  const verdict = byId("verdict");
  view.dispatch(setDiagnostics(view.state, found.ok ? [] : diagnostics(found.error)));
  verdict.className = found.ok ? "good" : "bad";
  verdict.textContent = found.ok ? "Every check passed." : found.error.message;
  byId("solve").disabled = !found.ok;
  if (!found.ok) return;
  // Typeset by the server from a parsed problem; parsed inertly here, and no script may run on this page besides.
  const parsed = new DOMParser().parseFromString(found.html, "text/html");
  byId("equations").replaceChildren(...parsed.querySelectorAll(".math"));
  const { parameters, points, megabytes, time_limit: seconds } = found.estimate;
  byId("estimate").replaceChildren(
    el("p", { class: "faint" }, `${number(parameters)} parameters, about ${number(Math.round(points))} points, ${megabytes ? `${number(megabytes)} MB of derivatives, ` : ""}at most ${number(seconds)} s of training.`),
    ...found.warnings.map((one) => el("p", { class: "warned" }, one)),
    el("details", {}, el("summary", {}, "What was checked"), el("ul", {}, ...found.verdicts.map((one) => el("li", {}, one)))),
  );
}
function diagnostics({ line, message }) {
  const place = view.state.doc.line(Math.min(Math.max(line ?? 1, 1), view.state.doc.lines));
  return [{ from: place.from + (place.text.search(/\S|$/)), to: place.to, severity: "error", message }];
}

// The form

function control(key, schema) {
  const options = schema.enum ?? (types(schema).includes("boolean") ? ["true", "false"] : null);
  const shown = schema.default === undefined || schema.default === null ? "" : JSON.stringify(schema.default).replaceAll('"', "");
  const list = JSON.stringify(schema).includes('"array"');
  const attributes = { "data-key": key, "data-list": list ? "1" : null, id: `set-${key}`, autocomplete: "off" };
  const field = options
    ? el("select", attributes, el("option", { value: "" }, shown || "default"), ...options.map(String).filter((one) => one !== shown).map((one) => el("option", {}, one)))
    : el("input", { ...attributes, placeholder: shown, inputmode: list ? "text" : "decimal" });
  field.addEventListener("input", later);
  const help = schema.description ? el("small", {}, schema.description) : null;
  return el("div", { class: "field" }, el("label", { for: `set-${key}` }, key.split(".").at(-1).replaceAll("_", " ")), field, help);
}
const types = (schema) => [schema, ...(schema.anyOf ?? [])].flatMap((one) => one.type ?? []);

function group(name, schema) {
  const [choices, ...kinds] = schema.anyOf;
  const select = el("select", { "data-key": name, "data-group": "1", id: `set-${name}` }, el("option", { value: "" }, "default"), ...choices.enum.map((one) => el("option", {}, one)));
  const inner = el("div");
  const fill = () => {
    const kind = kinds.find((one) => one.properties.kind?.const === select.value) ?? kinds[0];
    inner.replaceChildren(...Object.entries(kind.properties).filter(([key]) => key !== "kind").map(([key, one]) => control(`${name}.${key}`, one)));
  };
  select.addEventListener("change", () => { fill(); later(); });
  fill();
  return el("fieldset", {}, el("legend", {}, name), el("div", { class: "field" }, el("label", { for: `set-${name}` }, "choice"), select), el("details", {}, el("summary", {}, "settings"), inner));
}

async function form() {
  const described = await ask("GET", "/processes/solve");
  const properties = Object.entries(described.inputs.settings.schema.properties);
  const groups = properties.filter(([, schema]) => schema.anyOf?.[0].enum && schema.anyOf.length > 1 && schema.anyOf[1].properties);
  const plain = properties.filter(([name]) => !groups.some(([other]) => other === name));
  byId("settings").replaceChildren(...groups.map(([name, schema]) => group(name, schema)), el("fieldset", {}, el("legend", {}, "run"), ...plain.map(([name, schema]) => control(name, schema))));
}
byId("sweep").append(el("textarea", { rows: "2", "aria-label": "Sweep: key = values, a line each", placeholder: "seed = 0, 1, 2" }));
byId("sweep").addEventListener("input", command);

// Solving

const word = (one) => (typeof one === "string" ? one : JSON.stringify(one).replaceAll('"', ""));
const literal = (one) => JSON.stringify(one).replaceAll(":", ": ").replaceAll(",", ", ").replace(/\btrue\b/g, "True").replace(/\bfalse\b/g, "False").replace(/\bnull\b/g, "None");
function command() {
  const keywords = Object.entries(settings()).map(([key, one]) => `, ${key}=${literal(one)}`).join("");
  byId("python").textContent = `import kanpde\n\nrun = kanpde.solve("${unchanged() ? given : "problem.yaml"}"${keywords})\nrun.metrics["rel_l2"]`;
  const words = [`problem=${unchanged() ? given : "problem.yaml"}`];
  for (const [key, one] of Object.entries(settings())) {
    if (typeof one !== "object") words.push(`${key}=${word(one)}`);
    else for (const [name, inner] of Object.entries(one)) words.push(name === "kind" ? `${key}=${inner}` : `${key}.${name}=${word(inner)}`);
  }
  const several = Object.entries(sweep());
  byId("command").textContent = `kanpde solve ${several.length ? "-m " : ""}${[...words, ...several.map(([key, values]) => `${key}=${values.map(word).join(",")}`)].join(" ")}`;
}
async function send(path, body) {
  const answer = byId("answer");
  answer.className = "";
  answer.textContent = "…";
  try {
    const found = await ask("POST", path, body);
    location.href = found.jobs ? `/jobs?group=${found.group}` : `/jobs/${found.jobID}`;
  } catch (error) {
    answer.className = "bad";
    answer.textContent = error.message;
  }
}
byId("form").addEventListener("submit", (event) => {
  event.preventDefault();
  const study = event.submitter?.id === "study";
  if (study) send("/processes/scaling/execution", { ...problem(), preset: "quick" });
  else send("/processes/solve/execution", { ...problem(), settings: settings(), sweep: sweep() });
});

form().catch((error) => byId("settings").replaceChildren(el("p", { class: "bad" }, error.message)));
check();
