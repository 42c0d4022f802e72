// Puts the state of the run where it belongs. Nothing is computed here but ages, which grow while one looks.

import { Charts } from "./charts.js";
import { Live, asked } from "./live.js";

const TOKEN = "evenkeel-token";
const LOG_SHOWN = 500;
const TICK_MS = 200;
const UNDERWAY_MS = 1000; // books are told twice a second, and take a moment to get here
const BACK_MS = 3000;
const PAUSED = "PAUSED_BY_HAND";
const DOING = {
  resume: ["Resume", "Pairs are entered again, as the configuration has it.", "resume"],
  pause: ["Pause", "No new pair is entered. What is open stays hedged until its own exit, and the run goes on.", "pause"],
  flatten: ["Flatten", "Both legs are closed now, at market prices, and the run ends. Nothing is entered until it is started again.", "flatten"],
  halt: ["Halt", "Both legs are closed now, the run ends, and nothing is entered until somebody types clear-halt.", "halt"],
};
const at = (id) => document.getElementById(id);

function put(node, text) {
  const wanted = text === null || text === undefined ? "–" : String(text);
  if (node.textContent !== wanted) node.textContent = wanted;
}
function mood(node, word) {
  if (node.dataset.mood !== word) node.dataset.mood = word;
}
function make(tag, text, attributes = {}) {
  const node = document.createElement(tag);
  if (text !== undefined) node.textContent = text;
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
}
// As many children as there are items, each made once and filled again: what has the focus keeps it.
function fill(parent, items, create, update) {
  while (parent.children.length > items.length) parent.lastElementChild.remove();
  while (parent.children.length < items.length) parent.append(create());
  items.forEach((item, place) => update(parent.children[place], item));
}
const row = (cells) => () => {
  const made = make("tr");
  made.append(make("th", "", { scope: "row" }));
  for (let count = 1; count < cells; count += 1) made.append(make("td"));
  return made;
};

class Page {
  constructor(token) {
    this.token = token;
    this.charts = new Charts();
    this.filter = { find: "", about: "", notable: false };
    this.live = new Live(token, (names) => this.heard(names), (word, words) => this.linked(word, words), () => ask());
    setInterval(() => this.ticked(), TICK_MS);
    for (const button of document.querySelectorAll("[data-do]")) button.onclick = () => this.confirm(button.dataset.do);
    at("find").oninput = (event) => this.filtered({ find: event.target.value.toLowerCase() });
    at("about").onchange = (event) => this.filtered({ about: event.target.value });
    at("notable").onchange = (event) => this.filtered({ notable: event.target.checked });
    at("report").onclick = () => this.opened("report");
    at("list").onclick = () => this.listed();
  }

  linked(word, words) {
    mood(at("link"), word);
    put(at("link-words"), words);
    document.body.dataset.linked = word;
  }

  heard(names) {
    const { sections, rows } = this.live;
    const has = (...wanted) => names === null || wanted.some((name) => names.has(name));
    if (has("run")) this.run(sections.run);
    if (has("standing", "trouble")) this.standing(sections.standing, sections.trouble);
    if (has("trouble")) this.trouble(sections.trouble);
    if (has("books")) this.books(sections.books);
    if (has("plans")) this.plans(sections.plans);
    if (has("working")) this.working(sections.working);
    if (has("money")) this.money(sections.money);
    if (has("unhedged")) this.unhedged(sections.unhedged);
    if (has("hops")) this.hops(sections.hops);
    if (has("tree", "standing")) this.tree(sections.tree, sections.standing);
    if (has("cycles", "run")) this.cycles(rows.cycles, sections.run);
    if (has("costs")) this.charts.costs(rows.costs);
    if (has("log")) this.log();
  }

  run(run) {
    if (!run) return;
    put(at("money"), run.money);
    at("money").dataset.real = run.money.startsWith("SIMULATED") || run.money.startsWith("PAPER") ? "no" : "yes";
    put(at("whose"), `${run.venue} · ${run.subaccount} · ${run.target}`);
    document.title = `Evenkeel · ${run.venue} · ${run.subaccount}`;
  }

