// The lines a viewer holds: pages by number, the least recently seen dropped,
// so that a tab's memory does not grow with the log.

const PAGE = 256;
const most = 8_000_000; // characters held
const ahead = 200;      // lines read beyond what is seen

export class Lines {
  #pages = new Map(); // number → { lines, size }, the most recently seen last
  #size = 0;
  #asked = null;      // { from, to, abort }
  #retry;

  // address is where lines are read; arrived is called when some have come.
  constructor(address, arrived, failed) {
    this.address = address;
    this.arrived = arrived;
    this.failed = failed;
  }

  get size() { return this.#size; }

  // get is { text, sgr, cut, ms }, or undefined when it is not here.
  get(n) { return this.#pages.get(Math.floor(n / PAGE))?.lines[n % PAGE]; }

  // put keeps the lines of a frame.
  put(f) {
    let run = 0, page, number = -1;
    f.lines.forEach((text, k) => {
      while (run + 1 < (f.at?.length || 0) && f.at[run + 1][0] <= k) run++;
      const n = f.first + k;
      if (Math.floor(n / PAGE) !== number) { number = Math.floor(n / PAGE); page = this.#page(number); }
      const size = text.length + 60;
      page.size += size - (page.lines[n % PAGE]?.size || 0);
      this.#size += size - (page.lines[n % PAGE]?.size || 0);
      page.lines[n % PAGE] = { text, sgr: f.sgr?.[k] || '', cut: f.cut?.[k] || 0, ms: f.at?.[run]?.[1] || 0, size };
    });
    for (const [n, old] of this.#pages) {
      if (this.#size <= most || n === number) break;
      this.#pages.delete(n);
      this.#size -= old.size;
    }
  }

  #page(n) {
    let p = this.#pages.get(n);
    if (p) this.#pages.delete(n); // put it last
    else p = { lines: new Array(PAGE), size: 0 };
    this.#pages.set(n, p);
    return p;
  }

  // need reads what is missing of from…to (exclusive). Only one request is
  // under way: the reader has scrolled on, and the older one does not matter.
  need(from, to, total) {
    let a = from;
    while (a < to && this.get(a)) a++;
    if (a >= to) return;
    if (this.#asked && a >= this.#asked.from && a < this.#asked.to) return;
    this.#asked?.abort.abort();
    clearTimeout(this.#retry);
    // read a little before when the reader goes up
    const begin = this.get(a - 1) ? a : Math.max(a - ahead, 0);
    this.#read(begin, Math.min(Math.max(to, a + 1) + ahead, total, begin + 1000), a);
  }

  async #read(from, to, wanted) {
    const mine = this.#asked = { from, to, abort: new AbortController() };
    try {
      const r = await fetch(`${this.address}?from=${from}&count=${to - from}`, { signal: mine.abort.signal, headers: { Accept: 'application/json' } });
      const f = await r.json();
      if (!r.ok) throw new Error(f.message);
      if (this.#asked === mine) this.#asked = null;
      this.put(f);
      if (f.first + f.lines.length <= wanted && f.lines.length) { // long lines: the answer was cut before it
        this.#read(f.first + f.lines.length, to, wanted);
        return;
      }
      this.arrived(f);
    } catch (err) {
      if (this.#asked !== mine) return; // a newer request took its place
      this.#asked = null;
      if (err.name === 'AbortError') return;
      this.failed(err);
      this.#retry = setTimeout(() => this.arrived(null), 2000);
    }
  }

  stop() {
    this.#asked?.abort.abort();
    this.#asked = null;
    clearTimeout(this.#retry);
  }
}
