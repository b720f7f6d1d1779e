"use strict";
// Keys, filters that apply at once, and parts that are asked for again while something goes on.
// No text becomes HTML here: what replaces a part is what the server has made of it.

const rows = () => [...document.querySelectorAll("[data-row]")];
const current = () => rows().findIndex((row) => row.contains(document.activeElement));

function focusRow(step) {
  const all = rows();
  if (!all.length) return follow(step > 0 ? "[rel=next]" : "[rel=prev]");
  const at = current();
  const row = all[at < 0 ? (step > 0 ? 0 : all.length - 1) : at + step];
  if (!row) return follow(step > 0 ? "[rel=next]" : "[rel=prev]");
  (row.querySelector("a") || row.querySelector("summary, input")).focus();
  row.scrollIntoView({ block: "nearest" });
}

function follow(selector) {
  const link = document.querySelector(selector);
  if (link) link.click();
}

const keys = {
  "/": () => {
    const search = document.querySelector("[data-search]");
    if (search) {
      search.focus();
      search.select();
    }
  },
  j: () => focusRow(1),
  k: () => focusRow(-1),
  c: () => follow("[data-compare]"),
  u: () => follow("[data-up]"),
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const field = event.target.closest("input, select, textarea");
  if (field && event.key === "Escape") return field.blur();
  if (field && field.type !== "checkbox") return;
  if (keys[event.key]) {
    event.preventDefault();
    keys[event.key]();
  }
});

document.addEventListener("change", (event) => {
  if (event.target.matches("[data-submit]")) event.target.form.requestSubmit();
});

// Without empty fields, a URL says what it asks for.
document.addEventListener("formdata", (event) => {
  for (const [name, value] of [...event.formData]) if (value === "") event.formData.delete(name);
});

// Logs are read when they are opened, and grow while the job runs. A browser has six connections to a server:
// if all of them followed logs, no page could be asked for.
const MOST_FOLLOWED = 4;
const followed = new Map(); // events by their details, the first opened first

function stopFollowing(details) {
  followed.get(details).close();
  followed.delete(details);
  delete details.dataset.reading;
  details.open = false;
  details.querySelector(".log").replaceChildren();
}

function readLog(details) {
  const log = details.querySelector(".log");
  if (!details.open && followed.has(details)) return stopFollowing(details);
  if (!details.open || details.dataset.reading) return;
  if (followed.size === MOST_FOLLOWED) stopFollowing(followed.keys().next().value);
  details.dataset.reading = "yes";
  const events = new EventSource(details.dataset.log);
  followed.set(details, events);
  const add = (text) => {
    const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 20;
    log.append(document.createTextNode(text));
    while (log.childNodes.length > 1000) log.firstChild.remove();
    if (atEnd) log.scrollTop = log.scrollHeight;
  };
  events.onmessage = (event) => add(JSON.parse(event.data).map((line) => line + "\n").join(""));
  events.addEventListener("problem", (event) => add(JSON.parse(event.data) + "\n"));
  events.onerror = () => {
    if (events.readyState !== EventSource.CLOSED) return; // it is asked for again
    followed.delete(details);
    delete details.dataset.reading;
    add("This log can not be read. Close and open it to try again.\n");
  };
  events.addEventListener("end", () => {
    events.close();
    followed.delete(details);
    if (!log.firstChild) add("It has printed nothing.\n");
  });
}

for (const details of document.querySelectorAll("[data-log]")) {
  details.addEventListener("toggle", () => readLog(details));
  if (followed.size === MOST_FOLLOWED) details.open = false;
  readLog(details);
}

// A link to a job's log opens it.
function openTarget() {
  const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (target && target.matches("details")) target.open = true;
}
addEventListener("hashchange", openTarget);
openTarget();

const liveParts = (root) => [...root.querySelectorAll("[data-live]")];
const liveNames = (root) => liveParts(root).map((part) => part.dataset.live).join();

async function refresh() {
  let body;
  let problem = "";
  try {
    const response = await fetch(location.href, { headers: { Accept: "text/html" } });
    body = new DOMParser().parseFromString(await response.text(), "text/html").body;
    if (!response.ok) problem = (body.querySelector("[role=alert]") || body).textContent;
  } catch {
    problem = "textgen view does not answer. What is here is no longer up to date.";
  }
  showProblem(problem);
  if (problem) return schedule(5);
  if (liveNames(body) !== liveNames(document)) return location.reload();
  const replaced = liveParts(document).map((part) => replacePart(part, body));
  schedule(body.dataset.refresh || (replaced.includes(false) && 2));
}

function showProblem(text) {
  const line = document.getElementById("refresh-problem") || document.createElement("p");
  if (!text) return line.remove();
  if (line.textContent !== text) line.textContent = text;
  if (line.isConnected) return;
  Object.assign(line, { id: "refresh-problem", className: "problem", role: "alert" });
  document.querySelector("main").prepend(line);
}

// Whether a part of the page is now as in `body`. What is focused stays so; a list that may be open is left alone.
function replacePart(part, body) {
  const next = body.querySelector(`[data-live="${part.dataset.live}"]`);
  if (next.innerHTML === part.innerHTML) return true;
  const focused = document.activeElement;
  if (part.contains(focused) && focused.matches("select")) return false;
  const key = (element) => element.getAttribute("href") || element.getAttribute("aria-label");
  const twin = part.contains(focused) && [next, ...next.querySelectorAll("a, [tabindex]")].find((each) => key(each) === key(focused));
  const scrolled = part.scrollLeft;
  part.replaceWith(document.adoptNode(next));
  next.scrollLeft = scrolled;
  if (twin) twin.focus({ preventScroll: true });
  return true;
}

function schedule(seconds) {
  if (seconds) setTimeout(refresh, seconds * 1000);
}

schedule(document.body.dataset.refresh);