  standing(standing, trouble) {
    const ended = trouble.ended || trouble.gone;
    if (ended) {
      const known = trouble.ended;
      put(at("stands"), known ? (known.open ? "Ended, not flat" : "Ended flat") : "The run is gone");
      put(at("words"), known ? known.text : trouble.gone);
      mood(at("standing"), known && !known.open ? "good" : "bad");
      put(at("doing"), known ? `It ended with exit code ${known.code}.` : "Type: python supervisor.py status");
    } else if (standing) {
      put(at("stands"), standing.title);
      put(at("words"), standing.words);
      mood(at("standing"), standing.mood);
      put(at("doing"), standing.doing);
    }
    for (const button of document.querySelectorAll("[data-do]")) button.disabled = Boolean(ended);
    const paused = Boolean(trouble.waiting && trouble.waiting.code === PAUSED);
    at("pause").dataset.do = paused ? "resume" : "pause";
    put(at("pause"), paused ? "Resume" : "Pause");
    if (!standing) return;
    const counts = [`${standing.completed} completed`];
    if (standing.skipped) counts.push(`${standing.skipped} skipped`);
    if (standing.failed) counts.push(`${standing.failed} failed`);
    put(at("progress"), `${standing.progress} · ${counts.join(", ")}`);
    put(at("epoch"), `epoch ${standing.epoch}`);
    put(at("tree-foot"), `Ledger: ${standing.rows} rows; exchange and ledger ${standing.venue}. ${standing.guard}.`);
  }

  trouble(trouble) {
    const lines = [];
    const coded = (name, title, word) => {
      const known = trouble[name];
      if (known && (known.code || known.detail)) lines.push([`${title}${known.code ? ` ${known.code}` : ""}: ${known.detail}`, word]);
    };
    coded("halted", "HALTED", "bad");
    coded("stopping", "Stopping", "wait");
    coded("alarm", "ALARM", "bad");
    coded("denied", "Entering is denied,", "wait");
    coded("account", "Account stream lost", "bad");
    if (trouble.ended && trouble.ended.open) lines.push([`OPEN NOW: ${trouble.ended.open}. Type: python supervisor.py flatten`, "bad"]);
    fill(at("trouble"), lines, () => make("p"), (node, [words, word]) => {
      put(node, words);
      mood(node, word);
    });
  }

  books(books) {
    if (!books) return;
    fill(at("books"), books.books, row(6), (node, book) => {
      const cells = node.children;
      put(cells[0], book.name);
      sized(cells[1], book.bid, book.bid_amount);
      sized(cells[2], book.ask, book.ask_amount);
      put(cells[3], book.spread);
      node.dataset.proven = String(Date.parse(book.proven_at));
      node.dataset.status = book.status;
    });
    put(at("books-foot"), `Ages ${books.skew} apart. ${books.active ? "The exchange is active." : "THE EXCHANGE IS NOT ACTIVE."}`);
    this.ticked();
  }

  ticked() {
    const run = this.live && this.live.sections.run;
    if (!run) return;
    this.lived();
    const linked = document.body.dataset.linked === "good";
    for (const node of at("books").children) {
      const age = Math.max(0, Date.now() + this.live.ahead - Number(node.dataset.proven));
      put(node.children[4], age < 1000 ? `${age} ms` : age < 60000 ? `${(age / 1000).toFixed(1)} s` : `${Math.floor(age / 60000)} min`);
      const fresh = age <= run.age_ms + UNDERWAY_MS && linked;
      const live = node.dataset.status === "live";
      put(node.children[5], live ? (fresh ? "live" : "STALE") : node.dataset.status);
      mood(node.children[5], live && fresh ? "good" : "bad");
    }
  }

