# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How the report's HTML page looks: on a desk, on a phone (each user a card), in the dark and on paper."""

from __future__ import annotations

STYLE = """\
:root { color-scheme: light dark; --text: #1b1f24; --soft: #57606a; --line: #d0d7de; --band: #f3f5f7; --alarm: #a40e26; }
@media screen and (prefers-color-scheme: dark) {
  :root { --text: #e6e9ed; --soft: #a3adb8; --line: #3a424c; --band: #20262d; --alarm: #ff9a94; }
  body { background: #14181d; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem 1rem; max-width: 90rem; color: var(--text); font: 1rem/1.5 system-ui, sans-serif; }
h1 { margin: 0; font-size: 1.5rem; }
h2 { margin: 2rem 0 0; font-size: 1.2rem; }
p { margin: 0.5rem 0; max-width: 50rem; overflow-wrap: anywhere; }
.total { font-size: 1.1rem; }
.failed { padding: 0.5rem 0.75rem; border: 2px solid var(--alarm); border-radius: 0.25rem; font-weight: 600; }
summary { margin-top: 2rem; cursor: pointer; }
summary h2 { display: inline; }
table { width: 100%; margin-bottom: 1.5rem; border-collapse: collapse; font-size: 0.875rem; }
caption { padding-bottom: 0.5rem; text-align: left; color: var(--soft); }
th, td { padding: 0.375rem 0.5rem; text-align: left; vertical-align: top; overflow-wrap: break-word; }
thead th { border-bottom: 2px solid var(--line); color: var(--soft); white-space: nowrap; }
tbody { border-bottom: 1px solid var(--line); border-left: 4px solid var(--line); }
tbody.drift { border-left-color: var(--alarm); }
tbody th { min-width: 8rem; overflow-wrap: anywhere; }
td:last-child { min-width: 15rem; overflow-wrap: anywhere; }
td[data-label="Key"] { min-width: 12rem; font-family: ui-monospace, monospace; overflow-wrap: anywhere; }
td[data-label="Last used"] { min-width: 10.5rem; }
td[data-label="Age"] { white-space: nowrap; }
b { padding: 0.05rem 0.4rem; border: 1px solid; border-radius: 0.75rem; font-weight: 600; white-space: nowrap; }
.drift b { color: var(--alarm); }
@media screen and (max-width: 70rem) {
  thead { position: absolute; clip-path: inset(50%); }
  table, caption, tbody, th, td { display: block; }
  tbody { margin-bottom: 0.75rem; padding: 0.5rem; background: var(--band); }
  tr { display: flex; flex-wrap: wrap; align-items: baseline; gap: 0.125rem 0.75rem; padding: 0.25rem 0; }
  th, td { padding: 0; }
  tbody th { min-width: 0; font-size: 1rem; }
  td, td[data-label] { min-width: 0; }
  td:last-child, td[data-label="Key"] { flex-basis: 100%; }
  td[data-label]::before { content: attr(data-label) " "; color: var(--soft); font-family: system-ui, sans-serif; }
  td:empty, td[data-label=""] { display: none; }
}
@media print {
  :root { font-size: 8pt; }
  body { padding: 0; }
  tr { break-inside: avoid; }
  details::details-content { content-visibility: visible; block-size: auto; }
}
"""
