// Which rows a log has: its lines, and a head for each step, whose lines may be
// folded away. A run of lines is one block, so that a million lines cost no
// more than ten.

export const LINE = 18; // px; see .ln in log.css
export const HEAD = 28;

export class Rows {
  total = 0;        // lines
  steps = new Map(); // by index
  folded = new Map(); // step → what the reader, or the first sight, chose
  blocks = [];
  height = 0;
  #blockOf = new Map(); // step → block of its head
  #settled = false;

  // update takes what the server said; it reports whether rows changed.
  update(total, steps) {
    if (total === this.total && !steps?.length) return false;
    this.total = total;
    for (const s of steps || []) {
      const old = this.steps.get(s.i);
      this.steps.set(s.i, { ...old, ...s, children: old?.children || [] });
      if (!old) this.#adopt(this.steps.get(s.i));
      this.#choose(this.steps.get(s.i), old);
    }
    if (!this.#settled) this.#unfoldOnly();
    this.#settled = true;
    this.build();
    return true;
  }

  #adopt(s) {
    const list = this.steps.get(s.p)?.children;
    if (list) list.push(s.i);
  }

  // At first sight what went well is folded. What the reader has seen running
  // stays open: nothing may jump under his eyes. A short log is never folded.
  #choose(s, old) {
    if (s.r === 'failed') { if (!old || !this.folded.has(s.i)) this.folded.set(s.i, false); }
    else if (!old) this.folded.set(s.i, s.r !== undefined && !this.#settled && this.total > 80);
  }

  // One step around everything would hide all there is.
  #unfoldOnly() {
    const roots = [...this.steps.values()].filter(s => !this.steps.has(s.p));
    if (roots.length === 1) this.folded.set(roots[0].i, false);
  }

  isFolded(s) { return this.folded.get(s.i) === true && this.lastOf(s) > s.a; }
  lastOf(s) { return s.z < 0 ? this.total : Math.min(s.z, this.total); }

  // toggle folds or unfolds a step.
  toggle(i) {
    this.folded.set(i, !this.isFolded(this.steps.get(i)));
    this.build();
  }

  build() {
    this.blocks = [];
    this.#blockOf.clear();
    this.height = 0;
    const roots = [...this.steps.values()].filter(s => !this.steps.has(s.p)).map(s => s.i);
    this.#emit(0, this.total, roots, null, 0);
  }

  #emit(from, to, children, owner, depth) {
    let at = from;
    for (const i of children) {
      const s = this.steps.get(i);
      const last = Math.min(Math.max(this.lastOf(s), s.a), to);
      this.#lines(at, Math.min(s.a, to), owner);
      this.#blockOf.set(i, this.blocks.length);
      this.#push({ step: s, owner, depth, first: Math.max(s.a, at), count: 0, size: HEAD });
      if (!this.isFolded(s)) this.#emit(Math.max(s.a, at), last, s.children, s, depth + 1);
      at = Math.max(at, last);
    }
    this.#lines(at, to, owner);
  }

  #lines(from, to, owner) {
    if (to > from) this.#push({ step: null, owner, first: from, count: to - from, size: (to - from) * LINE });
  }

  #push(block) {
    block.top = this.height;
    this.height += block.size;
    this.blocks.push(block);
  }

  // A row is { b, n }: a block, and the line or -1 for a head.
  row(b, n = -1) { return { b, n, key: n < 0 ? 's' + this.blocks[b].step.i : n }; }
  first() { return this.blocks.length ? this.#start(0) : null; }
  last() { return this.blocks.length ? this.#end(this.blocks.length - 1) : null; }
  #start(b) { const k = this.blocks[b]; return this.row(b, k.step ? -1 : k.first); }
  #end(b) { const k = this.blocks[b]; return this.row(b, k.step ? -1 : k.first + k.count - 1); }

  next({ b, n }) {
    const k = this.blocks[b];
    if (!k.step && n + 1 < k.first + k.count) return this.row(b, n + 1);
    return b + 1 < this.blocks.length ? this.#start(b + 1) : null;
  }

  prev({ b, n }) {
    const k = this.blocks[b];
    if (!k.step && n > k.first) return this.row(b, n - 1);
    return b > 0 ? this.#end(b - 1) : null;
  }

  size({ n }) { return n < 0 ? HEAD : LINE; }
  top({ b, n }) { const k = this.blocks[b]; return k.top + (n < 0 ? 0 : (n - k.first) * LINE); }

  // at finds the row that covers a height, and how far into it that is.
  at(px) {
    if (!this.blocks.length) return null;
    px = Math.min(Math.max(px, 0), this.height - 1);
    const b = this.#search(k => k.top + k.size > px);
    const k = this.blocks[b];
    if (k.step) return { row: this.row(b), offset: px - k.top };
    const n = Math.min(Math.floor((px - k.top) / LINE), k.count - 1);
    return { row: this.row(b, k.first + n), offset: px - k.top - n * LINE };
  }

  // of finds the row with a key; a line that is folded away gives the head it
  // is folded under.
  of(key) {
    if (!this.blocks.length) return null;
    if (typeof key === 'string') {
      for (let s = this.steps.get(Number(key.slice(1))); s; s = this.steps.get(s.p)) {
        const b = this.#blockOf.get(s.i);
        if (b !== undefined) return this.row(b);
      }
      return this.first();
    }
    const b = this.#search(k => k.first + k.count > key);
    if (b < this.blocks.length && !this.blocks[b].step && this.blocks[b].first <= key) return this.row(b, key);
    for (const s of this.path(key)) if (this.isFolded(s)) return this.row(this.#blockOf.get(s.i));
    return this.last();
  }

  #search(test) {
    let lo = 0, hi = this.blocks.length;
    while (lo < hi) {
      const mid = (lo + hi) >> 1;
      if (test(this.blocks[mid])) hi = mid; else lo = mid + 1;
    }
    return lo;
  }

  // path lists the steps around a line, the outermost first.
  path(line) {
    const out = [];
    let list = [...this.steps.values()].filter(s => !this.steps.has(s.p));
    for (let s; (s = list.find(s => s.a <= line && line < this.lastOf(s)));) {
      out.push(s);
      list = s.children.map(i => this.steps.get(i));
    }
    return out;
  }

  // reveal unfolds what hides a line.
  reveal(line) {
    for (const s of this.path(line)) this.folded.set(s.i, false);
    this.build();
  }

  // failures lists failed steps that hold no failed step themselves.
  failures() {
    const bad = [...this.steps.values()].filter(s => s.r === 'failed');
    return bad.filter(s => !s.children.some(i => this.steps.get(i).r === 'failed')).sort((x, y) => x.a - y.a || x.i - y.i);
  }
}