  plans(plans) {
    const plan = plans[0];
    if (!plan) return;
    put(at("plan-name"), plan.plan);
    const fate = { voting: "is being voted on", placed: "is placed", aborted: "was aborted, 0 orders sent", resting: "is closed, its order rests or may", closed: "is closed" }[plan.fate];
    const rule = plan.rule ? ` (${plan.rule})` : "";
    const planned = plan.purpose === "enter" ? `, planned imbalance ${plan.planned}` : "";
    put(at("plan-words"), `Cycle ${plan.cycle}: ${plan.purpose.replace("_", " ")}${rule} ${fate}${planned}.${plan.why ? ` ${plan.why}` : ""}`);
    fill(at("votes"), plan.votes, () => {
      const made = make("li");
      made.append(make("span", "", { class: "who" }), make("span", "", { class: "word" }), make("span", "", { class: "mono" }));
      return made;
    }, (node, vote) => {
      put(node.children[0], vote.who === "ledger" ? "ledger" : `${vote.who}_leg`);
      put(node.children[1], vote.word);
      put(node.children[2], vote.digest ? vote.digest.slice(0, 8) : vote.why || " ");
      mood(node, vote.mood);
    });
    put(at("digest"), plan.agreed ? `One digest: ${plan.digest}` : `Digest ${plan.digest}`);
    this.legs(plans);
  }

  legs(plans) {
    const head = at("legs-head");
    if (!head.children.length) {
      const made = make("tr");
      made.append(make("th", "Order"), make("th", "ETH-PERP", { scope: "col" }), make("th", "SOL-PERP", { scope: "col" }));
      head.append(made);
    }
    const lines = [];
    for (const plan of plans) {
      lines.push({ head: `${plan.purpose.replace("_", " ")}, plan ${plan.plan}` });
      const both = [plan.eth, plan.sol];
      const line = (name, of, look) => lines.push({ name, cells: both.map((leg) => (leg ? of(leg) : null)), moods: both.map((leg) => (leg && look ? look(leg) : "")) });
      line("ordered", (leg) => `${leg.side} ${leg.ordered} = ${leg.worth} USD`);
      line("acknowledged", (leg) => (leg.after ? `${leg.acknowledged} after ${leg.after}` : leg.acknowledged));
      line("filled", (leg) => leg.filled, (leg) => leg.mood);
      line("VWAP", (leg) => leg.vwap);
      line("slippage", (leg) => leg.slippage);
    }
    fill(at("legs"), lines, row(3), (node, line) => {
      node.className = line.head ? "plan-row" : "";
      put(node.children[0], line.head || line.name);
      put(node.children[1], line.head ? "" : line.cells[0]);
      put(node.children[2], line.head ? "" : line.cells[1]);
      mood(node.children[1], line.head ? "" : line.moods[0]);
      mood(node.children[2], line.head ? "" : line.moods[1]);
    });
  }

  // Shown from the first order that rests on; before that nobody needs to read of them.
  working(orders) {
    if (!orders) return;
    if (orders.length) at("working-card").hidden = false;
    put(at("working-words"), orders.length === 0 ? "No order rests." : orders.length === 1 ? "One order rests, or may." : `${orders.length} orders rest, or may.`);
    fill(at("working"), orders, row(7), (node, order) => {
      [order.leg, order.ordered, order.price, order.filled, order.until, order.cancel, order.state].forEach((text, place) => put(node.children[place], text));
    });
  }

  money(money) {
    if (!money) return;
    put(at("net"), money.net);
    put(at("per-million"), money.cost_per_million);
    const lines = money.causes.map((cause) => [cause.words, cause.usd, cause.per_million]);
    lines.push(["result, net", money.net, money.net_per_million]);
    fill(at("causes"), lines, row(3), (node, cells) => {
      cells.forEach((text, place) => put(node.children[place], text));
      node.className = cells[0] === "result, net" ? "sum" : "";
    });
    put(at("money-words"), `Above 0 is paid; the result is above 0 when it is a gain. Of ${money.traded} USD traded. Money: ${money.money}.`);
  }

