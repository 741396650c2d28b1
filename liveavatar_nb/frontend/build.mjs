// Bundles each widget's page into ../static: one self-contained ES module a widget, and one style sheet.
import { readFile, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const out = join(here, "..", "static");
const { version } = JSON.parse(await readFile(join(here, "package.json"), "utf8"));
// Browsers of 2024: the style sheet's light-dark() asks for them anyway.
const target = ["chrome123", "firefox120", "safari17.5"];
const banner = `/* liveavatar_nb ${version}. Contains preact (MIT) and icons of lucide (ISC). */`;
const mediaBanner = `/* liveavatar_nb ${version}. Contains livekit-client (Apache-2.0). */`;

const widgets = ["picker", "panel", "studio", "talk", "view", "wire"];

await build({
  entryPoints: widgets.map((name) => join(here, "src", "widgets", `${name}.tsx`)),
  outdir: out,
  bundle: true,
  format: "esm",
  minify: true,
  target,
  jsx: "automatic",
  jsxImportSource: "preact",
  legalComments: "none",
  banner: { js: banner },
  logLevel: "warning",
});
// The heavy part, which a page asks for when it is to join a room.
await build({
  entryPoints: { media: join(here, "src", "room", "media", "index.ts") },
  inject: [join(here, "src", "room", "media", "discreet.ts")],
  outdir: out,
  bundle: true,
  format: "esm",
  minify: true,
  target,
  legalComments: "none",
  banner: { js: mediaBanner },
  logLevel: "warning",
});
await build({
  entryPoints: [join(here, "src", "widgets.css")],
  outdir: out,
  bundle: true,
  minify: true,
  target,
  legalComments: "none",
  banner: { css: banner },
  logLevel: "warning",
});

for (const name of [...widgets.map((widget) => `${widget}.js`), "media.js", "widgets.css"]) {
  const { size } = await stat(join(out, name));
  console.log(`${name.padEnd(12)} ${(size / 1000).toFixed(1).padStart(6)} kB`);
}
