// The state of the run, kept in step: all of it when the connection opens, then numbered deltas. A gap in the
// numbers, or anything that cannot be read, closes the connection; the next one begins with all of it again.

const AGAIN_MS = [500, 1000, 2000, 5000, 10000];
const CLOSED_TOKEN = 4401;
const CLOSED_FULL = 4429;

export class Live {
  // heard(names): these sections and rows have changed. linked(mood, words): how the connection is.
  constructor(token, heard, linked, refused) {
    this.token = token;
    this.sections = {};
    this.rows = {};
    this.seq = -1;
    this.ahead = 0; // of the run's clock before this browser's, in ms
    this.heard = heard;
    this.linked = linked;
    this.refused = refused;
    this.tries = 0;
    this.open();
  }

  open() {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const socket = new WebSocket(`${scheme}://${location.host}/live`);
    this.socket = socket;
    this.seq = -1;
    socket.onopen = () => socket.send(JSON.stringify({ token: this.token }));
    socket.onmessage = (message) => {
      if (socket !== this.socket) return;
      try {
        this.take(JSON.parse(message.data));
      } catch (error) {
        console.warn("out of step, connecting again:", error.message);
        socket.close();
      }
    };
    socket.onclose = (event) => {
      if (socket !== this.socket) return;
      if (event.code === CLOSED_TOKEN) {
        this.linked("bad", "wrong token");
        this.refused();
        return;
      }
      const wait = AGAIN_MS[Math.min(this.tries, AGAIN_MS.length - 1)];
      this.tries += 1;
      this.linked("bad", event.code === CLOSED_FULL ? "too many pages are open; trying again" : "not connected; what you see is old");
      this.timer = setTimeout(() => this.open(), wait);
    };
  }

  take(told) {
    if (told.all) {
      this.sections = told.set;
      this.rows = {};
      for (const [kind, rows] of Object.entries(told.rows)) this.rows[kind] = new Map(rows);
    } else {
      if (told.seq !== this.seq + 1) throw new Error(`delta ${told.seq} after ${this.seq}`);
      Object.assign(this.sections, told.set);
      for (const [kind, rows] of Object.entries(told.rows)) {
        const kept = this.rows[kind];
        for (const [key, row] of rows) kept.set(key, row);
        while (kept.size > this.sections.kept[kind]) kept.delete(kept.keys().next().value);
      }
    }
    this.seq = told.seq;
    this.tries = 0;
    this.ahead = told.now - Date.now();
    this.heard(told.all ? null : new Set([...Object.keys(told.set), ...Object.keys(told.rows)]), told.rows);
    this.linked("good", "live");
  }

  close() {
    clearTimeout(this.timer);
    const socket = this.socket;
    this.socket = null;
    if (socket) socket.close();
  }
}

// An action or a question, with the token in a header that no other page can send.
export async function asked(token, path, body) {
  const answer = await fetch(path, {
    method: body === undefined ? "GET" : "POST",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    body: body === undefined ? undefined : JSON.stringify(body),
    cache: "no-store",
  });
  if (answer.status === 403) throw new Error("The token is not the one of this run.");
  if (!answer.ok) throw new Error(`The page's server answered ${answer.status}.`);
  return answer.json();
}
