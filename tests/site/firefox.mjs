// Opens addresses in Firefox, over WebDriver BiDi, and prints what stands there as JSON.
// node firefox.mjs PUPPETEER FIREFOX ADDRESS ...
import { pathToFileURL } from "node:url";

const [puppeteerFolder, firefox, ...addresses] = process.argv.slice(2);
const module = `${puppeteerFolder}/lib/esm/puppeteer/puppeteer-core.js`;
const { default: puppeteer } = await import(pathToFileURL(module).href);

const browser = await puppeteer.launch({
  browser: "firefox",
  executablePath: firefox,
  headless: true,
  // Pages opened as files may read files beside them, as a reader may set it.
  extraPrefsFirefox: { "security.fileuri.strict_origin_policy": false },
});
const page = await browser.newPage();
const asked = [];
const errors = [];
page.on("request", (request) => asked.push(request.url()));
page.on("pageerror", (error) => errors.push(String(error)));
const seen = [];
for (const address of addresses) {
  await page.goto(address, { waitUntil: "load" });
  if (address.includes("search.html")) await page.waitForSelector("#search-results li");
  const [place] = /live\.html#(\w+)/.exec(address)?.slice(1) ?? [];
  if (place) {
    await page.waitForSelector(`[data-explorer=${place}] .keepsakes`);
    await page.focus(`[data-explorer=${place}] input[aria-label=map]`);
    await page.keyboard.press("ArrowRight");
  }
  seen.push(
    await page.evaluate(() => ({
      heading: document.querySelector("h1").innerText,
      broken: [...document.images].filter((one) => one.complete && one.naturalWidth === 0).map((one) => one.src),
      found: document.querySelectorAll("#search-results li").length,
      shown: [...document.querySelectorAll(".picture canvas")].map((one) => one.title),
      width: document.documentElement.scrollWidth - innerWidth,
    })),
  );
}
await browser.close();
console.log(JSON.stringify({ seen, asked, errors }));
