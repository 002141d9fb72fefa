// What is shown of the run: which items, in which rows, and how these are drawn. It is kept in the address, so that a
// link shows the same. Not here: what changes it.

const NORMAL = {
  view: "waterfall", group: "job", query: "", source: "", outcome: "", item: "", sort: "ran", order: "down",
};
const state = { ...NORMAL };
/** Groups that were opened or closed, by kind and key. */
const opened = new Map();
/** The items that the filter lets through, and how many of them ran and waited. */
let matching = [];
let series = {};
let asked = false;

/** The columns of the table: name, title, value, and how a figure is said. */
const COLUMNS = [
  ["label", "Item", (item) => item.label],
  ["source", "Source", (item) => run.sources[item.source].name],
  ["state", "Outcome", (item) => stateWords(item.state)],
  ["tries", "Attempts", (item) => item.tries, count],
  ["start", "Start", (item) => item.start ?? item.end, time],
  ["waited", "Waited", (item) => item.waited, time],
  ["ran", "Ran", (item) => item.ran, time],
  ["bytes", "Bytes", (item) => item.bytes, bytes],
  ["rows", "Rows", (item) => item.rows, count],
  ["result", "Output or error", (item) => item.why || item.output],
];

/** What may stand in the address, where not everything may. */
const ALLOWED = {
  view: ["waterfall", "items", "waits", "lost"],
  group: ["job", "source", "start", "lane"],
  order: ["up", "down"],
  sort: COLUMNS.map(([name]) => name),
};

const act = { choose: ({ item }) => item && choose(item), key: onRowKey };
const waterfall = new Grid($("rows"), { draw: drawRow, say: sayRow, act });
const list = new Grid($("table"), { draw: drawListRow, say: ({ item }) => ({ "aria-label": spoken(item) }), act });

function readAddress() {
  const given = new URLSearchParams(location.hash.slice(1));
  for (const [name, normal] of Object.entries(NORMAL)) {
    const value = given.get(name) ?? normal;
    state[name] = ALLOWED[name]?.includes(value) === false ? normal : value;
  }
  look(Number(given.get("from")) || 0, Number(given.get("to")) || run.wall);
}

function writeAddress() {
  const said = Object.entries(state).filter(([name, value]) => value !== NORMAL[name]);
  if (isZoomed()) said.push(["from", Math.round(view.from)], ["to", Math.round(view.to)]);
  const hash = new URLSearchParams(said).toString();
  if (hash !== location.hash.slice(1)) history.replaceState(null, "", `#${hash}`);
}

/** Shows what is in `state`. */
function apply() {
  matching = run.items.filter(matches);
  const { running, waiting } = intervals(matching);
  const reasons = [...run.reasons.map(({ name }) => name), "other"].filter((name) => waiting.has(name));
  series = {
    running: seriesOf(running),
    waiting: seriesOf([...waiting.values()].flat()),
    byReason: reasons.map((name) => [`of-${name}`, seriesOf(waiting.get(name))]),
  };
  const all = counted(run.items.length, "item");
  $("matches").textContent = matching.length < run.items.length ? `${count(matching.length)} of ${all}` : all;
  tellLegend(matching);
  showView();
  waterfall.show(rowsOf(matching), isChosen);
  if (state.view === "items") showList();
  showDetails();
  drawTimes();
}

function matches(item) {
  return (state.source === "" || run.sources[item.source].name === state.source)
    && (state.outcome === "" || item.state === state.outcome)
    && (state.query === "" || textOf(item).includes(state.query.toLowerCase()));
}

/** What of an item is searched, in lower case. */
function textOf(item) {
  const texts = () => [item.label, item.why, item.output, ...item.attempts.map(({ error }) => error)];
  item.text ??= texts().join("\n").toLowerCase();
  return item.text;
}

function isChosen({ item }) {
  return item !== undefined && String(item.index) === state.item;
}

