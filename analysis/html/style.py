"""The style of every page: light and dark, on a phone, on paper, and with a keyboard.

Every pair of ink and ground has a contrast of at least 4.5 (WCAG 2.2, AA). Nothing is said by colour alone.
"""

from __future__ import annotations

from typing import Final

STYLE: Final = """
:root { color-scheme: light; --ink: #1a1a1a; --paper: #ffffff; --faint: #56595e; --line: #d3d6da; --card: #f5f6f8;
  --link: #0b57a4; --good: #1a6b34; --bad: #a12a1e; --open: #76490a; }
@media screen and (prefers-color-scheme: dark) {
  :root { color-scheme: dark; --ink: #e8e8e8; --paper: #16181b; --faint: #b0b3b8; --line: #44474c; --card: #202327;
    --link: #8ec1ff; --good: #7fd49a; --bad: #ff9d92; --open: #f0c36a; }
}
* { box-sizing: border-box; }
html { scroll-padding-top: 1rem; -webkit-text-size-adjust: 100%; }
body { margin: 0 auto; max-width: 76rem; padding: 1rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.5 system-ui, sans-serif; }
h1, h2, h3, p, li, dd, summary, figcaption, caption { overflow-wrap: anywhere; }
h1 { font-size: 1.6rem; line-height: 1.25; } h2 { font-size: 1.3rem; line-height: 1.3; margin-top: 2rem; }
h3 { font-size: 1.08rem; margin: 2rem 0 .5rem; } h4 { font-size: 1rem; margin: 1.25rem 0 .5rem; }
p, ul, ol, figcaption { max-width: 48rem; }
a { color: var(--link); text-underline-offset: .15em; }
:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; border-radius: 2px; }
.skip { position: absolute; left: -100rem; }
.skip:focus { position: static; display: inline-block; padding: .5rem; }
.fixed { color: var(--faint); font-size: .85rem; overflow-wrap: anywhere; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; white-space: nowrap; }
caption { text-align: left; white-space: normal; position: sticky; left: 0;
  max-width: min(48rem, calc(100vw - 2rem)); }
th, td { padding: .25rem .7rem; border-bottom: 1px solid var(--line); text-align: right; }
th:first-child, td:first-child { text-align: left; }
thead th { border-bottom: 2px solid var(--ink); vertical-align: bottom; font-weight: 600; white-space: normal; }
tbody th { font-weight: 600; }
.wide th:first-child { position: sticky; left: 0; background: var(--paper); }
code { font: .88em ui-monospace, "DejaVu Sans Mono", monospace; }
figure { margin: 0 0 1.5rem; }
figure img { display: block; max-width: 100%; height: auto; background: #fff; border-radius: .3rem; }
figcaption { color: var(--faint); font-size: .9rem; margin-top: .4rem; }
@media screen and (max-width: 40rem) { figure img { max-width: none; } }
@media print {
  @page { size: A4; margin: 14mm; }
  html { font-size: 9.5pt; }
  body { max-width: none; padding: 0; line-height: 1.4; }
  a { color: inherit; text-decoration: none; }
  .skip { display: none; }
  .wide { overflow: visible; } .wide th:first-child, caption { position: static; }
  h1, h2, h3, h4, caption, summary { break-after: avoid; }
  figure img { max-width: 88%; max-height: 235mm; width: auto; }
  figure, tr, dl > div { break-inside: avoid; }
}
"""
