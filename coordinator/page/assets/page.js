// Replaces the page's content by the newest one, every two seconds. The token stands in the URL's fragment, which
// browsers do not send; it goes to the server in a header.
"use strict";

const token = new URLSearchParams(location.hash.slice(1)).get("token") ?? "";
const main = document.getElementById("main");
const news = document.getElementById("news");

async function refresh() {
  try {
    const response = await fetch("body", { headers: { Authorization: `Bearer ${token}` }, cache: "no-store" });
    if (response.status === 401) {
      say("The token in this page's address is missing or wrong. Open the address that the command printed.");
      return;
    }
    if (!response.ok) throw new Error(`the server answered ${response.status}`);
    show(await response.text());
    say("");
  } catch (error) {
    say(`No answer: the command that serves this page may have ended. What you see is old. (${error.message})`);
  }
  setTimeout(refresh, 2000);
}

// Only our own server's HTML, in which every text from outside is escaped.
function show(html) {
  const open = [...document.querySelectorAll("details")].map((details) => details.open);
  main.innerHTML = html;
  document.querySelectorAll("details").forEach((details, at) => (details.open = open[at] ?? false));
  for (const time of document.querySelectorAll("time")) {
    const seconds = Math.max(0, Math.round((Date.now() - Date.parse(time.dateTime)) / 1000));
    if (Number.isFinite(seconds)) time.textContent = seconds < 120 ? `${seconds} s ago` : time.dateTime;
  }
  const heading = document.querySelector("h1");
  if (heading) document.title = heading.textContent;
}

function say(text) {
  news.textContent = text;
}

refresh();
