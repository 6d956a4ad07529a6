// What a terminal would show of one line: colours, carriage returns and erased
// text are obeyed, everything else that could move a cursor or hide text is not.
// Log text becomes text nodes, never markup.

const special = /[\x00-\x08\x0a-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/;
const plainStyle = Object.freeze({ on: 0, fg: '', bg: '' });

// sgr applies the parameters of one SGR sequence to a style.
export function sgr(style, params) {
  const s = { ...style };
  const args = params.replaceAll(':', ';').split(';').map(Number);
  for (let i = 0; i < args.length; i++) {
    const n = args[i];
    if (n === 0) Object.assign(s, plainStyle);
    else if (n <= 9) s.on |= 1 << n;
    else if (n === 22) s.on &= ~(1 << 1 | 1 << 2);
    else if (n >= 23 && n <= 29) s.on &= ~(1 << (n - 20));
    else if (n >= 30 && n <= 37) s.fg = n - 30;
    else if (n >= 40 && n <= 47) s.bg = n - 40;
    else if (n >= 90 && n <= 97) s.fg = n - 82;
    else if (n >= 100 && n <= 107) s.bg = n - 92;
    else if (n === 39) s.fg = '';
    else if (n === 49) s.bg = '';
    else if (n === 38 || n === 48) {
      const used = args[i + 1] === 5 ? 2 : args[i + 1] === 2 ? 4 : args.length;
      const rest = args.slice(i + 2, i + 1 + used);
      i += used;
      if (rest.length !== used - 1 || rest.some(v => !(v >= 0 && v <= 255))) continue;
      s[n === 38 ? 'fg' : 'bg'] = used === 2 ? palette(rest[0]) : rest;
    }
  }
  return s.on || s.fg !== '' || s.bg !== '' ? s : plainStyle;
}

// palette is one of the 256 colours: the first 16 are the theme's own.
function palette(n) {
  if (n < 16) return n;
  if (n > 231) { const g = 8 + (n - 232) * 10; return [g, g, g]; }
  const level = v => v ? 55 + v * 40 : 0;
  n -= 16;
  return [level(Math.floor(n / 36)), level(Math.floor(n / 6) % 6), level(n % 6)];
}

// parse gives the runs of a line: [{ text, style }].
export function parse(text, start) {
  let style = start ? sgr(plainStyle, start) : plainStyle;
  if (!special.test(text)) return [{ text, style }];
  const cells = [];
  let col = 0;
  const put = c => { while (cells.length < col) cells.push({ c: ' ', style: plainStyle }); cells[col++] = { c, style }; };
  for (let i = 0; i < text.length;) {
    const c = text[i];
    if (c === '\x1b') {
      const seq = sequence(text, i);
      i = seq.end;
      if (seq.final === 'm') style = sgr(style, seq.params);
      else col = move(cells, col, seq, style);
      continue;
    }
    i++;
    if (c === '\r') col = 0;
    else if (c === '\b') col = Math.max(col - 1, 0);
    else if (c === '\x07') continue;
    else if (special.test(c)) for (const p of visible(c)) put(p);
    else if (c >= '\ud800' && c <= '\udbff' && i < text.length) put(c + text[i++]);
    else put(c);
  }
  return runs(cells);
}

// sequence reads what follows an ESC. Without a known end it is only the ESC.
function sequence(text, i) {
  if (text[i + 1] === ']') {
    const m = /^\x1b\][^\x07\x1b]*(?:\x07|\x1b\\|$)/.exec(text.slice(i, i + 4096));
    return { end: i + (m ? m[0].length : 2) };
  }
  if (text[i + 1] !== '[') return { end: i + Math.min(2, text.length - i) };
  const m = /^\x1b\[([0-9;:<=>?]*)[ -/]*([@-~])?/.exec(text.slice(i, i + 128));
  const own = m[2] && !/[<=>?]/.test(m[1]);
  return { end: i + m[0].length, params: m[1], final: own ? m[2] : '' };
}

// move obeys what stays within the line.
function move(cells, col, { final, params }) {
  const n = parseInt(params, 10);
  switch (final) {
    case 'K':
      if (n === 1 || n === 2) for (let i = 0; i < Math.min(n === 1 ? col + 1 : cells.length, cells.length); i++) cells[i] = { c: ' ', style: plainStyle };
      if (n !== 1) cells.length = Math.min(cells.length, n === 2 ? 0 : col);
      return col;
    case 'G': return Math.min(Math.max((n || 1) - 1, 0), 2000);
    case 'C': return Math.min(col + (n || 1), 2000);
    case 'D': return Math.max(col - (n || 1), 0);
  }
  return col;
}

// visible writes a character that would otherwise hide or turn text.
function visible(c) {
  const code = c.charCodeAt(0);
  if (code < 0x20) return String.fromCharCode(0x2400 + code);
  if (code === 0x7f) return '\u2421';
  return '\u27e8U+' + code.toString(16).toUpperCase().padStart(4, '0') + '\u27e9';
}

// raw shows the line as it was written, control characters as pictures.
export const raw = text => [{ text: text.replace(new RegExp(special.source, 'g'), visible), style: plainStyle }];

function runs(cells) {
  const out = [];
  let last;
  for (const { c, style } of cells) {
    if (last && last.style === style) last.text += c;
    else out.push(last = { text: c, style });
  }
  return out;
}

// draw makes the nodes of a line. mark is an expression to highlight, or null.
export function draw(parts, mark) {
  const box = document.createDocumentFragment();
  for (const part of mark ? marked(parts, mark) : parts) {
    if (!part.text) continue;
    const nodes = linked(part.text);
    if (part.style === plainStyle && !part.hit) { box.append(...nodes); continue; }
    const el = document.createElement(part.hit ? 'mark' : 'span');
    if (part.style !== plainStyle) paint(el, part.style);
    el.append(...nodes);
    box.append(el);
  }
  return box;
}

// marked cuts the runs at the borders of matches.
function marked(parts, mark) {
  const text = parts.map(p => p.text).join('');
  const out = [];
  let at = 0, k = 0, used = 0;
  const take = (n, hit) => {
    while (n > 0 && k < parts.length) {
      const piece = parts[k].text.slice(used, used + n);
      if (piece) out.push({ text: piece, style: parts[k].style, hit });
      n -= piece.length;
      used += piece.length;
      if (used >= parts[k].text.length) { k++; used = 0; }
    }
  };
  mark.lastIndex = 0;
  for (let m, tries = 0; tries < 1000 && (m = mark.exec(text)); tries++) {
    if (!m[0]) { mark.lastIndex++; continue; }
    take(m.index - at, false);
    take(m[0].length, true);
    at = m.index + m[0].length;
  }
  take(text.length - at, false);
  return out;
}

const address = /https?:\/\/[^\s<>"'`\u27e8\u27e9]+[^\s<>"'`\u27e8\u27e9.,;:!?)\]}]/g;

// linked makes http addresses into links, and nothing else.
function linked(text) {
  if (!text.includes('://')) return [text];
  const out = [];
  let at = 0;
  for (const m of text.matchAll(address)) {
    if (!URL.canParse(m[0])) continue;
    const a = document.createElement('a');
    a.href = m[0];
    a.rel = 'noopener noreferrer nofollow';
    a.target = '_blank';
    a.textContent = m[0];
    out.push(text.slice(at, m.index), a);
    at = m.index + m[0].length;
  }
  out.push(text.slice(at));
  return out;
}

const names = ['', 'a-bold', 'a-dim', 'a-italic', 'a-under', '', '', '', 'a-hide', 'a-strike'];

function paint(el, s) {
  let { fg, bg } = s;
  if (s.on & 1 << 7) [fg, bg] = [bg === '' ? 0 : bg, fg === '' ? 7 : fg]; // turned over
  for (let n = 1; n <= 9; n++) if (s.on & 1 << n && names[n]) el.classList.add(names[n]);
  if (typeof fg === 'number') el.classList.add('fg' + fg);
  else if (fg) el.style.color = css(bg === '' ? readable(fg) : fg);
  if (typeof bg === 'number') el.classList.add('k' + bg);
  else if (bg) { el.style.backgroundColor = css(bg); if (fg === '') el.style.color = luminance(bg) > 0.3 ? '#000' : '#fff'; }
}

const css = c => `rgb(${c.join(' ')})`;

function luminance(c) {
  const [r, g, b] = c.map(v => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

// readable lightens a colour until it can be read on the dark ground (4.5:1).
function readable(c) {
  const ground = luminance([11, 14, 18]) + 0.05;
  for (let n = 0; n < 20 && (luminance(c) + 0.05) / ground < 4.5; n++) c = c.map(v => Math.round(v + (255 - v) * 0.12));
  return c;
}
