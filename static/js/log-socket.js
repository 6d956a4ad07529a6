// The live end of a log. A frame says which lines it has, so after a cut the
// reader asks from the line he lacks: no gap, no line twice.

const silence = 45_000; // the server says something every 20 s
const quietest = 15_000;

export class LogSocket {
  #socket = null;
  #timer;
  #watchdog;
  #tries = 0;
  #stopped = false;

  // on.frame(frame), on.state(word), from() → line to go on at.
  constructor(path, on) {
    this.path = path;
    this.on = on;
    this.wake = () => { if (!document.hidden) this.#now(); };
    document.addEventListener('visibilitychange', this.wake);
    addEventListener('online', this.wake);
    addEventListener('pageshow', this.wake);
    this.#connect();
  }

  stop() {
    this.#stopped = true;
    clearTimeout(this.#timer);
    clearTimeout(this.#watchdog);
    document.removeEventListener('visibilitychange', this.wake);
    removeEventListener('online', this.wake);
    removeEventListener('pageshow', this.wake);
    this.#socket?.close(1000);
    this.#socket = null;
  }

  // now does not wait for the next try: the reader has come back.
  #now() {
    if (this.#stopped || this.#socket && this.#socket.readyState <= WebSocket.OPEN) return;
    this.#tries = 0;
    clearTimeout(this.#timer);
    this.#connect();
  }

  #connect() {
    const address = new URL(this.path, location.href);
    address.protocol = address.protocol.replace('http', 'ws');
    const from = this.on.from();
    if (from !== null) address.searchParams.set('from', from);
    this.on.state(this.#tries ? 'reconnecting' : 'connecting');
    const mine = this.#socket = new WebSocket(address);
    mine.onopen = () => this.#heard(mine);
    mine.onmessage = e => {
      if (mine !== this.#socket) return;
      this.#heard(mine);
      if (!e.data) return;
      this.#tries = 0;
      this.on.state('live');
      const frame = JSON.parse(e.data);
      this.on.frame(frame);
      if (frame.complete) { this.on.state('complete'); this.stop(); }
    };
    mine.onclose = e => { if (mine === this.#socket) this.#lost(e.code); };
  }

  // heard restarts the watch for a dead line, which closes nothing by itself.
  #heard(mine) {
    clearTimeout(this.#watchdog);
    this.#watchdog = setTimeout(() => { mine.close(); if (mine === this.#socket) this.#lost(0); }, silence);
  }

  #lost(code) {
    this.#socket = null;
    clearTimeout(this.#watchdog);
    if (this.#stopped) return;
    if (code === 4401 || code === 4403) { this.on.state(code === 4401 ? 'signed out' : 'forbidden'); this.stop(); return; }
    this.on.state('reconnecting');
    const pause = Math.min(500 * 2 ** this.#tries++, quietest) * (0.7 + Math.random() * 0.6);
    this.#timer = setTimeout(() => this.#connect(), pause);
  }
}
