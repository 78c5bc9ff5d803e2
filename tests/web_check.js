// node web_check.js MODULES PAGE...: axe-core in headless Chromium (light and dark, wide and narrow), the printed
// page, and html-validate on the source. Prints the findings of each page as JSON; an empty list is a pass.
const { createRequire } = require("module");
const fs = require("fs");
const path = require("path");
const [modules, ...pages] = process.argv.slice(2);
const need = createRequire(path.join(path.resolve(modules), "x.js"));
const { chromium } = need("playwright-core");
const { HtmlValidate } = need("html-validate");
const A4 = 718; // CSS pixels between margins of a centimetre
const MOST_BYTES = 1000000;
const CHROMIUM = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

async function check(page, validator, browser) {
  const found = [];
  const report = await validator.validateFile(page);
  for (const file of report.results) {
    for (const message of file.messages) found.push(`html ${file.filePath}:${message.line} ${message.message}`);
  }
  for (const colorScheme of ["light", "dark"]) {
    for (const width of [1200, 380]) {
      const tab = await browser.newPage({ viewport: { width, height: 900 }, colorScheme });
      await tab.goto("file://" + path.resolve(page));
      await tab.addScriptTag({ content: fs.readFileSync(need.resolve("axe-core/axe.min.js"), "utf8") });
      const result = await tab.evaluate(async () => await axe.run({ resultTypes: ["violations"] }));
      for (const v of result.violations) found.push(`axe ${colorScheme} ${width}: ${v.id} (${v.impact}) ${v.nodes[0].html}`);
      const wide = await tab.evaluate(() => document.documentElement.scrollWidth);
      if (wide > width) found.push(`${colorScheme} ${width}: the page is ${wide} wide`);
      await tab.close();
    }
  }
  const paper = await browser.newPage({ viewport: { width: A4, height: 1000 } });
  await paper.emulateMedia({ media: "print" });
  await paper.goto("file://" + path.resolve(page));
  const cut = await paper.evaluate(() => [...document.querySelectorAll("table, figure, p, li")]
    .filter((e) => e.getBoundingClientRect().right > document.documentElement.clientWidth + 1).length);
  if (cut) found.push(`print: ${cut} elements are wider than the paper`);
  const pdf = await paper.pdf({ format: "A4", path: page.replace(/html$/, "pdf") });
  if (pdf.length > MOST_BYTES) found.push(`print: the PDF has ${pdf.length} bytes`);
  return found;
}

async function main() {
  const validator = new HtmlValidate({ extends: ["html-validate:standard"] });
  const executablePath = CHROMIUM.find((name) => fs.existsSync(name));
  const flags = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"];
  const browser = await chromium.launch({ executablePath, args: flags });
  const found = {};
  for (const page of pages) found[page] = await check(page, validator, browser);
  await browser.close();
  console.log(JSON.stringify(found));
}
main();
