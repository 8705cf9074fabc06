// Bundles the modules of the page into ../static, the same bytes every time, with the licences of what is inside.
import { build } from "esbuild";
import { copyFileSync, readFileSync, readdirSync, rmSync, writeFileSync, existsSync } from "node:fs";

const out = "../static";
for (const name of readdirSync(out)) rmSync(`${out}/${name}`);
await build({
  entryPoints: readdirSync("src").filter((name) => name.endsWith(".js") && name !== "common.js").map((name) => `src/${name}`),
  outdir: out,
  bundle: true,
  splitting: true,
  chunkNames: "part-[hash]",
  format: "esm",
  target: "es2022",
  minify: true,
  legalComments: "none",
});
// The viewer lives in a frame of no origin, where modules cannot be fetched: one classic script.
await build({
  entryPoints: ["src/viewer/viewer.js"],
  outdir: out,
  bundle: true,
  format: "iife",
  target: "es2022",
  minify: true,
  legalComments: "none",
  define: { "process.env.NODE_ENV": '"production"', "import.meta.url": '""' },
  loader: { ".woff": "dataurl", ".woff2": "dataurl", ".svg": "dataurl", ".png": "dataurl" },
});
copyFileSync("src/viewer/viewer.html", `${out}/viewer.html`);
const uplot = readFileSync("node_modules/uplot/dist/uPlot.min.css", "utf8");
writeFileSync(`${out}/style.css`, readFileSync("src/style.css", "utf8") + uplot);
copyFileSync("src/icon.svg", `${out}/icon.svg`);

const lock = JSON.parse(readFileSync("package-lock.json", "utf8")).packages;
const texts = Object.keys(lock).filter((path) => path.startsWith("node_modules/") && !/esbuild/.test(path)).sort().map((path) => {
  const file = ["LICENSE", "LICENSE.md", "LICENSE.txt"].map((name) => `${path}/${name}`).find(existsSync);
  const about = JSON.parse(readFileSync(`${path}/package.json`, "utf8"));
  return `${about.name} ${about.version}, ${about.license}\n\n${file ? readFileSync(file, "utf8").trim() : ""}\n`;
});
writeFileSync(`${out}/LICENSES.txt`, texts.join(`\n${"-".repeat(80)}\n\n`));
