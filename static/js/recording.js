// Plays a recording (asciicast 2): play and pause, speed, and any place in it.
import { openTerminal } from './terminal.js';

const root = document.querySelector('[data-recording]');
const part = name => root.querySelector(`[data-${name}]`);
const play = part('play'), seek = part('seek'), place = part('place'), speed = part('speed'), note = part('note');

let events = [], length = 0, size = [80, 24];
let terminal, next = 0, at = 0; // the next event, and the time shown
let since = 0, timer = 0;       // playing: when at was true, and the next look

const clock = s => `${Math.floor(s / 60)}:${String(Math.floor(s % 60)).padStart(2, '0')}`;
const playing = () => timer !== 0;

// read splits the lines as they come; a recording that is still written ends
// with its last whole line.
async function read() {
  const answer = await fetch(root.dataset.recording);
  if (!answer.ok) throw new Error((await answer.text()).slice(0, 200));
  const lines = (await answer.text()).split('\n').filter(Boolean);
  const head = JSON.parse(lines[0]);
  size = [head.width, head.height];
  events = lines.slice(1).map(line => JSON.parse(line));
  length = events.length ? Math.ceil(events[events.length - 1][0] * 10) / 10 : 0; // a step of the slider
}

// show does what happened until a time, at once.
function show(until) {
  let text = '';
  for (; next < events.length && events[next][0] <= until; next++) {
    const [, kind, data] = events[next];
    if (kind === 'o') text += data;
    if (kind === 'm') text += `\r\n\x1b[0m\x1b[?1047l\x1b[7m ${data} \x1b[0m`;
    if (kind === 'r') {
      terminal.write(text);
      text = '';
      const [columns, rows] = data.split('x').map(Number);
      terminal.write('', () => terminal.resize(columns, rows)); // in order with the output
    }
  }
  terminal.write(text);
  at = until;
  seek.value = at;
  seek.setAttribute('aria-valuetext', `${clock(at)} of ${clock(length)}`);
  place.textContent = `${clock(at)} / ${clock(length)}`;
}

function go(to) {
  if (to < at) {
    terminal.reset();
    terminal.resize(...size);
    next = 0;
  }
  show(Math.min(Math.max(to, 0), length));
  since = performance.now();
  if (!playing()) label();
}

const label = () => { play.textContent = playing() ? 'Pause' : at >= length ? 'Play again' : 'Play'; };

function step() {
  const now = performance.now();
  show(Math.min(at + (now - since) / 1000 * Number(speed.value), length));
  since = now;
  if (at >= length) pause();
}

function start() {
  if (at >= length) go(0);
  since = performance.now();
  timer = setInterval(step, 50);
  label();
}

function pause() {
  clearInterval(timer);
  timer = 0;
  label();
}

play.addEventListener('click', () => (playing() ? pause() : start()));
seek.addEventListener('input', () => go(Number(seek.value)));

try {
  await read();
  terminal = openTerminal(part('term'), 'Recording', { cols: size[0], rows: size[1], disableStdin: true, screenReaderMode: true, cursorBlink: false });
  terminal.attachCustomKeyEventHandler(e => e.key !== 'Tab'); // it is no place to type
  terminal.textarea.tabIndex = -1;
  terminal.textarea.removeAttribute('aria-describedby');
  seek.max = length;
  play.disabled = seek.disabled = false;
  note.hidden = true;
  show(0);
  root.dataset.ready = '';
} catch (e) {
  note.textContent = `The recording could not be read. ${e.message}`;
}
