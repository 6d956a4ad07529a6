// A shell in the browser. Output is drawn as fast as the page can, and the
// server is told how much was, so that it sends no more than that; what is typed
// waits here until the instance has taken what came before.
import { FitAddon } from '../vendor/xterm-fit/addon-fit.js';
import { openTerminal } from './terminal.js';

const piece = 4096;      // bytes in one message
const acknowledge = 16384; // bytes drawn before the server is told
const silence = 45_000;  // the server says something every 20 s

const root = document.querySelector('[data-shell]');
const state = root.querySelector('[data-term-state]');
const encoder = new TextEncoder();

const terminal = openTerminal(root.querySelector('[data-term]'), `Terminal on ${root.dataset.host}`, {
  screenReaderMode: localStorage.getItem('terminal-reader') === 'on',
});
const fit = new FitAddon();
terminal.loadAddon(fit);
fit.fit();

let socket, watchdog, over = false;
let room = 65536, waiting = []; // what may be typed, and what has to wait
let drawn = 0;

function say(name, text) {
  state.dataset.state = name;
  state.textContent = text;
}

function send(kind, bytes) {
  if (socket.readyState !== WebSocket.OPEN) return;
  const message = new Uint8Array(bytes.length + 1);
  message[0] = kind.charCodeAt(0);
  message.set(bytes, 1);
  socket.send(message);
}

function type(bytes) {
  if (over) return;
  for (let at = 0; at < bytes.length; at += piece) waiting.push(bytes.subarray(at, at + piece));
  flush();
}

function flush() {
  while (waiting.length && room >= waiting[0].length) {
    const bytes = waiting.shift();
    room -= bytes.length;
    send('i', bytes);
  }
}

function draw(bytes) {
  terminal.write(bytes, () => {
    drawn += bytes.length;
    if (drawn >= acknowledge) tell();
  });
}

function tell() {
  if (drawn) send('a', encoder.encode(String(drawn)));
  drawn = 0;
}

function heard() {
  clearTimeout(watchdog);
  watchdog = setTimeout(() => { socket.close(); end('The connection to the server was lost.'); }, silence);
}

function end(why) {
  if (over) return;
  over = true;
  clearTimeout(watchdog);
  say('ended', 'Ended');
  terminal.write(`\r\n\x1b[0m\x1b[?1047l\x1b[?25h\x1b[7m ${why} \x1b[0m\r\n`);
  terminal.options.disableStdin = true;
  const note = root.querySelector('[data-term-ended]');
  root.querySelector('[data-term-why]').textContent = why;
  note.hidden = false;
  root.querySelector('[data-term-close]').hidden = true;
  fit.fit();
}

const reasons = {
  1001: 'The server is stopping.',
  4401: 'You have been signed out.',
  4403: 'You may not log in to this instance.',
  4408: 'The connection was too slow.',
};

function connect() {
  const address = new URL(root.dataset.shell, location.href);
  address.protocol = address.protocol.replace('http', 'ws');
  address.searchParams.set('columns', terminal.cols);
  address.searchParams.set('rows', terminal.rows);
  socket = new WebSocket(address);
  socket.binaryType = 'arraybuffer';
  let opened = false;
  socket.onopen = () => { opened = true; heard(); };
  socket.onmessage = e => {
    heard();
    if (e.data instanceof ArrayBuffer) { draw(new Uint8Array(e.data)); return; }
    if (!e.data) return;
    const words = JSON.parse(e.data);
    if (words.opened) { say('live', 'Recording'); terminal.focus(); }
    if (words.typed) { room += words.typed; flush(); }
    if (words.ended) end(words.ended);
  };
  socket.onclose = e => end(reasons[e.code] ?? (opened ? 'The connection to the server was lost.' : 'The shell could not be opened. Reload the page to see why.'));
}

terminal.onData(text => type(encoder.encode(text)));
terminal.onBinary(text => type(Uint8Array.from(text, c => c.charCodeAt(0))));
terminal.onResize(({ cols, rows }) => send('r', encoder.encode(`${cols}x${rows}`)));
terminal.attachCustomKeyEventHandler(e => {
  if (e.key !== 'F6' || !e.ctrlKey) return true;
  if (e.type === 'keydown') (root.querySelector('[data-term-close]:not([hidden])') ?? root.querySelector('.log-note button')).focus();
  e.preventDefault();
  return false;
});
setInterval(tell, 250);

let settle;
new ResizeObserver(() => {
  clearTimeout(settle);
  settle = setTimeout(() => fit.fit(), 100);
}).observe(root.querySelector('[data-term]'));

const reader = root.querySelector('[data-term-reader]');
reader.setAttribute('aria-pressed', String(terminal.options.screenReaderMode));
reader.addEventListener('click', () => {
  const on = terminal.options.screenReaderMode = !terminal.options.screenReaderMode;
  reader.setAttribute('aria-pressed', String(on));
  localStorage.setItem('terminal-reader', on ? 'on' : 'off');
  terminal.focus();
});
root.querySelector('[data-term-close]').addEventListener('click', () => {
  socket.close(1000);
  end('You have closed it.');
  root.querySelector('.log-note button').focus(); // the button that had the focus is gone
});
addEventListener('pagehide', () => { over = true; socket.close(1000); });

connect();
