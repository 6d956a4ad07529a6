// The page of load-based scaling: charts with the thresholds of the form, which
// can be dragged or typed, and a new back-test whenever the rules change.
import { draw, short } from './chart.js';

const box = document.querySelector('[data-scaling-charts]');
const form = document.querySelector('[data-scaling-test]');
const charts = new Map(); // by the id of their figure

const read = () => JSON.parse(document.getElementById('scaling-data').textContent);
const field = name => form?.elements.namedItem(name);
const write = unit => v => unit === '%' ? `${Math.round(v)} %` : short(v);
const lists = (data, chart) => [Array.from({ length: data.points }, (_, n) => data.from + n * data.step), ...chart.series.map(s => s.values)];

// thresholds are those of the data; they can be moved where there is a field.
const thresholds = (data, id) => (data.thresholds[id] ?? []).map(t => ({ ...t, drag: t.drag && !!field(t.field) }));

async function show(data) {
  await Promise.all([...box.querySelectorAll('[data-chart]')].map(async figure => {
    const id = figure.dataset.chart;
    const chart = data.charts[id];
    if (!chart || !chart.series.some(s => s.values.some(v => v !== null))) return;
    const drawn = charts.get(id);
    if (drawn) {
      drawn.marks(data.marks);
      drawn.thresholds(thresholds(data, id));
      return;
    }
    const plot = figure.querySelector('[data-plot]');
    charts.set(id, await draw(plot, {
      data: lists(data, chart), series: chart.series, from: data.from, to: data.to, max: chart.max, write: write(chart.unit), height: plot.clientHeight,
      marks: data.marks, thresholds: thresholds(data, id), sync: 'scaling', readouts: [...figure.querySelectorAll('[data-readout]')], when: figure.querySelector('[data-when]'),
      onThreshold: (n, value, done) => move(id, n, value, done),
    }));
  }));
  box.dataset.drawn = charts.size;
}

// move writes a dragged threshold into its field.
function move(id, n, value, done) {
  const t = read().thresholds[id][n];
  const input = field(t.field);
  input.value = id === 'load' ? Math.round(value * 100) / 100 : Math.round(value);
  if (done) input.dispatchEvent(new Event('input', { bubbles: true }));
}

let waiting, asked = 0;

// retry has the rules of the form tried; the answer to an older question is dropped.
async function retry() {
  const mine = ++asked;
  try {
    const answer = await fetch(`${form.dataset.scalingTest}?${new URLSearchParams(new FormData(form))}`, { headers: { Accept: 'text/html' } });
    if (!answer.ok || mine !== asked) return;
    const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
    const part = page.getElementById('scaling-test');
    if (!part || mine !== asked) return;
    const old = document.getElementById('scaling-test');
    const open = old.querySelector('details')?.open;
    old.replaceWith(document.adoptNode(part));
    if (open) part.querySelector('details')?.setAttribute('open', '');
    part.dataset.tried = mine;
    await show(read());
  } catch { /* the server is away; the page says so */ }
}

if (box) {
  await show(read());
  form?.addEventListener('input', () => {
    clearTimeout(waiting);
    waiting = setTimeout(retry, 300);
  });
}
