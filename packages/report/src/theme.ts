/**
 * The style sheet of the page. Light and dark follow the system. Colours are told apart by lightness as well as hue (blue, orange, vermilion:
 * safe for the usual colour blindness), and none carries a meaning that a word or a shape does not carry too.
 */
export const styleSheet = `
:root{color-scheme:light dark;--paper:#fff;--ink:#1d1f23;--soft:#5b616b;--line:#d5d8dd;--faint:#eef0f3;--one:#2463ad;--two:#c9700d;--alarm:#b3261e;--alarm-paper:#fbeceb;--good:#0a6b50;--good-paper:#e7f3ef;--weak-paper:#f4f1e6;
--h0:#f4f7fb;--h1:#dfe9f5;--h2:#bfd5ec;--h3:#94b9de;--h4:#5f95c9;--h5:#2f6fae;--h6:#134a85;--hi:#fff}
@media screen and (prefers-color-scheme:dark){:root{--paper:#15171b;--ink:#e4e6ea;--soft:#a0a7b3;--line:#363b44;--faint:#1f2329;--one:#6ba7ea;--two:#eda35a;--alarm:#ff8f80;--alarm-paper:#3a1f1d;--good:#6fcfae;--good-paper:#16302a;--weak-paper:#2c2a20;
--h0:#1b2027;--h1:#1f2d3d;--h2:#264361;--h3:#2f5d8b;--h4:#4480bb;--h5:#76a9de;--h6:#b4d5f7;--hi:#10141a}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,"DejaVu Sans",sans-serif;font-variant-numeric:tabular-nums}
.page{max-width:1160px;margin:0 auto;padding:32px 24px 64px}
header p,section>p,.answer p,details>p,footer p{max-width:44em}
h1{font-size:1.6rem;line-height:1.25;margin:0 0 4px;font-weight:650;letter-spacing:-.01em;overflow-wrap:anywhere}
h2{font-size:1.25rem;line-height:1.3;margin:0 0 4px;font-weight:650}
h3{font-size:1rem;margin:28px 0 8px;font-weight:650}
section{margin-top:52px;padding-top:20px;border-top:2px solid var(--ink)}
p{margin:0 0 12px}
a{color:var(--one)}
.intro{color:var(--soft);margin-bottom:18px}
.small,figcaption,.key{font-size:.86rem;color:var(--soft)}
.over{font-size:.86rem;color:var(--soft);margin:0 0 6px}
nav{margin-top:18px;font-size:.9rem}
nav ol{margin:0;padding:0;list-style:none;display:flex;flex-wrap:wrap;gap:4px 18px}
.name,code{font-family:ui-monospace,"SF Mono",Menlo,Consolas,"DejaVu Sans Mono",monospace;font-size:.84em;overflow-wrap:break-word}
h1 .name{font-size:1em;font-family:inherit}
code{background:var(--faint);padding:1px 5px;border-radius:3px}
.v{white-space:nowrap}
.alarm{color:var(--alarm)}
.good{color:var(--good)}
.answer{border-left:5px solid var(--soft);padding:14px 20px 4px;background:var(--faint);margin:0 0 20px}
.answer-yes,.answer-mixed{border-color:var(--good);background:var(--good-paper)}
.answer-no{border-color:var(--alarm);background:var(--alarm-paper)}
.headline{font-size:1.45rem;line-height:1.3;font-weight:650;letter-spacing:-.01em;margin-bottom:8px}
.note{font-size:.92rem}.note code{overflow-wrap:anywhere}
.missing{border:1px dashed var(--soft);padding:10px 14px;color:var(--soft)}
.scroll{overflow-x:auto;margin:0 0 12px;max-width:100%}
.tall{max-height:80vh;overflow-y:auto;border-bottom:1px solid var(--line)}
.tall thead th{position:sticky;top:0;background:var(--paper);z-index:1;box-shadow:inset 0 -1px var(--ink)}
table{border-collapse:collapse;font-size:.86rem;line-height:1.4;min-width:100%}
th,td{text-align:left;vertical-align:top;padding:5px 14px 5px 0}
th:last-child,td:last-child{padding-right:2px}
thead th{font-weight:600;color:var(--soft);border-bottom:1px solid var(--ink);vertical-align:bottom;white-space:nowrap}
tbody tr+tr td,tbody tr+tr th,tfoot td,tfoot th{border-top:1px solid var(--line)}
td.n,th.n{text-align:right;white-space:nowrap}
td{min-width:3em}
td>.name:first-child{display:inline-block;max-width:36em}
td.prose{min-width:17em;max-width:34em;overflow-wrap:anywhere}
thead button{all:unset;cursor:pointer;color:inherit}
thead button:focus-visible{outline:2px solid var(--one);outline-offset:2px}
thead button:hover{color:var(--ink);text-decoration:underline}
thead button::after{content:"\\2195";opacity:.45;padding-left:3px;font-size:.85em}
th[aria-sort=descending] button::after{content:"\\2193";opacity:1}
th[aria-sort=ascending] button::after{content:"\\2191";opacity:1}
.filter{font:inherit;font-size:.9rem;color:inherit;background:var(--paper);border:1px solid var(--soft);border-radius:3px;padding:6px 10px;width:100%;max-width:26em;margin:0 0 4px;display:block}
.tag{display:inline-block;font-size:.78rem;line-height:1.35;border:1px solid currentColor;border-radius:3px;padding:0 5px;white-space:nowrap;color:var(--soft)}
.tag-loud{color:var(--alarm);font-weight:650}
.tag-silent{background:var(--alarm);border-color:var(--alarm);color:var(--paper);font-weight:650}
.fact{white-space:nowrap;font-size:.82rem;color:var(--soft);margin-right:8px}
td .fact bdi{white-space:normal}
.origins{padding-left:1.6em;margin:0 0 12px}
.origins li{margin-bottom:14px;padding-left:4px}
.origins p{margin:0 0 2px;overflow-wrap:anywhere}
.origin-head .tag{font-size:.84rem}
ul{padding-left:1.3em}
li{overflow-wrap:anywhere}
.bar-cell{min-width:170px;width:26%;padding-top:9px}
svg.bar{display:block}
.bar-track{fill:var(--faint)}.bar-one{fill:var(--one)}.bar-two{fill:var(--two)}.bar-three{fill:var(--good)}.bar-alarm,.bar-alarm-fill{fill:var(--alarm)}
figure{margin:0 0 18px}
.chart{display:block;min-width:720px;width:100%;height:auto;font:12px system-ui,-apple-system,"Segoe UI",Roboto,Arial,"DejaVu Sans",sans-serif;fill:var(--ink)}
.ruler .chart{min-width:0;max-width:660px;font-size:13px}
.chart .tick{fill:var(--soft)}.chart .tick.alarm{fill:var(--alarm);font-weight:600}.chart .strong{fill:var(--ink);font-weight:600}
.chart .halo{paint-order:stroke;stroke:var(--paper);stroke-width:4px;stroke-linejoin:round}
.axis-title{fill:var(--soft)}
.grid{stroke:var(--line);stroke-width:1;fill:none}
.limit{stroke:var(--ink);stroke-width:1.5;stroke-dasharray:5 3}
.good-zone{fill:var(--good-paper)}.weak-zone{fill:var(--weak-paper)}
.dot{fill:var(--paper);stroke:var(--ink);stroke-width:2}.dot.chosen{fill:var(--ink)}
.small-dot{fill:var(--one);fill-opacity:.75}
.line{fill:none;stroke:var(--ink);stroke-width:1.5}
.cross{stroke:var(--alarm);stroke-width:2;fill:none}
.front{fill:none;stroke:var(--one);stroke-width:1.75}.walk{fill:none;stroke:var(--two);stroke-width:1.5;stroke-dasharray:6 4}
.series{fill:none;stroke-width:1.75}.series.dashed{stroke-dasharray:6 4}.mark{stroke:var(--paper);stroke-width:1}.spread{stroke-width:1.25;stroke-opacity:.55}
.tone-0{stroke:var(--one)}.tone-1{stroke:var(--two)}.tone-2{stroke:var(--good)}.tone-3{stroke:var(--ink)}.mark.tone-0{fill:var(--one)}.mark.tone-1{fill:var(--two)}.mark.tone-2{fill:var(--good)}.mark.tone-3{fill:var(--ink)}.mark{stroke:var(--paper)}
.lead{stroke:var(--line)}.predicted{stroke:var(--two);stroke-width:2;fill:none}
.trial{stroke:var(--paper);stroke-width:1}.trial-half{fill:var(--soft)}.trial-rule{fill:var(--two)}.trial-searched{fill:var(--one)}.trial-like{fill:var(--good)}.trial-chosen{fill:var(--ink)}.trial.pale{fill-opacity:.35}.trial.broken{fill:var(--alarm)}
.key{display:flex;flex-wrap:wrap;gap:2px 18px;align-items:center}
.key-item{white-space:nowrap;display:inline-flex;gap:5px;align-items:center}.key-item.long{white-space:normal;min-width:0;overflow-wrap:anywhere}.key-item svg{flex:none}
.heat td,.heat th{padding:4px 7px}
.heat thead th{white-space:normal;min-width:4.5em;text-align:right}.heat thead th:first-child{text-align:left;padding-left:0}
.heat th[scope=row]{padding-left:0;font-weight:400;white-space:nowrap}
.heat td.h,.heat tfoot td{text-align:right;white-space:nowrap;border:1px solid var(--paper)}
.h0{background:var(--h0)}.h1{background:var(--h1)}.h2{background:var(--h2)}.h3{background:var(--h3)}.h4{background:var(--h4);color:#0b0e12}.h5{background:var(--h5);color:var(--hi)}.h6{background:var(--h6);color:var(--hi)}
.hx{background:var(--alarm-paper);color:var(--alarm);font-weight:650}
details{margin:0 0 12px}
summary{cursor:pointer;color:var(--one);padding:4px 0}
.columns{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,320px),1fr));gap:0 40px}
dl{display:grid;grid-template-columns:auto 1fr;gap:3px 16px;font-size:.9rem;margin:0}
dt{color:var(--soft)}dd{margin:0;overflow-wrap:anywhere;min-width:0}
footer{margin-top:56px;padding-top:16px;border-top:1px solid var(--line);font-size:.86rem;color:var(--soft)}
footer dl{grid-template-columns:minmax(7em,auto) 1fr}
@media (max-width:600px){.page{padding:20px 16px 48px}h1{font-size:1.3rem}.headline{font-size:1.2rem}section{margin-top:40px}.answer{padding:12px 14px 2px}td>.name:first-child{min-width:12em}.bar-cell{min-width:84px;width:84px}td.prose{min-width:15em}td:first-child:not(.n){min-width:9.5em}.tall{max-height:70vh}}
@media print{:root{color-scheme:light}body{font-size:10.5pt}.page{max-width:none;padding:0}nav,.filter,thead button::after{display:none}.tall{max-height:none;overflow:visible}.scroll{overflow:visible}.tall thead th{position:static;box-shadow:none}.fact,.tag,td .small{font-size:1em}details>summary{list-style:none}section{break-inside:auto;margin-top:28px}figure,tr,li,.answer{break-inside:avoid}table{font-size:7.6pt}td>.name:first-child,td.prose,.bar-cell{min-width:0}.chart{min-width:0}*{-webkit-print-color-adjust:exact;print-color-adjust:exact}}
`.trim();
