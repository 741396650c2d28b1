// Bundles the front end into ../static: one self-contained ES module and one style sheet for all widgets, the loader
// that each widget begins with, and the part that joins rooms.
// With --watch it does so again after each change, until Ctrl-C.
import { readFile, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build, context } from "esbuild";
import { licences } from "./licences.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const out = join(here, "..", "static");
const { version } = JSON.parse(await readFile(join(here, "package.json"), "utf8"));
// Browsers of 2024: the style sheet's light-dark() asks for them anyway.
const target = ["chrome123", "firefox120", "safari17.5"];
const banner = `/* liveavatar_nb ${version}. Contains preact (MIT) and icons of lucide (ISC). */`;
const mediaBanner = `/* liveavatar_nb ${version}. Contains livekit-client (Apache-2.0). */`;

/** What all bundles have in common. */
const shared = { bundle: true, minify: true, outdir: out, target, legalComments: "none", logLevel: "warning" };
const bundles = [
  { ...shared, entryPoints: [join(here, "src", "loader.ts")], format: "esm" },
  {
    ...shared,
    entryPoints: { widgets: join(here, "src", "widgets", "index.ts") },
    format: "esm",
    jsx: "automatic",
    jsxImportSource: "preact",
    banner: { js: banner },
  },
  // The heavy part, which a page asks for when it is to join a room.
  {
    ...shared,
    entryPoints: { media: join(here, "src", "room", "media", "index.ts") },
    inject: [join(here, "src", "room", "media", "discreet.ts")],
    format: "esm",
    banner: { js: mediaBanner },
  },
  { ...shared, entryPoints: [join(here, "src", "widgets.css")], banner: { css: banner } },
];

if (process.argv.includes("--watch")) {
  for (const bundle of bundles) {
    const watched = await context({ ...bundle, logLevel: "info" });
    await watched.watch();
  }
} else {
  const results = await Promise.all(bundles.map((bundle) => build({ ...bundle, metafile: true, absWorkingDir: here })));
  await writeFile(join(out, "THIRD_PARTY_LICENSES.txt"), await licences(results, here));
  for (const name of ["loader.js", "widgets.js", "media.js", "widgets.css"]) {
    const { size } = await stat(join(out, name));
    console.log(`${name.padEnd(12)} ${(size / 1000).toFixed(1).padStart(6)} kB`);
  }
}