  unhedged(unhedged) {
    if (!unhedged) return;
    put(at("unhedged-now"), unhedged.now);
    const facts = [
      ["Now", `${unhedged.now} USD`],
      ["This cycle", `${unhedged.cycle} USD·s`],
      ["Most at once", `${unhedged.worst} USD`],
      ["Longest", `${unhedged.longest}, ${unhedged.longest_usd_s} of ${unhedged.limit} USD·s`],
    ];
    fill(at("unhedged"), facts, () => {
      const made = make("div");
      made.append(make("dt"), make("dd"));
      return made;
    }, (node, [name, value]) => {
      put(node.children[0], name);
      put(node.children[1], value);
    });
  }

  hops(hops) {
    const time = (micros) => (micros === null ? "–" : micros < 10000 ? `${(micros / 1000).toFixed(2)} ms` : `${(micros / 1000).toFixed(1)} ms`);
    fill(at("hops"), hops, row(5), (node, step) => {
      [step.step, time(step.median), time(step.p99), time(step.most), step.count].forEach((text, place) => put(node.children[place], text));
    });
  }

  tree(tree, standing) {
    fill(at("tree"), tree, () => {
      const made = make("li");
      made.append(make("span", "", { class: "name" }), make("span", "", { class: "count" }), make("span", "", { class: "is" }), make("span", "", { class: "why" }));
      return made;
    }, (node, actor) => {
      node.dataset.known = actor.state;
      node.dataset.since = actor.restarts ? String(Date.parse(actor.at)) : "0";
      node.dataset.actor = actor.name;
      node.children[0].className = `name d${Math.min(actor.depth, 4)}`;
      put(node.children[0], actor.name);
      put(node.children[1], actor.restarts ? `${actor.restarts} restart${actor.restarts > 1 ? "s" : ""}` : "");
      put(node.children[3], actor.last ? `last ended: ${actor.last}` : "");
      node.children[3].hidden = !actor.last;
    });
    if (standing) put(at("epoch"), `epoch ${standing.epoch}`);
    this.lived();
  }

  // A restart takes a few hundredths of a second: who has just come back stays red for a moment, to be seen.
  lived() {
    const now = Date.now() + this.live.ahead;
    for (const node of at("tree").children) {
      const back = node.dataset.known === "up" && now - Number(node.dataset.since) < BACK_MS;
      const state = back ? "back" : node.dataset.known;
      if (node.dataset.state !== state) node.dataset.state = state;
      put(node.children[2], { back: "restarted just now" }[state] || state);
      mood(node.children[2], { up: "good", down: "bad", back: "bad" }[state] || "wait");
    }
  }

  cycles(rows, run) {
    if (!run || !rows) return;
    this.charts.cycles(rows, Number(run.limit_percent));
    const known = [...rows.values()].filter((cycle) => cycle.imbalance !== undefined);
    if (!known.length) return;
    const within = known.filter((cycle) => Number(cycle.imbalance) <= Number(run.limit_percent)).length;
    const worst = known.reduce((one, other) => (Number(other.imbalance) > Number(one.imbalance) ? other : one));
    put(at("imbalance-words"), `${within} of ${known.length} within ${run.limit}, the line; worst ${worst.shown}. At entry, at fill prices.`);
  }

  // -- events ------------------------------------------------------------------------------------------------

  filtered(change) {
    Object.assign(this.filter, change);
    this.log();
  }

