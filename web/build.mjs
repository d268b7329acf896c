// Builds superparams/views/page/page.html: one document with its script and style inside.
// `node build.mjs OTHER.html` writes to another place; a test compares that with the committed file.
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const target = process.argv[2] ?? join(here, "../superparams/views/page/page.html");

/** One source file and what it imports, as small text. */
async function bundled(entry) {
  const result = await build({
    absWorkingDir: here,
    entryPoints: [entry],
    bundle: true,
    minify: true,
    write: false,
    format: "iife",
    target: ["es2022"],
    charset: "ascii",
    legalComments: "none",
    logLevel: "warning",
  });
  return result.outputFiles[0].text.trim().replaceAll("</", "<\\/");
}

/** What a content security policy calls this inline text. */
const hash = (text) => `'sha256-${createHash("sha256").update(text).digest("base64")}'`;

const script = await bundled("src/main.ts");
const theme = await bundled("src/look/first_theme.ts");
const style = await bundled("src/look/page.css");
const policy = [
  "default-src 'none'",
  `script-src ${hash(theme)} ${hash(script)}`,
  `style-src ${hash(style)}`,
  "img-src data:",
  "connect-src 'none'",
  "base-uri 'none'",
  "form-action 'none'",
].join("; ");

const parts = { policy, theme, style, script };
const page = readFileSync(join(here, "src/page.html"), "utf8").replace(
  /\{\{(\w+)\}\}/g,
  (_, name) => parts[name],
);
mkdirSync(dirname(target), { recursive: true });
writeFileSync(target, page);
console.log(`${target}: ${(Buffer.byteLength(page) / 1024).toFixed(0)} KB`);
