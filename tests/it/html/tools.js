// What the tests ask of a page: each is a function of what stands in it. Not part of the page.

(() => {
  const all = (selector, inside = document) => [...inside.querySelectorAll(selector)];
  const $ = (id) => document.getElementById(id);

  const box = (element) => {
    const { left, width, top, height } = element.getBoundingClientRect();
    return { left, width, x: left + width / 2, y: top + height / 2 };
  };
  const fromAxis = (x) => x - box($("axis")).left;
  const labelOf = (row) => row.getAttribute("aria-label").split(",")[0];

  const rows = () => all("#rows .rows > [role=row]");
  const row = (text) => rows().find((row) => row.getAttribute("aria-label").startsWith(text));
  const names = () => rows().map(labelOf);
  const listed = () => all("#table .rows .label").map((cell) => cell.title);
  const active = () => labelOf($($("rows").getAttribute("aria-activedescendant")));
  const texts = (selector) => all(selector).map((element) => element.textContent);
  const cells = (selector) => all(selector).map((row) => [...row.childNodes].map((cell) => cell.textContent).join(" | "));

  // How a row's spans are drawn, from which pixel of the axis, and how many pixels long.
  const spans = (text) => all("rect", row(text)).map((rect) => {
    return [rect.getAttribute("class"), fromAxis(box(rect).left), box(rect).width];
  });
  const crosses = (text) => all(".cross", row(text)).map((cross) => fromAxis(box(cross).x));

  // How high the chart of what ran is at shares of its width.
  const heights = (shares) => shares.map((share) => {
    const path = document.querySelector("#running-chart .running");
    const point = $("running-chart").createSVGPoint();
    point.x = share * box($("axis")).width;
    const pixels = [...Array(40).keys()];
    return pixels.filter((y) => path.isPointInFill(Object.assign(point, { y: y + 0.5 }))).length;
  });

  const change = (id, value) => {
    $(id).value = value;
    $(id).dispatchEvent(new Event("input"));
    $(id).dispatchEvent(new Event("change"));
  };

  // The most rows that are in the page at once while it is scrolled to its end.
  const scrollThrough = async () => {
    let most = 0;
    for (let step = 0; step <= 40; step++) {
      $("chart").scrollTop = ($("chart").scrollHeight * step) / 40;
      await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
      most = Math.max(most, all("[role=row]").length);
    }
    return most;
  };

  // What has the focus, and whether that is seen, on itself or on the row in it.
  const focused = () => {
    const at = document.activeElement;
    const chosen = at.querySelector("[aria-selected=true]");
    const shown = at.type === "radio" ? at.nextElementSibling : at;
    const seen = [shown, chosen].some((element) => element && getComputedStyle(element).outlineStyle === "solid");
    return [at.id || at.name, seen].join();
  };

  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (color) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  // Relative luminance and contrast as WCAG 2.2 defines them.
  const luminance = (color) => {
    const linear = (c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    const [r, g, b] = rgba(color).map((c) => linear(c / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    if (element.matches("svg .name")) return getComputedStyle(element.previousElementSibling).fill;
    const colors = [];
    for (let at = element; at; at = at.parentElement) colors.push(getComputedStyle(at).backgroundColor);
    return colors.find((color) => rgba(color)[3] === 255) ?? "white";
  };
  const contrast = (element) => {
    const style = getComputedStyle(element);
    const drawn = element instanceof SVGElement ? style.fill : style.color;
    const [light, dark] = [luminance(drawn), luminance(behind(element))].sort((a, b) => b - a);
    return [element.textContent || element.getAttribute("class"), (light + 0.05) / (dark + 0.05)];
  };
  const hasText = (element) => [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim());
  const contrastOfTexts = () => all("body *").filter((element) => hasText(element) && element.checkVisibility()).map(contrast);
  const contrastOfBars = () => all(".rows rect.run").map(contrast);

  const moving = () => all("*").filter((element) => {
    const style = getComputedStyle(element);
    return style.transitionDuration !== "0s" || style.animationName !== "none";
  }).length;

  Object.assign(globalThis, { $, box, rows, row, names, listed, active, texts, cells, spans, crosses, heights });
  Object.assign(globalThis, { change, scrollThrough, focused, contrastOfTexts, contrastOfBars, moving });
  return true;
})();
