// Takes a picture of the upper part of a report.
//   tests/page/picture [FILE]
import { statSync } from "node:fs";
import { launch } from "./browser.mjs";

/** The most bytes of a picture in the repository. */
const LARGEST = 120_000;

const browser = await launch();
const page = await browser.newPage();
await page.setViewport({ width: 1000, height: 760 });
await page.goto(`file://${process.env.REPORT}`);
await page.screenshot({ path: process.env.PICTURE });
await browser.close();
const { size } = statSync(process.env.PICTURE);
if (size > LARGEST) throw new Error(`${process.env.PICTURE} has ${size} bytes, more than ${LARGEST}`);
