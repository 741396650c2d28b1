// The licences of what is in the bundles: of each package that esbuild took something from, and of each that had been
// bundled into one of those before it was published.
import { readFile, readdir } from "node:fs/promises";
import { dirname, join } from "node:path";

const RULE = "=".repeat(80);
const LICENCE_FILE = /^(licen[cs]e|notice|copying|copyright)/i;
const IN_PACKAGE = /.*\bnode_modules\/((?:@[^/]+\/)?[^/]+)\//;
// pnpm's folders have the version: node_modules/.pnpm/jose@6.2.12/node_modules/jose/...
const VERSION = /\.pnpm\/[^/]*?@([\d.]+[^/_(]*)[^/]*\/node_modules\//;
const COMMENT = /\/\*[^]*?\*\/|(?:^[ \t]*\/\/[^\n]*\n)+/gm;

/** Write down the licences of all that these builds of esbuild have in them, in the form of a text file. */
export async function licences(results, here) {
  const parts = new Map();
  const part = (name) => parts.get(name) ?? parts.set(name, { sources: [], version: undefined }).get(name);
  for (const { metafile } of results) {
    for (const { inputs } of Object.values(metafile.outputs)) {
      for (const [input, { bytesInOutput }] of Object.entries(inputs)) {
        const name = IN_PACKAGE.exec(input)?.[1];
        if (name && bytesInOutput) await include(join(here, input), name, part, here);
      }
    }
  }
  const texts = await Promise.all([...parts].sort(byName).map(([name, found]) => describe(name, found, here)));
  return [`The widgets of liveavatar_nb contain these packages.\n`, ...texts].join(`\n${RULE}\n`);
}

async function include(file, name, part, here) {
  const text = await readFile(file, "utf8");
  const map = await readFile(`${file}.map`, "utf8").then(JSON.parse, () => undefined);
  if (!map?.sources.some((source) => IN_PACKAGE.test(source))) {
    part(name).sources.push(text);
    return;
  }
  // A bundle already. Its map does not name all that is in it: a part may have come without a map of its own.
  for (const dependency of Object.keys((await manifest(name, here)).dependencies ?? {})) part(dependency);
  map.sources.forEach((source, index) => {
    const inner = part(IN_PACKAGE.exec(source)?.[1] ?? name);
    inner.version ??= VERSION.exec(source)?.[1];
    inner.sources.push(map.sourcesContent?.[index] ?? "");
  });
}

async function describe(name, { sources, version }, here) {
  const { version: installed, license } = await manifest(name, here);
  const folder = dirname(manifestPath(name, here));
  const files = (await readdir(folder)).filter((file) => LICENCE_FILE.test(file)).sort();
  const texts = await Promise.all(files.map((file) => readFile(join(folder, file), "utf8")));
  for (const notice of sources.flatMap(notices)) {
    if (!texts.some((text) => plain(text).includes(plain(notice)))) texts.push(notice);
  }
  if (!texts.length) throw new Error(`${name} says nowhere under which licence it is`);
  return [`${name} ${version ?? installed}\nLicence: ${license}\n`, ...texts.map((text) => text.replace(/^\s*\n|\s+$/g, "") + "\n")].join("\n");
}

/** What the comments of a file say about whose it is, without the marks of a comment. */
function notices(source) {
  const comments = source.match(COMMENT) ?? [];
  const claims = comments.filter((comment) => /copyright/i.test(comment) && /licen[cs]e|permi[ts]/i.test(comment));
  return claims.map((comment) => comment.replace(/^[ \t]*(\/\*+|\*+\/|\*|\/\/)[ \t]?|\*\/\s*$/gm, ""));
}

const plain = (text) => text.replace(/\s+/g, " ").trim();
const manifestPath = (name, here) => join(here, "node_modules", name, "package.json");
const manifest = async (name, here) => JSON.parse(await readFile(manifestPath(name, here), "utf8"));
const byName = ([one], [other]) => (one < other ? -1 : 1);
