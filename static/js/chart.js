// Charts over time in the console's own ink, drawn by uPlot.
//
//   import { draw } from './chart.js';
//   const chart = await draw(element, {
//     data: [[t, …], [v, …], …],    // seconds since 1970, then the values of each series; null is "not known"
//     series: [{ label, kind, shade, dash }],
//                                   // kind: 'line', 'area' (a line over a tint) or 'stack' (bands that add up, lowest
//                                   // first); shade: 1 (strongest) to 6; dash: true for a broken line
//     from, to,                     // ends of the time axis, in seconds; without them those of the data
//     max,                          // the value axis begins at 0 and ends here; without max it follows the data
//     least,                        // without max: the value axis ends here at the lowest
//     write: v => '42 %',           // how a value is written
//     height: 120,
//     thresholds: [{ value, label, tone, drag }],
//                                   // level lines; tone as in state colours ('warn', 'run', …); drag: may be moved
//     marks: [{ at, tone, text }],  // things that happened: upright lines, named when pointed at
//     sync: 'name',                 // charts of one name share their cursor
//     readouts: [element, …],       // get the value of each series under the cursor, else the newest one
//     when: element,                // gets the time under the cursor, else nothing
//     onThreshold(n, value, done),  // while threshold n is dragged; done is true when it is let go
//   });
//   chart.set(data, from, to); chart.push(t, values); chart.marks(list); chart.thresholds(list); chart.limit(max); chart.destroy();
//
// What stood in the element before, say a drawing by the server, is replaced.
// All times are UTC. A chart follows its element's width and the theme.

let loaded;

// uPlot is a classic script: it comes as one file and names one global.
function load() {
  loaded ??= new Promise((resolve, reject) => {
    const script = document.createElement('script');
    script.src = new URL('../vendor/uplot/uplot.min.js', import.meta.url);
    script.onload = () => resolve(window.uPlot);
    script.onerror = () => reject(new Error('the chart library could not be loaded'));
    document.head.append(script);
  });
  return loaded;
}

// draw shows a chart in the element.
export async function draw(element, options) {
  const uPlot = await load();
  return new Chart(uPlot, element, options);
}

const pad = n => String(n).padStart(2, '0');
const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const clock = d => `${pad(d.getUTCHours())}:${pad(d.getUTCMinutes())}`;
const day = d => `${d.getUTCDate()} ${months[d.getUTCMonth()]}`;

// moment writes a time; the day is said when the chart shows more than one.
function moment(t, span) {
  const d = new Date(t * 1000);
  return span > 86400 ? `${day(d)}, ${clock(d)}` : clock(d);
}

// short writes a number in as few digits as tell it apart: 1 200 is 1.2k.
export function short(v) {
  const a = Math.abs(v);
  if (a >= 1e9) return trim(v / 1e9) + 'G';
  if (a >= 1e6) return trim(v / 1e6) + 'M';
  if (a >= 1e4) return trim(v / 1e3) + 'k';
  return trim(v);
}

function trim(v) {
  const scale = Math.abs(v) < 10 ? 100 : Math.abs(v) < 100 ? 10 : 1;
  return String(Math.round(v * scale) / scale);
}

class Chart {
  constructor(uPlot, element, options) {
    this.options = { height: 120, thresholds: [], marks: [], write: short, ...options };
    this.element = element;
    this.ink = ink(element);
    this.real = options.data;
    this.range(options.from, options.to);
    const old = [...element.childNodes];
    this.plot = new uPlot(this.config(uPlot), this.sums(), element);
    for (const node of old) node.remove();
    this.tip = document.createElement('div');
    this.tip.className = 'chart-tip';
    this.tip.hidden = true;
    this.plot.over.append(this.tip);
    if (this.options.onThreshold) this.listen();
    this.follow();
    this.read();
  }

  range(from, to) {
    const t = this.real[0];
    this.from = from ?? t[0] ?? 0;
    this.to = to ?? t[t.length - 1] ?? 1;
  }

  // config is uPlot's own; its colours are functions, so that a redraw follows the theme.
  config(uPlot) {
    const o = this.options;
    const look = { font: `11px ${getComputedStyle(this.element).fontFamily}`, stroke: () => this.ink('--muted'), ticks: { show: false } };
    return {
      width: this.element.clientWidth || 300, height: o.height, padding: [9, 4, 0, 0], legend: { show: false },
      tzDate: t => uPlot.tzDate(new Date(t * 1000), 'Etc/UTC'),
      cursor: {
        y: false, drag: { x: false, y: false }, points: { size: 5 },
        sync: o.sync ? { key: o.sync, setSeries: false, scales: ['x', null] } : undefined,
      },
      scales: {
        x: { time: true, range: () => [this.from, this.to] },
        y: { range: (_, __, high) => [0, this.top(high)] },
      },
      axes: [
        { ...look, size: 20, gap: 4, space: 56, grid: { show: false }, values: (u, splits, _, __, step) => splits.map((t, n) => this.fits(u, t) ? tick(t, splits[n - 1], step) : '') },
        { ...look, size: 36, gap: 5, space: Math.min(44, o.height / 3), grid: { stroke: () => this.ink('--line-soft'), width: 1 }, values: (_, splits) => splits.map(short) },
      ],
      series: [{}, ...o.series.map((s, n) => this.series(s, n))],
      bands: o.series.flatMap((s, n) => s.kind === 'stack' && n > 0 ? [{ series: [n + 1, n], fill: () => this.ink(`--g${s.shade ?? 1}`) }] : []),
      hooks: {
        draw: [u => { this.drawMarks(u); this.drawThresholds(u); }],
        setCursor: [() => this.read()],
      },
    };
  }

