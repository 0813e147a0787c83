//! Styles of pages: on a screen, on a phone, in dark mode and in print.

use super::svg::FONTS;

/// The style sheet of a page.
pub fn sheet() -> String {
    format!(":root {{ --fonts: {FONTS} }}\n{SHEET}")
}

const SHEET: &str = "\
:root { color-scheme: light dark; --ink: #262626; --dim: #5f5f5f; --line: #dedede; --soft: #f3f3f3; --paper: #fff;
  --yes: #00734f; --no: #a33b00; --open: #6b6b6b }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e6e6; --dim: #a8a8a8; --line: #3d3d3d; --soft: #2a2a2a; --paper: #181818;
  --yes: #4cc79a; --no: #f09a5e; --open: #a8a8a8 } .chart { filter: invert(0.91) hue-rotate(180deg) } }
body { font-family: var(--fonts); font-size: 15px; line-height: 1.5; max-width: 1180px; margin: 2em auto; padding: 0 1em; color: var(--ink); background: var(--paper) }
h1 { font-size: 1.6em; line-height: 1.25 } h2 { font-size: 1.2em; margin-top: 2em }
.lead { font-size: 1.25em; line-height: 1.4; max-width: 46em; margin: 0.6em 0 1.4em }
.chart { width: 100%; max-width: 760px; height: auto; display: block; margin: 1em 0 }
.wide { overflow-x: auto }
table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums; white-space: nowrap }
caption { text-align: left; font-weight: 600; padding: 6px 0 }
td, th { padding: 4px 9px; text-align: right; border-bottom: 1px solid var(--line) }
th { color: var(--dim); font-weight: 600 }
td:first-child, th:first-child, .words { text-align: left }
code { background: var(--soft); padding: 1px 4px; border-radius: 3px; font-size: 0.92em }
details { margin: 2em 0 } summary { cursor: pointer; font-weight: 600; font-size: 1.1em }
.forest { width: 100%; margin: 1em 0 } .forest th, .forest td { vertical-align: top; text-align: left; white-space: normal; padding: 6px 8px }
.forest tr > th { color: var(--ink) } .forest tr > th:first-child { min-width: 84px } .forest td > div { display: flex; gap: 6px 8px } .forest.many td > div { flex-wrap: wrap }
.forest span { display: block; width: 98px; font-size: 12px; line-height: 1.3 } .forest span > * { white-space: nowrap }
.forest small { color: var(--dim); font-size: 11px; letter-spacing: -0.01em } .forest small, .forest i { display: block } .forest i { font-style: normal }
.forest svg { display: block; width: 94px; height: 17px; overflow: visible }
.yes b, .yes i { color: var(--yes) } .no b, .no i { color: var(--no) } .open b, .open i, .same b, .same i { color: var(--open) } .shown b, .shown i { color: var(--dim) }
.yes svg { stroke: var(--yes); fill: var(--yes) } .no svg { stroke: var(--no); fill: var(--no) } .open svg, .same svg { stroke: var(--open); fill: var(--open) } .shown svg { stroke: var(--dim); fill: var(--dim) }
.forest .interval { stroke-width: 2.5 } .forest circle { stroke: none } .forest .zero { stroke: var(--dim); stroke-width: 1 }
.forest .margin { stroke: var(--dim); stroke-width: 1; stroke-dasharray: 2 2 }
@media screen and (max-width: 760px) { .forest thead { display: none } .forest, .forest tbody, .forest tr, .forest td, .forest tr > th { display: block; width: auto }
  .forest tr > th { font-size: 15px; border-bottom: none; padding: 14px 0 2px } .forest td { display: flex; gap: 8px; padding: 6px 0 } .forest td > div { flex-wrap: wrap }
  .forest td.empty { display: none } .forest td::before { content: attr(data-column); flex: 0 0 74px; font-weight: 600; overflow-wrap: anywhere } }
@media print { :root { --ink: #000; --dim: #444; --line: #ccc; --soft: #f3f3f3; --paper: #fff; --yes: #00734f; --no: #a33b00; --open: #555 }
  body { font-size: 10pt; margin: 0; max-width: none } .chart { filter: none } tr, .chart { break-inside: avoid } h2, summary { break-after: avoid }
  table { font-size: 8pt; white-space: normal } .forest td > div { flex-wrap: wrap } .wide { overflow: visible } }
";
