// Drives the page and the report of a real export in a real browser: Chromium without a screen.
//   tests/page/run [FOLDER]    screenshots go to FOLDER
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { launch } from "./browser.mjs";

const binaries = process.env.TABLEHAUL_BINARIES;
const pictures = process.env.PICTURES;
const work = mkdtempSync(join(tmpdir(), "tablehaul-page."));
const folder = join(work, "Cities");
const events = join(work, "events.ndjson");
const environment = { ...process.env, AWS_ACCESS_KEY_ID: "test", AWS_SECRET_ACCESS_KEY: "test", AWS_REGION: "eu-west-1" };

let server, endpoint, browser;
const children = new Set();

/** A process of which every line is kept; `line(pattern)` waits for one. */
function start(command, ...args) {
  const child = spawn(join(binaries, command), args, { env: environment, stdio: ["ignore", "pipe", "pipe"] });
  children.add(child);
  let text = "";
  const waiting = new Set();
  const look = () => waiting.forEach((one) => one());
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (data) => { text += data; look(); });
  const ended = new Promise((resolve) => child.on("exit", (code, signal) => { child.over = true; look(); resolve(code ?? signal); }));
  const line = (pattern) =>
    new Promise((resolve, reject) => {
      const one = () => {
        const found = text.match(pattern);
        if (found) { waiting.delete(one); resolve(found); }
        else if (child.over) { waiting.delete(one); reject(new Error(`${command} ended without ${pattern}:\n${text}`)); }
      };
      waiting.add(one);
      one();
    });
  return { child, ended, line, text: () => text };
}

const startExport = (...more) =>
  start("tablehaul", "export", "Cities", folder, "--dynamodb-endpoint", endpoint, "--events", events,
    "--segments", "40", ...more);

/** A page that fails the test if the browser asks another host, logs an error, or a script fails. */
async function open(url, options = {}) {
  const page = await browser.newPage();
  page.faults = [];
  page.on("pageerror", (error) => page.faults.push(String(error)));
  page.on("console", (message) => {
    // The browser itself logs answers such as 401, which some tests want.
    if (message.type() === "error" && !message.text().startsWith("Failed to load resource")) page.faults.push(message.text());
  });
  page.on("request", (request) => {
    const to = new URL(request.url());
    if (to.protocol !== "file:" && to.hostname !== "127.0.0.1") page.faults.push(`asked ${to}`);
  });
  await page.setViewport({ width: options.width ?? 1100, height: 900 });
  await page.goto(url);
  return page;
}

const text = (page) => page.evaluate(() => document.body.innerText);
const contains = (page, what) => page.waitForFunction((what) => document.body.innerText.includes(what), { timeout: 60_000 }, what);
const done = (page) => page.evaluate(() => Number(document.querySelector("progress")?.value ?? Number.NaN));

/** Waits until the job of a page has done some of its tasks. */
async function tasksDone(url, least) {
  const headers = { authorization: `Bearer ${url.split("token=")[1]}` };
  for (let tries = 0; tries < 300; tries++) {
    const [job] = await (await fetch(new URL("status.json", url), { headers })).json();
    if (job.state.status?.tasks.done >= least) return;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  assert.fail(`never ${least} tasks done`);
}

before(async () => {
  mkdirSync(pictures, { recursive: true });
  server = start("demo-dynamodb", "--cities", "Cities");
  endpoint = `http://${(await server.line(/listening on (\S+)/))[1]}`;
  browser = await launch();
});

after(async () => {
  await browser?.close();
  children.forEach((child) => child.kill("SIGKILL"));
});

test("a running export moves, is killed, resumes, and leaves a report", { timeout: 300_000 }, async () => {
  let job = startExport("--read-units", "150", "--page");
  let [url] = await job.line(/http:\/\/127\.0\.0\.1:\d+\/#token=\w+/);
  let page = await open(url);
  await contains(page, "Export of Cities");
  await page.waitForFunction(() => (document.querySelector("progress")?.value ?? 0) > 0, { timeout: 60_000 });
  const first = await done(page);
  await page.waitForFunction((first) => (document.querySelector("progress")?.value ?? 0) > first, { timeout: 60_000 }, first);
  assert.ok((await text(page)).includes("≈"), "a percentage that rests on an old count says so");
  await page.waitForFunction(() => document.querySelectorAll("svg").length >= 4, { timeout: 60_000 });
  await page.screenshot({ path: join(pictures, "running.png"), fullPage: true });

  const stranger = await open(new URL("/", url).href);
  await contains(stranger, "token in this page's address is missing or wrong");
  assert.ok(!(await text(stranger)).includes("Cities"));
  for (const path of ["body", "text", "status.json", "events", "metrics"]) {
    assert.equal((await fetch(new URL(path, url))).status, 401, path);
  }
  assert.equal((await fetch(new URL("healthz", url))).status, 200);

  const phone = await open(url, { width: 390 });
  await contains(phone, "Export of Cities");
  const wide = await phone.evaluate(() => document.documentElement.scrollWidth);
  assert.ok(wide <= 390, `the page is ${wide} wide on a phone`);
  await phone.screenshot({ path: join(pictures, "phone.png"), fullPage: true });

  job.child.kill("SIGKILL");
  await job.ended;
  await contains(page, "No answer");

  job = startExport("--read-units", "150", "--page");
  [url] = await job.line(/http:\/\/127\.0\.0\.1:\d+\/#token=\w+/);
  const resumed = await open(url);
  await contains(resumed, "Resumed:");
  await resumed.waitForFunction(() => [...document.querySelectorAll(".mark title")].some((title) => title.textContent.includes("resumed")), { timeout: 60_000 });
  await resumed.screenshot({ path: join(pictures, "resumed.png"), fullPage: true });
  await ofFolder();
  // An export that has nothing to keep removes what it told.
  await tasksDone(url, 2);
  job.child.kill("SIGTERM");
  assert.equal(await job.ended, 3, job.text());

  const last = startExport("--read-units", "40000");
  assert.equal(await last.ended, 0, last.text());
  const html = spawnSync(join(binaries, "tablehaul"), ["report", events], { env: environment });
  assert.equal(html.status, 0, String(html.stderr));
  const file = join(work, "report.html");
  writeFileSync(file, html.stdout);
  const kept = readFileSync(join(folder, "_tablehaul", "report.html"), "utf8");
  for (const part of ["Export of Cities", "taken over from", "resumed"]) assert.ok(kept.includes(part), `${part}: ${last.text()}`);
  const report = await open(`file://${file}`);
  for (const part of ["Export of Cities", "Plan and outcome", "CRC-32C", "144,563"]) await contains(report, part);
  await report.screenshot({ path: join(pictures, "report.png"), fullPage: true });

  for (const one of [page, stranger, phone, resumed, report]) assert.deepEqual(one.faults, []);
});

/** The page of a folder shows the job that runs there, with and without scripts. */
async function ofFolder() {
  const job = start("tablehaul", "page", folder);
  const [url, token] = await job.line(/http:\/\/127\.0\.0\.1:\d+\/#token=(\w+)/);
  const page = await open(url);
  await contains(page, "Export of Cities");
  assert.deepEqual(page.faults, []);

  const plain = await browser.newPage();
  await plain.setJavaScriptEnabled(false);
  await plain.authenticate({ username: "anyone", password: token });
  await plain.goto(new URL("text", url).href);
  const html = await plain.content();
  assert.ok(html.includes("Export of Cities") && html.includes("<table"), html);
  job.child.kill("SIGTERM");
  assert.equal(await job.ended, 0, job.text());
}