  // fits says that a word below this time is not cut off at the right.
  fits(u, t) {
    const width = u.bbox.width / devicePixelRatio;
    return (this.to - t) / (this.to - this.from) * width > 12;
  }

  series({ kind, shade = 1, dash }, n) {
    if (kind === 'stack') {
      const band = () => this.ink(`--g${shade}`);
      return {
        stroke: () => this.ink('--bg'), width: 1, fill: n ? undefined : band,
        points: { show: (u, s) => lonely(u.data[s]), size: 5, stroke: band, fill: band },
      };
    }
    return {
      stroke: () => this.ink(['--text', '--muted', '--border-strong'][shade - 1] ?? '--muted'), width: 1.25,
      dash: dash ? [4, 3] : undefined, fill: kind === 'area' ? () => this.ink('--g0') : undefined,
      points: { show: (u, s) => lonely(u.data[s]), size: 4 },
    };
  }

  // top is the end of the value axis: fixed, or a little above all that is shown.
  top(high) {
    const o = this.options;
    const lines = o.thresholds.map(t => t.value);
    if (o.max !== undefined) return Math.max(o.max, ...lines);
    const most = Math.max(high ?? 0, o.least ?? 0, ...lines.map(v => v * 1.08));
    return most > 0 ? most * 1.08 : 1;
  }

  // sums is what uPlot draws: stacked series on top of those below them.
  sums() {
    let below;
    return this.real.map((values, n) => {
      if (n === 0 || this.options.series[n - 1].kind !== 'stack') return values;
      below = values.map((v, k) => v === null || below?.[k] === null ? null : v + (below?.[k] ?? 0));
      return below;
    });
  }

  // read writes the values under the cursor, or the newest ones.
  read() {
    const { readouts = [], when, write } = this.options;
    const at = this.plot.cursor.idx;
    const pointed = at !== null && at !== undefined && this.plot.cursor.left >= 0;
    readouts.forEach((e, n) => {
      if (!e) return;
      const values = this.real[n + 1];
      const v = pointed ? values[at] : values[newest(values)];
      e.textContent = v === null || v === undefined ? '–' : write(v);
    });
    if (when) when.textContent = pointed ? moment(this.real[0][at], this.to - this.from) : '';
    this.point();
  }

  // point names the things that happened close to the cursor.
  point() {
    const { left, top } = this.plot.cursor;
    const near = left >= 0 && top >= 0 && this.plot.over.matches(':hover') ? this.options.marks.filter(m => Math.abs(this.plot.valToPos(m.at, 'x') - left) < 7) : [];
    this.tip.hidden = !near.length;
    if (!near.length) return;
    this.tip.replaceChildren(...near.slice(0, 4).map(m => {
      const line = document.createElement('div');
      line.textContent = `${moment(m.at, this.to - this.from)} ${m.text}`;
      return line;
    }));
    const room = this.plot.over.clientWidth;
    this.tip.style.left = `${Math.max(0, Math.min(left + 10, room - this.tip.offsetWidth))}px`;
  }

  drawMarks(u) {
    const { ctx, bbox } = u;
    const one = devicePixelRatio;
    ctx.save();
    ctx.setLineDash([]);
    for (const m of this.options.marks) {
      if (m.at < this.from || m.at > this.to) continue;
      const x = Math.round(u.valToPos(m.at, 'x', true)) + 0.5;
      ctx.strokeStyle = ctx.fillStyle = this.ink(tone(m.tone));
      ctx.lineWidth = one;
      ctx.beginPath(); ctx.moveTo(x, bbox.top); ctx.lineTo(x, bbox.top + bbox.height); ctx.stroke();
      ctx.beginPath(); ctx.moveTo(x - 4 * one, bbox.top - 7 * one); ctx.lineTo(x + 4 * one, bbox.top - 7 * one); ctx.lineTo(x, bbox.top); ctx.fill();
    }
    ctx.restore();
  }

