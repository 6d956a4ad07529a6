// Live parts of a page: the server sends fragments, each with an id, and they
// take the place of what the page shows under that id. After every connect the
// server sends all of them, so a cut connection loses nothing.
import { morph } from './morph.js';

const quietest = 30_000; // longest pause between two tries
const silence = 45_000;  // the server pings every 20 s; longer silence is a dead line

let socket, tries = 0, timer, watchdog, watching;

// startLive connects when the page names live parts: <main data-live="stack/ID">.
export function startLive() {
  document.addEventListener('htmx:afterSettle', follow);
  follow();
  addEventListener('online', () => { tries = 0; retryNow(); });
  addEventListener('offline', () => show('offline'));
  document.addEventListener('visibilitychange', () => { if (!document.hidden && !isOpen()) retryNow(); });
  addEventListener('pagehide', () => { clearTimeout(timer); socket?.close(1000); });
  addEventListener('pageshow', e => { if (e.persisted) retryNow(); });
}

const views = () => [...new Set([...document.querySelectorAll('[data-live]')].flatMap(e => e.dataset.live.split(' ')))].filter(Boolean);

// follow connects anew when the page has come to name other parts.
function follow() {
  if (views().join(' ') === (watching ?? '')) return;
  const old = socket;
  socket = undefined;
  old?.close(1000);
  retryNow();
}

const isOpen = () => socket && socket.readyState <= WebSocket.OPEN;

function retryNow() {
  clearTimeout(timer);
  if (!isOpen() && views().length) connect();
}

function connect() {
  const address = new URL('/ws/live', location.href);
  address.protocol = address.protocol.replace('http', 'ws');
  for (const view of views()) address.searchParams.append('view', view);
  watching = views().join(' ');
  show(tries ? 'reconnecting' : 'connecting');
  const mine = socket = new WebSocket(address);
  let opened = false;
  mine.onopen = () => { opened = true; };
  mine.onmessage = e => { if (mine === socket) receive(e.data); };
  mine.onclose = e => { if (mine === socket) lost(e, opened); };
}

function receive(data) {
  clearTimeout(watchdog);
  watchdog = setTimeout(() => socket.close(), silence);
  tries = 0;
  show('live');
  if (data) swap(data);
}

function lost(e, opened) {
  clearTimeout(watchdog);
  // 4401: the session ended. 4403: the page may no longer be seen. The page itself says so.
  if (e.code === 4401 || e.code === 4403) { location.reload(); return; }
  if (!opened && tries > 2) checkSession();
  tries++;
  show(navigator.onLine ? 'reconnecting' : 'offline');
  const pause = Math.min(quietest, 500 * 2 ** Math.min(tries, 6)) * (0.5 + Math.random() / 2);
  timer = setTimeout(connect, pause);
}

// A refused upgrade does not tell scripts why; an ordinary request does.
async function checkSession() {
  try {
    const answer = await fetch('/me/session', { headers: { Accept: 'application/json' } });
    if (answer.status === 401) location.reload();
  } catch { /* the server is away; the next try will tell */ }
}

// swap puts each fragment in the place of the element with its id.
export function swap(html) {
  const made = new DOMParser().parseFromString(`<template>${html}</template>`, 'text/html').querySelector('template').content;
  for (const fresh of [...made.children]) {
    const old = fresh.id && document.getElementById(fresh.id);
    if (!old) continue;
    morph(old, document.importNode(fresh, true));
    window.htmx?.process(document.getElementById(fresh.id));
  }
  document.dispatchEvent(new CustomEvent('live:swapped', { bubbles: true }));
}

const words = { live: 'Live', connecting: 'Connecting', reconnecting: 'Reconnecting', offline: 'Offline' };

function show(state) {
  for (const dot of document.querySelectorAll('.live[data-dot]')) {
    if (dot.dataset.state === state) continue;
    dot.dataset.state = state;
    dot.hidden = false;
    const seen = state === 'live' || state === 'connecting' ? '' : `, showing ${new Date().toISOString().slice(11, 19)} UTC`;
    dot.textContent = words[state] + seen;
  }
}
