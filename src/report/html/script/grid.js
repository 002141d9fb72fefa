// Rows that scroll, of which only those that can be seen are in the page: focus, keys, and what is said of them to who
// does not see them. Not here: what rows show.

/** Rows drawn above and below those that can be seen. */
const BEYOND = 8;
/** The most rows that are printed. */
const PRINTED = 500;

function html(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== null) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

class Grid {
  #rows = [];
  #drawn = new Map();
  #active = -1;
  #scroller;

  /**
   * `element` has role grid or treegrid and scrolls in its parent; its first child is its head. `draw(row)` gives
   * the cells of a row, `say(row)` its attributes; `act.choose(row)` is told what is active, `act.key(key, row)` what
   * was pressed, and says whether that meant something.
   */
  constructor(element, { draw, say, act }) {
    Object.assign(this, { element, draw, say, act });
    this.#scroller = element.parentElement;
    this.body = html("div", { role: "rowgroup", class: "rows" });
    element.append(this.body);
    this.#scroller.addEventListener("scroll", () => this.#fill());
    new ResizeObserver(() => this.#fill()).observe(this.#scroller);
    element.addEventListener("keydown", (event) => this.#onKey(event));
    element.addEventListener("focus", () => this.#onFocus());
    this.body.addEventListener("click", (event) => this.#onClick(event));
  }

  get active() {
    return this.#rows[this.#active];
  }

  get length() {
    return this.#rows.length;
  }

  /** Shows other rows. The one that `isActive` finds is the active one. */
  show(rows, isActive) {
    this.#rows = rows;
    this.#active = rows.findIndex(isActive);
    this.element.setAttribute("aria-rowcount", rows.length + 1);
    this.body.style.height = `${rows.length * ROW}px`;
    this.redraw();
  }

  /** Draws all rows again that are in the page. */
  redraw() {
    this.#drawn.forEach((element) => element.remove());
    this.#drawn.clear();
    this.#fill();
  }

  /** Makes a row the active one, and brings it to where it can be seen. */
  activate(index, quietly = false) {
    if (!this.#rows.length) return;
    const next = Math.min(Math.max(index, 0), this.#rows.length - 1);
    const before = this.#active;
    this.#active = next;
    this.reveal();
    [before, next].forEach((at) => this.#drop(at));
    this.#fill();
    if (!quietly) this.act.choose(this.#rows[next]);
  }

  /** Makes the next row active, or the one before. */
  step(by) {
    this.activate(this.#active + by);
  }

  /** Makes the row active that `isIt` finds. */
  find(isIt) {
    const index = this.#rows.findIndex(isIt);
    if (index >= 0) this.activate(index, true);
  }

  /** Scrolls until the active row can be seen. */
  reveal() {
    if (this.#active < 0) return;
    const top = this.body.offsetTop + this.#active * ROW;
    const above = this.#headBottom();
    if (top < this.#scroller.scrollTop + above) this.#scroller.scrollTop = top - above;
    const bottom = top + ROW - this.#scroller.clientHeight;
    if (bottom > this.#scroller.scrollTop) this.#scroller.scrollTop = bottom;
  }

  /** The height of what stays above the rows. */
  #headBottom() {
    const head = this.element.firstElementChild;
    return (parseFloat(getComputedStyle(head).top) || 0) + head.offsetHeight;
  }

  /** The first row that can be seen and the one after the last. */
  #window() {
    if (document.body.classList.contains("print")) return [0, Math.min(this.#rows.length, PRINTED)];
    const top = this.#scroller.scrollTop - this.body.offsetTop;
    const first = Math.floor(top / ROW) - BEYOND;
    const last = Math.ceil((top + this.#scroller.clientHeight) / ROW) + BEYOND;
    return [Math.max(0, first), Math.min(this.#rows.length, last)];
  }

  /** Puts rows in that can be seen now and takes out those that can't; the active one always stays. */
  #fill() {
    const [first, end] = this.#window();
    for (const index of [...this.#drawn.keys()]) {
      if ((index < first || index >= end) && index !== this.#active) this.#drop(index);
    }
    for (let index = first; index < end; index++) this.#put(index);
    this.#put(this.#active);
    this.#pointAtActive();
  }

  /** Puts a row among those that are there, in their order. */
  #put(index) {
    if (!this.#rows[index] || this.#drawn.has(index)) return;
    const after = [...this.#drawn.keys()].filter((other) => other > index);
    const element = this.#make(index);
    this.body.insertBefore(element, after.length ? this.#drawn.get(Math.min(...after)) : null);
    this.#drawn.set(index, element);
  }

  #drop(index) {
    this.#drawn.get(index)?.remove();
    this.#drawn.delete(index);
  }

  #make(index) {
    const row = this.#rows[index];
    const active = index === this.#active;
    const element = html("div", {
      role: "row",
      id: `${this.element.id}-${index}`,
      "aria-rowindex": index + 2,
      "aria-selected": active,
      ...this.say(row),
    });
    element.classList.add("line");
    element.classList.toggle("odd", index % 2 === 1);
    element.style.top = `${index * ROW}px`;
    element.append(...this.draw(row));
    return element;
  }

  #pointAtActive() {
    if (this.#active < 0) this.element.removeAttribute("aria-activedescendant");
    else this.element.setAttribute("aria-activedescendant", `${this.element.id}-${this.#active}`);
  }

  #onFocus() {
    if (this.#active < 0 && this.element.matches(":focus-visible")) this.activate(this.#topmost());
  }

  /** The first row that is not hidden below the head. */
  #topmost() {
    const top = this.#scroller.scrollTop + this.#headBottom() - this.body.offsetTop;
    return Math.max(0, Math.ceil(top / ROW));
  }

  #onClick(event) {
    const element = event.target.closest("[role=row]");
    if (element) this.activate(Number(element.getAttribute("aria-rowindex")) - 2);
  }

  #onKey(event) {
    const withOthers = event.ctrlKey || event.metaKey || event.altKey || event.shiftKey;
    if (withOthers || event.target !== this.element) return;
    const page = Math.max(1, Math.floor((this.#scroller.clientHeight - this.#headBottom()) / ROW) - 1);
    const last = this.#rows.length - 1;
    const to = {
      ArrowDown: this.#active + 1,
      ArrowUp: this.#active - 1,
      PageDown: this.#active + page,
      PageUp: this.#active - page,
      Home: 0,
      End: last,
    }[event.key];
    if (to !== undefined) this.activate(to);
    else if (!this.active || !this.act.key(event.key, this.active)) return;
    event.preventDefault();
  }
}
