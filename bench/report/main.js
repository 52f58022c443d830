const { columns, headline, entries, samples } = JSON.parse($("data").textContent);
let shown = samples;
const byKey = new Map();
for (const sample of samples) {
  sample.text = `${sample.prompt} ${sample.layout} ${sample.category}`.toLowerCase();
  for (const shot of sample.shots) byKey.set(shot.key, sample);
}
document.querySelectorAll("table.sortable").forEach(makeSortable);
startTheme();
startPlots();
startGallery();
startRecord();
document.body.dataset.ready = "yes";
