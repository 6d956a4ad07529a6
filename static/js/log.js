// <log-pane>: a command's log, live while the command runs. The parts: which
// rows there are (log-rows), the lines themselves (log-lines), the window on
// them (log-scroll), what a terminal would show (log-text), search
// (log-search) and the connection (log-socket). This file joins them to the
// buttons and keys.
import { draw, parse, raw } from './log-text.js';
import { Lines } from './log-lines.js';
import { LogSocket } from './log-socket.js';
import { Rows } from './log-rows.js';
import { Search } from './log-search.js';
import { Viewport } from './log-scroll.js';

const tones = { successful: 'ok', failed: 'bad', running: 'run', pending: 'wait', sent: 'wait', expired: 'warn' };
const times = ['off', 'relative', 'local', 'UTC'];
const group = n => String(n).replace(/\B(?=(\d{3})+$)/g, '\u00a0');

function make(tag, attrs = {}, ...children) {
  const el = document.createElement(tag);
  for (const [k, v] of Object.entries(attrs)) {
    if (k.startsWith('on')) el.addEventListener(k.slice(2), v);
    else if (v === true) el.setAttribute(k, '');
    else if (v !== false && v !== undefined) el.setAttribute(k, v);
  }
  el.append(...children);
  return el;
}

class LogPane extends HTMLElement {
  connectedCallback() {
    if (this.rows) return;
    this.base = '/commands/' + encodeURIComponent(this.dataset.command) + '/log';
    this.rows = new Rows();
    this.status = this.dataset.status;
    this.bytes = 0;
    this.complete = false;
    this.open = false;   // the last line is unfinished
    this.unread = 0;     // lines that came while the reader looked elsewhere
    this.chosen = null;  // [first, last] of the address
    this.time = times.includes(localStorage.logTime) ? localStorage.logTime : 'off';
    this.rawText = false;
    this.cache = new Map(); // row key → what its element shows
    this.#build();
    this.lines = new Lines(this.base + '/lines', f => this.#arrived(f), () => this.#note('The server does not answer. Trying again.'));
    this.search = new Search(this.base + '/search', () => this.#found());
    this.view = new Viewport(this.box, this.rows, { draw: (r, el) => this.#row(r, el), shown: list => this.#shown(list), moved: up => this.#moved(up) });
    this.view.wrap = localStorage.logWrap === 'on';
    this.#pressed('wrap', this.view.wrap);
    this.classList.toggle('is-wrap', this.view.wrap);
    this.onhash = () => this.#goHash();
    this.onkey = e => this.#keyed(e);
    addEventListener('hashchange', this.onhash);
    document.addEventListener('keydown', this.onkey);
    this.#start();
  }

  disconnectedCallback() {
    if (!this.rows) return;
    this.socket?.stop();
    this.lines.stop();
    this.search.stop();
    this.view.stop();
    removeEventListener('hashchange', this.onhash);
    document.removeEventListener('keydown', this.onkey);
    this.rows = null;
    this.socket = null;
    this.replaceChildren();
  }

  // start shows a finished log from where the address says, and follows one
  // that runs.
  #start() {
    if (this.dataset.complete === undefined) {
      this.view.following = !range();
      this.socket = new LogSocket('/ws' + this.base, {
        frame: f => this.#frame(f),
        state: s => this.#live(s),
        from: () => this.started ? this.rows.total - (this.open ? 1 : 0) : null,
      });
      return;
    }
    this.#live('complete');
    const first = range()?.[0] ?? 0;
    this.#first(`${this.base}/lines?from=${Math.max(first - 100, 0)}&count=400&steps`);
  }

  async #first(address) {
    try {
      const r = await fetch(address, { headers: { Accept: 'application/json' } });
      const f = await r.json();
      if (!r.ok) { this.#note(f.message); return; }
      if (this.rows) this.#frame(f);
    } catch {
      this.#note('The server does not answer. Trying again.');
      setTimeout(() => { if (this.isConnected && !this.started) this.#first(address); }, 2000);
    }
  }

  // frame takes news: lines, steps, or only another state of the command.
  #frame(f) {
    if (f.status) this.status = f.status;
    if (f.lines) {
      this.bytes = f.bytes;
      this.complete = f.complete;
      const before = this.rows.total;
      const last = f.open && f.first + f.lines.length >= f.total;
      this.lines.put(f);
      for (let k = 0; k < f.lines.length; k++) this.cache.delete(f.first + k);
      const changed = this.rows.update(f.total, f.steps);
      this.open = last;
      if (f.steps) for (const s of f.steps) this.cache.delete('s' + s.i);
      if (!this.view.following && this.started) this.unread += Math.max(this.rows.total - before, 0);
      this.#late(f);
      if (!this.started) this.#begun();
      else if (changed || f.lines.length) this.#redraw();
      if (this.search.active) this.#searchOn();
    }
    this.#head();
  }

  #begun() {
    this.started = true;
    this.#note('');
    if (range()) this.#goHash();
    else if (this.complete && this.rows.failures().length) this.#failure(1);
    else this.#redraw();
    this.#marks();
  }

  #redraw() {
    if (this.pending) return;
    this.pending = true;
    const run = () => { this.pending = false; if (this.rows) { this.#fit(); this.view.changed(); this.#marks(); this.#pill(); } };
    // a hidden tab gets no frames; its log goes on all the same
    if (document.hidden) setTimeout(run, 250); else requestAnimationFrame(run);
  }

  // late measures the way from the host to this screen. The clocks of server
  // and browser may differ: the quickest frame tells by how much.
  #late(f) {
    if (this.complete || !f.lines.length || !f.at || f.gap || !this.started) return;
    const now = Date.now();
    this.skew = Math.min(this.skew ?? Infinity, now - f.now);
    const ms = Math.max(f.now - f.at.at(-1)[1], 0) + (now - f.now - this.skew);
    if (ms < 600_000) this.delay = ms;
  }

  #arrived(f) {
    if (f) {
      for (let k = 0; k < f.lines.length; k++) this.cache.delete(f.first + k);
      this.#note('');
      if (f.total > this.rows.total && !this.socket) this.rows.update(f.total);
    }
    this.#redraw();
  }

  // ---------- drawing ----------

  #build() {
    const icon = (name, cls) => this.#icon(name, cls);
    const button = (name, label, act, ...inside) => make('button', { type: 'button', class: 'log-b', 'data-b': name, title: label, 'aria-label': inside.length ? label : undefined, onclick: act }, ...(inside.length ? inside : [label]));
    this.headState = make('span', { class: 'st' });
    this.headSize = make('span');
    this.headDelay = make('span', { class: 'hide-s' });
    this.headLive = make('span', { class: 'log-live', role: 'status' });
    this.selectTime = make('select', { class: 'log-b', 'aria-label': 'Timestamps', onchange: () => this.#setTime(this.selectTime.value) },
      ...times.map(t => make('option', { value: t, selected: t === this.time }, t === 'off' ? 'No times' : t === 'relative' ? 'Relative' : t === 'local' ? 'Local time' : 'UTC')));
    const wrap = button('wrap', 'Wrap', () => this.#setWrap(!this.view.wrap));
    const rawButton = button('raw', 'Raw', () => this.#setRaw(!this.rawText));
    wrap.title = 'Break long lines';
    rawButton.title = 'Show control characters instead of obeying them';
    const download = make('a', { class: 'log-b', href: this.base + '?download' }, icon('dl'), 'Download');
    this.field = make('input', { type: 'search', placeholder: 'Search this log', 'aria-label': 'Search this log', 'aria-describedby': 'log-hits', spellcheck: 'false', autocomplete: 'off', maxlength: 500, 'aria-keyshortcuts': '/' });
    this.field.addEventListener('input', () => { clearTimeout(this.typing); this.typing = setTimeout(() => this.#query(), 200); });
    this.field.addEventListener('keydown', e => this.#searchKey(e));
    this.count = make('span', { class: 'hits', id: 'log-hits', role: 'status' });
    const query = make('div', { class: 'log-q', role: 'search' }, icon('search'), this.field, this.count,
      button('prev', 'Previous match (N)', () => this.#hit(-1), icon('up')), button('next', 'Next match (n)', () => this.#hit(1), icon('down')));
    const caseful = button('case', 'Match case', () => this.#query({ caseful: !this.search.caseful }), 'Aa');
    const regexp = button('regexp', 'Regular expression', () => this.#query({ regexp: !this.search.regexp }), '.*');
    this.jumps = make('div', { class: 'end', hidden: true }, make('span', {}, 'Failures'),
      button('failprev', 'Previous failure ([)', () => this.#failure(-1), '[ previous'), button('failnext', 'Next failure (])', () => this.#failure(1), 'next ]'));
    this.box = make('div', { class: 'log-v', tabindex: '0', role: 'log', 'aria-live': 'off', 'aria-label': 'Log of ' + this.dataset.host });
    this.sticky = make('div', { class: 'log-sticky', hidden: true });
    this.track = make('div', { class: 'log-track', 'aria-hidden': 'true' });
    this.pill = make('button', { type: 'button', class: 'log-follow', hidden: true, 'aria-keyshortcuts': 'f', onclick: () => this.#follow() });
    this.message = make('p', { class: 'log-note', role: 'status', hidden: true });
    for (const b of [wrap, rawButton, caseful, regexp]) b.setAttribute('aria-pressed', 'false');
    this.replaceChildren(
      make('div', { class: 'log-h' }, make('b', {}, this.dataset.host), this.headState, this.headSize, this.headDelay, this.headLive,
        make('div', { class: 'end' }, this.selectTime, wrap, rawButton, download)),
      make('div', { class: 'log-h' }, query, caseful, regexp, this.jumps),
      this.message,
      make('div', { class: 'log-w' }, this.box, this.sticky, this.track, this.pill));
    this.box.addEventListener('click', e => this.#clicked(e));
    this.sticky.addEventListener('click', () => this.#toStep(this.sticky.dataset.step));
  }

  #icon(name, cls) {
    const ns = 'http://www.w3.org/2000/svg';
    const svg = document.createElementNS(ns, 'svg'), use = document.createElementNS(ns, 'use');
    for (const [k, v] of Object.entries({ width: 16, height: 16, 'aria-hidden': 'true', ...(cls && { class: cls }) })) svg.setAttribute(k, v);
    use.setAttribute('href', this.dataset.icons + '#' + name);
    svg.append(use);
    return svg;
  }

  #head() {
    const word = this.status === 'sent' ? 'pending' : this.status;
    if (this.shownState !== word) {
      this.shownState = word;
      this.headState.className = 'st s-' + (tones[word] || 'off');
      this.headState.replaceChildren(this.#icon(tones[word] || 'off'), word);
    }
    this.headSize.textContent = `${group(this.rows.total)} line${this.rows.total === 1 ? '' : 's'}, ${size(this.bytes)}`;
    this.headDelay.textContent = this.delay !== undefined && !this.complete ? 'host to screen ' + span(this.delay) : '';
    const failures = this.rows.failures().length;
    this.jumps.hidden = !failures;
    if (this.started && !this.rows.total) this.#note(this.complete ? 'The command wrote nothing.' : 'No output yet. Lines appear here as the instance writes them.');
    else if (this.started && this.message.dataset.empty) this.#note('');
    this.message.toggleAttribute('data-empty', this.started && !this.rows.total);
  }

  #live(state) {
    this.liveState = state;
    this.headLive.dataset.state = state;
    this.headLive.textContent = { live: 'Live', complete: '', connecting: 'Connecting', reconnecting: 'Reconnecting', 'signed out': 'Signed out: sign in to read on', forbidden: 'You may no longer see this log' }[state];
    if (state === 'complete') { this.view && (this.view.following = false); this.delay = undefined; }
    if (this.started) { this.#head(); this.#pill(); }
  }

  #note(text) {
    this.message.hidden = !text;
    this.message.textContent = text;
  }

  // fit makes a short log a low box.
  #fit() {
    const most = Math.max(320, Math.round(innerHeight * 0.68));
    this.box.style.height = Math.min(Math.max(this.rows.height + 52, 120), this.view.wrap ? Math.max(most, 320) : most) + 'px';
    const digits = Math.max(String(this.rows.total).length, 3);
    if (digits !== this.digits) { this.digits = digits; this.style.setProperty('--log-digits', digits); }
  }

  #shown(list) {
    const lines = list.filter(r => r.n >= 0);
    if (lines.length) this.#need(lines);
    this.#stick();
  }

  // need asks for what is missing in each run of lines in sight.
  #need(lines) {
    for (const r of lines) {
      if (this.lines.get(r.n)) continue;
      let last = r.n;
      for (const q of lines) if (q.n > last) { if (q.n - last > 300) break; last = q.n; }
      this.lines.need(r.n, last + 1, this.rows.total);
      return;
    }
  }

  // row draws a row, or leaves its element as it is.
  #row(row, old) {
    const block = this.rows.blocks[row.b];
    const look = row.n < 0 ? this.#headLook(block) : this.#lineLook(row.n, block);
    if (old && this.cache.get(row.key) === look) return old;
    if (this.cache.size > 2000) this.cache.clear();
    this.cache.set(row.key, look);
    return row.n < 0 ? this.#stepHead(block) : this.#line(row.n, block);
  }

  #lineLook(n, block) {
    const here = this.lines.get(n) ? 1 : 0;
    const chosen = this.chosen && n >= this.chosen[0] && n <= this.chosen[1] ? 1 : 0;
    return `${here}${chosen}${this.time}${this.rawText}${this.search.text && this.search.mark}${this.#current() === n}${this.time === 'relative' ? block.owner?.s : ''}`;
  }

  #current() { return this.search.hits[this.search.current]; }

  #line(n, block) {
    const line = this.lines.get(n);
    const el = make('div', { class: 'ln', id: 'L' + (n + 1) });
    const link = make('a', { href: '#L' + (n + 1), tabindex: '-1' }, String(n + 1));
    if (this.chosen && n >= this.chosen[0] && n <= this.chosen[1]) el.classList.add('sel');
    if (this.#current() === n) el.classList.add('now');
    el.append(link);
    if (this.time !== 'off') el.append(this.#stamp(line, block));
    const code = make('code');
    if (line) {
      code.append(draw(this.rawText ? raw(line.text) : parse(line.text, line.sgr), this.search.active ? this.search.mark : null));
      if (line.cut) code.append(make('a', { class: 'log-cut', href: this.base }, `\u2026 ${group(line.cut)} bytes, download to see all`));
      if (!code.textContent) code.append('\u200b'); // keeps the row's height when it is selected
    } else {
      el.dataset.wait = '1';
      el.classList.add('wait');
    }
    el.append(code);
    return el;
  }

  #stamp(line, block) {
    const ms = line?.ms;
    if (!ms) return make('time');
    const at = new Date(ms);
    const t = make('time', { datetime: at.toISOString(), title: at.toISOString() });
    if (this.time === 'UTC') t.textContent = at.toISOString().slice(11, 23);
    else if (this.time === 'local') t.textContent = at.toTimeString().slice(0, 8) + '.' + String(at.getMilliseconds()).padStart(3, '0');
    else t.textContent = '+' + ((ms - (block.owner?.s ?? this.#zero(ms))) / 1000).toFixed(3);
    return t;
  }

  // zero is when the log began, for lines outside of all steps.
  #zero(ms) { return this.began ??= Math.min(ms, this.lines.get(0)?.ms || ms, ...[...this.rows.steps.values()].slice(0, 1).map(s => s.s)); }

  #headLook({ step }) { return `${step.r}${step.z}${step.c}${step.u}${step.e}${this.rows.isFolded(step)}${step.r ? '' : Math.floor(Date.now() / 1000)}`; }

  #stepHead({ step, depth }) {
    const folded = this.rows.isFolded(step);
    const has = this.rows.lastOf(step) > step.a || step.children.length;
    const tone = step.r ? { successful: 'ok', failed: 'bad', skipped: 'skip' }[step.r] || 'off' : this.complete ? 'off' : 'run';
    const el = make(has ? 'button' : 'div', { class: `ls s-${tone} d${Math.min(depth, 3)}`, 'data-step': step.i, ...(has && { type: 'button', 'aria-expanded': String(!folded) }) });
    el.append(has ? this.#icon('chev', 'chev') : make('span', { class: 'chev' }), this.#icon(step.r || this.complete ? tone : 'run', 'gl'),
      make('span', { class: 'vh' }, (step.r || (this.complete ? 'not finished' : 'running')) + ' '), make('span', { class: 'name' }, step.n));
    const end = make('span', { class: 'end' });
    if (folded) end.append(make('span', { class: 'hide-s' }, `${group(this.rows.lastOf(step) - step.a)} lines`));
    if (step.c || step.u) end.append(make('span', { class: 'hide-s' }, [step.c && `${step.c} changed`, step.u && `${step.u} unchanged`].filter(Boolean).join(', ')));
    if (step.r === 'failed') end.append(make('span', { class: 'bad' }, 'failed'));
    if (step.r === 'skipped') end.append(make('span', {}, 'skipped'));
    if (step.e) end.append(make('span', { class: 'took' }, span(step.e - step.s)));
    else if (!this.complete && !step.r) end.append(make('span', { class: 'took' }, 'running, ' + span(Math.max(Date.now() - (this.skew || 0) - step.s, 0))));
    el.append(end);
    return el;
  }

  // stick keeps the name of the step at the top while its lines scroll.
  #stick() {
    const top = this.rows.at(this.view.position);
    const block = top && this.rows.blocks[top.row.b];
    const step = block && (block.step ? (this.rows.isFolded(block.step) || top.offset < 1 ? block.owner : block.step) : block.owner);
    this.sticky.hidden = !step;
    if (!step || this.stuck === step.i + this.#headLook({ step })) return;
    this.stuck = step.i + this.#headLook({ step });
    this.sticky.dataset.step = step.i;
    const way = [];
    for (let s = step; s; s = this.rows.steps.get(s.p)) way.unshift(s.n);
    const head = this.#stepHead({ step, depth: 0 });
    head.querySelector('.name').textContent = way.join(' \u203a ');
    head.removeAttribute('aria-expanded');
    head.tabIndex = -1;
    this.sticky.replaceChildren(head);
  }

  // marks draws where hits and failures are, one mark for each two pixels.
  #marks() {
    const height = this.box.clientHeight - 8, all = this.rows.height;
    const key = `${this.search.hits.length}${this.search.current}${all}${height}${this.rows.failures().length}${this.search.text}`;
    if (!all || key === this.marked) return;
    this.marked = key;
    const at = new Map();
    const place = (key, cls) => {
      const row = this.rows.of(key);
      if (!row) return;
      const y = Math.round(this.rows.top(row) / all * height / 2) * 2;
      if (cls || !at.has(y)) at.set(y, cls);
    };
    if (this.search.hits.length <= 2000) for (const n of this.search.hits) place(n, '');
    else for (const n of this.search.hits) at.set(Math.round(n / this.rows.total * height / 2) * 2, '');
    for (const s of this.rows.failures()) place('s' + s.i, 'e');
    if (this.search.current >= 0) place(this.#current(), 'now');
    this.track.replaceChildren(...[...at].map(([y, cls]) => { const i = make('i', { class: cls }); i.style.top = y + 'px'; return i; }));
  }

  #pill() {
    const running = this.socket && this.liveState !== 'complete';
    if (this.view.following) this.unread = 0;
    this.pill.hidden = this.view.following || !running && !this.unread || this.view.atEnd && !running;
    if (this.pill.hidden) return;
    const text = this.unread ? `${group(this.unread)} new line${this.unread === 1 ? '' : 's'}` : 'Follow';
    if (this.pill.textContent !== text) this.pill.replaceChildren(this.#icon('arrow'), text);
  }

  // ---------- what the reader does ----------

  #moved(up) {
    if (!up && this.view.atEnd && this.socket && this.liveState !== 'complete') this.view.following = true;
    if (this.view.atEnd) this.unread = 0;
    this.#pill();
  }

  #follow() {
    this.view.following = this.liveState !== 'complete';
    this.unread = 0;
    this.view.toEnd();
    this.#pill();
  }

  #clicked(e) {
    const head = e.target.closest('.ls');
    if (head) { this.#toggle(Number(head.dataset.step)); return; }
    const link = e.target.closest('.ln > a');
    if (!link || e.ctrlKey || e.metaKey) return;
    e.preventDefault();
    const n = Number(link.textContent) - 1;
    const from = e.shiftKey && this.chosen ? this.anchor : this.anchor = n;
    this.#choose(Math.min(from, n), Math.max(from, n));
    history.replaceState(history.state, '', `#L${this.chosen[0] + 1}` + (from === n ? '' : `-${this.chosen[1] + 1}`));
  }

  #toggle(i) {
    this.view.following = false;
    this.cache.delete('s' + i);
    const focused = this.contains(document.activeElement) && document.activeElement.dataset.step === String(i);
    this.rows.toggle(i);
    this.#fit();
    this.view.changed();
    this.#marks();
    this.#pill();
    if (focused) this.box.querySelector(`[data-step="${i}"]`)?.focus({ preventScroll: true });
  }

  #toStep(i) {
    this.view.following = false;
    this.view.show('s' + i);
    this.#pill();
  }

  #choose(first, last) {
    this.chosen = [first, last];
    this.view.changed();
  }

  #goHash() {
    const r = range();
    if (!r || !this.started) return;
    this.anchor = r[0];
    this.chosen = r;
    this.#show(Math.min(r[0], Math.max(this.rows.total - 1, 0)));
    if (r[0] >= this.rows.total && this.complete) this.#note(`Line ${group(r[0] + 1)} is not in this log: it has ${group(this.rows.total)} lines.`);
  }

  // show unfolds and brings a line into sight.
  #show(n) {
    this.view.following = false;
    this.rows.reveal(n);
    this.cache.clear();
    this.#fit();
    this.view.show(n);
    this.#marks();
    this.#pill();
  }

  #failure(step) {
    const all = this.rows.failures();
    if (!all.length) return;
    const top = this.view.position + this.view.sight / 3 + 1;
    const places = all.map(s => this.rows.top(this.rows.of('s' + s.i)));
    let k = step > 0 ? places.findIndex(p => p > top + 1) : places.findLastIndex(p => p < top - 2);
    if (k < 0) k = step > 0 ? 0 : all.length - 1;
    for (let s = all[k]; s; s = this.rows.steps.get(s.p)) this.rows.folded.set(s.i, false);
    this.rows.build();
    this.cache.clear();
    this.view.following = false;
    this.#fit();
    this.view.show('s' + all[k].i);
    this.#marks();
    this.#pill();
  }

  #query(change) {
    const text = this.field.value;
    const s = this.search;
    if (s.set(text, change?.regexp ?? s.regexp, change?.caseful ?? s.caseful)) { this.jump = true; this.view.changed(); }
    this.#pressed('regexp', s.regexp);
    this.#pressed('case', s.caseful);
  }

  // found shows what the search has; the first hit in sight is gone to once.
  #found() {
    const s = this.search;
    this.count.className = 'hits' + (s.error ? ' bad' : '');
    this.count.textContent = !s.active ? '' : s.error ? s.error
      : s.hits.length ? `${s.current >= 0 ? group(s.current + 1) + ' of ' : ''}${group(s.hits.length)}${s.capped ? '+' : ''}${s.busy && !s.capped ? '\u2026' : ''}`
      : s.busy ? 'searching\u2026' : 'no match';
    if (this.jump && s.hits.length) { this.jump = false; if (!this.view.following) { this.#hit(1); return; } }
    this.view.changed();
    this.#marks();
  }

  #searchOn() {
    if (this.searching) return;
    this.searching = setTimeout(() => { this.searching = null; this.search.more(); }, 1000);
  }

  #hit(step) {
    const n = this.search.go(step, this.view.topLine);
    if (n === null) return;
    this.jump = false;
    this.#show(n);
    this.#found();
  }

  #searchKey(e) {
    if (e.key === 'Enter') {
      e.preventDefault();
      clearTimeout(this.typing);
      if (this.field.value !== this.search.text) this.#query();
      else this.#hit(e.shiftKey ? -1 : 1);
    } else if (e.key === 'Escape') {
      e.preventDefault();
      this.field.value = '';
      this.#query();
      this.box.focus();
    }
  }

  #keyed(e) {
    if (e.defaultPrevented || e.ctrlKey || e.metaKey || e.altKey || e.target.closest?.('input, textarea, select, [contenteditable], dialog[open]')) return;
    const act = {
      f: () => this.#follow(), n: () => this.#hit(1), N: () => this.#hit(-1),
      '[': () => this.#failure(-1), ']': () => this.#failure(1),
      '/': () => { this.field.focus(); this.field.select(); },
    }[e.key];
    if (!act) return;
    e.preventDefault();
    act();
  }

  #setTime(t) {
    this.time = localStorage.logTime = t;
    this.#refresh();
  }

