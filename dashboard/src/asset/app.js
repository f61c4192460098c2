// Keeps pages live. Each works without this; nothing here makes markup of what somebody said: what is put in
// comes from the same server, made by the same templates, and words of a model are put in as text.

const REFRESH_MS_MIN = 150;
const ZONE_S = 31536000;

// The next page shows times as this browser has them.
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
if (zone) document.cookie = `cuepoint_zone=${encodeURIComponent(zone)}; path=/; max-age=${ZONE_S}; samesite=strict`;

function equip(root) {
  for (const button of root.querySelectorAll("[data-copy]")) {
    button.hidden = !navigator.clipboard;
    button.onclick = async () => {
      await navigator.clipboard.writeText(button.dataset.copy);
      button.textContent = "Copied";
      setTimeout(() => (button.textContent = "Copy"), 1500);
    };
  }
  for (const link of root.querySelectorAll("a[rel=next]")) onSight.observe(link);
}

// Lists go on when their end comes into sight.
const onSight = new IntersectionObserver((seen) => {
  for (const { target, isIntersecting } of seen) {
    if (!isIntersecting) continue;
    onSight.unobserve(target);
    more(target).catch(() => {});
  }
}, { rootMargin: "400px" });

async function more(link) {
  const page = await load(link.href);
  const rows = document.getElementById("rows");
  const fresh = page?.getElementById("rows");
  if (!rows || !fresh) return;
  for (const row of [...fresh.children]) if (!document.getElementById(row.id)) rows.append(row);
  const next = page.querySelector("a[rel=next]");
  if (next) link.replaceWith(next);
  else link.parentElement.remove();
  paged = true;
  equip(document);
}

async function load(url) {
  const response = await fetch(url, { headers: { accept: "text/html" }, redirect: "manual" });
  // The page leads elsewhere now, such as to the conversation that an event was waiting for.
  if (response.type === "opaqueredirect") location.reload();
  return response.ok ? new DOMParser().parseFromString(await response.text(), "text/html") : null;
}

// Regions are made anew from the page as it would be now. What did not change is left in place, and so is what
// the reader writes into.
let paged = false;
function merge(region, fresh) {
  const known = new Map([...region.children].filter((child) => child.id).map((child) => [child.id, child]));
  let place = region.firstElementChild;
  for (const child of [...fresh.children]) {
    let here = child.id ? known.get(child.id) : null;
    known.delete(child.id);
    if (here && !here.isEqualNode(child) && !isWritten(here)) {
      keepOpen(here, child);
      here.replaceWith(child);
      if (place === here) place = child;
      here = child;
    }
    here ??= child;
    if (here === place) place = place.nextElementSibling;
    else region.insertBefore(here, place);
  }
  // Rows that were loaded by going on are none of the first page's.
  if (!paged) for (const gone of known.values()) gone.remove();
}

function isWritten(element) {
  const active = document.activeElement;
  return element.contains(active) && active.matches("input, textarea, select");
}

function keepOpen(before, after) {
  const opened = [...before.querySelectorAll("details")].map((details) => details.open);
  [...after.querySelectorAll("details")].forEach((details, index) => (details.open ||= opened[index] ?? false));
}

let due = null;
let loading = false;
let refreshed = -REFRESH_MS_MIN;
async function refresh() {
  due = null;
  loading = true;
  refreshed = performance.now();
  try {
    const page = await load(location.href);
    for (const region of page ? document.querySelectorAll("[data-region]") : []) {
      const fresh = page.querySelector(`[data-region="${region.dataset.region}"]`);
      if (!fresh || region.isEqualNode(fresh)) continue;
      if (region.dataset.keyed !== undefined) merge(region, fresh);
      else if (!isWritten(region)) {
        keepOpen(region, fresh);
        region.replaceChildren(...fresh.childNodes);
      }
    }
    equip(document);
    // What was said stands in a message now.
    const live = document.getElementById("live-text");
    if (live && ended.has(live.dataset.event)) live.textContent = "";
    ended.clear();
  } finally {
    loading = false;
  }
}

const ended = new Set();
function changed({ data } = {}) {
  const said = data && JSON.parse(data)?.said;
  if (said) ended.add(said);
  if (due) return;
  // At once where nothing came of late; what comes meanwhile is seen together.
  const wait = Math.max(loading ? REFRESH_MS_MIN : 0, refreshed + REFRESH_MS_MIN - performance.now());
  due = setTimeout(() => (loading ? ((due = null), changed({})) : refresh().catch(() => {})), wait);
}

let source = null;
function listen() {
  const path = document.getElementById("main")?.dataset.live;
  if (!path || source || document.hidden) return;
  source = new EventSource(path);
  source.addEventListener("changed", changed);
  // What happened before the stream stood.
  source.addEventListener("open", changed);
  source.addEventListener("end", () => (source?.close(), changed()));
  source.addEventListener("token", ({ data }) => said(JSON.parse(data)));
}

// What a model says, as it comes; the message that follows counts.
function said({ text, event }) {
  const live = document.getElementById("live-text");
  if (!live) return;
  if (text === null || live.dataset.event !== event) live.textContent = "";
  // The first words of a turn are the first that a page hears of it.
  if (live.dataset.event !== event) changed();
  live.dataset.event = event;
  live.append(text ?? "");
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden) {
    source?.close();
    source = null;
  } else if (document.getElementById("main")?.dataset.live) {
    changed();
    listen();
  }
});

// Something that stands open is closed by Escape, or by a press elsewhere.
const confirms = () => document.querySelectorAll("details.confirm[open]");
document.addEventListener("keydown", ({ key }) => {
  if (key === "Escape") for (const details of confirms()) details.open = false;
});
document.addEventListener("click", ({ target }) => {
  for (const details of confirms()) if (!details.contains(target)) details.open = false;
});

equip(document);
listen();
