// What every page needs: dialogs, menus, copy buttons, the / key, live parts.
// Pages work without it; nothing here decides anything.
import { startLive } from './live.js';

const editable = 'input, textarea, select, [contenteditable]';

// commandfor is what opens dialogs; older browsers do not know it.
function openDialogs(e) {
  if ('commandForElement' in HTMLButtonElement.prototype) return;
  const button = e.target.closest('button[commandfor]');
  const dialog = button && document.getElementById(button.getAttribute('commandfor'));
  if (!dialog) return;
  if (button.getAttribute('command') === 'show-modal') dialog.showModal();
  else dialog.close();
}

// A destructive button stays shut until the name is typed. The server checks again.
function guard() {
  for (const field of document.querySelectorAll('[data-confirm]')) {
    const open = field.value.trim() === field.dataset.confirm;
    for (const b of field.form.querySelectorAll('button[data-guarded]')) b.disabled = !open;
  }
}

function closeMenus(e) {
  for (const m of document.querySelectorAll('details.menu[open]')) if (!m.contains(e.target)) m.open = false;
}

async function copy(e) {
  const button = e.target.closest('[data-copy]');
  if (!button) return;
  const text = button.dataset.copy || button.parentElement.querySelector('code').textContent;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = 'Copied';
  } catch {
    button.textContent = 'Press Ctrl+C';
    getSelection().selectAllChildren(button.parentElement.querySelector('code'));
  }
  setTimeout(() => { button.textContent = 'Copy'; }, 2000);
}

function keys(e) {
  if (e.ctrlKey || e.metaKey || e.altKey) return;
  if (e.key === 'Escape') {
    const menu = document.querySelector('details.menu[open]');
    if (menu) { menu.open = false; menu.querySelector('summary').focus(); }
  }
  if (e.key === '/' && !e.target.closest(editable)) {
    const field = document.querySelector('.filter input');
    if (field) { e.preventDefault(); field.focus(); }
  }
  moveInGrid(e);
}

// A grid is one tab stop; arrows move inside it.
function moveInGrid(e) {
  const grid = e.target.closest?.('[data-grid]');
  if (!grid || !/^Arrow/.test(e.key)) return;
  const rows = [...grid.querySelectorAll('tbody tr')].map(r => [...r.querySelectorAll('a, button')]).filter(r => r.length);
  const y = rows.findIndex(r => r.includes(e.target));
  if (y < 0) return;
  const x = rows[y].indexOf(e.target);
  const row = rows[y + (e.key === 'ArrowDown') - (e.key === 'ArrowUp')] || [];
  const next = row[x + (e.key === 'ArrowRight') - (e.key === 'ArrowLeft')];
  if (!next) return;
  e.preventDefault();
  e.target.tabIndex = -1;
  next.tabIndex = 0;
  next.focus();
}

// A form sent twice by a double click would ask for its deed twice.
function onSubmit(e) {
  if (e.defaultPrevented || e.target.method === 'dialog') return;
  if (e.target.dataset.sent) { e.preventDefault(); return; }
  e.target.dataset.sent = '1';
  for (const b of e.target.querySelectorAll('button[type="submit"], button:not([type])')) b.setAttribute('aria-busy', 'true');
}

// A page brought back by the Back button may be sent again.
function onShow() {
  for (const f of document.querySelectorAll('form[data-sent]')) {
    delete f.dataset.sent;
    for (const b of f.querySelectorAll('[aria-busy]')) b.removeAttribute('aria-busy');
  }
}

// Choices that act at once still have a button for those without scripts.
function onChange(e) {
  const form = e.target.closest('form[data-autosubmit]');
  if (form) form.requestSubmit();
}

// Times read "3 min ago" relative to now, not to when the page was made.
function ago(seconds) {
  if (seconds < 60) return `${Math.max(0, Math.floor(seconds))} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ago`;
  return `${Math.floor(seconds / 86400)} d ago`;
}

export function tickTimes() {
  for (const t of document.querySelectorAll('time[data-ago]')) {
    const text = ago((Date.now() - Date.parse(t.dateTime)) / 1000);
    if (t.textContent !== text) t.textContent = text;
  }
}

// On a phone the tabs scroll: the current one is in sight, also when it is turned.
function showTabs() {
  for (const t of document.querySelectorAll('.tabs [aria-current]')) {
    t.parentElement.scrollLeft = t.offsetLeft - (t.parentElement.clientWidth - t.offsetWidth) / 2;
  }
}

addEventListener('click', openDialogs);
addEventListener('resize', showTabs);
addEventListener('click', closeMenus);
addEventListener('click', copy);
addEventListener('input', guard);
addEventListener('live:swapped', guard); // fresh buttons come open
addEventListener('keydown', keys);
addEventListener('submit', onSubmit);
addEventListener('change', onChange);
addEventListener('pageshow', onShow);
setInterval(tickTimes, 5000);
guard();
showTabs();
startLive();