  drawThresholds(u) {
    const { ctx, bbox } = u;
    const one = devicePixelRatio;
    ctx.save();
    ctx.setLineDash([4 * one, 3 * one]);
    ctx.lineWidth = one;
    ctx.font = `${11 * one}px ${getComputedStyle(this.element).fontFamily}`;
    ctx.textAlign = 'right';
    for (const t of this.options.thresholds) {
      const y = Math.round(u.valToPos(t.value, 'y', true)) + 0.5;
      ctx.strokeStyle = ctx.fillStyle = this.ink(tone(t.tone));
      ctx.beginPath(); ctx.moveTo(bbox.left, y); ctx.lineTo(bbox.left + bbox.width, y); ctx.stroke();
      if (!t.label) continue;
      const above = y - bbox.top > 16 * one;
      ctx.textBaseline = above ? 'bottom' : 'top';
      ctx.lineWidth = 3 * one; // a rim of ground keeps the words readable over the curve
      ctx.strokeStyle = this.ink('--bg');
      ctx.setLineDash([]);
      ctx.strokeText(t.label, bbox.left + bbox.width - 4 * one, y + (above ? -2 : 2) * one);
      ctx.fillText(t.label, bbox.left + bbox.width - 4 * one, y + (above ? -2 : 2) * one);
      ctx.setLineDash([4 * one, 3 * one]);
      ctx.lineWidth = one;
    }
    ctx.restore();
  }

  // listen lets thresholds be dragged; whoever cannot drag types them.
  listen() {
    const over = this.plot.over;
    let held = -1;
    const y = e => e.clientY - over.getBoundingClientRect().top;
    const grip = e => this.options.thresholds.findIndex(t => t.drag && Math.abs(this.plot.valToPos(t.value, 'y') - y(e)) < 6);
    const move = (e, done) => {
      const top = this.plot.scales.y.max;
      const value = Math.min(top, Math.max(0, this.plot.posToVal(y(e), 'y')));
      this.options.thresholds[held].value = value;
      this.options.onThreshold(held, value, done);
      this.plot.redraw(false);
    };
    over.addEventListener('pointerdown', e => {
      held = grip(e);
      if (held >= 0) { over.setPointerCapture(e.pointerId); e.preventDefault(); }
    });
    over.addEventListener('pointermove', e => {
      if (held >= 0) move(e, false);
      else over.classList.toggle('can-drag', grip(e) >= 0);
    });
    for (const end of ['pointerup', 'pointercancel']) {
      over.addEventListener(end, e => { if (held >= 0) { move(e, true); held = -1; this.plot.redraw(); } });
    }
  }

  // follow keeps the chart as wide as its element, and in the colours of the theme.
  follow() {
    this.sizes = new ResizeObserver(() => {
      const width = this.element.clientWidth;
      if (width && width !== this.plot.width) this.plot.setSize({ width, height: this.options.height });
    });
    this.sizes.observe(this.element);
    this.theme = matchMedia('(prefers-color-scheme: dark)');
    this.repaint = () => { this.ink = ink(this.element); this.plot.redraw(false); };
    this.theme.addEventListener('change', this.repaint);
  }

  // set shows other data, over another time when told so.
  set(data, from, to) {
    this.real = data;
    this.range(from, to);
    this.plot.setData(this.sums());
    this.read();
  }

  // push adds the values of one more moment; the time axis moves along.
  push(t, values) {
    const [times] = this.real;
    if (times.length && t <= times[times.length - 1]) return;
    const moved = Math.max(0, t - this.to);
    const first = times.findIndex(x => x >= this.from + moved);
    this.set(this.real.map((list, n) => [...list.slice(Math.max(0, first)), n ? values[n - 1] ?? null : t]), this.from + moved, this.to + moved);
  }

  marks(list) { this.options.marks = list; this.plot.redraw(false); }

  thresholds(list) { this.options.thresholds = list; this.plot.setData(this.plot.data); }

  // limit sets where the value axis ends at the lowest, for charts that are compared.
  limit(least) { this.options.least = least; this.plot.setData(this.plot.data); }

  destroy() {
    this.sizes.disconnect();
    this.theme.removeEventListener('change', this.repaint);
    this.plot.destroy();
  }
}

// tick writes a time below the axis: the day where a day begins.
function tick(t, before, step) {
  const d = new Date(t * 1000);
  if (step >= 86400) return day(d);
  const another = before !== undefined && new Date(before * 1000).getUTCDate() !== d.getUTCDate();
  return another || t % 86400 === 0 ? day(d) : clock(d);
}

const newest = values => { let n = values.length - 1; while (n >= 0 && values[n] === null) n--; return n; };

// lonely says that a series has values without neighbours, which no line shows.
function lonely(values) {
  return values.some((v, n) => v !== null && v !== undefined && (values[n - 1] ?? null) === null && (values[n + 1] ?? null) === null);
}

const tones = { ok: '--ok', run: '--accent', running: '--accent', warn: '--warn', bad: '--bad', wait: '--wait', lost: '--lost', off: '--off' };
const tone = name => tones[name] ?? '--muted';

// ink resolves the colours of the style sheet: a canvas knows no variables, and
// light-dark() is only decided where a colour is used.
function ink(element) {
  const seen = {};
  return name => seen[name] ??= resolve(element, name);
}

function resolve(element, name) {
  const probe = document.createElement('i');
  probe.hidden = true;
  probe.style.color = `var(${name})`;
  element.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}
