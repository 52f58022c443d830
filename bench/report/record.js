/* All that is known of one sample, in a dialog that has an address: #<key of an image>. */
function recordOf(sample, key) {
  const score = $("score").value;
  const shots = sample.shots.map((shot) =>
    h("figure", { class: "shot" }, picture(sample, shot, true), caption(sample, shot, score)));
  return [
    h("p", { class: "faint" }, `${facets(sample)} · layout ${sample.layout}`),
    h("div", { class: "shots" }, shots),
    scoreTable(sample),
    instanceTable(sample),
    sample.shots.map((shot) => facts(shot, shot.key === key)),
  ];
}

function table(label, heads, rows) {
  return h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": label },
    h("table", {},
      h("thead", {}, h("tr", {}, heads.map((head) => h("th", { scope: "col" }, head)))),
      h("tbody", {}, rows.map((row) =>
        h("tr", {}, row.map((cell, i) => h(i ? "td" : "th", i ? { class: "wrap" } : { scope: "row", class: "wrap" }, cell)))))));
}

const names = (sample) => sample.shots.map((shot) => entries[shot.entry].name);

function scoreTable(sample) {
  const rows = columns.map(({ key }) => [key, ...sample.shots.map((shot) => {
    if (!known(shot.scores[key])) return `– ${shot.reasons[key] ?? ""}`;
    const delta = difference(sample, shot, key);
    return figure(shot.scores[key]) + (known(delta) ? ` (${change(delta)})` : "");
  })]);
  return [h("h3", {}, "Scores"), table("Scores", ["score", ...names(sample)], rows)];
}

function instanceTable(sample) {
  if (!sample.targets.length) return [];
  const rows = sample.targets.map((target, i) => [
    `${i + 1} ${target.phrase ?? target.noun ?? ""}`, ...sample.shots.map((shot) => verdict(shot.placed[i])),
  ]);
  return [h("h3", {}, "Instances"), table("Instances", ["instance", ...names(sample)], rows)];
}

function verdict(instance) {
  if (!instance) return "not judged";
  if (!instance.present) return "✗ absent";
  const parts = [instance.success ? "✓ right" : "✗ wrong"];
  if (known(instance.iou)) parts.push(`IoU ${figure(instance.iou, 2)}`);
  if (known(instance.attribute_ok)) parts.push(instance.attribute_ok ? "attributes right" : "attributes wrong");
  return parts.join(", ");
}

function facts(shot, chosen) {
  const rows = [
    ["key", h("a", { href: `#${encodeURIComponent(shot.key)}` }, shot.key)],
    ["status", shot.status],
    ["cost", `${figure(shot.seconds, 2)} s, ${figure(shot.passes, 0)} passes, ${figure(shot.memory, 0)} MB`],
    ["found", shot.detections.map((d) => `${d.label} ${figure(d.score, 2)}`).join(", ") || "–"],
  ];
  if (shot.picture) rows.push(["file", h("a", { href: shot.picture.src }, shot.picture.src)]);
  return h("details", { open: chosen },
    h("summary", {}, `Record: ${entries[shot.entry].name}`),
    h("dl", { class: "facts" }, rows.map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)])),
    Object.entries(shot.details).map(([score, details]) =>
      [h("h4", {}, `${score}: details`), h("pre", { tabindex: 0 }, JSON.stringify(details, null, 1))]));
}

/* The key in the page's address; an address that is no valid text holds none. */
function addressed() {
  try { return decodeURIComponent(location.hash.slice(1)); } catch { return ""; }
}

function startRecord() {
  const dialog = $("record");
  const open = () => {
    const key = addressed();
    const sample = byKey.get(key);
    if (!sample) { if (dialog.open) dialog.close(); return; }
    $("record-title").replaceChildren(sample.prompt);
    $("record-body").replaceChildren(...recordOf(sample, key).flat(Infinity));
    const at = shown.indexOf(sample);
    $("previous").disabled = at <= 0;
    $("next").disabled = at < 0 || at >= shown.length - 1;
    if (!dialog.open) dialog.showModal();
    dialog.scrollTop = 0;
  };
  const step = (by) => {
    const current = byKey.get(addressed());
    const target = shown[shown.indexOf(current) + by];
    if (current && target) location.replace(`#${encodeURIComponent(target.shots[0].key)}`);
  };
  $("previous").addEventListener("click", () => step(-1));
  $("next").addEventListener("click", () => step(1));
  $("close").addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  dialog.addEventListener("close", () => {
    if (byKey.has(addressed())) history.replaceState(null, "", "#");
  });
  dialog.addEventListener("keydown", (event) => {
    if (event.target.closest(".scroll, pre, input, select")) return;
    if (event.key === "ArrowLeft") step(-1);
    if (event.key === "ArrowRight") step(1);
  });
  addEventListener("hashchange", open);
  open();
}