  log() {
    const { find, about, notable } = this.filter;
    const every = [...this.live.rows.log.entries()].reverse();
    const shown = every.filter(([, line]) => (!about || line.about === about) && (!notable || line.notable) && (!find || line.text.toLowerCase().includes(find))).slice(0, LOG_SHOWN);
    fill(at("log"), shown, () => {
      const made = make("li");
      made.append(make("time"), make("span", "", { class: "cycle" }), make("span", "", { class: "text" }));
      return made;
    }, (node, [, line]) => {
      if (node.children[0].dateTime !== line.at) node.children[0].dateTime = line.at;
      put(node.children[0], line.at.slice(11, 19));
      put(node.children[1], line.cycle ? `cycle ${line.cycle}` : "");
      put(node.children[2], line.text);
      node.className = line.notable ? "notable" : "";
    });
    put(at("log-count"), shown.length === every.length ? `${every.length} events` : `${shown.length} of ${every.length} events`);
  }

  // -- what it can do ----------------------------------------------------------------------------------------

  confirm(what) {
    const [title, words, word] = DOING[what];
    put(at("confirm-title"), `${title}?`);
    put(at("confirm-words"), words);
    put(at("word"), word);
    put(at("yes"), title);
    at("yes").disabled = true;
    at("typed").value = "";
    at("reason").value = "";
    at("typed").oninput = () => { at("yes").disabled = at("typed").value.trim().toLowerCase() !== word; };
    const dialog = at("confirm");
    at("no").onclick = () => dialog.close("no");
    dialog.onclose = async () => {
      if (dialog.returnValue !== "yes" || at("typed").value.trim().toLowerCase() !== word) return;
      await this.told(what, at("reason").value);
    };
    dialog.returnValue = "";
    dialog.showModal();
    at("reason").focus();
  }

  async told(what, reason) {
    const [title] = DOING[what];
    try {
      const answer = await asked(this.token, `/do/${what}`, { reason: reason || "on the page" });
      this.said(`${title}: ${answer.words}`, answer.done ? "good" : "bad");
    } catch (error) {
      this.said(`${title} was not done: ${error.message}`, "bad");
    }
  }

  said(words, word) {
    const node = make("p", words, { "data-mood": word, class: "answer" });
    at("trouble").after(node);
    node.setAttribute("role", "status");
    setTimeout(() => node.remove(), 15000);
  }

  async opened(name) {
    const tab = window.open("about:blank", "_blank");
    put(at("documents-words"), name === "report" ? "Making the report…" : "");
    try {
      const made = await asked(this.token, "/open", { name });
      if (made.url && tab) tab.location.replace(made.url);
      else if (tab) tab.close();
      put(at("documents-words"), made.url ? "" : made.words);
    } catch (error) {
      if (tab) tab.close();
      put(at("documents-words"), error.message);
    }
  }

  async listed() {
    try {
      const { certificates } = await asked(this.token, "/documents");
      put(at("documents-words"), certificates.length ? `${certificates.length} certificates, the newest first` : "There is no certificate yet.");
      fill(at("certificates"), certificates, () => {
        const made = make("li");
        made.append(make("button", "", { type: "button" }));
        return made;
      }, (node, name) => {
        put(node.firstElementChild, name);
        node.firstElementChild.onclick = () => this.opened(name);
      });
    } catch (error) {
      put(at("documents-words"), error.message);
    }
  }
}

function sized(cell, price, amount) {
  if (!cell.children.length) cell.replaceChildren(make("span"), document.createTextNode(" "), make("small"));
  put(cell.children[0], price);
  put(cell.children[1], `× ${amount}`);
}

// -- the token: behind the # of the address, which no server sees; kept for this tab only --------------------

function ask() {
  const dialog = at("token");
  sessionStorage.removeItem(TOKEN);
  dialog.onclose = () => {
    const typed = at("token-text").value.trim();
    if (!typed) return ask();
    sessionStorage.setItem(TOKEN, typed);
    location.reload();
  };
  at("token-text").value = "";
  dialog.showModal();
}

const named = new URLSearchParams(location.hash.slice(1)).get("token");
if (named) {
  sessionStorage.setItem(TOKEN, named);
  history.replaceState(null, "", location.pathname);
}
const token = sessionStorage.getItem(TOKEN);
if (token) window.page = new Page(token);
else ask();