function showView() {
  for (const tab of $("tabs").children) {
    const chosen = tab.id === `tab-${state.view}`;
    tab.setAttribute("aria-selected", chosen);
    tab.tabIndex = chosen ? 0 : -1;
    $(tab.getAttribute("aria-controls")).hidden = !chosen;
  }
  $("group").hidden = $("zoom").hidden = state.view !== "waterfall";
  $("filter").hidden = !["waterfall", "items"].includes(state.view);
  for (const name of ["query", "source", "outcome"]) $(name).value = state[name];
  for (const radio of document.getElementsByName("group")) radio.checked = radio.value === state.group;
}

function showDetails() {
  const item = run.items[state.item];
  const shown = item !== undefined && ["waterfall", "items"].includes(state.view);
  const changes = $("panel").hidden === shown;
  $("panel").hidden = !shown;
  if (shown) $("details").replaceChildren(...details(item));
  if (changes) drawSoon();
}

// ---- rows of the waterfall

/** The rows: items, and groups with their items below them if they are open. */
function rowsOf(items) {
  if (state.group === "start") {
    const first = (item) => item.start ?? item.end;
    const inOrder = [...items].sort((a, b) => first(a) - first(b) || a.index - b.index);
    return inOrder.map((item) => ({ item, level: 1 }));
  }
  return groupsOf(items).flatMap((group) => {
    if (group.items.length === 1 && group.name === group.items[0].label) return [{ item: group.items[0], level: 1 }];
    const below = group.open ? group.items.map((item) => ({ item, group, level: 2 })) : [];
    return [{ group, level: 1 }, ...below];
  });
}

function groupsOf(items) {
  const groups = new Map();
  for (const item of items) {
    for (const { key, name, attempt } of placesOf(item)) {
      if (!groups.has(key)) groups.set(key, { key, name, items: [], entries: [] });
      const group = groups.get(key);
      if (group.items.at(-1) !== item) group.items.push(item);
      if (attempt) group.entries.push({ item, attempt });
    }
  }
  for (const group of groups.values()) {
    group.entries.sort((a, b) => a.attempt.start - b.attempt.start);
    group.open = opened.get(`${state.group} ${group.key}`) ?? state.group !== "lane";
  }
  return [...groups.values()].sort((a, b) => a.key - b.key);
}

/** The groups that an item is in; as many lanes as its attempts had. */
function placesOf(item) {
  const { job, source } = item;
  if (state.group === "source") return [{ key: source, name: run.sources[source].name }];
  if (state.group === "job") return [{ key: job, name: run.jobs[job].name }];
  return item.attempts.map((attempt) => ({ key: attempt.lane, name: `lane ${attempt.lane}`, attempt }));
}

function cell(kind, ...children) {
  return html("span", { role: "gridcell", class: kind }, ...children);
}

/** A cell for a label, of which the middle is left out where it is too long: names differ at their ends. */
function labelCell(kind, label, shown = label) {
  const cut = shown.length > 20 ? unitAt(shown, shown.length - 12) : shown.length;
  const parts = [["start", shown.slice(0, cut)], ["end", shown.slice(cut)]];
  const element = cell(`label ${kind}`, ...parts.map(([part, text]) => html("span", { class: part }, text)));
  element.title = label;
  return element;
}

function drawRow({ item, group, level }) {
  if (!item) return drawGroup(group);
  const name = group && state.group === "job" ? keyOf(item) : item.label;
  return [
    labelCell(`level-${level}`, item.label, name),
    cell(`outcome ${isLost(item.state) ? "bad" : "faint"}`, stateWords(item.state)),
    cell("time", drawItem(item)),
    cell("figure faint", item.waited ? time(item.waited) : ""),
    cell("figure", item.start === null ? "" : time(item.ran)),
  ];
}

function drawGroup(group) {
  const lane = state.group === "lane";
  const inLane = sum(group.entries, ({ attempt }) => attempt.end - attempt.start);
  return [
    cell("label group", html("i", { "aria-hidden": true }, group.open ? "▾" : "▸"), group.name),
    cell("outcome faint", count(group.items.length)),
    cell("time", lane ? drawLane(group.entries) : drawCourse(group)),
    cell("figure faint", lane ? "" : time(sum(group.items, (item) => item.waited))),
    cell("figure", time(lane ? inLane : sum(group.items, (item) => item.ran))),
  ];
}