  #setWrap(on) {
    localStorage.logWrap = on ? 'on' : 'off';
    this.#pressed('wrap', on);
    this.classList.toggle('is-wrap', on);
    this.view.setWrap(on);
  }

  #setRaw(on) {
    this.rawText = on;
    this.#pressed('raw', on);
    this.#refresh();
  }

  #refresh() {
    this.cache.clear();
    this.view.changed(true);
  }

  #pressed(name, on) { this.querySelector(`[data-b="${name}"]`).setAttribute('aria-pressed', String(on)); }
}

// range is what the address asks for: #L120 or #L120-140, counted from 0.
function range() {
  const m = /^#L(\d{1,12})(?:-L?(\d{1,12}))?$/.exec(location.hash);
  if (!m) return null;
  const a = Math.max(Number(m[1]) - 1, 0), b = m[2] ? Math.max(Number(m[2]) - 1, 0) : a;
  return [Math.min(a, b), Math.max(a, b)];
}

function size(n) {
  const units = ['bytes', 'KB', 'MB', 'GB', 'TB'];
  let k = 0;
  for (; n >= 1000 && k < 4; k++) n /= 1000;
  return (k && n < 10 ? n.toFixed(1).replace('.0', '') : group(Math.round(n))) + ' ' + units[k];
}

function span(ms) {
  if (ms < 1000) return Math.round(ms) + ' ms';
  if (ms < 10_000) return (ms / 1000).toFixed(1) + ' s';
  if (ms < 60_000) return Math.floor(ms / 1000) + ' s';
  if (ms < 3_600_000) return Math.floor(ms / 60_000) + ' min ' + Math.floor(ms % 60_000 / 1000) + ' s';
  return Math.floor(ms / 3_600_000) + ' h ' + Math.floor(ms % 3_600_000 / 60_000) + ' min';
}

customElements.define('log-pane', LogPane);
