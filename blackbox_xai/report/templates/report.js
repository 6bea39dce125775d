"use strict";
(() => {
  const find = id => document.getElementById(id);
  const data = JSON.parse(find("data").textContent);
  const SVG = "http://www.w3.org/2000/svg";
  document.documentElement.classList.add("js");

  const make = (parent, name, text, attributes) => {
    const svg = name === "svg" || parent.namespaceURI === SVG;
    const node = svg ? document.createElementNS(SVG, name) : document.createElement(name);
    for (const key in attributes || {}) node.setAttribute(key, attributes[key]);
    if (text !== null) node.textContent = text;
    return parent.appendChild(node);
  };
  const svgIn = cell => make(cell, "svg", null, {viewBox: "0 0 1000 20", preserveAspectRatio: "none", "aria-hidden": "true"});
  const rule = (svg, kind, x1, x2, y1, y2) => make(svg, "line", null, {class: kind, x1, x2, y1, y2});

  // the bars of one row: name, value, effect and half-width come as texts, marks as whole numbers
  const drawBars = row => {
    const body = find("row-bars");
    body.textContent = "";
    row.bars.forEach(([name, value, effect, half, x, width, low, high, raises]) => {
      const line = make(body, "tr", null);
      const head = make(line, "th", null, {scope: "row", class: "name"});
      const [short, whole = short] = data.names[name];
      const box = make(head, "div", null, {title: whole + (value === "" ? "" : " = " + value)});
      make(box, "bdi", short);
      if (value !== "") make(make(box, "span", "\u00a0= "), "bdi", value);
      const svg = svgIn(make(line, "td", null, {class: "bar"}));
      row.anchors.forEach(at => rule(svg, "anchor", at, at, 0, 20));
      make(svg, "rect", null, {class: raises ? "up" : "down", x, width, y: 3, height: 14});
      if (half !== "") rule(svg, "whisker", low, high, 10, 10);
      make(line, "td", effect + (half === "" ? "" : " ± " + half), {class: "num"});
    });
    const axis = find("row-axis");
    axis.textContent = "";
    row.ticks.forEach(([x, text]) => { make(axis, "span", text).style.left = x / 10 + "%"; });
  };
  const drawText = row => {
    const box = find("row-text");
    if (!box) return;
    box.textContent = "";
    row.text.forEach(([content, level]) => {
      if (level === 0) box.append(content);
      else make(box, "span", content, {class: (level > 0 ? "p" : "n") + Math.abs(level)});
    });
  };

  let chosen = 0;
  const choose = (place, quiet) => {
    if (!data.rows[place]) return;
    chosen = place;
    const row = data.rows[place];
    find("row-head").textContent = row.head;
    find("row-note").textContent = row.note;
    drawBars(row);
    drawText(row);
    document.querySelectorAll("[data-picture]").forEach(node => {
      node.hidden = node.getAttribute("data-picture") !== String(place);
    });
    find("row-select").value = String(place);
    if (!quiet) {
      find("status").textContent = row.head;
      history.replaceState(null, "", "#row=" + row.row);
    }
    paint();
  };

  // the map
  const canvas = find("map");
  const decode = (text, wide) => {
    const bytes = Uint8Array.from(atob(text), c => c.charCodeAt(0));
    return wide ? Array.from({length: bytes.length / 2}, (_, i) => bytes[2 * i] + 256 * bytes[2 * i + 1]) : bytes;
  };
  const map = data.map && canvas ? {at: decode(data.map.points, true), label: decode(data.map.labels)} : null;
  const marks = [
    (c, x, y) => c.arc(x, y, 3, 0, 7),
    (c, x, y) => { c.moveTo(x, y - 4); c.lineTo(x + 4, y + 3); c.lineTo(x - 4, y + 3); },
    (c, x, y) => c.rect(x - 3, y - 3, 6, 6),
    (c, x, y) => { c.moveTo(x, y - 4); c.lineTo(x + 4, y); c.lineTo(x, y + 4); c.lineTo(x - 4, y); },
    (c, x, y) => { c.moveTo(x, y + 4); c.lineTo(x + 4, y - 3); c.lineTo(x - 4, y - 3); },
    (c, x, y) => { c.rect(x - 4, y - 1.5, 8, 3); c.rect(x - 1.5, y - 4, 3, 8); },
    (c, x, y) => c.rect(x - 4, y - 2, 8, 4),
    (c, x, y) => c.rect(x - 2, y - 4, 4, 8)
  ];
  const spot = i => {
    const side = Math.min(canvas.clientWidth, canvas.clientHeight) - 28;
    const left = (canvas.clientWidth - side) / 2, top = (canvas.clientHeight - side) / 2;
    return [left + map.at[2 * i] / 65535 * side, top + side - map.at[2 * i + 1] / 65535 * side];
  };
  const paint = () => {
    if (!map) return;
    const ratio = window.devicePixelRatio || 1, style = getComputedStyle(document.documentElement);
    canvas.width = canvas.clientWidth * ratio;
    canvas.height = canvas.clientHeight * ratio;
    const c = canvas.getContext("2d");
    c.scale(ratio, ratio);
    c.globalAlpha = .8;
    for (let i = 0; i < map.label.length; i++) {
      c.beginPath();
      marks[map.label[i] % 8](c, ...spot(i));
      c.fillStyle = style.getPropertyValue("--c" + map.label[i] % 8);
      c.fill();
    }
    c.globalAlpha = 1;
    c.strokeStyle = style.getPropertyValue("--text");
    data.rows.forEach((row, place) => {
      if (row.place === null) return;
      c.beginPath();
      c.lineWidth = place === chosen ? 3 : 1;
      c.arc(...spot(row.place), place === chosen ? 9 : 6, 0, 7);
      c.stroke();
    });
  };
  const nearest = (event, places) => {
    const box = canvas.getBoundingClientRect();
    let best = null, least = 400;
    places.forEach(i => {
      const [x, y] = spot(i), far = (x - event.clientX + box.left) ** 2 + (y - event.clientY + box.top) ** 2;
      if (far < least) { least = far; best = i; }
    });
    return best;
  };
  if (map) {
    const all = Array.from(map.label.keys());
    const ringed = () => data.rows.map(row => row.place).filter(i => i !== null);
    canvas.addEventListener("click", event => {
      const i = nearest(event, ringed());
      if (i !== null) choose(data.rows.findIndex(row => row.place === i));
    });
    canvas.addEventListener("pointermove", event => {
      const i = nearest(event, all);
      find("map-read").textContent = i === null ? "" :
        "row " + (data.map.rows ? data.map.rows[i] : i) + ": " + data.map.names[map.label[i]];
    });
    canvas.addEventListener("keydown", event => {
      const step = {ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1}[event.key];
      if (!step || !data.rows.length) return;
      event.preventDefault();
      choose((chosen + step + data.rows.length) % data.rows.length);
    });
    window.addEventListener("resize", paint);
    window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paint);
    paint();
  }

  if (find("row-select")) {
    find("row-select").addEventListener("change", event => choose(Number(event.target.value)));
    const fromHash = () => {
      const wanted = /^#row=(\d+)$/.exec(location.hash);
      const place = wanted ? data.rows.findIndex(row => row.row === Number(wanted[1])) : -1;
      if (place >= 0) choose(place);
      return place >= 0;
    };
    window.addEventListener("hashchange", fromHash);
    if (!fromHash()) choose(0, true);
  }
  const over = find("overlay");
  if (over) over.addEventListener("change", () => find("pictures").classList.toggle("hide-over", !over.checked));

  // tables that can be sorted
  document.querySelectorAll("th[aria-sort] button").forEach(button => {
    button.addEventListener("click", () => {
      const head = button.parentNode, table = head.closest("table"), body = table.tBodies[0];
      const at = head.cellIndex, down = head.getAttribute("aria-sort") === "ascending";
      const key = line => {
        const cell = line.cells[at], raw = cell.getAttribute("data-v");
        return raw === null ? cell.textContent : Number(raw);
      };
      Array.from(body.rows)
        .sort((a, b) => (key(a) < key(b) ? -1 : key(a) > key(b) ? 1 : 0) * (down ? -1 : 1))
        .forEach(line => body.appendChild(line));
      table.querySelectorAll("th[aria-sort]").forEach(th => th.setAttribute("aria-sort", "none"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
    });
  });
})();
