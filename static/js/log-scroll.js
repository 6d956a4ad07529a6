// A window on the rows. Only the rows in sight are in the page. Where the
// reader is, is a row and an offset into it, never a pixel of the whole: so
// rows may have any height, and a log any length.
//
// A browser's boxes end at some ten million pixels. Longer logs scroll one to
// one near both ends and are compressed in between, where small movements are
// taken as they are and the thumb is put right when the reader rests.

const tallest = 12_000_000; // px
const faithful = 1_000_000; // px at both ends that are not compressed
const beyond = 260;         // px drawn above and below the sight
const bottom = 44;          // px free below the last line

export class Viewport {
  following = false;
  wrap = false;
  #key = 0;     // of the row at the top
  #offset = 0;  // px of it above the sight
  #scroll = 0;  // scrollTop as we last saw or set it
  #drawn = new Map();
  #sizes = new Map(); // measured, when lines wrap
  #rest;
  #width = 0;

  // on.draw(row) → element, on.shown(first, last), on.moved(up)
  constructor(el, rows, on) {
    Object.assign(this, { el, rows, on });
    this.sizer = document.createElement('div');
    this.sizer.className = 'log-sizer';
    this.canvas = document.createElement('div');
    this.canvas.className = 'log-canvas';
    this.sizer.append(this.canvas);
    el.append(this.sizer);
    el.addEventListener('scroll', () => this.#scrolled(), { passive: true });
    el.addEventListener('keydown', e => this.#keyed(e));
    this.watch = new ResizeObserver(() => this.#resized());
    this.watch.observe(el);
  }

  stop() { this.watch.disconnect(); clearTimeout(this.#rest); }

  get sight() { return this.el.clientHeight; }
  get #model() { return this.rows.height + bottom; }
  get #box() { return Math.max(Math.min(this.#model, tallest), this.sight); }
  get #farthest() { return Math.max(this.#model - this.sight, 0); }
  get #exact() { return !this.wrap && this.#model <= tallest; }
  get topLine() { const r = this.rows.of(this.#key); return r ? (r.n < 0 ? this.rows.blocks[r.b].first : r.n) : 0; }

  // position is where the top of the sight is in the model.
  get position() {
    const r = this.rows.of(this.#key);
    return r ? this.rows.top(r) + this.#offset : 0;
  }

  get atEnd() {
    if (!this.wrap) return this.position >= this.#farthest - 2;
    const last = this.rows.last();
    const el = last && this.#drawn.get(last.key);
    return !last || !!el && el.getBoundingClientRect().bottom <= this.el.getBoundingClientRect().bottom + 2;
  }

  // changed draws after the rows or their content have changed.
  changed(redraw = false) {
    if (redraw) this.#forget();
    if (this.following) this.toEnd();
    else { this.#settle(); this.#align(); this.paint(); }
  }

  #forget() {
    this.#drawn.clear();
    this.canvas.replaceChildren();
    this.#sizes.clear();
  }

  setWrap(on) {
    this.wrap = on;
    this.#width = 0;
    this.canvas.style.minWidth = '';
    this.el.scrollLeft = 0;
    this.changed(true);
  }

  #resized() {
    this.#sizes.clear();
    this.#width = 0;
    this.canvas.style.minWidth = '';
    this.changed();
  }

  // toEnd shows the last row at the bottom.
  toEnd() {
    if (!this.wrap) { this.#place(this.#farthest); this.#align(); this.paint(); return; }
    for (let n = 0; n < 3; n++) {
      const last = this.rows.last();
      if (!last) break;
      this.#key = last.key;
      this.#offset = this.#size(last) + bottom - this.sight;
      this.#settle();
      this.#align();
      this.paint();
    }
  }

  toStart() {
    this.#key = this.rows.first()?.key ?? 0;
    this.#offset = 0;
    this.#align();
    this.paint();
  }

  // Both ends are exact, whatever the box thinks of its height.
  #keyed(e) {
    if (e.target !== this.el || e.ctrlKey || e.altKey || e.metaKey || e.key !== 'Home' && e.key !== 'End') return;
    e.preventDefault();
    if (e.key === 'Home') { this.following = false; this.toStart(); } else this.toEnd();
    this.on.moved(e.key === 'Home');
  }

  // show brings a line to a third of the sight.
  show(key) {
    const r = this.rows.of(key);
    if (!r) return;
    this.#key = r.key;
    this.#offset = -Math.floor(this.sight / 3);
    this.#settle();
    this.#align();
    this.paint();
  }

  // place puts a height of the model at the top of the sight.
  #place(px) {
    const at = this.rows.at(Math.min(Math.max(px, 0), this.#farthest));
    this.#key = at ? at.row.key : 0;
    this.#offset = at ? at.offset : 0;
  }

  #size(row) { return this.wrap ? this.#sizes.get(row.key) ?? this.rows.size(row) : this.rows.size(row); }

  // settle makes the offset lie within its row and the sight within the log.
  #settle() {
    let r = this.rows.of(this.#key);
    if (!r) { this.#key = 0; this.#offset = 0; return; }
    if (!this.wrap) { this.#place(this.rows.top(r) + this.#offset); return; }
    let o = this.#offset;
    for (let p; o < 0 && (p = this.rows.prev(r));) { r = p; o += this.#size(r); }
    for (let n; o >= this.#size(r) && (n = this.rows.next(r));) { o -= this.#size(r); r = n; }
    this.#key = r.key;
    this.#offset = Math.max(o, 0);
  }

  // toScroll and toModel say where a height of the model is in the box.
  toScroll(px) {
    if (this.#model <= tallest) return px;
    const room = this.#box - this.sight;
    if (px <= faithful) return px;
    if (px >= this.#farthest - faithful) return room - (this.#farthest - px);
    return faithful + (px - faithful) / (this.#farthest - 2 * faithful) * (room - 2 * faithful);
  }

  toModel(s) {
    if (this.#model <= tallest) return s;
    const room = this.#box - this.sight;
    if (s <= faithful) return s;
    if (s >= room - faithful) return this.#farthest - (room - s);
    return faithful + (s - faithful) / (room - 2 * faithful) * (this.#farthest - 2 * faithful);
  }

  // align puts the thumb where the reader is.
  #align() {
    this.canvas.style.setProperty('--log-width', this.el.clientWidth + 'px'); // of heads, which do not scroll sideways
    this.sizer.style.height = this.#box + 'px';
    let s = this.toScroll(this.position);
    if (this.wrap && s < 100 && this.position + this.#offset > 0 && this.rows.first()?.key !== this.#key) s = 100; // there is more above
    const room = this.#box - this.sight;
    if (this.wrap && s > room - 100 && !this.atEnd) s = Math.max(room - 100, 0); // and below
    if (Math.abs(this.el.scrollTop - s) >= 1) this.el.scrollTop = s;
    this.#scroll = this.el.scrollTop;
  }

  #scrolled() {
    const s = this.el.scrollTop, by = s - this.#scroll;
    if (by === 0) { this.paint(); return; } // sideways, or our own doing
    this.#scroll = s;
    const room = this.#box - this.sight;
    const near = Math.abs(by) < 2 * this.sight;
    const compressed = this.#model > tallest && s > faithful && s < room - faithful;
    if (this.#exact || !near || !this.wrap && !compressed) this.#place(this.toModel(s));
    else { this.#offset += by; this.#settle(); }
    this.paint();
    if (by < 0) this.following = false;
    this.on.moved(by < 0);
    clearTimeout(this.#rest);
    if (!this.#exact) this.#rest = setTimeout(() => { this.#align(); this.paint(); }, 140);
  }

  // paint draws the rows in sight.
  paint() {
    const start = this.rows.of(this.#key);
    if (!start) { this.#forget(); return; }
    const list = [start];
    let up = this.#offset;
    for (let r = start; up < beyond + this.#offset && (r = this.rows.prev(r));) { list.unshift(r); up += this.#size(r); if (list.length > 120) break; }
    let down = this.#size(start) - this.#offset;
    for (let r = start; down < this.sight + beyond && (r = this.rows.next(r)) && list.length < 320;) { list.push(r); down += this.#size(r); }
    this.on.shown(list);
    this.#sync(list);
    const above = list.findIndex(r => r.key === start.key);
    let y = -this.#offset;
    if (this.wrap) this.#measure(list);
    for (let n = 0; n < above; n++) y -= this.#size(list[n]);
    this.canvas.style.transform = `translateY(${this.#scroll + y}px)`;
    if (!this.wrap) this.#widen();
  }

  // sync keeps the elements of rows that stay, so that a selection survives.
  #sync(list) {
    const keys = new Set(list.map(r => r.key));
    for (const [key, el] of this.#drawn) if (!keys.has(key)) { el.remove(); this.#drawn.delete(key); }
    let at = this.canvas.firstChild;
    for (const row of list) {
      const old = this.#drawn.get(row.key);
      const el = this.on.draw(row, old);
      if (el !== old) {
        this.#drawn.set(row.key, el);
        if (old) { if (at === old) at = at.nextSibling; old.remove(); }
        this.canvas.insertBefore(el, at);
      } else if (el === at) at = at.nextSibling;
      else this.canvas.insertBefore(el, at);
    }
  }

  #measure(list) {
    for (const row of list) {
      const el = this.#drawn.get(row.key);
      if (el && !el.dataset.wait) this.#sizes.set(row.key, el.offsetHeight);
    }
  }

  // widen keeps the width of the longest line seen, so that the sideways bar
  // does not jump.
  #widen() {
    const w = this.canvas.scrollWidth;
    if (w > this.#width) { this.#width = w; this.canvas.style.minWidth = w + 'px'; }
  }
}
