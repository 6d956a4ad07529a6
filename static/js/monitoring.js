// Charts of a page: drawn from the figures in the page, moved on by the points
// that the websocket brings, and read again when a new step has begun.
import { draw, short } from './chart.js';

const root = document.querySelector('[data-charts]');
const charts = new Map(); // by the id of their figure

const write = unit => v => {
  if (unit === '%' && v >= 10) return `${Math.round(v)} %`;
  return unit ? `${short(v)} ${unit}` : short(v);
};

// lists is the data of one chart as uPlot takes it.
function lists(data, chart) {
  const times = Array.from({ length: data.points }, (_, n) => data.from + n * data.step);
  return [times, ...chart.series.map(s => s.values)];
}

const known = chart => chart.series.some(s => s.values.some(v => v !== null));

async function show(data) {
  if (Object.entries(data.charts).some(([id, c]) => known(c) && !root.querySelector(`[data-chart="${id}"]`))) {
    location.reload(); // a layer or an instance has begun to send
    return;
  }
  const figures = [...root.querySelectorAll('[data-chart]')];
  await Promise.all(figures.map(async figure => {
    const chart = data.charts[figure.dataset.chart];
    const box = figure.querySelector('[data-plot]');
    if (!chart || !known(chart)) return;
    const drawn = charts.get(figure.dataset.chart);
    if (drawn) {
      drawn.limit(chart.least);
      drawn.marks(data.marks);
      drawn.set(lists(data, chart), data.from, data.to);
      return;
    }
    box.classList.remove('plot-none');
    charts.set(figure.dataset.chart, await draw(box, {
      data: lists(data, chart), series: chart.series, from: data.from, to: data.to, max: chart.max, least: chart.least,
      write: write(chart.unit), height: box.clientHeight, marks: data.marks, sync: 'page',
      readouts: [...figure.querySelectorAll('[data-readout]')], when: figure.querySelector('[data-when]'),
    }));
  }));
  root.dataset.drawn = charts.size;
}

// live takes the points that arrive in the page.
function live() {
  const points = JSON.parse(document.getElementById('live-figures')?.dataset.points || 'null') ?? {};
  for (const [id, { at, values }] of Object.entries(points)) {
    charts.get(id)?.push(at, values);
    root.dataset.latest = Math.max(at, root.dataset.latest ?? 0);
  }
}

// again reads all figures: what was shown between two steps becomes their average.
async function again() {
  if (document.hidden) return;
  try {
    const answer = await fetch(root.dataset.charts, { headers: { Accept: 'application/json' } });
    if (answer.ok) await show(await answer.json());
  } catch { /* the server is away; the page says so, and the next round asks again */ }
}

if (root) {
  const data = JSON.parse(document.getElementById('chart-data').textContent);
  await show(data);
  document.addEventListener('live:swapped', live);
  live();
  setInterval(again, Math.max(60, data.step / 5) * 1000);
  document.addEventListener('visibilitychange', again);
}
