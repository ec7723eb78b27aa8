// Makes the libraries in marketprism_console/web/vendor out of the packages that package.json names.
// What is served is in the repository: this runs when a version changes, and on no other occasion.
import { build } from 'esbuild';
import { createHash } from 'node:crypto';
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';

const OUT = 'marketprism_console/web/vendor';
const LIBRARIES = {
  lit: {
    licence: 'LICENSE',
    exports: `
      export { LitElement, html, svg, nothing, noChange } from 'lit';
      export { repeat } from 'lit/directives/repeat.js';
      export { classMap } from 'lit/directives/class-map.js';
      export { styleMap } from 'lit/directives/style-map.js';
      export { ref, createRef } from 'lit/directives/ref.js';
      export { live } from 'lit/directives/live.js';
      export { keyed } from 'lit/directives/keyed.js';`,
  },
  'lightweight-charts': {
    licence: 'LICENSE',
    exports: `
      export { createChart, createChartEx, defaultHorzScaleBehavior, CandlestickSeries, HistogramSeries, LineSeries,
        AreaSeries, ColorType, CrosshairMode, LineStyle, TickMarkType } from 'lightweight-charts';`,
  },
};

const made = {};
for (const [name, library] of Object.entries(LIBRARIES)) {
  const { version, license } = JSON.parse(readFileSync(`node_modules/${name}/package.json`, 'utf8'));
  const outfile = `${OUT}/${name}.js`;
  await build({
    stdin: { contents: library.exports, resolveDir: '.', loader: 'js' },
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    legalComments: 'none',
    banner: { js: `/* ${name} ${version}, ${license}: see ${name}.LICENSE beside this file. */` },
    outfile,
  });
  copyFileSync(`node_modules/${name}/${library.licence}`, `${OUT}/${name}.LICENSE`);
  const bytes = readFileSync(outfile);
  made[name] = {
    version,
    license,
    bytes: bytes.length,
    gzip: gzipSync(bytes, { level: 9 }).length,
    sha256: createHash('sha256').update(bytes).digest('hex'),
  };
}
writeFileSync(`${OUT}/versions.json`, `${JSON.stringify(made, null, 2)}\n`);
console.log(made);
