{% include "tables.js" %}

{% include "charts.js" %}

const show = () => {
  drawCharts();
  markTables();
};
// Only the content is replaced, so that the reader stays where she reads; when a refresh fails, the page says so.
const refresh = async () => {
  const failed = document.getElementById("not-refreshed");
  try {
    const answer = await fetch(location.pathname, { cache: "no-store" });
    if (answer.redirected) return location.reload();  // signed out meanwhile
    if (!answer.ok) throw new Error(answer.statusText);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    watcher.disconnect();
    document.querySelectorAll(".js-plotly-plot").forEach((chart) => Plotly.purge(chart));
    document.querySelector("main").replaceWith(page.querySelector("main"));
    show();
    failed.hidden = true;
  } catch {
    failed.hidden = false;
  }
};
show();
setInterval(refresh, 1000 * document.querySelector("main").dataset.refreshSeconds);
