// Three charts, drawn by uPlot: imbalance and USD·s of each cycle, and what the run has cost by the end of each.
/* global uPlot */

const HEIGHT = 185;
const CAUSES = [
  ["fees", "fees", "--bar"],
  ["spread", "spread", "--teal"],
  ["slippage", "slippage", "--warm"],
  ["market", "market", "--violet"],
  ["net", "all, net", "--ink"],
];

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const number = (text) => (text === undefined || text === null ? null : Number(text));

class Chart {
  constructor(box, make, height = HEIGHT) {
    this.box = box;
    this.make = make;
    this.height = height;
    this.data = [[]];
    this.plot = null;
    new ResizeObserver(() => this.sized()).observe(box);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.anew());
  }
  show(data) {
    this.data = data;
    if (this.plot) this.plot.setData(data);
    else this.anew();
  }
  sized() {
    const width = this.box.clientWidth;
    if (this.plot && width && width !== this.plot.width) this.plot.setSize({ width, height: this.height });
  }
  anew() {
    if (this.plot) this.plot.destroy();
    this.plot = null;
    if (!this.data[0].length || !this.box.clientWidth) return;
    this.plot = new uPlot({ width: this.box.clientWidth, height: this.height, ...this.make() }, this.data, this.box);
  }
}

const axes = (unit, digits) => [
  {
    stroke: colour("--muted"),
    grid: { show: false },
    ticks: { stroke: colour("--line") },
    incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500],
    values: (_plot, ticks) => ticks.map((tick) => (Number.isInteger(tick) ? String(tick) : "")),
  },
  {
    stroke: colour("--muted"),
    grid: { stroke: colour("--line"), width: 1 },
    ticks: { show: false },
    size: 62,
    values: (_plot, ticks) => ticks.map((tick) => `${tick.toFixed(digits(ticks))}${unit}`),
  },
];
const decimals = (ticks) => {
  const step = ticks.length > 1 ? Math.abs(ticks[1] - ticks[0]) : 1;
  return step >= 1 ? 0 : step >= 0.1 ? 1 : step >= 0.01 ? 2 : 3;
};
const cyclesScale = { time: false, range: (_plot, low, high) => [Math.min(low, high - 4) - 0.6, high + 0.6] };

export class Charts {
  constructor() {
    this.limit = 0.1;
    const bars = () => uPlot.paths.bars({ size: [0.6, 28] });
    this.imbalance = new Chart(document.getElementById("imbalance-chart"), () => ({
      scales: { x: cyclesScale, y: { range: (_plot, _low, high) => [0, Math.max(this.limit * 1.25, high * 1.1)] } },
      axes: axes(" %", decimals),
      legend: { show: false },
      cursor: { show: false },
      series: [
        {},
        { label: "imbalance", paths: bars(), stroke: colour("--bar"), fill: colour("--bar"), points: { show: false } },
        { label: "the promise", stroke: colour("--bad"), width: 2, dash: [6, 4], points: { show: false } },
      ],
    }), 215);
    this.unhedged = new Chart(document.getElementById("unhedged-chart"), () => ({
      scales: { x: cyclesScale, y: { range: (_plot, _low, high) => [0, Math.max(1, high * 1.1)] } },
      axes: axes("", decimals),
      legend: { show: false },
      cursor: { show: false },
      series: [{}, { label: "USD·s", paths: bars(), stroke: colour("--warm"), fill: colour("--warm"), points: { show: false } }],
    }));
    this.cost = new Chart(document.getElementById("cost-chart"), () => ({
      scales: { x: cyclesScale },
      axes: axes("", decimals),
      cursor: { show: false },
      legend: { show: true, live: false },
      series: [
        { label: "cycles" },
        ...CAUSES.map(([, label, stroke]) => ({ label, stroke: colour(stroke), width: label === "all, net" ? 2.5 : 1.8, points: { show: true, size: 5, fill: colour(stroke) } })),
      ],
    }), 250);
  }

  cycles(rows, limit) {
    this.limit = limit;
    const known = [...rows.entries()].sort((one, other) => one[0] - other[0]);
    const imbalances = known.filter(([, row]) => row.imbalance !== undefined);
    this.imbalance.show([
      imbalances.map(([cycle]) => cycle),
      imbalances.map(([, row]) => number(row.imbalance)),
      imbalances.map(() => limit),
    ]);
    const ended = known.filter(([, row]) => row.unhedged !== undefined);
    this.unhedged.show([ended.map(([cycle]) => cycle), ended.map(([, row]) => number(row.unhedged))]);
  }

  costs(rows) {
    const known = [...rows.entries()].sort((one, other) => one[0] - other[0]);
    const market = (row) => ["adverse", "hedge", "lots"].reduce((sum, name) => sum + Number(row[name]), 0);
    this.cost.show([
      known.map(([cycles]) => cycles),
      ...CAUSES.map(([name]) => known.map(([, row]) => (name === "market" ? market(row) : number(row[name])))),
    ]);
  }
}
