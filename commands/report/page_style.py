"""How the page looks: light and dark by the reader's own setting, from a phone's width to a desk's."""

STYLE = """
:root { color-scheme: light dark;
  --paper: #ffffff; --raised: #f5f6f8; --ink: #1b1f24; --muted: #56606b; --line: #d3d8de;
  --bar: #3a78b5; --bad: #b3261e; --good: #1a7335; --link: #0b5cad;
  --banner: #fff3d6; --banner-ink: #5c3d00; }
@media (prefers-color-scheme: dark) { :root {
  --paper: #14171b; --raised: #1c2026; --ink: #e7e9ec; --muted: #a6aeb8; --line: #3a414a;
  --bar: #6aa5df; --bad: #ff8d83; --good: #6fd487; --link: #86bdff;
  --banner: #3a2e10; --banner-ink: #ffdf9a; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; }
header, main, footer { max-width: 72rem; margin: 0 auto; padding: 0 1.25rem; }
header { padding-top: 1.5rem; }
h1 { font-size: 1.6rem; line-height: 1.2; margin: 0 0 .25rem; }
h2 { font-size: 1.2rem; margin: 2.5rem 0 .5rem; }
h3 { font-size: 1rem; margin: 1.25rem 0 .25rem; overflow-wrap: anywhere; }
p { margin: .4rem 0; max-width: 46rem; }
a { color: var(--link); }
.skip { position: absolute; left: -999rem; } .skip:focus { left: 1rem; top: 1rem; }
:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; }
.muted { color: var(--muted); }
.banner { background: var(--banner); color: var(--banner-ink); border-radius: .5rem; padding: .75rem 1rem;
  margin: 1rem 0; max-width: none; }
.banner ul { margin: .25rem 0; padding-left: 1.2rem; } .banner p { max-width: none; }
.trouble { border-left: .3rem solid var(--bad); background: var(--raised); padding: .75rem 1rem; }
.answers { display: grid; grid-template-columns: repeat(auto-fit, minmax(15rem, 1fr)); gap: 1rem;
  margin: .75rem 0; padding: 0; }
.answers > div { background: var(--raised); border: 1px solid var(--line); border-radius: .5rem;
  padding: .9rem 1rem; }
.answers dt { color: var(--muted); font-size: .9rem; }
.answers dd { margin: 0; } .answers dd.is { font-size: 1.5rem; font-weight: 650; line-height: 1.25; }
.answers dd.why { font-size: .9rem; margin-top: .3rem; }
.good { color: var(--good); } .bad { color: var(--bad); }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 21rem), 1fr));
  gap: 1.5rem; }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 27rem), 1fr)); gap: 0 1.5rem;
  align-items: start; }
.pair > * { min-width: 0; }
figure { margin: .5rem 0; max-width: 33rem; min-width: 0; }
figcaption { color: var(--muted); font-size: .9rem; overflow-wrap: anywhere; }
svg.chart { width: 100%; height: auto; display: block; }
svg.chart text { font-family: inherit !important; }
.scroll { overflow-x: auto; margin: .75rem 0; border: 1px solid var(--line); border-radius: .5rem; }
.tall { max-height: 36rem; overflow-y: auto; }
table { border-collapse: separate; border-spacing: 0; width: 100%; font-size: .9rem; }
caption { text-align: left; color: var(--muted); }
caption span { display: block; padding: .6rem .75rem; position: sticky; left: 0;
  max-width: min(100%, calc(100vw - 2.5rem)); }
th, td { padding: .35rem .75rem; text-align: right; border-top: 1px solid var(--line);
  font-variant-numeric: tabular-nums; white-space: nowrap; vertical-align: top; }
th { font-weight: 600; } thead th { background: var(--raised); vertical-align: bottom; }
.tall thead th { position: sticky; top: 0; }
th:first-child, td.text { text-align: left; }
td.text { white-space: normal; min-width: 8rem; }
.tall td.text:not(:empty) { min-width: 14rem; }
tbody th { font-weight: 500; position: sticky; left: 0; background: var(--paper); white-space: normal;
  min-width: 8.5rem; max-width: 16rem; }
.tall tbody th { min-width: 0; }
thead th { white-space: normal; overflow-wrap: break-word; }
footer { padding-top: 2rem; padding-bottom: 3rem; color: var(--muted); font-size: .9rem; }
@media (max-width: 34rem) { body { font-size: 15px; } header, main, footer { padding-left: .9rem;
  padding-right: .9rem; } th, td { padding: .35rem .5rem; } }
@media print { .tall { max-height: none; overflow: visible; } .scroll { overflow: visible; } }
"""
