/* Boxes over an image: targets solid, detections dashed; a match has its target's colour. */
const SIDE = 240;

function boxes(sample, shot) {
  const ratio = shot.picture.height / shot.picture.width;
  const wanted = sample.targets.map((target, i) =>
    box(target.box, ratio, `wanted t${i % 6}`, `${i + 1} ${target.noun ?? ""}`.trim(), true));
  const found = shot.detections.map((detection) => {
    const matched = known(detection.target);
    const name = `${detection.label} ${figure(detection.score, 2)}`;
    return box(detection.box, ratio, `found ${matched ? `t${detection.target % 6}` : "free"}`, name, false);
  });
  return s("svg", {
    class: "boxes", viewBox: `0 0 ${SIDE} ${SIDE * ratio}`, preserveAspectRatio: "none", "aria-hidden": true,
  }, wanted, found);
}

function box([x0, y0, x1, y1], ratio, kind, name, above) {
  const [x, y] = [x0 * SIDE, y0 * SIDE * ratio];
  const [width, height] = [(x1 - x0) * SIDE, (y1 - y0) * SIDE * ratio];
  const place = { x, y, width, height };
  const line = above ? Math.min(y + 14, SIDE * ratio - 3) : Math.max(y + height - 4, 12);
  const text = name.length > 20 ? `${name.slice(0, 19)}…` : name;
  const left = Math.max(2, Math.min(x + 4, SIDE - 7.5 * text.length)); // about as wide as the font
  return s("g", { class: kind },
    s("rect", { ...place, class: "halo" }), s("rect", place), s("text", { x: left, y: line }, text));
}

/* The same in words, for those who do not see the picture. */
function spoken(sample, shot) {
  const name = entries[shot.entry].name;
  if (!shot.placed.length) return `${name}: image of “${sample.prompt}”`;
  const right = shot.placed.filter((instance) => instance.success).length;
  return `${name}: ${right} of ${shot.placed.length} instances right`;
}

function picture(sample, shot, large) {
  if (!shot.picture) return h("div", { class: "absent" }, `No image: ${shot.absent}`);
  return h("div", { class: "picture" },
    h("img", {
      src: large ? shot.picture.src : shot.picture.thumb, alt: spoken(sample, shot),
      width: shot.picture.width, height: shot.picture.height, loading: large ? "eager" : "lazy", decoding: "async",
    }),
    boxes(sample, shot));
}

function caption(sample, shot, score) {
  const value = shot.scores[score];
  const delta = difference(sample, shot, score);
  const tone = !delta ? "" : delta * direction(score) > 0 ? "good" : "bad";
  return h("figcaption", {},
    h("span", { class: "who" }, entries[shot.entry].name),
    h("span", { class: "value", title: score }, known(value) ? figure(value, 2) : "no score",
      known(delta) ? h("span", { class: tone }, ` ${change(delta)}`) : null));
}

const direction = (score) => (columns.find((column) => column.key === score).up ? 1 : -1);

/* To the baseline of the same model, layout and seed; null where either has no score. */
function difference(sample, shot, score) {
  const base = entries[shot.entry].base;
  if (!known(base) || base === shot.entry) return null;
  const other = sample.shots.find((candidate) => candidate.entry === base);
  if (!other || !known(other.scores[score]) || !known(shot.scores[score])) return null;
  return shot.scores[score] - other.scores[score];
}
