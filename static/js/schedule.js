// The grid of a week: drag paints, arrows move, Shift and an arrow paint, the
// row of every day follows and leads the others. Without this module the same
// boxes are ticked one by one.
const form = document.querySelector('form[data-week]');
const rows = form ? [...form.querySelectorAll('tbody tr')].map(r => [...r.querySelectorAll('input.hour')]) : [];
const every = rows.find(r => r[0]?.hasAttribute('data-every'));
const days = rows.filter(r => r !== every);

function place(box) {
  const y = rows.findIndex(r => r.includes(box));
  return [y, y < 0 ? -1 : rows[y].indexOf(box)];
}

// lead and follow keep the row of every day true.
function follow() {
  every?.forEach((box, hour) => {
    const on = days.filter(r => r[hour].checked).length;
    box.checked = on === days.length;
    box.indeterminate = on > 0 && on < days.length;
  });
}

function paint(box, on) {
  if (box.disabled) return;
  const [y, x] = place(box);
  if (rows[y] === every) for (const r of days) r[x].checked = on;
  else box.checked = on;
  follow();
}

function focus(box) {
  for (const r of rows) for (const b of r) b.tabIndex = -1;
  box.tabIndex = 0;
  box.focus();
}

const steps = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };

function onKey(e) {
  const [y, x] = place(e.target);
  if (y < 0) return;
  let next = steps[e.key] && rows[y + steps[e.key][0]]?.[x + steps[e.key][1]];
  if (e.key === 'Home') next = rows[y][0];
  if (e.key === 'End') next = rows[y][23];
  if (!next) return;
  e.preventDefault();
  if (e.shiftKey && steps[e.key]) paint(next, e.target.checked);
  focus(next);
}

// A mouse paints what its first cell became; a finger scrolls and taps.
let painting = null;

function onDown(e) {
  const box = e.target.closest?.('input.hour');
  if (!box || e.pointerType !== 'mouse' || e.button !== 0) return;
  e.preventDefault();
  focus(box);
  painting = !box.checked;
  paint(box, painting);
}

function onOver(e) {
  const box = e.target.closest?.('input.hour');
  if (painting !== null && box) paint(box, painting);
}

// The click that ends a press would switch the first cell back.
function onClick(e) {
  if (e.target.matches('input.hour') && e.pointerType === 'mouse' && e.detail) e.preventDefault();
}

if (form) {
  for (const e of form.querySelectorAll('[data-every]')) e.removeAttribute('name'); // the days say it all
  for (const r of rows) for (const b of r) b.tabIndex = -1;
  if (rows[0]?.[0]) rows[0][0].tabIndex = 0;
  for (const hint of form.querySelectorAll('.with-js')) hint.hidden = false;
  form.addEventListener('keydown', onKey);
  form.addEventListener('pointerdown', onDown);
  form.addEventListener('pointerover', onOver);
  form.addEventListener('click', onClick);
  form.addEventListener('change', e => { if (e.target.matches('input.hour')) paint(e.target, e.target.checked); });
  addEventListener('pointerup', () => { painting = null; });
  addEventListener('pageshow', follow);
  follow();
}
