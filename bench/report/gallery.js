/* Cards of samples, made a batch at a time as one scrolls, so that thousands cost nothing. */
const BATCH = 24;
let made = 0;

function option(select, value) {
  select.append(h("option", { value }, value));
}

function startGallery() {
  const distinct = (field) => [...new Set(samples.map((sample) => sample[field]))];
  distinct("category").sort().forEach((name) => option($("category"), name));
  distinct("instances").sort((a, b) => a - b).forEach((count) => option($("count"), count));
  columns.forEach(({ key }) => option($("score"), key));
  $("score").value = headline;
  if (!entries.some((entry, i) => known(entry.base) && entry.base !== i)) $("order").value = "low";
  entries.forEach((entry, i) => $("methods").append(h("label", {},
    h("input", { type: "checkbox", value: i, checked: true }), ` ${entry.name}`)));
  const filters = $("filters");
  filters.addEventListener("submit", (event) => event.preventDefault());
  filters.addEventListener("change", (event) => {
    if (event.target.id === "targets" || event.target.id === "detections") showBoxes();
    else if (event.target.id !== "search") refresh();
  });
  $("search").addEventListener("input", refresh);
  $("more").addEventListener("click", grow);
  new IntersectionObserver((seen) => { if (seen.some((one) => one.isIntersecting)) grow(); },
    { rootMargin: "600px" }).observe($("more"));
  showBoxes();
  refresh();
}

function showBoxes() {
  document.body.classList.toggle("no-targets", !$("targets").checked);
  document.body.classList.toggle("no-detections", !$("detections").checked);
}

function chosenEntries() {
  return new Set([...$("methods").querySelectorAll("input:checked")].map((input) => Number(input.value)));
}

/* How much a sample lost (or gained, or scored) under the chosen score; null goes last. */
function weight(sample, chosen, score, order) {
  const sign = direction(score);
  const visible = sample.shots.filter((shot) => chosen.has(shot.entry));
  const read = order === "low"
    ? (shot) => (known(shot.scores[score]) ? sign * shot.scores[score] : null)
    : (shot) => { const delta = difference(sample, shot, score); return known(delta) ? sign * delta : null; };
  const values = visible.map(read).filter(known);
  if (!values.length) return null;
  return order === "gains" ? -Math.max(...values) : Math.min(...values);
}

/* A word of the prompt, layout or category, or the beginning of a key. */
const mentions = (sample, word) => sample.text.includes(word) ||
  (word.length > 7 && sample.shots.some((shot) => shot.key.startsWith(word)));

function refresh() {
  const words = $("search").value.toLowerCase().split(/\s+/).filter(Boolean);
  const [category, count] = [$("category").value, $("count").value];
  const [score, order] = [$("score").value, $("order").value];
  const chosen = chosenEntries();
  shown = samples.filter((sample) =>
    (!category || sample.category === category) &&
    (!count || String(sample.instances) === count) &&
    words.every((word) => mentions(sample, word)) &&
    sample.shots.some((shot) => chosen.has(shot.entry)));
  if (order !== "suite") {
    const weights = new Map(shown.map((sample) => [sample, weight(sample, chosen, score, order)]));
    shown.sort((a, b) => compareKeys(weights.get(a), weights.get(b), false));
  }
  made = 0;
  $("cards").replaceChildren();
  $("cards").style.setProperty("--across", Math.min(4, Math.max(2, chosen.size)));
  $("status").textContent = `${shown.length} of ${samples.length} layouts × seeds`;
  grow();
}

function grow() {
  const chosen = chosenEntries();
  const score = $("score").value;
  const next = shown.slice(made, made + BATCH);
  made += next.length;
  $("cards").append(...next.map((sample) => card(sample, chosen, score)));
  $("more").hidden = made >= shown.length;
}

const facets = (sample) =>
  `${sample.category} · ${sample.instances} instance${sample.instances === 1 ? "" : "s"} · seed ${sample.seed}`;

function card(sample, chosen, score) {
  const shots = sample.shots.filter((shot) => chosen.has(shot.entry));
  return h("article", { class: "card" },
    h("h3", {}, sample.prompt),
    h("p", { class: "meta faint" }, facets(sample)),
    h("div", { class: "shots" }, shots.map((shot) => h("figure", { class: "shot" },
      h("a", { href: `#${encodeURIComponent(shot.key)}`, class: "open" }, picture(sample, shot, false)),
      caption(sample, shot, score)))));
}
