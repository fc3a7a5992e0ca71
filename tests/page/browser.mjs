// Chromium without a screen.
import { createRequire } from "node:module";
import { join } from "node:path";

const home = createRequire(join(process.env.BROWSER_HOME, "package.json"));
const { default: chromium } = await import(home.resolve("@sparticuz/chromium"));
const { default: puppeteer } = await import(home.resolve("puppeteer-core"));

/** Starts a browser. */
export const launch = async () =>
  puppeteer.launch({
    args: [...chromium.args, "--no-sandbox"],
    executablePath: await chromium.executablePath(),
    headless: "shell",
  });
