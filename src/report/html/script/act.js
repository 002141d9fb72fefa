// What keys and the pointer do. Not here: what is then shown.

/** What is dragged in the overview (`from`, `to`, `shown`, or nothing for a new part), from which time, and what was
 * shown then. */
let drag = null;

function set(changes) {
  Object.assign(state, changes);
  apply();
}

function choose(item) {
  state.item = String(item.index);
  $("tip").hidden = true;
  showDetails();
  writeAddress();
}

function closeDetails() {
  const inside = $("panel").contains(document.activeElement);
  state.item = "";
  showDetails();
  writeAddress();
  if (inside) $(state.view === "items" ? "table" : "rows").focus();
}

/** Opens or closes a group. */
function toggle(group) {
  opened.set(`${state.group} ${group.key}`, !group.open);
  waterfall.show(rowsOf(matching), (row) => !row.item && row.group.key === group.key);
}

/** Keys of a tree: open, close, to the first below, to the one above. */
function onRowKey(key, { item, group }) {
  const enter = key === "Enter" || key === " ";
  if (item && enter) $("details").focus();
  else if (item && group && key === "ArrowLeft") waterfall.find((row) => row.group === group && !row.item);
  else if (item) return false;
  else if (enter || key === (group.open ? "ArrowLeft" : "ArrowRight")) toggle(group);
  else if (key === "ArrowRight") waterfall.step(1);
  else return false;
  return true;
}

/** Keys that mean the same wherever the focus is, but for where text is typed. */
function onKey(event) {
  if (event.target.closest("input[type=search], select") || event.ctrlKey || event.metaKey || event.altKey) return;
  const does = {
    "+": () => zoomBy(0.5),
    "=": () => zoomBy(0.5),
    "-": () => zoomBy(2),
    0: () => lookAt(0, run.wall),
    "/": () => $("query").focus(),
    Escape: closeDetails,
    ShiftArrowLeft: () => panBy(-0.1),
    ShiftArrowRight: () => panBy(0.1),
  }[event.shiftKey && event.key.startsWith("Arrow") ? `Shift${event.key}` : event.key];
  if (!does) return;
  does();
  event.preventDefault();
}

function zoomBy(factor, x) {
  zoom(factor, x);
  drawSoon();
}

function panBy(share) {
  pan(share);
  drawSoon();
}

function lookAt(from, to) {
  look(from, to);
  drawSoon();
}

/** The pixel of the axis under the pointer. */
function pixelOf(event) {
  return event.clientX - $("axis").getBoundingClientRect().left;
}

function onWheel(event) {
  const step = Math.max(-60, Math.min(event.deltaY, 60));
  if (event.ctrlKey || event.metaKey) zoomBy(Math.exp(step / 200), pixelOf(event));
  else if (isZoomed() && Math.abs(event.deltaX) > Math.abs(event.deltaY)) panBy(event.deltaX / view.width);
  else return;
  event.preventDefault();
}

/** The time under the pointer in the overview. */
function overviewTime(event) {
  const box = $("overview").getBoundingClientRect();
  return Math.min(Math.max((event.clientX - box.left) / box.width, 0), 1) * run.wall;
}

function onBrushDown(event) {
  drag = { at: overviewTime(event), from: view.from, to: view.to };
  drag.what = event.target.id === "shown" && !isZoomed() ? "" : event.target.id;
  $("overview").setPointerCapture(event.pointerId);
}

function onBrushMove(event) {
  if (!drag) return;
  const at = overviewTime(event);
  const by = Math.min(Math.max(at - drag.at, -drag.from), run.wall - drag.to);
  const other = { from: drag.to, to: drag.from }[drag.what] ?? drag.at;
  if (drag.what === "shown") lookAt(drag.from + by, drag.to + by);
  else if (Math.abs(at - drag.at) > run.wall / 500) lookAt(Math.min(at, other), Math.max(at, other));
}

function onHandleKey(event) {
  const which = event.target.id;
  const step = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1 }[event.key];
  const at = { Home: 0, End: run.wall }[event.key] ?? view[which] + (step * run.wall) / 100;
  if (Number.isNaN(at) || event.shiftKey) return;
  if (which === "from") lookAt(Math.min(at, view.to - 1), view.to);
  else lookAt(view.from, Math.max(at, view.from + 1));
  event.preventDefault();
}

/** Shows the time under the pointer, how many ran and waited then, and the details of the item there. */
function onPoint(event) {
  const inside = event.type === "pointermove" && event.target.closest(".time") !== null;
  const at = timeAt(pixelOf(event));
  $("cursor").hidden = !inside;
  $("cursor").style.left = `${event.clientX - $("chart").getBoundingClientRect().left}px`;
  $("cursor").firstElementChild.textContent = time(Math.round(at));
  $("running").textContent = inside ? count(levelAt(series.running, at)) : "";
  $("waiting").textContent = inside ? count(levelAt(series.waiting, at)) : "";
  showTip(inside ? event.target.closest("[data-item]")?.dataset.item : undefined, event.clientX, event.clientY);
}

