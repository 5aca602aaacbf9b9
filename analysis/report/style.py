"""What the page of a report adds to the style of every page."""

from __future__ import annotations

from typing import Final

STYLE: Final = """
article + article { margin-top: 3.5rem; border-top: 2px solid var(--line); padding-top: .5rem; }
nav ol { padding-left: 1.4rem; } nav ul { display: flex; flex-wrap: wrap; gap: .1rem 1.1rem; list-style: none;
  padding: 0; margin: .2rem 0 .6rem; }
h2 + .fixed { margin-top: -.4rem; }
.part-verdict > :not(h3) { border-left: .3rem solid var(--link); background: var(--card); margin: 0;
  padding: .7rem 1rem; border-radius: 0 .3rem .3rem 0; max-width: 52rem; }
.part-verdict ul { list-style: none; } .part-verdict li + li { margin-top: .5rem; }
caption { color: var(--faint); font-size: .85rem; padding-bottom: .4rem; }
.wide + .wide { margin-top: 1.5rem; }
td.verdict, th.verdict, td.label, th.label, td.figures, th.figures { text-align: left; }
td, tbody th { vertical-align: top; }
.part-table table { font-size: .92rem; } .part-table th, .part-table td { padding: .25rem .55rem; }
td.verdict { white-space: normal; min-width: 9rem; } .runs td.verdict { white-space: nowrap; min-width: 0; }
tbody th { white-space: normal; min-width: 9rem; max-width: 16rem; }
.runs tbody th { min-width: 0; }
td.figures { white-space: normal; } td.figures a { color: inherit; text-decoration-color: var(--line); }
tbody + tbody tr:first-child > * { border-top: 2px solid var(--line); }
tr[class^="better"] td.verdict { color: var(--good); font-weight: 600; }
tr[class^="worse"] td.verdict { color: var(--bad); font-weight: 600; }
tr[class^="changes"] td.verdict { color: var(--open); font-weight: 600; }
.notes { color: var(--faint); font-size: .85rem; } .notes ul { padding-left: 1.1rem; }
dl { margin: 0; max-width: 60rem; }
dl > div { display: grid; grid-template-columns: 14rem 1fr; gap: 0 1rem; padding: .25rem 0;
  border-bottom: 1px solid var(--line); }
dt { font-weight: 600; overflow-wrap: anywhere; } dd { margin: 0; }
details { border-bottom: 1px solid var(--line); padding: .1rem 0; }
summary { cursor: pointer; padding: .35rem .2rem; }
.runs { padding: 0 0 .6rem 1.1rem; font-size: .9rem; }
.runs details { border: 0; }
pre { font-size: .8rem; margin: 0; padding: .6rem; background: var(--card); }
footer { margin-top: 3rem; border-top: 1px solid var(--line); color: var(--faint); font-size: .85rem; }
footer code { overflow-wrap: anywhere; }
@media (max-width: 40rem) {
  dl > div { grid-template-columns: 1fr; }
  .runs { padding-left: 0; }
  tbody th { max-width: 8.5rem; min-width: 5rem; }
}
@media print {
  article + article { break-before: page; border: 0; margin: 0; }
  nav, .back, .runs details { display: none; }
  details::details-content { content-visibility: visible; block-size: auto; }
  summary { list-style: none; } details { break-inside: avoid; }
  table, .part-table table { font-size: 7.5pt; } th, td, .part-table th, .part-table td { padding: 1.5pt 4pt; }
  td.verdict { min-width: 20mm; } tbody th { min-width: 18mm; }
  .runs { font-size: 7.5pt; padding: 0; } .runs table { font-size: 6.3pt; } .runs p { margin: 1pt 0 2pt; }
  .runs th, .runs td { padding: .8pt 3pt; }
  .notes, .fixed, caption, figcaption, footer { font-size: 7.5pt; }
  h3, footer { margin-top: 5mm; }
  dl > div { grid-template-columns: 38mm 1fr; }
}
"""
