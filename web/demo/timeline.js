// The picture: token lives as bars one after another, what happened as marks
// below them, all of it moving left under a fixed "now".

const KEEP = 120_000; // ms; older marks and lives are dropped
const SECONDS = 90; // what the picture shows
const AHEAD = 44; // of those, to the right of now: the current token's future
const MIN_SCALE = 4; // px per second; a narrow picture shows less time

const GUTTER = 96;
const BAR = 22;
const ROWS = [30, 58]; // two, so that a handover is seen as a step
const PAGE = 94; // a line while a token is in the page
const LANES = { keepalive: 122, UI: 150, you: 178, Capture: 206 };
const WORDS = { keepalive: "keepalive", UI: "sign-in form", you: "you", Capture: "the service" };
const AXIS = 234;
const HEIGHT = 254;

// Marks closer than this, in px, would hide each other.
const GAPS = { good: 12, bad: 13, you: 12, plain: 9, call: 6 };

export class Timeline {
  #svg;
  #scale = 1;
  #now = 0;
  #nowX = 0;
  #width = 0;
  #back; // layers, back to front
  #plot;
  #front;
  #lives = new Map();
  #nextRow = 0;
  #stays = new Map();
  #marks = [];
  #outages = [];

  constructor(svg) {
    this.#svg = svg;
    const clip = make("clipPath", { id: "timeline-clip" });
    const clipRect = make("rect", { y: 0, height: HEIGHT });
    clip.append(clipRect);
    this.#back = make("g");
    this.#plot = make("g", { "clip-path": "url(#timeline-clip)" });
    this.#front = make("g");
    svg.append(clip, this.#back, this.#plot, this.#front);
    new ResizeObserver(([entry]) => {
      this.#width = entry.contentRect.width;
      if (this.#width <= GUTTER) return;
      this.#layOut(clipRect);
    }).observe(svg);
  }

  // lane is a key of LANES; kind is "good", "bad", "plain", "you" or "call".
  mark({ lane, kind, at, title }) {
    const shape = drawMark(kind, LANES[lane]);
    const tip = make("title");
    tip.textContent = title;
    shape.append(tip);
    this.#plot.append(shape);
    this.#marks.push({ at, lane, gap: GAPS[kind], shape });
    this.#marks.sort((a, b) => a.at - b.at);
  }

  outage(on, at) {
    const open = this.#outages.at(-1);
    if (on) {
      const band = make("rect", { class: "outage", y: LANES.Capture - 14, height: 28 });
      this.#plot.prepend(band);
      this.#outages.push({ from: at, to: Infinity, band });
    } else if (open) {
      open.to = at;
    }
  }

  draw(now, { lives, stays }) {
    if (this.#width <= GUTTER) return;
    this.#now = now;
    this.#forget(now, lives, stays);
    for (const life of lives) this.#drawLife(life);
    for (const stay of stays) this.#drawStay(stay);
    this.#placeMarks();
    for (const { from, to, band } of this.#outages) stretch(band, this.#x(from), this.#x(Math.min(to, now)));
  }

  #x(at) {
    return round(this.#nowX + ((at - this.#now) / 1000) * this.#scale);
  }

  // From the newest back: in a burst it stands where it belongs, and the
  // others queue up on its left, never in the future.
  #placeMarks() {
    const taken = {};
    for (const { at, lane, gap, shape } of this.#marks.toReversed()) {
      const x = Math.min(this.#x(at), (taken[lane] ?? Infinity) - gap);
      taken[lane] = x;
      shape.setAttribute("transform", `translate(${round(x)} 0)`);
    }
  }

  #forget(now, lives, stays) {
    const old = now - KEEP;
    while (lives.length > 0 && (lives[0].ended ?? Infinity) < old && lives[0].dies < old) {
      this.#lives.get(lives[0])?.group.remove();
      this.#lives.delete(lives.shift());
    }
    while (stays.length > 0 && stays[0].to < old) {
      this.#stays.get(stays[0])?.remove();
      this.#stays.delete(stays.shift());
    }
    for (const each of this.#marks) if (each.at < old) each.shape.remove();
    this.#marks = this.#marks.filter(({ at }) => at >= old);
    for (const each of this.#outages) if (each.to < old) each.band.remove();
    this.#outages = this.#outages.filter(({ to }) => to >= old);
  }

  #drawLife(life) {
    const parts = this.#lives.get(life) ?? this.#addLife(life);
    const now = this.#now;
    const death = Math.min(life.dies, life.killed ?? Infinity);
    const inUse = Math.min(life.ended ?? now, now);
    const used = Math.min(inUse, death);
    stretch(parts.used, this.#x(life.born), this.#x(used));
    stretch(parts.rest, this.#x(used), this.#x(Math.max(used, death)));
    stretch(parts.dead, this.#x(Math.min(death, inUse)), this.#x(inUse));
    parts.name.textContent = life.name;
    parts.name.setAttribute("x", this.#x(life.born) + 7);
    parts.name.toggleAttribute("hidden", (used - life.born) / 1000 * this.#scale < 52);
    const showDue = life.ended === undefined && life.killed === undefined && life.due !== undefined;
    parts.due.toggleAttribute("hidden", !showDue);
    if (showDue) parts.due.setAttribute("transform", `translate(${this.#x(life.due)} 0)`);
  }

  #addLife(life) {
    const row = this.#nextRow;
    this.#nextRow = 1 - row;
    const y = ROWS[row];
    const parts = {
      group: make("g"),
      rest: make("rect", { class: "rest", y, height: BAR, rx: 5 }),
      used: make("rect", { class: "used", y, height: BAR, rx: 5 }),
      dead: make("rect", { class: "dead", y: y + BAR / 2 - 2, height: 4, rx: 2 }),
      due: make("path", { class: "due", d: `M0 ${y - 4}v${BAR + 8}` }),
      name: make("text", { class: "name", y: y + 15 }),
    };
    parts.group.append(parts.rest, parts.used, parts.dead, parts.due, parts.name);
    this.#plot.append(parts.group);
    this.#lives.set(life, parts);
    return parts;
  }

  #drawStay(stay) {
    if (!this.#stays.has(stay)) {
      const line = make("rect", { class: "stay", y: PAGE - 2.5, height: 5, rx: 2.5 });
      this.#plot.append(line);
      this.#stays.set(stay, line);
    }
    stretch(this.#stays.get(stay), this.#x(stay.from), this.#x(Math.min(stay.to, this.#now)));
  }

  #layOut(clipRect) {
    const plot = this.#width - GUTTER;
    this.#scale = Math.max(plot / SECONDS, MIN_SCALE);
    this.#nowX = this.#width - AHEAD * this.#scale;
    this.#svg.setAttribute("viewBox", `0 0 ${this.#width} ${HEIGHT}`);
    this.#svg.setAttribute("height", HEIGHT);
    clipRect.setAttribute("x", GUTTER);
    clipRect.setAttribute("width", plot);

    const grid = [];
    grid.push(label("tokens", 0, 59, "start"), label("in the page", 0, PAGE + 4, "start"));
    for (const [lane, y] of Object.entries(LANES)) grid.push(label(WORDS[lane], 0, y + 4, "start"));
    for (const y of [PAGE, ...Object.values(LANES)]) {
      grid.push(make("path", { class: "rule", d: `M${GUTTER} ${y}H${this.#width}` }));
    }
    for (let ago = 15; this.#nowX - ago * this.#scale > GUTTER; ago += 15) {
      const x = round(this.#nowX - ago * this.#scale);
      grid.push(make("path", { class: "tick", d: `M${x} 12V${AXIS - 8}` }));
      if (x > GUTTER + 24) grid.push(label(`${ago} s ago`, x, AXIS + 10, "middle"));
    }
    this.#back.replaceChildren(...grid);
    this.#front.replaceChildren(
      make("path", { class: "now", d: `M${this.#nowX} 12V${AXIS - 4}` }),
      label("now", this.#nowX, AXIS + 10, "middle", "now-label"),
    );
  }
}

function label(text, x, y, anchor, kind = "") {
  const node = make("text", { class: kind, x, y, "text-anchor": anchor });
  node.textContent = text;
  return node;
}

// Shapes differ as well as colours.
function drawMark(kind, y) {
  switch (kind) {
    case "good":
      return make("circle", { class: "mark good", cy: y, r: 5.5 });
    case "bad":
      return make("path", { class: "mark bad", d: `M0 ${y - 7}l7 7l-7 7l-7 -7z` });
    case "you":
      return make("path", { class: "mark you", d: `M-6 ${y - 6}h12l-6 11z` });
    case "call":
      return make("path", { class: "mark call", d: `M0 ${y - 9}v18` });
    default:
      return make("circle", { class: "mark plain", cy: y, r: 3.5 });
  }
}

function stretch(rect, from, to) {
  rect.setAttribute("x", from);
  rect.setAttribute("width", Math.max(0, round(to - from)));
}

function make(tag, attributes = {}) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
}

const round = (value) => Math.round(value * 100) / 100;