function sayRow({ item, group, level }) {
  if (item) return { "aria-level": level, "aria-label": spoken(item), "data-item": item.index };
  const label = `${group.name}, ${counted(group.items.length, "item")}`;
  return { "aria-level": level, "aria-expanded": group.open, "aria-label": label };
}

// ---- rows of the table

function sorted(items) {
  const value = COLUMNS.find(([name]) => name === state.sort)[2];
  const turn = state.order === "down" ? -1 : 1;
  const order = (a, b) => (a > b) - (a < b);
  const inOrder = [...items].sort((a, b) => turn * order(value(a), value(b)) || a.index - b.index);
  return inOrder.map((item) => ({ item }));
}

function showList() {
  list.show(sorted(matching), isChosen);
  drawListHead();
}

function drawListRow({ item }) {
  return COLUMNS.map(([name, , value, words]) => {
    const given = value(item);
    if (name === "label") return labelCell("", given);
    if (words) return cell("figure", given === 0 && name !== "start" ? "" : words(given));
    return cell(["state", "result"].includes(name) && isLost(item.state) ? "bad" : "", given);
  });
}

function drawListHead() {
  const focused = document.activeElement?.dataset.sort;
  const heads = COLUMNS.map(([name, title, , words]) => {
    const order = state.sort === name ? state.order : "";
    const said = { up: "ascending", down: "descending" }[order] ?? "none";
    const sign = html("i", { "aria-hidden": true }, { up: " ▴", down: " ▾" }[order] ?? "");
    const button = html("button", { type: "button", "data-sort": name }, title, sign);
    return html("span", { role: "columnheader", "aria-sort": said, class: words ? "figure" : "" }, button);
  });
  $("table-head").replaceChildren(...heads);
  if (focused) $("table-head").querySelector(`[data-sort=${focused}]`).focus();
}

// ---- what depends on the part of the run that is shown

/** Draws it once before the next frame, however often it is asked for. */
function drawSoon() {
  if (!asked) requestAnimationFrame(drawTimes);
  asked = true;
}

function drawTimes() {
  asked = false;
  view.width = Math.max(50, $("axis").parentElement.clientWidth);
  Object.assign($("lines").style, { left: `${$("axis").parentElement.offsetLeft}px`, width: `${view.width}px` });
  drawAxis($("axis"), $("lines"));
  drawOverview();
  const course = matching.length === run.items.length ? run.course : null;
  drawNumber("running", [["running", series.running]], series.running.peak, course?.running);
  drawNumber("waiting", series.byReason, series.waiting.peak, course?.waiting);
  waterfall.redraw();
  writeAddress();
}

/** The chart of how many ran or waited; `course` is that of all items, where some of them were left out. */
function drawNumber(what, layers, peak, course) {
  const most = course ? Math.max(peak, Math.round(Math.max(...course) / 100)) : peak;
  drawStrip($(`${what}-chart`), layers, most, course ? [drawLine(course, most)] : []);
  $(`${what}-chart`).setAttribute("aria-label", `${what} at once over time, at most ${count(most)}`);
  $(`${what}-peak`).textContent = `peak ${count(most)}`;
}

function drawOverview() {
  const [before, after] = document.querySelectorAll(".shade");
  const share = (micros) => `${(100 * micros) / Math.max(run.wall, 1)}%`;
  before.style.width = $("shown").style.left = share(view.from);
  after.style.left = share(view.to);
  $("shown").style.width = share(view.to - view.from);
  sayHandle($("from"), view.from);
  sayHandle($("to"), view.to);
  $("span").textContent = isZoomed() ? `${time(view.to - view.from)} shown` : "";
  $("zoom-reset").disabled = $("zoom-out").disabled = !isZoomed();
  drawWhole($("overview").firstElementChild, series.running);
}

function sayHandle(handle, at) {
  const now = Math.round(at);
  const said = { "aria-valuemin": 0, "aria-valuemax": run.wall, "aria-valuenow": now, "aria-valuetext": time(now) };
  for (const [name, value] of Object.entries(said)) handle.setAttribute(name, value);
}