function showTip(index, x, y) {
  const box = $("tip");
  box.hidden = index === undefined || index === state.item;
  if (box.hidden) return;
  if (box.dataset.item !== index) box.replaceChildren(...details(run.items[index]));
  box.dataset.item = index;
  const above = y + 18 + box.offsetHeight > innerHeight;
  box.style.left = `${Math.max(8, Math.min(x + 16, innerWidth - box.offsetWidth - 8))}px`;
  box.style.top = `${above ? Math.max(8, y - box.offsetHeight - 12) : y + 18}px`;
}

/** A click on a group: on an attempt in a lane it chooses the item, on the name it opens or closes the group. */
function onRowClick(event) {
  const { item, group } = waterfall.active ?? {};
  const index = event.target.dataset.item;
  if (item || !group) return;
  if (index !== undefined) choose(run.items[index]);
  else if (event.target.closest(".label")) toggle(group);
}

function onTabKey(event) {
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (step === undefined) return;
  const tabs = [...$("tabs").children].filter((tab) => !tab.hidden);
  const next = tabs[(tabs.indexOf(event.target) + step + tabs.length) % tabs.length];
  next.click();
  next.focus();
}

/** Sorts by another column, figures from the largest; or the other way round. */
function onSort(event) {
  const sort = event.target.closest("[data-sort]")?.dataset.sort;
  if (!sort) return;
  const isFigure = COLUMNS.find(([name]) => name === sort)[3] !== undefined;
  const turned = state.order === "down" ? "up" : "down";
  set({ sort, order: state.sort === sort ? turned : isFigure ? "down" : "up" });
}

/** Puts as many rows into the page as are printed, in the width of the paper, and takes them out again. */
function onPrint(begins) {
  document.body.classList.toggle("print", begins);
  const more = waterfall.length - PRINTED;
  $("more").textContent = begins && more > 0 ? `and ${counted(more, "more row")}` : "";
  drawTimes();
}

function fillChoices() {
  const option = (value, text) => html("option", { value }, text);
  const numbers = new Map();
  for (const item of run.items) numbers.set(item.state, (numbers.get(item.state) ?? 0) + 1);
  const outcomes = [...numbers].sort().map(([name, number]) => option(name, `${stateWords(name)} (${count(number)})`));
  $("outcome").append(option("", "all outcomes"), ...outcomes);
  $("source").append(option("", "all sources"), ...run.sources.map(({ name }) => option(name, name)));
  $("source").hidden = run.sources.length < 2;
}

/** A file that is opened from a disk may have nowhere to keep the theme. */
function keptTheme(theme) {
  try {
    if (theme !== undefined) localStorage.setItem("fanout-theme", theme);
    return localStorage.getItem("fanout-theme") ?? "";
  } catch {
    return theme ?? "";
  }
}

function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
  $("theme").value = theme;
}

function listen() {
  const on = (element, type, does, options) => element.addEventListener(type, does, options);
  for (const name of ["query", "source", "outcome"]) on($(name), "input", () => set({ [name]: $(name).value }));
  on($("filter"), "submit", (event) => event.preventDefault());
  on($("group"), "change", (event) => set({ group: event.target.value }));
  on($("tabs"), "click", (event) => set({ view: event.target.getAttribute("aria-controls") ?? state.view }));
  on($("tabs"), "keydown", onTabKey);
  on($("table"), "click", onSort);
  on($("rows"), "click", onRowClick);
  on($("zoom-in"), "click", () => zoomBy(0.5));
  on($("zoom-out"), "click", () => zoomBy(2));
  on($("chart"), "wheel", onWheel, { passive: false });
  for (const type of ["pointermove", "pointerleave"]) on($("chart"), type, onPoint);
  on($("overview"), "pointerdown", onBrushDown);
  on($("overview"), "pointermove", onBrushMove);
  for (const type of ["pointerup", "pointercancel"]) on($("overview"), type, () => (drag = null));
  for (const name of ["from", "to"]) on($(name), "keydown", onHandleKey);
  on($("overview"), "dblclick", () => lookAt(0, run.wall));
  on($("zoom-reset"), "click", () => lookAt(0, run.wall));
  on($("close"), "click", closeDetails);
  on($("theme"), "change", (event) => setTheme(keptTheme(event.target.value)));
  on(document, "keydown", onKey);
  on(window, "hashchange", show);
  on(window, "beforeprint", () => onPrint(true));
  on(window, "afterprint", () => onPrint(false));
  new ResizeObserver(drawSoon).observe($("axis").parentElement);
}

/** Shows what the address says, with the item that it names in sight. */
function show() {
  readAddress();
  apply();
  waterfall.find(isChosen);
  list.find(isChosen);
}

setTheme(keptTheme());
tellHead();
tellWaits();
tellLost();
fillChoices();
listen();
show();
