// Search in the whole log, done by the server part by part: what is found is
// shown at once, and a running log is searched on as it grows.

const most = 20_000; // hits counted

export class Search {
  hits = []; // line numbers
  current = -1;
  text = '';
  regexp = false;
  caseful = false;
  busy = false;
  error = '';
  mark = null; // what to highlight
  #next = 0;
  #all = true;
  #abort = null;

  constructor(address, changed) {
    this.address = address;
    this.changed = changed;
  }

  get active() { return this.text !== ''; }
  get capped() { return this.hits.length >= most; }

  // set begins another search.
  set(text, regexp, caseful) {
    if (text === this.text && regexp === this.regexp && caseful === this.caseful) return false;
    Object.assign(this, { text, regexp, caseful, hits: [], current: -1, error: '' });
    this.mark = expression(text, regexp, caseful);
    this.#next = 0;
    this.#all = false;
    this.#abort?.abort();
    this.#abort = null;
    if (text) this.more();
    else this.changed();
    return true;
  }

  // more goes on where the last answer ended.
  async more() {
    if (!this.active || this.#abort || this.error || this.capped) return;
    const mine = this.#abort = new AbortController();
    this.busy = true;
    try {
      do {
        const q = new URLSearchParams({ q: this.text, from: this.#next, limit: 2000 });
        if (this.regexp) q.set('regexp', '');
        if (this.caseful) q.set('case', '');
        const r = await fetch(`${this.address}?${q}`, { signal: mine.signal, headers: { Accept: 'application/json' } });
        const found = await r.json();
        if (!r.ok) throw new Error(found.message);
        const last = this.hits.at(-1) ?? -1;
        for (const n of found.hits) if (n > last && !this.capped) this.hits.push(n);
        this.#next = found.next;
        this.#all = found.all;
        this.changed();
      } while (!this.#all && !this.capped && this.#abort === mine);
    } catch (err) {
      if (this.#abort !== mine) return;
      if (err.name !== 'AbortError') this.error = err.message || 'The server does not answer.';
    }
    if (this.#abort !== mine) return;
    this.#abort = null;
    this.busy = false;
    this.changed();
  }

  // go moves to the next or previous hit; the first time, to the one nearest
  // to the line at the top.
  go(step, top) {
    const n = this.hits.length;
    if (!n) return null;
    if (this.current < 0) {
      const i = this.hits.findIndex(h => h >= top);
      this.current = step > 0 ? (i < 0 ? 0 : i) : ((i < 0 ? n : i) - 1 + n) % n;
    } else this.current = (this.current + step + n) % n;
    return this.hits[this.current];
  }

  stop() { this.#abort?.abort(); this.#abort = null; }
}

// expression is for highlighting only; one that JavaScript reads otherwise
// than the server is left out.
function expression(text, regexp, caseful) {
  if (!text) return null;
  try {
    return new RegExp(regexp ? text : text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'), caseful ? 'g' : 'gi');
  } catch { return null; }
}
